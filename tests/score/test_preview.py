"""Protects the decoding of previews: as Pillow has it where they are sound, and nothing where they are not."""

import io
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.model.jpeg import Thumbnail
from jpegrescue.score.preview import preview_samples
from tests.jpeg.samples import insert, photo, picture, segment, with_thumbnail

Array = NDArray[np.uint8]


def array(content: bytes) -> Array:
    return np.frombuffer(content, np.uint8)


def lone(content: bytes, kind: str = "exif", width: int | None = None, height: int | None = None) -> Thumbnail:
    return Thumbnail(kind, 0, len(content), width, height)


def components_of(content: bytes) -> Array:
    """Y, Cb and Cr of a JPEG, unconverted."""
    image = Image.open(io.BytesIO(content))
    image.draft("YCbCr", None)
    assert image.mode == "YCbCr"
    return np.asarray(image)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("restarts", [0, 3])
def test_components_of_ycc_previews_are_those_of_libjpeg(subsampling: int, restarts: int) -> None:
    content = photo(161, 119, subsampling=subsampling, restart_marker_blocks=restarts)

    samples = preview_samples(array(content), lone(content), "ycc", 3)

    assert samples is not None
    np.testing.assert_array_equal(samples, components_of(content))


def test_the_preview_is_cut_from_its_file() -> None:
    content, thumbnail = with_thumbnail()
    (found,) = parse(content).thumbnails

    samples = preview_samples(array(content), found, "ycc", 3)

    assert samples is not None
    np.testing.assert_array_equal(samples, components_of(thumbnail))


def test_a_ycc_preview_of_an_rgb_and_of_a_grey_picture() -> None:
    content = photo(160, 120)

    rgb = preview_samples(array(content), lone(content), "rgb", 3)
    grey = preview_samples(array(content), lone(content), "grey", 1)

    np.testing.assert_array_equal(rgb, np.asarray(Image.open(io.BytesIO(content))))
    np.testing.assert_array_equal(grey, components_of(content)[..., :1])


def test_a_grey_preview() -> None:
    content = photo(160, 120, mode="L")
    luma = np.asarray(Image.open(io.BytesIO(content)))
    neutral = np.full_like(luma, 128)

    for space, components, planes in (
        ("grey", 1, (luma,)),
        ("ycc", 3, (luma, neutral, neutral)),
        ("rgb", 3, (luma, luma, luma)),
    ):
        np.testing.assert_array_equal(
            preview_samples(array(content), lone(content), space, components), np.stack(planes, axis=-1)
        )


def test_an_rgb_jpeg_preview_of_a_ycc_picture() -> None:
    content = photo(64, 48, keep_rgb=True)
    as_ycc = Image.open(io.BytesIO(content)).convert("YCbCr")

    samples = preview_samples(array(content), lone(content), "ycc", 3)

    assert samples is not None
    assert np.abs(samples.astype(int) - np.asarray(as_ycc)).max() <= 1


@pytest.mark.parametrize("kind", ["jfif", "jfxx"])
def test_rasters_in_all_spaces(kind: str) -> None:
    small = picture(40, 30)
    raster = np.asarray(small)
    body = bytes([40, 30]) + raster.tobytes()
    app0 = b"JFIF\0\x01\x02\0\0\x01\0\x01" + body if kind == "jfif" else b"JFXX\0\x13" + body
    content = insert(photo(), segment(0xE0, app0), 2 if kind == "jfif" else 20)
    (found,) = parse(content).thumbnails

    np.testing.assert_array_equal(preview_samples(array(content), found, "rgb", 3), raster)
    converted = preview_samples(array(content), found, "ycc", 3)
    grey = preview_samples(array(content), found, "grey", 1)

    formula = raster @ np.array([[0.299, -0.168736, 0.5], [0.587, -0.331264, -0.418688], [0.114, 0.5, -0.081312]])
    assert converted is not None
    assert grey is not None
    assert np.abs(converted - (formula + np.array((0, 128, 128)))).max() <= 0.51
    np.testing.assert_array_equal(grey[..., 0], np.asarray(small.convert("L")))


