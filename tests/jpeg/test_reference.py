import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.reference import unfit, with_reference
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.resync.decode import decode
from tests.jpeg.samples import exif, insert, photo, scan_start, segment, with_thumbnail
from tests.jpeg.siblings import FILE, SIBLING, START, array, at, decodes_alike, edited, reference
from tests.oracles.encoder import Plan, encode, random_planes


def mended(data: bytes, sibling: bytes = SIBLING) -> JpegStructure:
    return with_reference(array(data), parse(data), reference(sibling))


def taken(structure: JpegStructure) -> str | None:
    """What the report says was taken."""
    details = [p.detail for p in structure.problems if p.kind == "header_from_reference"]
    assert len(details) <= 1
    return details[0].partition(" sibling.jpg: ")[2] if details else None


PLAN = Plan(160, 120, ((2, 2), (1, 1), (1, 1)), interleaved=False)
APART = encode(PLAN, random_planes(PLAN, np.random.default_rng(1)))
ALL = "scan header, frame header, all Huffman tables, quantisation table 0, quantisation table 1"


@pytest.mark.parametrize("kept", [0, *range(3, 14)])
def test_a_file_that_begins_with_its_scan_or_in_its_scan_header(kept: int) -> None:
    data = FILE[START - kept :]
    structure = mended(data)
    assert decodes_alike(data, structure)
    assert (structure.scans[0].start, taken(structure)) == (kept, ALL)
    assert data[structure.eoi :] == b"\xff\xd9"


def test_addresses_stay_those_of_the_file() -> None:
    data = FILE[START:]
    whole, ours = decode(array(FILE), parse(FILE)), decode(array(data), mended(data))
    assert whole is not None
    assert ours is not None
    np.testing.assert_array_equal(ours.scans[0].mcu_bit + 8 * START, whole.scans[0].mcu_bit)


def test_a_header_of_zeros() -> None:
    data = bytes(START) + FILE[START:]
    structure = mended(data)
    assert decodes_alike(data, structure)
    assert (structure.scans[0].start, taken(structure)) == (START, ALL)


def hidden(marker: int) -> bytes:
    return edited(lambda data: data.__setitem__(at(marker) + 1, 0xEF))


def garbled(marker: int, length: int = 16) -> bytes:
    place = at(marker)
    return FILE[:place] + bytes(byte ^ 0x5A for byte in FILE[place : place + length]) + FILE[place + length :]


def flipped(marker: int, offset: int, bits: int) -> bytes:
    return edited(lambda data: data.__setitem__(at(marker) + offset, data[at(marker) + offset] ^ bits))


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (hidden(0xDB), "quantisation table 0"),
        (garbled(0xDB), "quantisation table 0"),
        (flipped(0xDB, 25, 0x80), "quantisation table 0"),
        (hidden(0xC0), "frame header"),
        (garbled(0xC0), "frame header"),
        (flipped(0xC0, 1, 0x02), "frame header"),
        (flipped(0xC0, 11, 0x33), "frame header"),
        (flipped(0xC0, 5, 0x40), "picture size"),
        (flipped(0xC0, 6, 0x80), "picture size"),
        (flipped(0xC0, 8, 0x40), "picture size"),
        (hidden(0xC4), "Huffman table DC of component 1"),
        (garbled(0xC4), "Huffman table DC of component 1"),
        (flipped(0xC4, 5, 0x01), "Huffman table DC of component 1"),
        (flipped(0xC4, 60, 0x40), "Huffman table AC of component 1"),
        (hidden(0xDA), "scan header"),
        (garbled(0xDA, 14), "scan header"),
        (flipped(0xDA, 4, 0x02), "scan header"),
    ],
)
def test_only_what_is_missing_or_damaged_is_taken(data: bytes, names: str) -> None:
    structure = mended(data)
    assert (taken(structure) or "").startswith(names)
    assert (taken(structure) or "").count(",") <= (1 if names.startswith("Huffman") else 0)
    assert decodes_alike(data, structure)
    assert structure.scans[0].start == START


@pytest.mark.parametrize("options", [{}, {"quality": 100}, {"quality": 30}, {"subsampling": 0}, {"optimize": True}])
@pytest.mark.parametrize("size", [(320, 240), (160, 320)])
def test_nothing_is_taken_by_a_sound_file_of_other_settings(options: dict, size: tuple[int, int]) -> None:
    data = photo(*size, seed=2, **options)
    structure = parse(data)
    assert with_reference(array(data), structure, reference()) is structure


def test_nothing_is_taken_by_files_of_other_processes() -> None:
    for data in (photo(progressive=True), photo(mode="L"), photo(mode="CMYK"), photo(progressive=True)[:3000]):
        structure = parse(data)
        assert with_reference(array(data), structure, reference()) is structure


def test_scans_of_single_components_keep_their_tables_and_get_what_they_lack() -> None:
    bare = APART.replace(b"\xff\xc4", b"\xff\xef")
    structure = mended(bare)
    assert taken(structure) == "all Huffman tables"
    assert decodes_alike(bare, structure, APART)


def test_the_files_own_size_wins_where_it_fits_the_scan() -> None:
    data = photo(480, 200, seed=3)
    bare = data.replace(b"\xff\xc4", b"\xff\xef")
    structure = mended(bare)
    assert taken(structure) == "all Huffman tables"
    assert decodes_alike(bare, structure, data)


