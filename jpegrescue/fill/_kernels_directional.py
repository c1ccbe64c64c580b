"""Kernels of the directional solve: structure tensors, stencils and conjugate gradients over the unknown samples.

States of samples: KNOWN stay as they are, LOST are solved for, DOUBTFUL are solved for too, but held loosely at their
values. Single thread and fixed order throughout, so that results do not depend on the number of threads.
"""

import numpy as np

from jpegrescue.compiled import inlined, kernel
from jpegrescue.fill._kernels_window import DOUBTFUL, KNOWN, LOST, start_flat

PULL = np.float32(0.02)  # how strongly a doubtful sample is held: its value counts over some 7 samples
DOUBT = np.float32(0.3)  # its weight as a witness of directions
GRADIENT_NOISE = np.float32(1.0)  # levels², keeps flat areas without a direction
RATIO_MIN, RATIO_MAX = 0.02, 100.0
TENSOR_MIN = np.float32(1e-5)  # total weight below which a direction has no witness
HALF, QUARTER = np.float32(0.5), np.float32(0.25)


@kernel
def directional(
    samples, state, started, taps, stiffness, rounds, iterations, tolerance, rows, row_at, columns, column_at, strength,
    target,
):  # fmt: skip
    """Minimise ∇xᵀ(I + k·A)∇x + λ|Dx − t|² over the samples that are not known, in place.

    A projects on the direction along edges: the weaker eigenvector of the structure tensor, times coherence to the
    sixth power, so that only clear edges are followed. It is estimated anew in every round, from what is known first
    (unless the lost samples are `started`) and from the last round's solution after that.

    Args:
        samples: float32 (height, width), in and out.
        state: uint8, same shape.
        started: bool, whether lost samples hold an estimate.
        taps: float32, odd number, the Gaussian that smooths the tensor.
        stiffness: float32, k.
        rounds, iterations: int, estimates of A, and steps of conjugate gradients at most in each.
        tolerance: float, stop where the preconditioned squared residual falls below it per unknown sample.
        rows, columns: float32 (preview rows, taps) and (preview columns, taps), weights of D, which is separable.
        row_at, column_at: int64, sample of the window at which each begins.
        strength: float32 (preview rows, preview columns), λ; without rows there is no preview.
        target: float32, same shape, t less what samples outside the window contribute.
    """
    height, width = samples.shape
    stencil = np.empty((5, height + 2, width + 2), np.float32)
    tensor = np.empty((4, height, width), np.float32)
    scratch = np.empty((height, width), np.float32)
    spans = _spans(state)
    if not started:
        start_flat(samples, state)
    for number in range(rounds):
        _tensor(samples, state, started or number > 0, taps, tensor, scratch)
        _stencil(tensor, state, stiffness, stencil)
        _conjugate_gradients(
            samples, state, spans, stencil, iterations, tolerance, rows, row_at, columns, column_at, strength, target
        )


@kernel
def surprise(samples, state, rows, row_at, columns, column_at, target, noise, out):
    """How much more than its noise each preview sample says: ratios of signal to noise, kept within limits.

    The residual of a solution without the preview has the variance of that solution's error, as the preview sees it,
    plus that of the preview's noise: their ratio is what λ should follow. Half of the signal is the preview sample's
    own, half that of all preview samples, weighted by how much of each is lost.

    Args:
        samples, state, rows, row_at, columns, column_at, target: as in `directional`.
        noise: float32 (preview rows, preview columns), variance of the preview's noise, squared levels of the picture.
        out: float32 (preview rows, preview columns), out.
    """
    height, width = samples.shape
    spans = _whole_spans(height, width)
    sums = np.empty((height, column_at.size), np.float32)
    residual, share = np.empty(out.shape, np.float32), np.empty(out.shape, np.float32)
    field = _framed(samples)
    _row_sums(field, spans, columns, column_at, sums)
    _decimate(sums, rows, row_at, residual)
    for y in range(height):
        for x in range(width):
            field[y + 1, x + 1] = state[y, x] == LOST
    _row_sums(field, spans, columns, column_at, sums)
    _decimate(sums, rows, row_at, share)
    total, weight = 0.0, 0.0
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (residual[i, j] - target[i, j]) ** 2 - noise[i, j]
            total += share[i, j] * out[i, j]
            weight += share[i, j]
    common = total / max(weight, 1e-6)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            shared, own = common / noise[i, j], out[i, j] / noise[i, j]
            out[i, j] = 0.5 * (
                min(max(shared, RATIO_MIN), RATIO_MAX) + min(max(own, RATIO_MIN), RATIO_MAX)
            )  # fmt: skip


