"""Kernels that look at MCUs of a stream through their borders.

Every side of an MCU is reduced to one line of levels, extrapolated to the border from its two outermost pixel lines,
in 1/16 level: (3 · outermost − next) · 8. A constant DC offset of a component adds 2 · offset · step to each value.
"""

import numpy as np

from jpegrescue.compiled import inlined, kernel

ACTIVITIES, SPREADS, MEANS, CONTENTS = 14, 28, 40, 14
TOP, BOTTOM, LEFT, RIGHT = 0, 1, 2, 3


def _bins(size, bins, per_octave, unit):
    return np.minimum(bins - 1, np.floor(per_octave * np.log2(1 + np.arange(size) / unit))).astype(np.int32)


ACTIVITY_BIN = _bins(4096, ACTIVITIES, 2, 16.0)
SPREAD_BIN = _bins(8192, SPREADS, 3, 8.0)
MEAN_BIN = _bins(32768, MEANS, 3, 4.0)


@kernel
def border_lines(samples, dc, across, down, step, first, column, row, horizontal, vertical, activity):
    """Lines and activities of a run of MCUs that lie side by side, for one component.

    Args:
        samples: int16 (8·down, 8·across·n), inverse DCT without DC.
        dc: int32 (down, across·n), quantised; `step`: quantiser step of DC.
        across, down: blocks of the component in an MCU.
        first: stream index of the first MCU.
        column, row: where the component's values begin in the lines of `horizontal` and `vertical`.
        horizontal: int32 (2, MCUs, width), output: TOP and BOTTOM lines.
        vertical: int32 (2, MCUs, height), output: LEFT and RIGHT lines.
        activity: int32 (4, MCUs), output: mean absolute differences across and along each side, 1/16 level.
    """
    wide, high = 8 * across, 8 * down
    for n in range(samples.shape[1] // wide):
        left = wide * n
        for side in range(4):
            length = wide if side < 2 else high
            steep, rough = 0, 0
            before = 0
            for i in range(length):
                if side < 2:
                    y, x = (0 if side == TOP else high - 1), left + i
                    inner = samples[1 if side == TOP else high - 2, x]
                else:
                    y, x = i, (left if side == LEFT else left + wide - 1)
                    inner = samples[y, left + 1 if side == LEFT else left + wide - 2]
                outer = np.int64(samples[y, x])
                value = 8 * (3 * outer - inner) + 2 * np.int64(dc[y >> 3, x >> 3]) * step
                steep += abs(outer - inner)
                if i & 7:
                    rough += abs(outer - before)
                before = outer
                if side < 2:
                    horizontal[side, first + n, column + i] = value
                else:
                    vertical[side - 2, first + n, row + i] = value
            activity[side, first + n] = 16 * steep // length + 16 * rough // (length - length // 8)


@inlined
def difference(near, i, far, j, start, width):
    """Mean of line `j` of `far` minus line `i` of `near`, and mean absolute deviation from it, 1/16 level."""
    total = 0
    for x in range(start, start + width):
        total += np.int64(far[j, x]) - near[i, x]
    mean = total / width
    centre = np.int64(np.floor(mean + 0.5))
    spread = 0
    for x in range(start, start + width):
        spread += abs(np.int64(far[j, x]) - near[i, x] - centre)
    return mean, spread // width


@kernel
def count_borders(near, far, near_activity, far_activity, i, j, start, width, activity_bin, spread_bin, mean_bin, out):
    """Add the borders of line `i[k]` of `near` to line `j[k]` of `far` to the histograms in `out`.

    `out`: int64 (2, ACTIVITIES, MEANS), of spreads (in the first SPREADS columns) and of absolute means.
    """
    for k in range(i.size):
        mean, spread = difference(near, i[k], far, j[k], start, width)
        activity = activity_bin[min(4095, near_activity[i[k]] + far_activity[j[k]])]
        out[0, activity, spread_bin[min(8191, spread)]] += 1
        out[1, activity, mean_bin[min(32767, np.int64(abs(mean)))]] += 1


@kernel
def contents(coefficients, steps, across, down, out):
    """Amplitude and number of AC coefficients of every MCU of one component.

    Args:
        coefficients: int16 (down, MCUs · across, 64).
        steps: int32 (64,), quantiser steps.
        out: int64 (2, MCUs), added to: mean per block of the amplitudes' sum (dequantised) and of non-zero ones.
    """
    blocks = across * down
    for n in range(out.shape[1]):
        amplitude, count = 0, 0
        for y in range(down):
            for x in range(across):
                block = coefficients[y, n * across + x]
                for k in range(1, 64):
                    if block[k] != 0:
                        amplitude += abs(np.int64(block[k])) * steps[k]
                        count += 1
        out[0, n] += amplitude // blocks
        out[1, n] += 4 * count // blocks
