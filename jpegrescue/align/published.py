"""Self-compensation and alignment (SCA) as published.

W. Liu, Y. Wang, K.-H. Yap, L.-P. Chau, "Bitstream-corrupted JPEG images are restorable: two-stage compensation and
alignment framework for image restoration", CVPR 2023, the SCA stage. It works on finished pixels and rewrites every one
of them: a picture to compare with, heuristic throughout, never evidence.

Where the released code stops short of the idea, this goes on: MCUs of any size, pictures with one channel, any number
of segment points per row (there: two in each candidate row), the outermost rows, shifts of ±8 MCUs (there: −5…4), and
all channels for the shift (there: red). Its second round over the compensated picture is left out.
"""

from collections.abc import Collection
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_published as kernels
from jpegrescue.model.align import SCA_PARTS, RowShift, ScaPart, ScaRecord, ScaSegment

CUT = 150
UNCUT = 1 << 17
SHIFT_MAX = 8
PEAK_SHARE = 0.5
PEAK_REACH = 8
SIDE_FACTOR = 10
"""A segment point has at least this share of the contrast of its row's best, and is the best within so many MCUs; or,
if its left border shows it, so many times the row's mean."""


def published_sca(
    samples: NDArray[np.int16],
    mcu: tuple[int, int],
    size: tuple[int, int],
    parts: Collection[ScaPart] = SCA_PARTS,
) -> tuple[NDArray[np.uint8], ScaRecord]:
    """Compensate and align a decoded picture.

    Args:
        samples: int16 (height, width, 1 or 3), levels before clipping, padded to whole MCUs (`to_wide_samples`).
        mcu: height and width of an MCU in pixels.
        size: height and width of the picture in pixels.
        parts: what to carry out: `compensation` finds segments and subtracts their means (without it, the picture's
            mean), `normalisation` cuts off at ±150 and stretches what is left to 0…255 per channel (without it, 128
            is added), `alignment` shifts rows of MCUs.

    Returns:
        The picture, uint8 (height, width) or (height, width, 3), and what was done. Subtracted means are rounded to
        whole levels, so that the result is the same on every machine.
    """
    starts = _segment_starts(samples, mcu) if "compensation" in parts else np.zeros(1, np.int64)
    normalised = "normalisation" in parts
    limit = CUT if normalised else UNCUT
    offsets, low, high = _statistics(samples, mcu, starts, limit)
    shifts = np.zeros(samples.shape[0] // mcu[0], np.int64)
    if "alignment" in parts:
        shifts = _shifts(samples, mcu, offsets, limit)
    if not normalised:
        low, high = np.full(low.shape, -128.0), np.full(low.shape, 127.0)
    out = np.empty((*size, samples.shape[2]), np.uint8)
    scale = 255.0 / np.maximum(high - low, 1.0)
    kernels.assemble(samples, *mcu, _sources(shifts, offsets.shape[0]), offsets, limit, low, scale, out)
    return out if out.shape[2] == 3 else out[..., 0], _record(parts, starts, offsets, shifts)


def _segment_starts(samples: NDArray[np.int16], mcu: tuple[int, int]) -> NDArray[np.int64]:
    """MCUs at which segments begin, in raster order, 0 first.

    The border of a row of MCUs that is assembled from the lower row left of a column and the upper row right of it
    (ED_{h,v} of the paper) is a window of one row's length over the borders above MCUs in scan order; a segment begins
    where that window differs most from the next one, on the side of the larger difference (CED). That finds colours
    which last for a row or more; shorter ones show at their left borders, as the released code has it. Rows count
    only where their upper or lower border stands out.
    """
    rows, columns = samples.shape[0] // mcu[0], samples.shape[1] // mcu[1]
    if rows < 3:
        return np.zeros(1, np.int64)
    lines = np.empty(samples.shape[0] - 1, np.int64)
    above, beside = np.empty((rows, columns), np.int64), np.empty((rows, columns), np.int64)
    kernels.edge_energy(samples, *mcu, lines, above, beside)
    candidates = _standing_out(lines, mcu[0], rows)
    contrast = _contrast(above)
    padded = np.pad(contrast, PEAK_REACH, constant_values=-np.inf)
    peaks = contrast >= np.lib.stride_tricks.sliding_window_view(padded, 2 * PEAK_REACH + 1).max(axis=1)
    lasting = peaks & _near_best(contrast, rows)
    short = _near_best(beside.ravel(), rows) & (beside >= SIDE_FACTOR * beside.mean(axis=1, keepdims=True)).ravel()
    chosen = (lasting | short) & np.repeat(candidates, columns)
    return np.union1d(0, np.flatnonzero(chosen))


def _near_best(values: NDArray[Any], rows: int) -> NDArray[np.bool_]:
    by_row = values.reshape(rows, -1)
    near: NDArray[np.bool_] = by_row >= PEAK_SHARE * by_row.max(axis=1, keepdims=True)
    return near.ravel() & (values > 0)


def _standing_out(lines: NDArray[np.int64], mcu_height: int, rows: int) -> NDArray[np.bool_]:
    """Rows of MCUs at whose upper or lower border the difference of pixel rows jumps by more than its mean jump."""
    jumps = np.abs(np.diff(lines))
    at = mcu_height * np.arange(1, rows)
    jumping = jumps[at - 2] > jumps.mean()
    candidates = np.zeros(rows, np.bool_)
    candidates[1:] |= jumping
    candidates[:-1] |= jumping
    return candidates


def _contrast(above: NDArray[np.int64]) -> NDArray[np.float64]:
    """CED of every MCU in raster order, signed; in the last row the window before stands in for the next one."""
    columns, count = above.shape[1], above.size
    running = np.concatenate(([0], np.cumsum(above)))
    begin = np.arange(count)
    end = np.minimum(begin + columns, count)
    window: NDArray[np.float64] = np.sqrt((running[end] - running[begin]) / (end - begin))
    other = np.concatenate((window[columns:], window[count - 2 * columns : count - columns]))
    return window - other


def _statistics(
    samples: NDArray[np.int16], mcu: tuple[int, int], starts: NDArray[np.int64], limit: int
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Mean of its segment for every MCU, int32 (MCUs, channels); per channel the extremes of what is left, cut off."""
    channels = samples.shape[2]
    count = samples.shape[0] // mcu[0] * (samples.shape[1] // mcu[1])
    sums = np.empty((count, channels), np.int64)
    lowest, highest = np.empty((count, channels), np.int32), np.empty((count, channels), np.int32)
    kernels.mcu_statistics(samples, *mcu, sums, lowest, highest)
    lengths = np.diff(starts, append=count)
    pixels = lengths * mcu[0] * mcu[1]
    means = np.rint(np.add.reduceat(sums, starts, axis=0) / pixels[:, None]).astype(np.int32)
    offsets = np.repeat(means, lengths, axis=0)
    low = np.clip(lowest - offsets, -limit, limit).min(axis=0).astype(np.float64)
    high = np.clip(highest - offsets, -limit, limit).max(axis=0).astype(np.float64)
    return offsets, low, high


def _shifts(
    samples: NDArray[np.int16], mcu: tuple[int, int], offsets: NDArray[np.int32], limit: int
) -> NDArray[np.int64]:
    rows, columns = samples.shape[0] // mcu[0], samples.shape[1] // mcu[1]
    top, bottom = (np.empty((rows * samples.shape[1], samples.shape[2]), np.int32) for _ in range(2))
    kernels.border_lines(samples, mcu[0], offsets, limit, top, bottom)
    shifts = np.empty(rows, np.int64)
    kernels.best_shifts(top, bottom, columns, mcu[1], SHIFT_MAX, shifts)
    return shifts


def _sources(shifts: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Which MCU comes to each place, −1 for none."""
    source = (np.arange(count).reshape(shifts.size, -1) - np.cumsum(shifts)[:, None]).ravel()
    source[(source < 0) | (source >= count)] = -1
    return source


def _record(
    parts: Collection[ScaPart], starts: NDArray[np.int64], offsets: NDArray[np.int32], shifts: NDArray[np.int64]
) -> ScaRecord:
    bounds = [*starts.tolist(), offsets.shape[0]]
    return ScaRecord(
        parts=tuple(part for part in SCA_PARTS if part in parts),
        segments=tuple(ScaSegment(start, end, tuple(offsets[start].tolist())) for start, end in pairwise(bounds)),
        shifts=tuple(RowShift(row, int(shifts[row])) for row in np.flatnonzero(shifts).tolist()),
    )