@kernel
def _spans(state):
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
def _tensor(samples, state, started, taps, tensor, scratch):
    """Smoothed products of gradients, at the corners between four samples: xx, xy, yy and the weight of witnesses."""
    height, width = samples.shape
    tensor[:] = 0
    for y in range(height - 1):
        for x in range(width - 1):
            upper = min(_witness(state[y, x], started), _witness(state[y, x + 1], started))
            lower = min(_witness(state[y + 1, x], started), _witness(state[y + 1, x + 1], started))
            weight = min(upper, lower)
            falling = samples[y + 1, x + 1] - samples[y, x]
            rising = samples[y, x + 1] - samples[y + 1, x]
            across = HALF * (falling + rising)
            down = HALF * (falling - rising)
            tensor[0, y, x] = weight * across * across
            tensor[1, y, x] = weight * across * down
            tensor[2, y, x] = weight * down * down
            tensor[3, y, x] = weight
    for plane in range(4):
        _smooth(tensor[plane], taps, scratch)


@kernel
def _smooth(values, taps, scratch):
    """Separable filter in place, with nothing beyond the borders."""
    height, width = values.shape
    reach = taps.size // 2
    for y in range(height):
        source, out = values[y], scratch[y]
        for x in range(width):
            out[x] = taps[reach] * source[x]
        for d in range(1, min(reach, width - 1) + 1):
            tap, length = taps[reach + d], width - d
            left, right, out_right = source[:length], source[d:], out[d:]
            for x in range(length):
                out[x] += tap * right[x]
            for x in range(length):
                out_right[x] += tap * left[x]
    for y in range(height):
        out = values[y]
        source = scratch[y]
        for x in range(width):
            out[x] = taps[reach] * source[x]
        for d in range(1, reach + 1):
            tap = taps[reach + d]
            if y + d < height:
                source = scratch[y + d]
                for x in range(width):
                    out[x] += tap * source[x]
            if y >= d:
                source = scratch[y - d]
                for x in range(width):
                    out[x] += tap * source[x]


@kernel
def _stencil(tensor, state, stiffness, stencil):
    """Half the Hessian of ∇xᵀ(I + k·A)∇x: weights of each sample with itself, east, south, south-east and south-west.

    Arrays are shifted by one row and column. I acts on differences of neighbours, A on gradients at corners, whose
    blind spot (a chessboard) I covers. South-west links (y, x + 1) with (y + 1, x) and is stored at (y, x).
    """
    height, width = state.shape
    stencil[:] = 0
    centre, east, south, falling, rising = stencil[0], stencil[1], stencil[2], stencil[3], stencil[4]
    for y in range(1, height + 1):
        for x in range(1, width + 1):
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
    for y in range(1, height):
        for x in range(1, width):
            weight = tensor[3, y - 1, x - 1]
            if weight < TENSOR_MIN or not (
                state[y - 1, x - 1] or state[y - 1, x] or state[y, x - 1] or state[y, x]
            ):  # fmt: skip
                continue
            xx, xy, yy = (
                tensor[0, y - 1, x - 1] / weight,
                tensor[1, y - 1, x - 1] / weight,
                tensor[2, y - 1, x - 1] / weight,
            )
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