def test_palettes() -> None:
    rng = np.random.default_rng(1)
    palette, index = rng.integers(0, 256, (256, 3), np.uint8), rng.integers(0, 256, (20, 30), np.uint8)
    body = b"JFXX\0\x11" + bytes([30, 20]) + palette.tobytes() + index.tobytes()
    content = insert(photo(), segment(0xE0, body), 20)
    (found,) = parse(content).thumbnails

    np.testing.assert_array_equal(preview_samples(array(content), found, "rgb", 3), palette[index])


def test_jpegs_in_jfxx() -> None:
    inner = photo(40, 30)
    content = insert(photo(), segment(0xE0, b"JFXX\0\x10" + inner), 20)
    (found,) = parse(content).thumbnails

    np.testing.assert_array_equal(preview_samples(array(content), found, "ycc", 3), components_of(inner))


@pytest.mark.parametrize(
    ("space", "components"), [("cmyk", 4), ("ycck", 4), ("unknown", 2), ("ycc", 1), ("grey", 3), ("rgb", 4)]
)
def test_spaces_without_a_meaning_have_none(space: str, components: int) -> None:
    content = photo(40, 30)

    assert preview_samples(array(content), lone(content), space, components) is None


@pytest.mark.parametrize(
    "content",
    [
        photo(2049, 8),
        photo(64, 48, progressive=True),
        photo(64, 48, mode="CMYK"),
        photo(64, 48)[:700],
        photo(64, 48) + bytes(1 << 20),
        b"",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8",
    ],
    ids=["wide", "progressive", "cmyk", "cut_off", "long", "empty", "hollow", "soi"],
)
def test_what_is_refused(content: bytes) -> None:
    assert preview_samples(array(content), lone(content), "ycc", 3) is None


def test_a_size_that_its_bytes_cannot_fill_costs_little() -> None:
    content = bytearray(photo(64, 48))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = b"\x08\x00\x08\x00"
    tracemalloc.start()
    try:
        assert preview_samples(array(bytes(content)), lone(bytes(content)), "ycc", 3) is None
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("restarts", [0, 3])
def test_garbles_that_contradict_are_noticed(restarts: int) -> None:
    """What is behind an error lies elsewhere, so that half a preview is worse than none; many leave no trace."""
    content = photo(160, 120, quality=70, restart_marker_blocks=restarts)
    start = content.index(b"\xff\xda") + 14
    rng = np.random.default_rng(2)
    noticed = 0
    for _ in range(40):
        broken = array(content).copy()
        at = int(rng.integers(start, len(content) - 40))
        broken[at : at + 16] = rng.integers(0, 256, 16)
        noticed += preview_samples(broken, lone(content), "ycc", 3) is None
    assert noticed >= 16


@pytest.mark.parametrize("missing", [b"\xff\xdb", b"\xff\xc4"])
def test_missing_tables(missing: bytes) -> None:
    content = photo(64, 48)
    while missing in content:
        at = content.index(missing)
        content = content[:at] + content[at + 2 + int.from_bytes(content[at + 2 : at + 4]) :]

    assert preview_samples(array(content), lone(content), "ycc", 3) is None


@settings(max_examples=150)
@given(st.data())
def test_no_bytes_raise_or_warn(data: st.DataObject) -> None:
    base = bytearray(photo(48, 32, restart_marker_blocks=data.draw(st.sampled_from([0, 2]))))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(base) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=8))
        base[at : at + len(piece)] = piece
    content = data.draw(st.one_of(st.just(bytes(base)), st.binary(max_size=200).map(lambda tail: b"\xff\xd8" + tail)))
    size = st.one_of(st.none(), st.integers(0, 300))
    thumbnail = Thumbnail(
        data.draw(st.sampled_from(["exif", "jfif", "jfxx"])),
        data.draw(st.integers(0, 3)),
        data.draw(st.integers(0, len(content) + 5)),
        data.draw(size),
        data.draw(size),
    )
    space, components = data.draw(st.sampled_from([("ycc", 3), ("rgb", 3), ("grey", 1), ("cmyk", 4)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in (thumbnail, lone(content)):
            samples = preview_samples(array(content), one, space, components)
            assert samples is None or (samples.dtype == np.uint8 and samples.shape[2] == components)
