"""Kernels that find the direction of edges, and make of it the stencil that the directional solve applies."""

import numpy as np

from jpegrescue.compiled import allocating, inlined, kernel
from jpegrescue.fill._kernels_window import DOUBTFUL, KNOWN, LOST

PULL = np.float32(0.02)  # how strongly a doubtful sample is held: its value counts over some 7 samples
DOUBT = np.float32(0.3)  # its weight as a witness of directions
GRADIENT_NOISE = np.float32(1.0)  # levels², keeps flat areas without a direction
TENSOR_MIN = np.float32(1e-5)  # total weight below which a direction has no witness
DEVIATION_MIN = np.float32(1e-6)
ONE, TWO, HALF, QUARTER = np.float32(1), np.float32(2), np.float32(0.5), np.float32(0.25)


@allocating
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


@allocating
def _witnesses(state, started):
    """How much each sample counts as a witness of directions, float32."""
    weights = np.ones(3, np.float32)
    weights[LOST], weights[DOUBTFUL] = 1 if started else 0, DOUBT
    out = np.empty(state.shape, np.float32)
    for y in range(state.shape[0]):
        for x in range(state.shape[1]):
            out[y, x] = weights[state[y, x]]
    return out


@kernel
def extent_of(spans):
    """First and end row, first and end column of all spans."""
    left, right = spans[0, 1], spans[0, 2]
    for i in range(spans.shape[0]):
        left, right = min(left, spans[i, 1]), max(right, spans[i, 2])
    return spans[0, 0], spans[-1, 0] + 1, left, right


@kernel
def _products(samples, witnesses, y, left, out):
    """Of row `y` of corners from `left` on, as far as there are any: products of gradients and their witness."""
    begin, end = max(left, 0), min(left + out.shape[1], samples.shape[1] - 1)
    upper, lower = samples[y, begin : end + 1], samples[y + 1, begin : end + 1]
    first, second = witnesses[y, begin : end + 1], witnesses[y + 1, begin : end + 1]
    xx, xy, yy, trust = out[0, begin - left :], out[1, begin - left :], out[2, begin - left :], out[3, begin - left :]
    for x in range(end - begin):
        trust[x] = min(first[x], first[x + 1], second[x], second[x + 1])
    for x in range(end - begin):
        falling, rising = lower[x + 1] - upper[x], upper[x + 1] - lower[x]
        across, down = HALF * (falling + rising), HALF * (falling - rising)
        xx[x] = trust[x] * across * across
        xy[x] = trust[x] * across * down
        yy[x] = trust[x] * down * down


@inlined
def _add_pairs(out, tap, before, after, next_tap, further_before, further_after):
    for x in range(out.size):
        out[x] += tap * (before[x] + after[x]) + next_tap * (further_before[x] + further_after[x])


@allocating
def _tensor(samples, state, corners, started, taps):
    """Smoothed products of gradients, at the corners between four samples: xx, xy, yy and the weight of witnesses.

    `corners`: first and end row, first and end column of those wanted. There is nothing beyond the borders.
    """
    top, bottom, left, right = corners
    reach = taps.size // 2
    length = right - left
    witnesses = _witnesses(state, started)
    line = np.zeros((4, length + 2 * reach), np.float32)
    smooth = np.zeros((4, bottom - top + 2 * reach, length), np.float32)
    tensor = np.empty((4, bottom - top, length), np.float32)
    for y in range(max(top - reach, 0), min(bottom + reach, samples.shape[0] - 1)):
        _products(samples, witnesses, y, left - reach, line)
        for plane in range(4):
            out, source = smooth[plane, y - top + reach], line[plane]
            for x in range(length):
                out[x] = taps[reach] * source[reach + x]
            for d in range(1, reach, 2):
                _add_pairs(
                    out, taps[reach + d], source[reach - d :], source[reach + d :], taps[reach + d + 1],
                    source[reach - d - 1 :], source[reach + d + 1 :],
                )  # fmt: skip
    for plane in range(4):
        rows = smooth[plane]
        for y in range(bottom - top):
            out, middle = tensor[plane, y], rows[y + reach]
            for x in range(length):
                out[x] = taps[reach] * middle[x]
            for d in range(1, reach, 2):
                _add_pairs(
                    out, taps[reach + d], rows[y + reach - d], rows[y + reach + d], taps[reach + d + 1],
                    rows[y + reach - d - 1], rows[y + reach + d + 1],
                )  # fmt: skip
    return tensor


@allocating
def _add_directions(tensor, corners, stiffness, falling, rising):
    """Diagonal links that the tensor asks for; returns what its corners add to links east and take from links south.

    A = scale · (I − (tensor − mean·I)/deviation), the projector on the weaker eigenvector.
    """
    top, bottom, left, right = corners
    lateral = np.zeros(falling.shape, np.float32)
    for y in range(top, bottom):
        sums = tensor[:, y - top]
        across, down = falling[y + 1, left + 1 : right + 1], rising[y + 1, left + 1 : right + 1]
        beside = lateral[y + 1, left + 1 : right + 1]
        for x in range(right - left):
            seen = sums[3, x] >= TENSOR_MIN
            part = HALF / max(sums[3, x], TENSOR_MIN)
            mean, half = part * (sums[0, x] + sums[2, x]), part * (sums[0, x] - sums[2, x])
            xy = (part + part) * sums[1, x]
            deviation = max(np.sqrt(half * half + xy * xy), DEVIATION_MIN)
            coherence = deviation / (mean + GRADIENT_NOISE)
            square = coherence * coherence if seen else np.float32(0)
            scale = QUARTER * stiffness * square * square * square
            share = scale / deviation
            across[x] = share * xy - scale
            down[x] = -share * xy - scale
            beside[x] = share * half
    return lateral


@allocating
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
    corners = (
        max(top - 1, 0),
        max(min(bottom, height - 1), top, 1),
        max(left - 1, 0),
        max(min(right, width - 1), left, 1),
    )
    lateral = _add_directions(_tensor(samples, state, corners, started, taps), corners, stiffness, falling, rising)
    for y in range(top + 1, bottom + 1):
        upright = np.float32((y > 1) + (y < height))
        out, here, below = centre[y, left + 1 :], falling[y, left + 1 :], falling[y - 1, left:]
        beside, above = rising[y, left:], rising[y - 1, left + 1 :]
        for x in range(right - left):
            out[x] = (upright + TWO) - ((here[x] + below[x]) + (beside[x] + above[x]))
        for edge in (1, width):
            if left < edge <= right:
                centre[y, edge] -= ONE
    for y in range(max(top, 1), min(bottom, height) + 1):
        out, here, above = east[y], lateral[y], lateral[y - 1]
        for x in range(max(left, 1), min(right, width - 1) + 1):
            out[x] = here[x] + above[x] - ONE
    for y in range(max(top, 1), min(bottom, height - 1) + 1):
        first, end = max(left, 1), min(right, width) + 1
        out, here, before = south[y, first:end], lateral[y, first:end], lateral[y, first - 1 : end - 1]
        for x in range(out.size):
            out[x] = -(here[x] + before[x]) - ONE
    for i in range(spans.shape[0]):
        for x in range(spans[i, 1], spans[i, 2]):
            if state[spans[i, 0], x] == DOUBTFUL:
                centre[spans[i, 0] + 1, x + 1] += PULL
    return stencil