@kernel
def _apply(stencil, field, spans, out):
    """`out` = Hessian · `field` on the spans; both shifted by one."""
    for i in range(spans.shape[0]):
        y, first, length = spans[i, 0] + 1, spans[i, 1] + 1, spans[i, 2] - spans[i, 1]
        here, before, end = first, first - 1, first + length
        middle, west, east = field[y, here:end], field[y, before : end - 1], field[y, here + 1 : end + 1]
        north, south = field[y - 1, here:end], field[y + 1, here:end]
        north_west, north_east = field[y - 1, before : end - 1], field[y - 1, here + 1 : end + 1]
        south_west, south_east = field[y + 1, before : end - 1], field[y + 1, here + 1 : end + 1]
        to_self, to_east, to_west = stencil[0, y, here:end], stencil[1, y, here:end], stencil[1, y, before : end - 1]
        to_south, to_north = stencil[2, y, here:end], stencil[2, y - 1, here:end]
        to_south_east, to_north_west = stencil[3, y, here:end], stencil[3, y - 1, before : end - 1]
        to_south_west, to_north_east = stencil[4, y, before : end - 1], stencil[4, y - 1, here:end]
        target = out[y, here:end]
        for x in range(length):
            target[x] = (
                (to_self[x] * middle[x] + to_east[x] * east[x] + to_west[x] * west[x])
                + (to_south[x] * south[x] + to_south_east[x] * south_east[x] + to_south_west[x] * south_west[x])
                + (to_north[x] * north[x] + to_north_west[x] * north_west[x] + to_north_east[x] * north_east[x])
            )


@kernel
def _dot(one, other, spans):
    """Inner product over the spans of fields shifted by one: eight running sums, always in the same order."""
    total = 0.0
    for i in range(spans.shape[0]):
        y, length = spans[i, 0] + 1, spans[i, 2] - spans[i, 1]
        a, b = one[y, spans[i, 1] + 1 : spans[i, 2] + 1], other[y, spans[i, 1] + 1 : spans[i, 2] + 1]
        s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        s4, s5, s6, s7 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        whole = length - length % 8
        for x in range(0, whole, 8):
            s0 += a[x] * b[x]
            s1 += a[x + 1] * b[x + 1]
            s2 += a[x + 2] * b[x + 2]
            s3 += a[x + 3] * b[x + 3]
            s4 += a[x + 4] * b[x + 4]
            s5 += a[x + 5] * b[x + 5]
            s6 += a[x + 6] * b[x + 6]
            s7 += a[x + 7] * b[x + 7]
        for x in range(whole, length):
            s0 += a[x] * b[x]
        total += ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))
    return total


@kernel
def _row_sums(field, spans, columns, column_at, sums):
    """Of each row with unknown samples, the part of every preview column (fields shifted by one)."""
    width = field.shape[1] - 2
    sums[:] = 0
    for i in range(spans.shape[0]):
        y = spans[i, 0]
        for j in range(column_at.size):
            begin = max(spans[i, 1], column_at[j])
            end = min(spans[i, 2], column_at[j] + columns.shape[1], width)
            part = np.float32(0)
            for x in range(begin, end):
                part += columns[j, x - column_at[j]] * field[y + 1, x + 1]
            sums[y, j] += part


@kernel
def _decimate(sums, rows, row_at, out):
    height = sums.shape[0]
    out[:] = 0
    for i in range(row_at.size):
        for y in range(row_at[i], min(row_at[i] + rows.shape[1], height)):
            weight = rows[i, y - row_at[i]]
            for j in range(out.shape[1]):
                out[i, j] += weight * sums[y, j]


@kernel
def _add_transposed(small, spans, rows, row_at, columns, column_at, sums, out):
    """`out` += Dᵀ · `small` on the spans (shifted by one); `sums` is scratch (height, preview columns)."""
    height = sums.shape[0]
    sums[:] = 0
    for i in range(row_at.size):
        for y in range(row_at[i], min(row_at[i] + rows.shape[1], height)):
            weight = rows[i, y - row_at[i]]
            for j in range(small.shape[1]):
                sums[y, j] += weight * small[i, j]
    for i in range(spans.shape[0]):
        y = spans[i, 0]
        for j in range(column_at.size):
            part = sums[y, j]
            if part == 0:
                continue
            for x in range(max(spans[i, 1], column_at[j]), min(spans[i, 2], column_at[j] + columns.shape[1])):
                out[y + 1, x + 1] += columns[j, x - column_at[j]] * part


