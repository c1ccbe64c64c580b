"""Originals: taken or made as was wished, readable by others, and never from a file that is damaged unnoticed."""

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from fixtures import jpeg_parts
from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.original import Original, Wish, make_original
from jpegrescue.model.jpeg import Thumbnail
from jpegrescue.model.problem import Problem
from jpegrescue.resync.decode import decode
from tests.flow.conftest import damaged, photo


def made(source: bytes, wish: Wish | None = None) -> Original:
    result = make_original(source, wish or Wish())
    assert isinstance(result, Original), result
    return result


def refused(source: bytes, wish: Wish | None = None) -> Problem:
    result = make_original(source, wish or Wish())
    assert isinstance(result, Problem)
    return result


def png(picture: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def scene(mode: str = "RGB", size: tuple[int, int] = (200, 120)) -> Image.Image:
    picture = Image.open(io.BytesIO(photo(*size)))
    return picture.convert(mode)


def thumbnail_picture(data: bytes, found: Thumbnail) -> Image.Image:
    return Image.open(io.BytesIO(data[found.start : found.end]))


class TestJpegSources:
    def test_they_are_taken_byte_for_byte(self) -> None:
        source = photo(exif=jpeg_parts.exif("Maker", "Model", "2020:01:01 00:00:00", (160, 120), b"")) + b"trailer"

        taken = made(source)

        assert taken.data == source
        assert (taken.making.encoder, taken.making.quality, taken.making.thumbnail) == (None, None, "keep")
        assert taken.problems == ()

    def test_the_scan_ends_behind_its_eoi(self) -> None:
        source = photo() + b"trailer"

        scan = made(source).scan

        start, end = jpeg_parts.scan_range(source)
        assert (scan.start, scan.end) == (start, end + 2)

    @pytest.mark.parametrize(
        ("source", "word"),
        [
            (photo(progressive=True), "progressive"),
            (photo()[:300], "nothing can be decoded"),
            (b"\xff\xd8\xff", "nothing can be decoded"),
        ],
    )
    def test_what_cannot_be_decoded_is_refused(self, source: bytes, word: str) -> None:
        problem = refused(source)

        assert (problem.kind, problem.severity) == ("source_undecodable", "error")
        assert word in problem.detail

    @pytest.mark.parametrize("source", [damaged(photo()), photo()[:-400]])
    def test_damage_that_was_there_before_is_told(self, source: bytes) -> None:
        (problem,) = made(source).problems

        assert (problem.kind, problem.severity) == ("source_damaged", "warning")

    @pytest.mark.parametrize("source", [b"", b"GIF89a", b"\xff\xd8", b"BM" + bytes(100)])
    def test_other_formats_are_not_supported(self, source: bytes) -> None:
        assert refused(source).kind == "source_unsupported"


class TestPngSources:
    def test_they_are_encoded_as_wished(self) -> None:
        taken = made(png(scene()), Wish(quality=75, sampling="4:2:2", restart_interval=5))

        assert taken.data == jpeg_parts.encode(scene(), quality=75, sampling="4:2:2", restart_blocks=5)
        structure = parse(taken.data)
        assert structure.frame is not None
        assert [(c.horizontal, c.vertical) for c in structure.frame.components] == [(2, 1), (1, 1), (1, 1)]
        assert structure.scans[0].restart_interval == 5
        making = taken.making
        assert (making.quality, making.sampling, making.restart_interval) == (75, "4:2:2", 5)
        assert making.encoder is not None
        assert making.encoder.startswith("Pillow ")
        assert "libjpeg" in making.encoder

    @pytest.mark.parametrize(
        ("picture", "grey"),
        [
            (scene("1"), True),
            (scene("L"), True),
            (scene("LA"), True),
            (scene("P"), False),
            (scene("RGB"), False),
            (scene("RGBA"), False),
        ],
        ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
    )
    def test_every_kind_becomes_grey_or_rgb(self, picture: Image.Image, grey: bool) -> None:
        taken = made(png(picture), Wish(quality=100, sampling="4:4:4"))

        assert taken.making.sampling == ("grey" if grey else "4:4:4")
        expected = np.asarray(picture.convert("L" if grey else "RGB")).astype(int)
        assert np.abs(pixels(taken.data).astype(int) - expected).mean() < 2

    def test_sixteen_bits_are_cut_to_eight(self) -> None:
        wide = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)

        taken = made(png(Image.fromarray(wide)), Wish(quality=100))

        assert np.abs(pixels(taken.data).astype(int) - (wide >> 8)).max() <= 2

    def test_what_is_transparent_is_white(self) -> None:
        picture = Image.new("RGBA", (32, 32), (255, 0, 0, 0))

        assert pixels(made(png(picture)).data).min() >= 254

    def test_a_transparent_colour_of_a_palette_is_white(self) -> None:
        picture = Image.new("P", (32, 32), 1)
        picture.putpalette([0, 0, 0, 10, 20, 30])

        assert pixels(made(png(picture, transparency=1)).data).min() >= 254

    def test_nothing_that_is_attached_to_the_picture_gets_into_the_jpeg(self) -> None:
        info = PngImagePlugin.PngInfo()
        info.add_text("comment", "secret")
        info.add_itxt("XML:com.adobe.xmp", "<x>secret</x>")
        source = png(scene(), pnginfo=info, icc_profile=b"secret" * 30, dpi=(300, 300))

        assert made(source).data == made(png(scene())).data

    @pytest.mark.parametrize(
        ("broken", "cause"),
        [
            (lambda data: data[:200], "its data are damaged or incomplete"),
            (lambda data: data[:40], "its header is damaged"),
            (lambda data: data[:8], "its header is damaged"),
        ],
    )
    def test_broken_ones_are_refused_in_words_that_never_change(
        self, broken: Callable[[bytes], bytes], cause: str
    ) -> None:
        assert refused(broken(png(scene()))) == Problem(
            "source_undecodable", "error", f"the picture cannot be read: {cause}"
        )

    def test_bombs_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = png(scene())
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200 * 120 // 2 - 1)

        assert "decompression bomb" in refused(source).detail

    def test_large_pictures_that_pillow_only_warns_of_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = png(scene())
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200 * 120 - 1)

        assert made(source).problems == ()

    @pytest.mark.parametrize("size", [(65501, 1), (1, 65501), (65536, 1)])
    def test_pictures_beyond_what_the_encoder_takes_are_refused_without_its_own_words(
        self, size: tuple[int, int], capfd: pytest.CaptureFixture[str]
    ) -> None:
        problem = refused(png(Image.new("L", size)))

        assert (problem.kind, problem.severity) == ("source_too_large", "error")
        assert f"{size[0]} × {size[1]} pixels" in problem.detail
        assert capfd.readouterr() == ("", "")

    def test_the_largest_that_it_takes_are_made(self) -> None:
        assert made(png(Image.new("L", (65500, 1)))).making.quality == 90


