"""Kernels of the published self-compensation and alignment: passes over samples, arrays in and out."""

import numpy as np

from jpegrescue.compiled import int32, kernel


@kernel
def edge_energy(samples, mcu_height, mcu_width, lines, above, beside):
    """Squared differences of neighbouring pixels, summed over channels.

    Args:
        samples: int16 (height, width, channels), a whole number of MCUs.
        mcu_height, mcu_width: pixels of an MCU.
        lines: int64 (height − 1,), out: of each pixel row with the next, summed over the row.
        above, beside: int64 (MCU rows, MCU columns), out: sums over the border above each MCU, 0 in the first row, and
            over the border to its left, 0 in the first column.
    """
    height, width, channels = samples.shape
    across = mcu_width * channels
    for c in range(above.shape[1]):
        above[0, c] = 0
        for r in range(above.shape[0]):
            beside[r, c] = 0
    for y in range(height):
        for c in range(1, width // mcu_width):
            for k in range(channels):
                difference = int32(samples[y, c * mcu_width, k]) - int32(samples[y, c * mcu_width - 1, k])
                beside[y // mcu_height, c] += difference * difference
    for y in range(height - 1):
        upper, lower = samples[y].reshape(-1), samples[y + 1].reshape(-1)
        total = 0
        for c in range(width // mcu_width):
            here = 0
            for i in range(c * across, (c + 1) * across):
                difference = int32(lower[i]) - int32(upper[i])
                here += difference * difference
            total += here
            if (y + 1) % mcu_height == 0:
                above[(y + 1) // mcu_height, c] = here
        lines[y] = total


@kernel
def mcu_statistics(samples, mcu_height, mcu_width, sums, lowest, highest):
    """Per MCU in raster order and channel, shape (MCUs, channels): sum (int64), smallest and largest sample (int32)."""
    height, width, channels = samples.shape
    columns = width // mcu_width
    for m in range(sums.shape[0]):
        for k in range(channels):
            sums[m, k] = 0
            lowest[m, k] = 1 << 20
            highest[m, k] = -(1 << 20)
    for y in range(height):
        first = (y // mcu_height) * columns
        for c in range(columns):
            for x in range(c * mcu_width, (c + 1) * mcu_width):
                for k in range(channels):
                    value = int32(samples[y, x, k])
                    sums[first + c, k] += value
                    lowest[first + c, k] = min(lowest[first + c, k], value)
                    highest[first + c, k] = max(highest[first + c, k], value)


@kernel
def border_lines(samples, mcu_height, offsets, limit, top, bottom):
    """First and last pixel row of every MCU row, compensated: samples − `offsets`, cut off at ±`limit`.

    Args:
        samples: as in `edge_energy`.
        mcu_height: pixels.
        offsets: int32 (MCUs, channels).
        limit: int, levels.
        top, bottom: int32 (MCUs · MCU width, channels), out, in scan order.
    """
    height, width, channels = samples.shape
    mcu_rows = height // mcu_height
    mcu_width = mcu_rows * width // offsets.shape[0]
    for r in range(mcu_rows):
        for x in range(width):
            mcu = (r * width + x) // mcu_width
            for k in range(channels):
                offset = offsets[mcu, k]
                above = int32(samples[r * mcu_height, x, k]) - offset
                below = int32(samples[(r + 1) * mcu_height - 1, x, k]) - offset
                top[r * width + x, k] = min(max(above, -limit), limit)
                bottom[r * width + x, k] = min(max(below, -limit), limit)


@kernel
def best_shifts(top, bottom, columns, mcu_width, shift_max, shifts):
    """Shift of every MCU row that fits it best to the row above, from top to bottom; each moves all that follows.

    A row is a window of the MCUs in scan order; shifted by s it begins s MCUs earlier. What counts is the squared
    difference per pixel, less its mean per channel, which colour casts make. Of shifts that fit equally well the
    smallest is kept. Positions that no MCU is left for do not count, and shifts that leave less than half a row
    are not tried.

    Args:
        top, bottom: as `border_lines` leaves them.
        columns, mcu_width, shift_max: MCUs per row, pixels of an MCU, largest shift in MCUs.
        shifts: int64 (MCU rows,), out; 0 for the first row.
    """
    width = columns * mcu_width
    size, channels = top.shape
    shifts[0] = 0
    moved = 0
    for r in range(1, shifts.shape[0]):
        above = (r - 1) * width - moved * mcu_width
        best, best_shift = np.inf, 0
        for attempt in range(2 * shift_max + 1):
            shift = (attempt + 1) // 2 * (1 if attempt % 2 else -1)
            start = r * width - (moved + shift) * mcu_width
            first = max(0, -start, -above)
            last = min(width, size - start, size - above)
            if 2 * (last - first) < width:
                continue
            fit = 0.0
            for k in range(channels):
                total, energy = 0, 0
                for x in range(first, last):
                    difference = top[start + x, k] - bottom[above + x, k]
                    total += difference
                    energy += difference * difference
                fit += (energy - total * total / (last - first)) / (last - first)
            if fit < best:
                best, best_shift = fit, shift
        shifts[r] = best_shift
        moved += best_shift


@kernel
def assemble(samples, mcu_height, mcu_width, source, offsets, limit, low, scale, out):
    """Put MCUs at their places: out = (cut(sample − offset) − low) · scale, rounded down, within 0…255.

    Args:
        samples: as in `edge_energy`.
        mcu_height, mcu_width: pixels.
        source: int64 (MCUs,), which MCU goes to each place, −1 for none: the places shows offset itself.
        offsets: int32 (MCUs, channels).
        limit: int, levels.
        low, scale: float64 (channels,).
        out: uint8 (rows, columns, channels), rows and columns no more than those of `samples`.
    """
    height, width, channels = out.shape
    columns = samples.shape[1] // mcu_width
    for y in range(height):
        row, inner = y // mcu_height, y % mcu_height
        for c in range(-(-width // mcu_width)):
            mcu = source[row * columns + c]
            left = c * mcu_width
            right = min(left + mcu_width, width)
            from_y = (mcu // columns) * mcu_height + inner
            from_x = (mcu % columns) * mcu_width - left
            for k in range(channels):
                offset = offsets[max(mcu, 0), k]
                for x in range(left, right):
                    value = int32(0)
                    if mcu >= 0:
                        value = int32(samples[from_y, from_x + x, k]) - offset
                        value = min(max(value, -limit), limit)
                    level = (value - low[k]) * scale[k]
                    out[y, x, k] = np.uint8(min(max(level, 0.0), 255.0))
