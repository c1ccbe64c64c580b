"""Protects where a scan ends: at the marker that has a place there, not at one that damage made."""

from dataclasses import replace

import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.scans import ScanContext, before_fill, scan_end, segment_ends_scan
from jpegrescue.jpeg.view import Memory
from tests.jpeg.samples import photo, scan_start, segment

FILE = photo(640, 480)
FRAME = parse(FILE).frame
CODED = FILE[scan_start(FILE) : -2]
EOI = b"\xff\xd9"
ONLY = ScanContext(FRAME, more_scans=False, zeros_decode=False)
MORE = replace(ONLY, more_scans=True)
DQT = segment(0xDB, b"\0" + bytes([9]) * 64)
SOS = segment(0xDA, b"\1\1\0\0\x3f\0")
FOREIGN_SOS = segment(0xDA, b"\1\x77\0\0\x3f\0")
DNL = segment(0xDC, b"\1\xe0")


def ends(data, context=ONLY, start=0):
    stop = scan_end(Memory(data), start, context)
    return stop.end, stop.marker, [(p.kind, p.offset) for p in stop.problems]


def test_context_knows_what_the_frame_says():
    assert ONLY.identifiers == (1, 2, 3)
    assert not ONLY.height_missing
    assert replace(ONLY, frame=replace(FRAME, height=0)).height_missing
    nothing = ScanContext(None, more_scans=True, zeros_decode=False)
    assert nothing.identifiers is None
    assert not nothing.height_missing


def test_a_scan_ends_at_its_eoi():
    assert ends(FILE + b"behind", start=len(FILE) - 2 - len(CODED)) == (len(FILE) - 2, len(FILE) - 2, [])


def test_restart_markers_and_stuffing_are_data():
    coded = b"\x12\xff\x00\xff\xd0\x34\xff\xd7\xff\x00"
    assert ends(coded + EOI) == (10, 10, [])


def test_a_scan_without_an_end_takes_all():
    assert ends(CODED) == (len(CODED), None, [])
    assert ends(b"") == (0, None, [])


@pytest.mark.parametrize("fill", [1, 3, 5000])
def test_fill_bytes_belong_to_the_marker(fill):
    data = CODED + b"\xff" * fill + EOI
    assert ends(data) == (len(CODED), len(CODED) + fill, [])


def test_fill_bytes_before_the_scan_are_not_reached():
    view = Memory(b"\xff" * 8 + EOI)
    assert before_fill(view, 3, 8) == 3
    assert before_fill(view, 8, 8) == 8


@pytest.mark.parametrize("context", [ONLY, MORE])
def test_a_false_eoi_is_noted_and_counted_among_the_strays(context):
    data = CODED[:9000] + EOI + CODED[9000:] + EOI
    assert ends(data, context) == (len(data) - 2, len(data) - 2, [("false_eoi", 9000), ("stray_markers", 9000)])


def test_strays_are_counted_and_the_first_is_named():
    data = CODED[:5000] + b"\xff\xe0" + CODED[5000:7000] + DQT + CODED[7000:] + EOI
    stop = scan_end(Memory(data), 0, ONLY)
    assert stop.end == len(data) - 2
    (problem,) = stop.problems
    assert (problem.kind, problem.severity, problem.offset) == ("stray_markers", "warning", 5000)
    assert problem.detail.startswith("2 markers")


@pytest.mark.parametrize("head", [DQT, SOS, segment(0xFE, b"comment") + SOS], ids=["table", "scan", "comment"])
def test_segments_end_a_scan_only_where_more_scans_can_come(head):
    data = CODED + head + CODED + EOI
    assert ends(data, MORE)[:2] == (len(CODED), len(CODED))
    assert ends(data, ONLY)[:2] == (len(data) - 2, len(data) - 2)


def test_a_scan_of_an_unknown_component_ends_nothing():
    assert segment_ends_scan(Memory(SOS), 0, MORE)
    assert not segment_ends_scan(Memory(FOREIGN_SOS), 0, MORE)
    assert segment_ends_scan(Memory(FOREIGN_SOS), 0, replace(MORE, frame=None))


@pytest.mark.parametrize(
    ("data", "context", "expected"),
    [
        (DNL + EOI, ONLY, False),
        (DNL + EOI, MORE, True),
        (DNL + EOI, replace(ONLY, frame=replace(FRAME, height=0)), True),
        (DNL + b"no marker", MORE, False),
        (segment(0xDC, b"\1\xe0\0") + EOI, MORE, False),
        (DNL[:-1], MORE, False),
    ],
    ids=["height_known", "more_scans", "height_missing", "no_marker_behind", "length", "cut"],
)
def test_dnl_ends_a_scan_where_the_height_is_open_and_its_form_is_right(data, context, expected):
    assert segment_ends_scan(Memory(data), 0, context) is expected


def test_a_file_inside_the_scan_is_data():
    """The bounds are known here: a carved file or one given by name."""
    data = CODED[:8000] + photo(64, 48) + CODED[8000:] + EOI
    end, marker, problems = ends(data)
    assert (end, marker) == (len(data) - 2, len(data) - 2)
    assert ("stray_markers", 8000) in problems


@pytest.mark.parametrize(("strays", "found"), [(99_999, True), (100_000, False)])
def test_judgements_are_limited(strays, found):
    data = np.tile(np.frombuffer(b"\xff\xe0", np.uint8), strays).tobytes() + EOI
    end, marker, problems = ends(data)
    assert marker == (2 * strays if found else None)
    assert end == (2 * strays if found else len(data))
    assert problems == [("stray_markers", 0)]