@kernel
def _framed(samples):
    """A copy with a border of zeros. Loops, as an expression of whole arrays takes seconds to compile."""
    field = np.zeros((samples.shape[0] + 2, samples.shape[1] + 2), np.float32)
    for y in range(samples.shape[0]):
        for x in range(samples.shape[1]):
            field[y + 1, x + 1] = samples[y, x]
    return field


@kernel
def _squared(weights):
    out = np.empty(weights.shape, np.float32)
    for i in range(weights.shape[0]):
        for j in range(weights.shape[1]):
            out[i, j] = weights[i, j] * weights[i, j]
    return out


@kernel
def _whole_spans(height, width):
    spans = np.zeros((height, 3), np.int64)
    for y in range(height):
        spans[y, 0], spans[y, 2] = y, width
    return spans


@kernel
def _conjugate_gradients(
    samples, state, spans, stencil, iterations, tolerance, rows, row_at, columns, column_at, strength, target
):
    """Jacobi-preconditioned; stops at `iterations`, or at `tolerance` per unknown sample."""
    height, width = samples.shape
    frame = (height + 2, width + 2)
    field, residual, step = _framed(samples), np.zeros(frame, np.float32), np.zeros(frame, np.float32)
    image, diagonal = np.zeros(frame, np.float32), np.zeros(frame, np.float32)
    sums, small = np.empty((height, column_at.size), np.float32), np.empty(strength.shape, np.float32)
    previewed = row_at.size > 0 and column_at.size > 0
    _apply(stencil, field, spans, image)
    if previewed:
        _row_sums(field, _whole_spans(height, width), columns, column_at, sums)
        _decimate(sums, rows, row_at, small)
        for i in range(small.shape[0]):
            for j in range(small.shape[1]):
                small[i, j] = strength[i, j] * (small[i, j] - target[i, j])
        _add_transposed(small, spans, rows, row_at, columns, column_at, sums, image)
        _add_transposed(strength, spans, _squared(rows), row_at, _squared(columns), column_at, sums, diagonal)
    unknown = 0
    for i in range(spans.shape[0]):
        y = spans[i, 0] + 1
        unknown += spans[i, 2] - spans[i, 1]
        for x in range(spans[i, 1] + 1, spans[i, 2] + 1):
            residual[y, x] = -image[y, x]
            if state[y - 1, x - 1] == DOUBTFUL:
                residual[y, x] += PULL * field[y, x]
            diagonal[y, x] = 1 / (diagonal[y, x] + stencil[0, y, x])
            step[y, x] = residual[y, x] * diagonal[y, x]
    norm = _dot(residual, step, spans)
    for _ in range(iterations):
        if norm <= tolerance * unknown:
            break
        _apply(stencil, step, spans, image)
        if previewed:
            _row_sums(step, spans, columns, column_at, sums)
            _decimate(sums, rows, row_at, small)
            for i in range(small.shape[0]):
                for j in range(small.shape[1]):
                    small[i, j] *= strength[i, j]
            _add_transposed(small, spans, rows, row_at, columns, column_at, sums, image)
        curvature = _dot(step, image, spans)
        if curvature <= 0:
            break
        length = np.float32(norm / curvature)
        norm_before, norm = norm, 0.0
        for i in range(spans.shape[0]):
            y = spans[i, 0] + 1
            for x in range(spans[i, 1] + 1, spans[i, 2] + 1):
                field[y, x] += length * step[y, x]
                residual[y, x] -= length * image[y, x]
                image[y, x] = residual[y, x] * diagonal[y, x]
        norm = _dot(residual, image, spans)
        ratio = np.float32(norm / norm_before)
        for i in range(spans.shape[0]):
            y = spans[i, 0] + 1
            for x in range(spans[i, 1] + 1, spans[i, 2] + 1):
                step[y, x] = image[y, x] + ratio * step[y, x]
    for i in range(spans.shape[0]):
        y = spans[i, 0]
        for x in range(spans[i, 1], spans[i, 2]):
            samples[y, x] = field[y + 1, x + 1]
