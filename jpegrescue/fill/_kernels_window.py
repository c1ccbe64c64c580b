"""Kernels that cut windows out of a plane, halve and enlarge them, and write them back.

States of samples: KNOWN stay as they are, LOST are to be filled, DOUBTFUL are hints.
"""

import numpy as np

from jpegrescue.compiled import allocating, kernel

KNOWN, LOST, DOUBTFUL = 0, 1, 2
MID_GREY = np.float32(128)
HALF = np.float32(0.5)


@kernel
def halve(samples, state, out, out_state):
    """Half the size: means of the best-known samples of every 2 × 2 (float32 in and out; states as above)."""
    height, width = samples.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            bottom, right = min(2 * i + 2, height), min(2 * j + 2, width)
            best = LOST
            for y in range(2 * i, bottom):
                for x in range(2 * j, right):
                    if state[y, x] == KNOWN or (state[y, x] == DOUBTFUL and best == LOST):
                        best = state[y, x]
            total, count = np.float32(0), np.float32(0)
            for y in range(2 * i, bottom):
                for x in range(2 * j, right):
                    if state[y, x] == best:
                        total += samples[y, x]
                        count += 1
            out[i, j] = total / count
            out_state[i, j] = best


@kernel
def enlarge_into(coarse, state, samples):
    """Set the lost samples to `coarse` at twice its size, bilinear (float32)."""
    rows, columns = coarse.shape
    for y in range(samples.shape[0]):
        v = min(max((y + 0.5) / 2 - 0.5, 0.0), rows - 1.0)
        y0 = int(v)
        y1 = min(y0 + 1, rows - 1)
        fy = np.float32(v - y0)
        for x in range(samples.shape[1]):
            if state[y, x] != LOST:
                continue
            u = min(max((x + 0.5) / 2 - 0.5, 0.0), columns - 1.0)
            x0 = int(u)
            x1 = min(x0 + 1, columns - 1)
            fx = np.float32(u - x0)
            upper = coarse[y0, x0] + fx * (coarse[y0, x1] - coarse[y0, x0])
            lower = coarse[y1, x0] + fx * (coarse[y1, x1] - coarse[y1, x0])
            samples[y, x] = upper + fy * (lower - upper)


@allocating
def start_flat(samples, state):
    """Set the lost samples to the mean of the known ones, or else of the doubtful ones."""
    sums = np.zeros(3)
    counts = np.zeros(3, np.int64)
    for y in range(samples.shape[0]):
        for x in range(samples.shape[1]):
            sums[state[y, x]] += samples[y, x]
            counts[state[y, x]] += 1
    mean = MID_GREY
    for which in (DOUBTFUL, KNOWN):
        if counts[which]:
            mean = np.float32(sums[which] / counts[which])
    for y in range(samples.shape[0]):
        for x in range(samples.shape[1]):
            if state[y, x] == LOST:
                samples[y, x] = mean


@allocating
def gather(samples, states, mcu_height, mcu_width, top, left, factor, out, out_state):
    """A window of a plane at 1/`factor` of its size: means of the best-known samples.

    Args:
        samples: uint8 plane.
        states: uint8 (MCU rows, MCU columns).
        mcu_height, mcu_width: samples of an MCU.
        top, left: first sample of the window.
        factor: int.
        out: float32, out: the window; its shape may go up to factor − 1 samples beyond the plane's end.
        out_state: uint8, same shape, out.
    """
    height, width = samples.shape
    sums, counts = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            sums[:] = 0
            counts[:] = 0
            for y in range(top + i * factor, min(top + (i + 1) * factor, height)):
                for x in range(left + j * factor, min(left + (j + 1) * factor, width)):
                    state = states[y // mcu_height, x // mcu_width]
                    sums[state] += samples[y, x]
                    counts[state] += 1
            best = LOST
            if counts[KNOWN]:
                best = KNOWN
            elif counts[DOUBTFUL]:
                best = DOUBTFUL
            out[i, j] = np.float32(sums[best]) / np.float32(max(counts[best], 1))
            out_state[i, j] = best


@kernel
def cut(samples, states, mcu_height, mcu_width, top, left, out, out_state):
    """As `gather` at full size, which most windows are wanted at; the window lies within the plane."""
    height, width = out.shape
    for i in range(height):
        row, row_states = samples[top + i], states[(top + i) // mcu_height]
        for j in range(width):
            out[i, j] = row[left + j]
        j = 0
        while j < width:
            column = (left + j) // mcu_width
            end = min((column + 1) * mcu_width - left, width)
            out_state[i, j:end] = row_states[column]
            j = end


@kernel
def inside(mcus, top, left, mcu_height, mcu_width, window_top, window_left, out):
    """Which samples of a window are a hole's (`out`: bool, 2-D); the rest as in `scatter`."""
    out[:] = False
    for row in range(mcus.shape[0]):
        y = (top + row) * mcu_height - window_top
        for column in range(mcus.shape[1]):
            if mcus[row, column]:
                x = (left + column) * mcu_width - window_left
                out[max(y, 0) : max(y + mcu_height, 0), max(x, 0) : max(x + mcu_width, 0)] = True


@kernel
def scatter(window, factor, mcus, top, left, mcu_height, mcu_width, window_top, window_left, samples):
    """Write a hole's MCUs from a window at 1/`factor` of the plane's size, bilinear and rounded.

    Args:
        window: float32, 2-D.
        factor: int.
        mcus: bool (rows, columns), the hole; top, left: its first MCU.
        mcu_height, mcu_width: samples of an MCU.
        window_top, window_left: first sample of the window.
        samples: uint8 plane, in and out.
    """
    rows, columns = window.shape
    for y in range(top * mcu_height, (top + mcus.shape[0]) * mcu_height):
        v = min(max((y - window_top + 0.5) / factor - 0.5, 0.0), rows - 1.0)
        y0 = int(v)
        y1, fy = min(y0 + 1, rows - 1), np.float32(v - y0)
        for x in range(left * mcu_width, (left + mcus.shape[1]) * mcu_width):
            if not mcus[y // mcu_height - top, x // mcu_width - left]:
                continue
            u = min(max((x - window_left + 0.5) / factor - 0.5, 0.0), columns - 1.0)
            x0 = int(u)
            x1, fx = min(x0 + 1, columns - 1), np.float32(u - x0)
            upper = window[y0, x0] + fx * (window[y0, x1] - window[y0, x0])
            lower = window[y1, x0] + fx * (window[y1, x1] - window[y1, x0])
            value = upper + fy * (lower - upper)
            samples[y, x] = np.uint8(min(max(value + HALF, np.float32(0)), np.float32(255)))
