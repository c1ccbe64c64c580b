"""Protects what a scan says of itself: which places are given, and what comes from bytes that could not be read."""

import numpy as np
import pytest

from jpegrescue.align.reading import read_scan
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.evidence import ByteRange
from tests.align.readings import reading
from tests.jpeg.samples import photo
from tests.resync.damaged import damaged, encoded, opened


@pytest.mark.parametrize(("restart", "given"), [(0, 1), (24, 16), (5, 77)])
def test_places_are_given_where_intervals_begin(restart: int, given: int) -> None:
    evidence = reading(encoded("coffee", restart=restart)).evidence
    fixed = np.flatnonzero(evidence.forced >= 0)

    assert fixed.size == given
    np.testing.assert_array_equal(evidence.forced[fixed], fixed)
    assert np.all(evidence.limit > np.arange(evidence.count))
    assert evidence.anchored


def test_what_bytes_of_an_mcu_are_known_to_be_bad_marks_it() -> None:
    file = opened(encoded("coffee"))
    plain = reading(encoded("coffee"))
    at = int(plain.bit_start[100]) // 8
    marked = read_scan(file.data, file.structure, "ycc", (ByteRange(at, at + 1),))

    assert marked is not None
    hit = np.flatnonzero(marked.evidence.hit)
    assert 100 in hit
    assert set(hit) <= {99, 100, 101}
    assert not plain.evidence.hit.any()
    assert np.all(marked.evidence.left[hit] < 0)


def test_bits_are_those_of_the_file() -> None:
    read = reading(damaged(encoded("coffee"), [0.4]))
    scan = parse(damaged(encoded("coffee"), [0.4])).scans[0]

    assert read.bit_start[0] == 8 * scan.start
    assert read.bit_end[-1] <= 8 * scan.end
    assert np.all(read.bit_end > read.bit_start)
    assert np.all(read.bit_start[1:] >= read.bit_end[:-1])


def test_a_scan_that_does_not_begin_where_it_should_is_not_anchored() -> None:
    jpeg = encoded("coffee")
    start = parse(jpeg).scans[0].start
    broken = jpeg[:start] + b"\xff\x00" * 2 + jpeg[start + 4 :]  # ones: no code (T.81 C.2)

    evidence = reading(broken).evidence
    assert evidence.forced[0] == -1
    assert not evidence.anchored


def test_no_reading_without_one_scan_of_everything() -> None:
    progressive = photo(progressive=True)
    data = np.frombuffer(progressive, np.uint8)
    jpeg = encoded("coffee")
    scan = parse(jpeg).scans[0]
    empty = np.frombuffer(jpeg[: scan.start] + b"\xfe" + jpeg[scan.end :], np.uint8)

    flat = bytearray(jpeg)
    height = flat.index(b"\xff\xc0") + 5
    flat[height : height + 2] = b"\0\0"
    without_rows = np.frombuffer(bytes(flat), np.uint8)

    assert read_scan(without_rows, parse(without_rows)) is None
    assert read_scan(data, parse(data)) is None
    assert read_scan(empty, parse(empty)) is None
