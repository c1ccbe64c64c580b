"""Restart markers as anchors: they fix index, DC and bit position (ITU-T T.81 F.2.1.3 and E.2.4)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.entropy import ScanBytes
from jpegrescue.resync import _kernels

MODULUS = 8  # of the numbers of RSTn


@dataclass(frozen=True, slots=True)
class Intervals:
    """Restart intervals of one scan as they will be decoded.

    `bits`: int64 (n, 2), half-open bit ranges in `ScanBytes.data`; `first_mcu`, `count`: int64 (n,), raster index of
    the first MCU and MCUs to decode (more than one restart interval where a marker between is lost); `anchored`: bool
    (n,), whether markers close the interval on both sides. Numbers count modulo 8: where eight intervals or more are
    lost, only places that no gap separates from the start or the end are `sure`, bool (n,).
    """

    bits: NDArray[np.int64]
    first_mcu: NDArray[np.int64]
    count: NDArray[np.int64]
    anchored: NDArray[np.bool_]
    sure: NDArray[np.bool_]


def whole_scan(stripped: ScanBytes, mcus: int) -> Intervals:
    """One interval: no restart markers."""
    return Intervals(
        bits=np.array([[0, 8 * stripped.size]], np.int64),
        first_mcu=np.zeros(1, np.int64),
        count=np.array([mcus], np.int64),
        anchored=np.ones(1, np.bool_),
        sure=np.ones(1, np.bool_),
    )


def anchor(stripped: ScanBytes, mcus: int, interval: int, *, ends: bool) -> Intervals:
    """Intervals of a scan of `mcus` MCUs, `interval` MCUs each; `ends`: the scan's end was seen."""
    if interval <= 0:
        return whole_scan(stripped, mcus)
    intervals = -(-mcus // interval)
    markers = stripped.restart_at.size
    regular = markers == intervals - 1 and np.array_equal(stripped.restart_number, np.arange(markers) % 8)
    lengths = np.diff(np.concatenate((np.zeros(1, np.int64), stripped.restart_at, [stripped.size])))
    typical = max(float(np.median(lengths)), 1.0)
    if regular:
        opens, kept = np.arange(1, intervals, dtype=np.int64), stripped.restart_at
    else:
        opens, kept = _solve(stripped, intervals, typical, ends=ends)
    starts = np.concatenate((np.zeros(1, np.int64), kept))
    stops = np.concatenate((kept, [stripped.size]))
    first = np.concatenate((np.zeros(1, np.int64), opens))
    after = np.concatenate((first[1:], [intervals if ends or regular else first[-1] + 1]))
    return Intervals(
        bits=8 * np.stack((starts, stops), axis=1),
        first_mcu=first * interval,
        count=np.minimum(after * interval, mcus) - first * interval,
        anchored=after - first == 1,
        sure=_sure(first, after, intervals, ends=ends),
    )


def _sure(first: NDArray[np.int64], after: NDArray[np.int64], intervals: int, *, ends: bool) -> NDArray[np.bool_]:
    """Which intervals' places cannot be off by a multiple of eight."""
    gaps = after - first != 1
    if intervals - first.size < MODULUS and ends:
        return np.ones(first.size, np.bool_)
    before = np.concatenate(([False], gaps[:-1])).cumsum() > 0
    behind = gaps[::-1].cumsum()[::-1] > 0
    sure: NDArray[np.bool_] = ~before & ~gaps
    return sure | ~behind if ends else sure


def _solve(
    stripped: ScanBytes, intervals: int, typical: float, *, ends: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    index = np.empty(stripped.restart_at.size, np.int64)
    _kernels.anchor_restarts(
        stripped.restart_at, stripped.restart_number, typical, intervals, stripped.size, ends, index
    )
    real = index >= 0
    return index[real], stripped.restart_at[real]