def with_jfif_raster(data: bytes, width: int, height: int) -> bytes:
    payload = data[6:18] + bytes([width, height]) + bytes(3 * width * height)
    return data[:4] + struct.pack(">H", len(payload) + 2) + payload + data[20:]


def with_jfxx(data: bytes) -> bytes:
    payload = b"JFXX\0\x13\x02\x02" + bytes(12)
    return data[:20] + struct.pack(">HH", 0xFFE0, len(payload) + 2) + payload + data[20:]


def with_segments(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    """`data` with these (marker, parameters) behind its JFIF header."""
    new = b"".join(struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload for marker, payload in segments)
    return data[:20] + new + data[20:]


EDITED = (
    (0xED, b"Photoshop 3.0\x008BIM\x04\x0c\0\0" + struct.pack(">I", 700) + bytes(28) + photo(40, 30)),
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0<xmpGImg:image>/9j/4AAQ</xmpGImg:image>"),
    (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + b"<xmpGImg:image>/9j/4AAQ</xmpGImg:image>"),
)
SOURCES = {
    "edited": with_segments(photo(300, 200), *EDITED),
    "bare": photo(300, 200),
    "grey": jpeg_parts.encode(scene("L", (300, 200)), quality=85, sampling="4:4:4"),
    "exif": jpeg_parts.with_exif(
        photo(300, 200), jpeg_parts.exif("Maker", "Model", "2020:01:01 00:00:00", (300, 200), photo(80, 60))
    ),
    "jfif and exif": photo(300, 200, exif=jpeg_parts.exif("M", "M", "2020:01:01 00:00:00", (300, 200), photo(80, 60))),
    "jfif raster": with_jfif_raster(photo(300, 200), 4, 3),
    "jfxx": with_jfxx(photo(300, 200)),
    "two pictures": jpeg_parts.with_second_picture(photo(300, 200), photo(90, 60)),
    "comment": photo(300, 200, comment="kept"),
}


@pytest.mark.parametrize("name", SOURCES)
class TestThumbnails:
    def test_a_new_one_is_the_only_one_and_looks_like_the_picture(self, name: str) -> None:
        taken = made(SOURCES[name], Wish(thumbnail=90))

        (found,) = parse(taken.data).thumbnails
        assert (found.kind, found.width, found.height) == ("exif", 90, 60)
        small = thumbnail_picture(taken.data, found)
        grey = name == "grey"
        expected = Image.open(io.BytesIO(SOURCES[name])).resize((90, 60), Image.Resampling.BOX)
        assert small.mode == expected.mode == ("L" if grey else "RGB")
        assert np.abs(np.asarray(small).astype(int) - np.asarray(expected)).mean() < 12
        assert taken.making.thumbnail == "90"
        assert (taken.making.encoder or "").startswith("Pillow ")
        assert taken.making.quality is None

    def test_other_readers_find_it_at_the_place_exif_says(self, name: str) -> None:
        taken = made(SOURCES[name], Wish(thumbnail=90))

        exif = Image.open(io.BytesIO(taken.data)).getexif()
        second = exif.get_ifd(ExifTags.IFD.IFD1)
        (found,) = parse(taken.data).thumbnails
        tiff = taken.data.index(b"Exif\0\0") + 6
        assert (tiff + second[0x0201], second[0x0202]) == (found.start, found.end - found.start)
        assert exif.get_ifd(0x8769)[0xA002] == 300
        assert (exif[0x0112], exif[0x011A], second[0x0103]) == (1, 72, 6)

    def test_cameras_sampling_is_used(self, name: str) -> None:
        taken = made(SOURCES[name], Wish(thumbnail=90))

        (found,) = parse(taken.data).thumbnails
        frame = parse(taken.data[found.start : found.end]).frame
        assert frame is not None
        factors = [(c.horizontal, c.vertical) for c in frame.components]
        assert factors == ([(1, 1)] if name == "grey" else [(2, 1), (1, 1), (1, 1)])

    @pytest.mark.parametrize("thumbnail", [90, "none"])
    def test_the_picture_and_all_else_stay(self, name: str, thumbnail: int) -> None:
        source = SOURCES[name]

        taken = made(source, Wish(thumbnail=thumbnail))

        assert np.array_equal(pixels(taken.data), pixels(source))
        before, after = parse(source), parse(taken.data)
        assert before.scans[0].start - len(source) == after.scans[0].start - len(taken.data)
        assert source[before.scans[0].start :] == taken.data[after.scans[0].start :]
        assert (before.jfif, before.quantisation, after.problems) == (after.jfif, after.quantisation, ())
        others = [
            [data[s.offset : s.end] for s in structure.segments if s.marker not in (0xE0, 0xE1, 0xED)]
            for data, structure in ((source, before), (taken.data, after))
        ]
        assert others[0] == others[1]

    def test_none_takes_every_one_away(self, name: str) -> None:
        taken = made(SOURCES[name], Wish(thumbnail="none"))

        assert parse(taken.data).thumbnails == ()
        header = taken.data[: taken.scan.start]
        assert not any(word in header for word in (b"Exif\0", b"Photoshop", b"8BIM", b"xmpGImg"))
        assert (taken.making.thumbnail, taken.making.encoder) == ("none", None)


def test_other_segments_with_the_markers_of_previews_stay() -> None:
    others = ((0xE1, b"note\0of somebody"), (0xED, b"Adobe_CM\0"), (0xE0, b"AVI1\0"))

    taken = made(with_segments(photo(), *others), Wish(thumbnail="none"))

    assert taken.data == with_segments(photo(), *others)


class TestSizesOfThumbnails:
    @pytest.mark.parametrize(
        ("size", "expected"), [((500, 3), (100, 1)), ((3, 500), (1, 100)), ((333, 100), (100, 30))]
    )
    def test_no_side_becomes_nothing(self, size: tuple[int, int], expected: tuple[int, int]) -> None:
        taken = made(png(scene(size=size)), Wish(thumbnail=100))

        (found,) = parse(taken.data).thumbnails
        assert (found.width, found.height) == expected

    def test_none_is_larger_than_its_picture(self) -> None:
        (found,) = parse(made(photo(60, 40), Wish(thumbnail=160)).data).thumbnails

        assert (found.width, found.height) == (60, 40)

    def test_one_that_does_not_fit_is_compressed_harder(self) -> None:
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))

        taken = made(png(noise), Wish(thumbnail=300))

        (problem,) = taken.problems
        assert (problem.kind, problem.severity) == ("thumbnail_quality_lowered", "info")
        (found,) = parse(taken.data).thumbnails
        assert (found.width, found.height) == (300, 300)

    def test_one_that_never_fits_is_a_problem(self) -> None:
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8))

        problem = refused(png(noise), Wish(thumbnail=600))

        assert (problem.kind, problem.severity) == ("thumbnail_too_large", "error")

    def test_a_source_that_only_the_tolerant_decoder_reads_gets_none(self) -> None:
        assert refused(photo()[:-400], Wish(thumbnail=90)).kind == "source_undecodable"


def test_originals_decode_without_a_trace_of_damage() -> None:
    taken = made(png(scene()), Wish(thumbnail=90, restart_interval=3))

    outcome = decode(np.frombuffer(taken.data, np.uint8), parse(taken.data))
    assert outcome is not None
    assert not outcome.damaged
