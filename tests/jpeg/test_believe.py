"""Protects the judgement of markers: true ones are believed, those that damage or embedded files bring are not."""

import numpy as np
import pytest

from jpegrescue.jpeg.believe import (
    begins_file,
    believable,
    continues_as_entropy,
    embedded_end,
    entropy_follows,
    marker_at,
)
from jpegrescue.jpeg.view import Memory
from tests.carve.samples import FILLERS, filler
from tests.jpeg.samples import insert, photo, scan_start, segment
from tests.jpeg.views import Narrow

EOI = b"\xff\xd9"
DQT = segment(0xDB, b"\0" + bytes([9]) * 64)
SOS = segment(0xDA, b"\2\x01\x00\x07\x11\0\x3f\0")
COM = segment(0xFE, b"free text")
DRI = segment(0xDD, b"\0\7")
FILE = photo(800, 600, quality=90)
CODED = FILE[scan_start(FILE) : -2]
SMALL = photo(64, 48)


def whole_segments(data):
    at = 2
    while at < scan_start(data):
        yield at
        at += 2 + int.from_bytes(data[at + 2 : at + 4])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xdb", 0xDB),
        (b"\xff\xe1", 0xE1),
        (b"\xff\xd8", 0xD8),
        (b"\xff\xd9", 0xD9),
        (b"\xff\x01", 0x01),
        (b"\xff\x00", None),
        (b"\xff\x02", None),
        (b"\xff\xd0", None),
        (b"\xff\xd7", None),
        (b"\xff\xc8", None),
        (b"\xfe\xdb", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_only_markers_that_may_stand_between_segments_are_taken(data, code):
    marker = marker_at(Memory(b"x" + data), 1)
    assert (marker and (marker.code, marker.offset)) == (code and (code, 1))


@pytest.mark.parametrize("fill", [1, 2, 4094, 4095, 4096, 4097, 9000])
def test_a_marker_follows_any_number_of_fill_bytes(fill):
    data = b"\xff" * fill + DQT
    marker = marker_at(Memory(data), 0)
    assert (marker.code, marker.offset, marker.end) == (0xDB, fill, len(data))
    assert marker_at(Memory(b"\xff" * (fill + 1)), 0) is None


@pytest.mark.parametrize(
    ("field", "end"), [(b"\0\2", 2 + 2), (b"\xff\xff", 2 + 0xFFFF), (b"\0\1", None), (b"\0\0", None), (b"\7", None)]
)
def test_segments_end_where_their_length_says(field, end):
    assert marker_at(Memory(b"\xff\xe0" + field), 0).end == end


@pytest.mark.parametrize("options", [{"restart_marker_rows": 1}, {"mode": "CMYK"}, {"progressive": True}], ids=str)
def test_every_segment_of_a_sound_file_is_believed_and_nothing_beside_it(options):
    data = photo(**options)
    view = Memory(data)
    for at in whole_segments(data):
        assert believable(view, at)
        assert not believable(view, at + 1)


@pytest.mark.parametrize("code", [0x00, 0x01, 0x4F, 0xD0, 0xD8, 0xD9, 0xFF])
def test_what_is_no_segment_is_not_believed(code):
    assert not believable(Memory(bytes([0xFF, code, 0, 2]) + DQT), 0)


def test_tables_are_believed_for_their_content():
    assert believable(Memory(DQT), 0)
    assert not believable(Memory(DQT[:-1]), 0)
    assert not believable(Memory(DQT[:4] + b"\x44" + DQT[5:] + DQT), 0)


@pytest.mark.parametrize("free", [COM, DRI, segment(0xE7, b""), segment(0xDF, b"\x11"), segment(0xDC, b"\1\2")])
def test_what_says_nothing_by_itself_is_believed_for_what_follows(free):
    assert not believable(Memory(free), 0)
    assert not believable(Memory(free + b"no marker"), 0)
    assert not believable(Memory(free + b"\xff\xd8"), 0)
    assert not believable(Memory(free + DQT[:-1]), 0)
    for following in (DQT, b"\xff\xff" + DQT, EOI, COM + DRI + DQT):
        assert believable(Memory(free + following), 0)


def test_how_far_ahead_is_looked_is_limited():
    assert believable(Memory(COM * 3 + DQT), 0)
    assert not believable(Memory(COM * 5000 + DQT), 0)


@pytest.mark.parametrize(
    ("identifiers", "expected"), [(None, True), ((1, 7), True), ((7, 1, 2), True), ((1, 2), False), ((), False)]
)
def test_a_scan_names_components_of_the_frame(identifiers, expected):
    assert believable(Memory(SOS), 0, identifiers) is expected
    assert believable(Memory(COM + SOS), 0, identifiers) is expected


@pytest.mark.parametrize("following", [DQT, COM + DQT, EOI, b""], ids=["table", "comment", "eoi", "nothing"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"mode": "L"}], ids=str)
def test_embedded_files_end_at_their_eoi(options, following):
    data = photo(160, 120, **options)
    assert embedded_end(Memory(b"before" + data + following), 6) == 6 + len(data)


@pytest.mark.parametrize("following", [DQT, COM + DQT], ids=["table", "comment"])
def test_a_preview_that_lost_its_eoi_ends_where_the_parent_goes_on(following):
    cut = SMALL[:-2]
    assert embedded_end(Memory(cut + following + FILE[2:]), 0) == len(cut)


def test_tem_and_fill_do_not_end_a_preview():
    data = SMALL[:2] + b"\xff\x01\xff\xff" + SMALL[2:-2] + b"\xff" + EOI
    assert embedded_end(Memory(data), 0) == len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8 no marker",
        b"\xff\xd8" + SMALL,
        SMALL[:-2],
        SMALL[:-2] + FILE,
        SMALL[:20],
        b"\xff\xd8" + DQT[:10],
    ],
    ids=["empty", "soi", "text", "soi_twice", "no_end", "file_in_scan", "cut_segment", "cut_table"],
)
def test_what_cannot_be_followed_is_no_embedded_file(data):
    assert embedded_end(Memory(data), 0) is None