def test_a_damaged_scan_is_no_reason_to_take_anything() -> None:
    data = bytearray(FILE)
    for place in range(START + 500, len(FILE), 1500):
        data[place : place + 16] = bytes(16)
    assert taken(mended(bytes(data))) is None
    assert taken(mended(FILE[: len(FILE) // 3])) is None


@pytest.mark.parametrize("cut", ["header", "interval"])
def test_restart_intervals(cut: str) -> None:
    sibling, data = (photo(seed=seed, restart_marker_blocks=5) for seed in (5, 1))
    place = data.index(b"\xff\xdd")
    bare = data[scan_start(data) :] if cut == "header" else data[:place] + b"\xff\xef" + data[place + 2 :]
    structure = mended(bare, sibling)
    assert "restart interval" in (taken(structure) or "")
    assert structure.scans[0].restart_interval == 5
    assert decodes_alike(bare, structure, data)


def test_the_meaning_of_components_is_taken_with_the_frame() -> None:
    def rgb(data: bytes) -> bytes:
        return insert(data, segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"), 2)

    # without JFIF, which would say YCbCr
    sibling, data = (rgb(each[:2] + each[20:]) for each in (SIBLING, FILE))
    assert mended(data[scan_start(data) :], sibling).adobe_transform == 0
    assert mended(FILE[START:]).jfif
    own = edited(lambda d: d.__setitem__(at(0xC0, data) + 1, 0xEF), data)
    assert not mended(own, SIBLING).jfif


def test_a_lost_thumbnail_is_looked_for_where_the_sibling_has_its_own() -> None:
    sibling, _ = with_thumbnail(seed=5)
    data, thumbnail = with_thumbnail(seed=1)
    broken = edited(lambda d: d.__setitem__(slice(6, 12), b"garble"), data)
    assert parse(broken).thumbnails == ()
    structure = mended(broken, sibling)
    (found,) = structure.thumbnails
    assert (found.kind, broken[found.start : found.end]) == ("exif", thumbnail)
    assert (found.width, found.height) == (160, 120)
    assert taken(structure) == "place of the thumbnail"
    # cut off in front of the thumbnail, it lies elsewhere; neither the file itself nor a far one is one
    cut = data[data.index(thumbnail) - 3 :]
    assert [t.start for t in mended(cut, sibling).thumbnails] == [3]
    assert mended(FILE, sibling).thumbnails == ()
    far = insert(FILE, segment(0xE2, b"x" * 60_000) * 2 + segment(0xE2, thumbnail))
    assert mended(far, sibling).thumbnails == ()


def test_a_preview_behind_the_scan_is_not_the_picture() -> None:
    large = photo(1280, 960, seed=3, quality=90)
    data = large[scan_start(large) :] + photo(640, 480, seed=3, quality=95)
    structure = mended(data, photo(1280, 960, seed=4, quality=90))
    assert decodes_alike(data, structure, large)


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_preview_that_begins_in_its_own_header_is_not_the_picture(cut: int) -> None:
    sibling, _ = with_thumbnail(seed=5)
    data, thumbnail = with_thumbnail(seed=1)
    rest = data[data.index(thumbnail) + cut :]
    structure = mended(rest, sibling)
    assert decodes_alike(rest, structure, data)
    assert structure.scans[0].start == len(rest) - len(FILE) + START


def test_a_sound_files_own_thumbnail_stays() -> None:
    sibling, _ = with_thumbnail(seed=5)
    data = insert(photo(seed=1), exif(photo(80, 60, 2), ">"))
    structure = parse(data)
    assert structure.thumbnails
    assert with_reference(array(data), structure, reference(sibling)) is structure


def test_without_a_scan_nothing_is_taken() -> None:
    for data in (b"\xff\xd8\xff\xd9", b"", bytes(5000), b"hello " * 900):
        structure = parse(data)
        assert with_reference(array(data), structure, reference()) is structure


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff\xd8\xff\xd9", "frame"),
        (FILE[: START - 14], "scan"),
        (photo(progressive=True), "sequential"),
        (APART, "more than one"),
        (hidden(0xDB), "quantisation"),
        (hidden(0xC4), "Huffman"),
        (flipped(0xC0, 4, 0x04), "sequential"),
        (FILE, None),
        (photo(mode="L"), None),
        (photo(mode="CMYK"), None),
    ],
)
def test_what_may_serve_as_reference(data: bytes, why: str | None) -> None:
    reason = unfit(parse(data))
    assert (reason is None) if why is None else (why in (reason or ""))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_makes_it_raise(draw: st.DataObject) -> None:
    data = bytearray(FILE[:4000])
    for _ in range(draw.draw(st.integers(1, 6))):
        place = draw.draw(st.integers(0, START + 20))
        piece = draw.draw(st.binary(min_size=1, max_size=20))
        data[place : place + len(piece)] = piece
    cut = bytes(data[draw.draw(st.integers(0, START + 5)) :])
    structure = mended(cut)
    frame = structure.frame
    if structure.scans and frame is not None and frame.process == "baseline" and frame.width * frame.height < 1 << 20:
        decode(array(cut), structure)


def test_pixels_are_those_of_the_whole_file() -> None:
    """End to end in samples: libjpeg decodes the whole file, this the headless one."""
    from jpegrescue.jpeg.pixels import colour_space, to_picture

    data = FILE[START:]
    structure = mended(data)
    outcome = decode(array(data), structure)
    assert outcome is not None
    assert structure.frame is not None
    space = colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    ours = to_picture(structure.frame, outcome.planes, space).samples
    with Image.open(io.BytesIO(FILE)) as truth:
        np.testing.assert_array_equal(ours, np.asarray(truth))
