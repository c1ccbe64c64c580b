"""Kernels that find the direction of edges, and make of it the stencil that the directional solve applies."""

import numpy as np

from jpegrescue.compiled import inlined, kernel
from jpegrescue.fill._kernels_window import DOUBTFUL, KNOWN

PULL = np.float32(0.02)  # how strongly a doubtful sample is held: its value counts over some 7 samples
DOUBT = np.float32(0.3)  # its weight as a witness of directions
GRADIENT_NOISE = np.float32(1.0)  # levels², keeps flat areas without a direction
TENSOR_MIN = np.float32(1e-5)  # total weight below which a direction has no witness
HALF, QUARTER = np.float32(0.5), np.float32(0.25)


@kernel
def spans_of(state):
    """Runs of samples that are not known: int64 (runs, 3), row, first and end."""
    height, width = state.shape
    count = 0
    for y in range(height):
        for x in range(width):
            if state[y, x] != KNOWN and (x == 0 or state[y, x - 1] == KNOWN):
                count += 1
    spans = np.empty((count, 3), np.int64)
    count = 0
    for y in range(height):
        x = 0
        while x < width:
            if state[y, x] == KNOWN:
                x += 1
                continue
            spans[count, 0], spans[count, 1] = y, x
            while x < width and state[y, x] != KNOWN:
                x += 1
            spans[count, 2] = x
            count += 1
    return spans


@inlined
def _witness(state, started):
    if state == KNOWN:
        return np.float32(1)
    if state == DOUBTFUL:
        return DOUBT
    return np.float32(1) if started else np.float32(0)


@kernel
def extent_of(spans):
    """First and end row, first and end column of all spans."""
    left, right = spans[0, 1], spans[0, 2]
    for i in range(spans.shape[0]):
        left, right = min(left, spans[i, 1]), max(right, spans[i, 2])
    return spans[0, 0], spans[-1, 0] + 1, left, right


@kernel
def _products(samples, state, y, left, started, out):
    """Of row `y` of corners from `left` on, as far as there are any: products of gradients and their witness."""
    for x in range(max(left, 0), min(left + out.shape[1], samples.shape[1] - 1)):
        upper = min(_witness(state[y, x], started), _witness(state[y, x + 1], started))
        lower = min(_witness(state[y + 1, x], started), _witness(state[y + 1, x + 1], started))
        weight = min(upper, lower)
        falling = samples[y + 1, x + 1] - samples[y, x]
        rising = samples[y, x + 1] - samples[y + 1, x]
        across = HALF * (falling + rising)
        down = HALF * (falling - rising)
        out[0, x - left] = weight * across * across
        out[1, x - left] = weight * across * down
        out[2, x - left] = weight * down * down
        out[3, x - left] = weight


@kernel
def _tensor(samples, state, corners, started, taps):
    """Smoothed products of gradients, at the corners between four samples: xx, xy, yy and the weight of witnesses.

    `corners`: first and end row, first and end column of those wanted. There is nothing beyond the borders.
    """
    top, bottom, left, right = corners
    reach = taps.size // 2
    first, end = max(top - reach, 0), min(bottom + reach, samples.shape[0] - 1)
    length = right - left
    line = np.zeros((4, length + 2 * reach), np.float32)
    smooth = np.empty((4, end - first, length), np.float32)
    tensor = np.empty((4, bottom - top, length), np.float32)
    for y in range(first, end):
        _products(samples, state, y, left - reach, started, line)
        for plane in range(4):
            out, source = smooth[plane, y - first], line[plane, reach : reach + length]
            for x in range(length):
                out[x] = taps[reach] * source[x]
            for d in range(1, reach + 1):
                tap = taps[reach + d]
                before, after = line[plane, reach - d : reach - d + length], line[plane, reach + d : reach + d + length]
                for x in range(length):
                    out[x] += tap * (before[x] + after[x])
    for plane in range(4):
        for y in range(top, bottom):
            out, source = tensor[plane, y - top], smooth[plane, y - first]
            for x in range(length):
                out[x] = taps[reach] * source[x]
            for other in range(max(y - reach, first), min(y + reach + 1, end)):
                if other != y:
                    tap, source = taps[reach + other - y], smooth[plane, other - first]
                    for x in range(length):
                        out[x] += tap * source[x]
    return tensor


@kernel
def stencil_of(samples, state, spans, started, taps, stiffness):
    """Half the Hessian of ∇xᵀ(I + k·A)∇x: weights of each sample with itself, east, south, south-east and south-west.

    Arrays are shifted by one row and column. I acts on differences of neighbours, A on gradients at corners, whose
    blind spot (a chessboard) I covers. South-west links (y, x + 1) with (y + 1, x) and is stored at (y, x). Only what
    the samples of the spans take part in is there.
    """
    height, width = state.shape
    stencil = np.zeros((5, height + 2, width + 2), np.float32)
    if not spans.shape[0]:
        return stencil
    centre, east, south, falling, rising = stencil[0], stencil[1], stencil[2], stencil[3], stencil[4]
    top, bottom, left, right = extent_of(spans)
    for y in range(max(top, 1), min(bottom + 1, height) + 1):
        for x in range(max(left, 1), min(right + 1, width) + 1):
            if x < width:
                east[y, x] -= 1
                centre[y, x] += 1
                centre[y, x + 1] += 1
            if y < height:
                south[y, x] -= 1
                centre[y, x] += 1
                centre[y + 1, x] += 1
            if state[y - 1, x - 1] == DOUBTFUL:
                centre[y, x] += PULL
    top, left = max(top - 1, 0), max(left - 1, 0)
    bottom, right = max(min(bottom, height - 1), top), max(min(right, width - 1), left)
    tensor = _tensor(samples, state, (top, bottom, left, right), started, taps)
    for y in range(top + 1, bottom + 1):
        for x in range(left + 1, right + 1):
            i, j = y - 1 - top, x - 1 - left
            weight = tensor[3, i, j]
            if weight < TENSOR_MIN or not (
                state[y - 1, x - 1] or state[y - 1, x] or state[y, x - 1] or state[y, x]
            ):  # fmt: skip
                continue
            xx, xy, yy = tensor[0, i, j] / weight, tensor[1, i, j] / weight, tensor[2, i, j] / weight
            mean, half = HALF * (xx + yy), HALF * (xx - yy)
            deviation = np.sqrt(half * half + xy * xy)
            coherence = deviation / (mean + GRADIENT_NOISE)
            if coherence < np.float32(0.1):  # to the sixth: nothing
                continue
            square = coherence * coherence
            scale = QUARTER * HALF * stiffness * square * square * square
            # A = scale · (I − (tensor − mean·I)/deviation), the projector on the weaker eigenvector
            xx, xy, yy = scale * (1 - half / deviation), -scale * xy / deviation, scale * (1 + half / deviation)
            along, against = xx + yy + 2 * xy, xx + yy - 2 * xy
            centre[y, x] += along
            centre[y + 1, x + 1] += along
            centre[y, x + 1] += against
            centre[y + 1, x] += against
            east[y, x] += yy - xx
            east[y + 1, x] += yy - xx
            south[y, x] += xx - yy
            south[y, x + 1] += xx - yy
            falling[y, x] -= along
            rising[y, x] -= against
    return stencil