def test_a_soi_alone_is_data_of_an_embedded_scan():
    at = scan_start(SMALL) + 50
    assert embedded_end(Memory(insert(SMALL, b"\xff\xd8\x12", at)), 0) == len(SMALL) + 3


@pytest.mark.parametrize(("size", "found"), [(1 << 17, True), ((1 << 17) + 3, False)])
def test_embedded_files_are_small(size, found):
    spare = size - len(SMALL) - 4 - 0xFFFF
    data = insert(SMALL, segment(0xE1, bytes(0xFFFF - 2)) + segment(0xE1, bytes(spare - 2)))
    assert embedded_end(Memory(data + bytes(9)), 0) == (len(data) if found else None)


@pytest.mark.parametrize(("comments", "found"), [(200, True), (300, False)])
def test_embedded_files_have_few_segments(comments, found):
    data = insert(SMALL, segment(0xFE, b"") * comments)
    assert embedded_end(Memory(data), 0) == (len(data) if found else None)


def test_the_middle_of_a_scan_looks_like_one():
    for at in range(0, len(CODED) - 4096, 3001):
        assert continues_as_entropy(Memory(CODED), at)


@pytest.mark.parametrize("kind", FILLERS)
def test_filler_does_not_look_like_a_scan(kind):
    data = filler(kind, 200_000, seed=4)
    assert not any(continues_as_entropy(Memory(data), at) for at in range(0, len(data) - 4096, 1777))


@pytest.mark.parametrize("stray", [b"\xff\xe0", COM[:5], b"\xff\xd8\x00"])
def test_one_stray_among_many_stuffed_bytes_is_tolerated(stray):
    stuffed = CODED[:4000].count(b"\xff\x00")
    assert stuffed >= 16
    assert continues_as_entropy(Memory(insert(CODED[:4000], stray, 500)), 0)
    assert not continues_as_entropy(Memory(insert(CODED[:4000], stray * (stuffed // 8 + 2), 500)), 0)


def diverse(size):
    """Bytes as a short scan holds them: of many values, none of them FF."""
    return np.random.default_rng(size).integers(1, 0xFF, size, np.uint8).tobytes()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (diverse(16) + EOI, True),
        (diverse(15) + EOI, False),
        (diverse(900) + EOI, True),
        (diverse(900) + EOI + bytes(5000), True),
        (diverse(900) + EOI + bytes(100) + b"\1", False),
        (diverse(900), False),
        (diverse(900) + DQT, False),
        (diverse(60) + b"\xff\xe0" + diverse(60) + EOI, False),
        (diverse(16) * 40 + EOI, False),
        (b"hello, " * 100 + EOI, False),
        (diverse(100) + bytes(101) + EOI, False),
    ],
    ids=[
        "shortest",
        "shorter",
        "long",
        "zero_slack",
        "other_slack",
        "no_eoi",
        "other_marker",
        "stray",
        "few_values",
        "text",
        "zeros",
    ],
)
def test_without_stuffed_bytes_a_stretch_must_lead_to_the_last_eoi(data, expected):
    assert continues_as_entropy(Memory(data), 0) is expected


@pytest.mark.parametrize("data", [b"", bytes(16) + CODED, b"\xaa" * 16 + CODED], ids=["nothing", "zeros", "constant"])
def test_slack_behind_an_eoi_is_no_scan(data):
    assert not entropy_follows(Memory(data), 0)


@pytest.mark.parametrize(("garbage", "expected"), [(0, True), (16 << 10, True), (60 << 10, True), (64 << 10, False)])
def test_a_scan_may_go_on_behind_a_garbage_page(garbage, expected):
    data = filler("random", garbage, seed=3) + CODED[:4096] + filler("random", 1 << 17, seed=5)
    assert b"\xff\xd8\xff" not in data[: garbage + 4096]
    assert entropy_follows(Memory(b"\xff\xd9" + data), 2) is expected


@pytest.mark.parametrize("before", [0, 3000, 4095])
def test_what_comes_behind_the_beginning_of_another_file_does_not_count(before):
    data = filler("random", before, seed=3) + b"\xff\xd8\xff\xe0" + filler("random", 9000, seed=4) + CODED
    assert not entropy_follows(Memory(data), 0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (SMALL, True),
        (b"\xff\xd8\xff\xff" + DQT, True),
        (b"\xff\xd8" + COM + DQT, True),
        (b"\xff\xd8" + COM, False),
        (b"\xff\xd8" + SMALL, False),
        (b"\xff\xd8\xff\xe0 random", False),
        (b"\xff\xd8", False),
    ],
    ids=["photo", "fill", "comment", "comment_alone", "soi_twice", "app0_alone", "soi"],
)
def test_a_file_begins_with_a_believable_segment(data, expected):
    assert begins_file(Memory(data), 0) is expected


@pytest.mark.parametrize("step", [2, 3, 64])
def test_judgements_do_not_depend_on_how_the_bytes_come(step):
    data = insert(FILE, b"\xff\xd8\x12", scan_start(FILE) + 999)[:9000] + EOI
    assert embedded_end(Narrow(data, step), 0) == embedded_end(Memory(data), 0) == 9002
    for at in range(0, 9000, 500):
        assert continues_as_entropy(Narrow(data, step), at) == continues_as_entropy(Memory(data), at)
        assert entropy_follows(Narrow(data, step), at) == entropy_follows(Memory(data), at)
