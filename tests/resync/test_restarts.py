import numpy as np
import pytest

from jpegrescue.jpeg.entropy import ScanBytes
from jpegrescue.resync.restarts import anchor

EMPTY = np.zeros(0, np.int64)
LENGTH = 100  # bytes per interval
INTERVALS = 40


def _stripped(markers: list[tuple[int, int]], size: int = LENGTH * INTERVALS) -> ScanBytes:
    positions, numbers = (np.array([m[i] for m in markers], np.int64) for i in (0, 1))
    return ScanBytes(np.zeros(size, np.uint8), size, 0, EMPTY, EMPTY, positions, numbers)


def _regular() -> list[tuple[int, int]]:
    rng = np.random.default_rng(0)
    return [(LENGTH * (i + 1) + int(rng.integers(-20, 21)), i % 8) for i in range(INTERVALS - 1)]


def _anchor(markers: list[tuple[int, int]], *, ends: bool = True) -> list[int]:
    return (anchor(_stripped(markers), 3 * INTERVALS, 3, ends=ends).first_mcu // 3).tolist()


def test_regular_markers_open_one_interval_each() -> None:
    found = anchor(_stripped(_regular()), 3 * INTERVALS, 3, ends=True)
    assert (found.first_mcu // 3).tolist() == list(range(INTERVALS))
    assert found.count.tolist() == [3] * INTERVALS
    assert found.anchored.all()


@pytest.mark.parametrize("lost", [[0], [17], [38], [5, 6, 7], list(range(10, 19)), list(range(10, 29))])
def test_lost_markers_join_intervals_and_shift_nothing(lost: list[int]) -> None:
    kept = [m for i, m in enumerate(_regular()) if i not in lost]
    assert _anchor(kept) == [i for i in range(INTERVALS) if i - 1 not in lost]


def test_lost_data_is_told_by_the_numbers() -> None:
    markers = [m if i < 10 else (m[0] - 3 * LENGTH, m[1]) for i, m in enumerate(_regular()) if not 10 <= i < 13]
    assert _anchor(markers) == [i for i in range(INTERVALS) if not 11 <= i < 14]


@pytest.mark.parametrize("short", [range(10, 30), range(24, 32)])
def test_the_end_decides_how_often_the_numbers_went_round(short: range) -> None:
    """Intervals of a third of the usual length, three of them lost: by its bytes alone the hole looks much longer."""
    lengths = [30 if i in short else LENGTH for i in range(INTERVALS)]
    positions = np.cumsum(lengths)[:-1].tolist()
    lost = range(12, 20) if short.start == 10 else range(20, 23)
    markers = [(p, i % 8) for i, p in enumerate(positions) if i not in lost]
    shifted = [(p + 500 if i >= lost.start else p, n) for i, (p, n) in enumerate(markers)]
    found = anchor(_stripped(shifted, size=sum(lengths) + 500), 3 * INTERVALS, 3, ends=True)
    assert (found.first_mcu // 3).tolist() == [i for i in range(INTERVALS) if i - 1 not in lost]


@pytest.mark.parametrize("number", range(8))
def test_a_false_marker_is_dropped(number: int) -> None:
    markers = sorted([*_regular(), (1733, number)])
    assert _anchor(markers) == list(range(INTERVALS))


def test_a_marker_with_a_flipped_number_is_dropped() -> None:
    markers = [(p, n ^ 4 if i == 20 else n) for i, (p, n) in enumerate(_regular())]
    assert _anchor(markers) == [i for i in range(INTERVALS) if i != 21]


def test_joined_intervals_are_not_anchored() -> None:
    kept = [m for i, m in enumerate(_regular()) if i != 17]
    found = anchor(_stripped(kept), 3 * INTERVALS, 3, ends=True)
    assert found.count[17] == 6
    assert np.flatnonzero(~found.anchored).tolist() == [17]


def test_a_cut_scan_ends_after_its_last_interval() -> None:
    found = anchor(_stripped(_regular()[:10], size=1100), 3 * INTERVALS, 3, ends=False)
    assert (found.first_mcu // 3).tolist() == list(range(11))
    assert found.count[-1] == 3


def test_more_markers_than_intervals_do_not_lead_out_of_the_picture() -> None:
    markers = [(50 * (i + 1), i % 8) for i in range(70)]
    found = anchor(_stripped(markers), 3 * INTERVALS, 3, ends=True)
    assert (found.first_mcu + found.count).max() <= 3 * INTERVALS
    assert np.all(np.diff(found.first_mcu) > 0)


def test_without_an_interval_the_scan_is_one_piece() -> None:
    found = anchor(_stripped([]), 120, 0, ends=True)
    assert found.bits.tolist() == [[0, 8 * LENGTH * INTERVALS]]
    assert found.count.tolist() == [120]
