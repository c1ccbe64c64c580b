"""A scan as one stream of MCUs, in the order of its bits, not yet placed in the picture.

After damage the robust rule finds its way back to true MCU boundaries within one to four MCUs
(`benchmarks/restoration`): from there on everything decoded is right but for the index of its MCUs and a constant
added to the DC predictors. So the stream is decoded first, to the last bit of every interval, however many MCUs that
gives; what belongs where is for alignment to find out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import entropy
from jpegrescue.resync.restarts import Intervals

SURPLUS, BLOCK_BITS_MIN = 64, 2
"""MCUs that an interval may hold beyond what it should: garbage decodes to more of them than were lost. And
bits that a block takes at least: one for its DC difference, one for its end."""


@dataclass(frozen=True, slots=True)
class Stream:
    """MCUs of a scan in stream order.

    `coefficients`: per component of the scan, int16 (blocks down, MCUs · blocks across, 64), natural order, DC
    undifferenced within its interval; `bit_start`, `bit_end`: int64 (MCUs,), addresses in `ScanBytes.data`;
    `interval`: int64 (MCUs,), index of the interval that each lies in; `fresh`: bool (MCUs,), whether decoding had to
    skip bits before it or began there.
    """

    coefficients: tuple[NDArray[np.int16], ...]
    bit_start: NDArray[np.int64]
    bit_end: NDArray[np.int64]
    interval: NDArray[np.int64]
    fresh: NDArray[np.bool_]


def decode_stream(stripped: entropy.ScanBytes, layout: entropy.ScanLayout, intervals: Intervals) -> Stream:
    """Decode every interval to its end, up to twice the MCUs that it should hold and `SURPLUS` more."""
    most = (intervals.bits[:, 1] - intervals.bits[:, 0]) // (BLOCK_BITS_MIN * layout.blocks.shape[0]) + 1
    counts = np.minimum(2 * intervals.count + SURPLUS, most)
    room = int(counts.sum())
    strip = _strip_layout(layout, room)
    flat = np.zeros(64 * room * layout.blocks.shape[0], np.int16)
    first = np.cumsum(counts) - counts
    raw = entropy.decode_intervals(stripped, strip, intervals.bits, first, counts, flat)
    return _stream(strip, flat, raw, room)


def _strip_layout(layout: entropy.ScanLayout, room: int) -> entropy.ScanLayout:
    """The same MCUs side by side in one row of `room`."""
    geometry = layout.geometry.copy()
    offset = 0
    for row in geometry:
        row[0], row[1] = offset, room * row[2]
        offset += 64 * room * row[2] * row[3]
    return entropy.ScanLayout(room, 1, layout.blocks, geometry, layout.lookups)


def _stream(strip: entropy.ScanLayout, flat: NDArray[np.int16], raw: entropy.RawDecode, room: int) -> Stream:
    used = raw.placed
    whole = used.size == 0 or int(used[-1]) == used.size - 1
    coefficients = []
    for offset, stride, across, down in strip.geometry.tolist():
        plane = flat[offset : offset + 64 * stride * down].reshape(down, room, across, 64)
        kept = plane[:, : used.size] if whole else plane[:, used]
        coefficients.append(kept.reshape(down, used.size * across, 64))
    interval = np.repeat(np.arange(raw.interval_done.size), raw.interval_done)
    fresh = np.zeros(used.size + 1, np.bool_)
    fresh[raw.events[:, 1]] = True
    fresh[np.cumsum(raw.interval_done) - raw.interval_done] = True
    return Stream(tuple(coefficients), raw.mcu_bit, raw.mcu_end, interval, fresh[: used.size])
