"""Kernels of the directional solve: conjugate gradients over the unknown samples.

States of samples: KNOWN stay as they are, LOST are solved for, DOUBTFUL are solved for too, but held loosely at their
values. Single thread and fixed order throughout, so that results do not depend on the number of threads.
"""

import numpy as np

from jpegrescue.compiled import allocating, kernel
from jpegrescue.fill._kernels_stencil import PULL, extent_of, spans_of, stencil_of
from jpegrescue.fill._kernels_thumbnail import inner
from jpegrescue.fill._kernels_window import DOUBTFUL, LOST, start_flat

RATIO_MIN, RATIO_MAX = 0.02, 100.0
EARLY = 30.0
HALF = np.float32(0.5)


@allocating
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
        taps: float32, 4n + 1 of them, the Gaussian that smooths the tensor.
        stiffness: float32, k.
        rounds, iterations: int, estimates of A, and steps of conjugate gradients at most in each.
        tolerance: float, stop where the preconditioned squared residual falls below it per unknown sample; rounds but
            the last, which only show the way, stop well before that.
        rows, columns: float32 (preview rows, taps) and (preview columns, taps), weights of D, which is separable.
        row_at, column_at: int64, sample of the window at which each begins.
        strength: float32 (preview rows, preview columns), λ; without rows there is no preview.
        target: float32, same shape, t less what samples outside the window contribute.
    """
    spans = spans_of(state)
    if not started:
        start_flat(samples, state)
    for number in range(rounds):
        stencil = stencil_of(samples, state, spans, started or number > 0, taps, stiffness)
        bound = tolerance if number == rounds - 1 else EARLY * tolerance
        _conjugate_gradients(
            samples, state, spans, stencil, iterations, bound, rows, row_at, columns, column_at, strength, target
        )


@allocating
def rehearse(
    samples, state, taps, stiffness, iterations, tolerance, rows, row_at, columns, column_at, strength, target, weights,
    truth, counted, errors,
):  # fmt: skip
    """Like one round of `directional` from started samples, at one weight of the preview after the other.

    Each weight starts from the solution at the one before it.

    Args:
        samples, state, taps, stiffness, iterations, tolerance, rows, row_at, columns, column_at, strength, target: as
            in `directional`.
        weights: float32, by which `strength` is multiplied.
        truth: uint8 (height, width).
        counted: bool, same shape, samples of which errors count.
        errors: float64, one per weight, out: squared errors.
    """
    spans = spans_of(state)
    stencil = stencil_of(samples, state, spans, True, taps, stiffness)
    scaled = np.empty(strength.shape, np.float32)
    for number in range(weights.size):
        for i in range(strength.shape[0]):
            for j in range(strength.shape[1]):
                scaled[i, j] = weights[number] * strength[i, j]
        _conjugate_gradients(
            samples, state, spans, stencil, iterations, tolerance, rows, row_at, columns, column_at, scaled, target
        )
        errors[number] = 0
        for y in range(samples.shape[0]):
            for x in range(samples.shape[1]):
                if counted[y, x]:
                    value = np.floor(min(max(samples[y, x] + HALF, np.float32(0)), np.float32(255)))
                    errors[number] += (value - truth[y, x]) ** 2


@allocating
def surprise(samples, state, rows, row_at, columns, column_at, target, noise, expected, out):
    """How much more than its noise each preview sample says: ratios of signal to noise, kept within limits.

    The residual of a solution without the preview has the variance of that solution's error, as the preview sees it,
    plus that of the preview's noise: their ratio is what λ should follow. Half of the signal is the preview sample's
    own, half that of all preview samples, weighted by how much of each is lost.

    Args:
        samples, state, rows, row_at, columns, column_at, target: as in `directional`.
        noise: float32 (preview rows, preview columns), variance of the preview's noise, squared levels of the picture.
        expected: float32, same shape, variance to measure the residual by.
        out: float32 (preview rows, preview columns), out.

    Returns:
        The mean of squared residuals over those expected, weighted by how much of each is lost.
    """
    height, width = samples.shape
    whole = (0, height, 0, width)
    line = np.empty(width, np.float32)
    residual, share = np.empty(out.shape, np.float32), np.empty(out.shape, np.float32)
    field = _framed(samples)
    _shrink(field, whole, rows, row_at, columns, column_at, line, residual)
    for y in range(height):
        for x in range(width):
            field[y + 1, x + 1] = state[y, x] == LOST
    _shrink(field, whole, rows, row_at, columns, column_at, line, share)
    total, weight, unexpected = 0.0, 0.0, 0.0
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (residual[i, j] - target[i, j]) ** 2
            counts = share[i, j] * share[i, j]  # shares below 0 are blurs' negative lobes
            unexpected += counts * out[i, j] / expected[i, j]
            out[i, j] -= noise[i, j]
            total += counts * out[i, j]
            weight += counts
    common = total / max(weight, 1e-6)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            shared, own = common / noise[i, j], out[i, j] / noise[i, j]
            out[i, j] = 0.5 * (
                min(max(shared, RATIO_MIN), RATIO_MAX) + min(max(own, RATIO_MIN), RATIO_MAX)
            )  # fmt: skip
    return unexpected / max(weight, 1e-6)


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
def _dot(one, other, spans, line):
    """Inner product over the spans of fields shifted by one, column by column first; `line` is scratch (width)."""
    line[:] = 0
    for i in range(spans.shape[0]):
        y, length = spans[i, 0] + 1, spans[i, 2] - spans[i, 1]
        a, b = one[y, spans[i, 1] + 1 : spans[i, 2] + 1], other[y, spans[i, 1] + 1 : spans[i, 2] + 1]
        sums = line[spans[i, 1] : spans[i, 2]]
        for x in range(length):
            sums[x] += a[x] * b[x]
    total = 0.0
    for x in range(line.size):
        total += line[x]
    return total


@kernel
def _shrink(field, extent, rows, row_at, columns, column_at, line, out):
    """`out` = D · `field` (shifted by one) from its `extent` (as `extent_of` yields it); `line` is scratch (width)."""
    top, bottom, left, right = extent
    target = line[left:right]
    for i in range(row_at.size):
        target[:] = 0
        for y in range(max(row_at[i], top), min(row_at[i] + rows.shape[1], bottom)):
            weight, source = rows[i, y - row_at[i]], field[y + 1, left + 1 : right + 1]
            for x in range(target.size):
                target[x] += weight * source[x]
        for j in range(column_at.size):
            begin = max(left, column_at[j])
            end = max(min(right, column_at[j] + columns.shape[1]), begin)
            out[i, j] = inner(line[begin:end], columns[j, begin - column_at[j] : end - column_at[j]])


@kernel
def _add_enlarged(small, extent, rows, row_at, columns, column_at, line, out):
    """`out` (shifted by one) += Dᵀ · `small` on its `extent`; `line` is scratch (width)."""
    top, bottom, left, right = extent
    source = line[left:right]
    for i in range(row_at.size):
        source[:] = 0
        for j in range(column_at.size):
            begin = max(left, column_at[j])
            end = max(min(right, column_at[j] + columns.shape[1]), begin)
            part, taps, target = small[i, j], columns[j, begin - column_at[j] :], line[begin:end]
            for x in range(target.size):
                target[x] += part * taps[x]
        for y in range(max(row_at[i], top), min(row_at[i] + rows.shape[1], bottom)):
            weight, target = rows[i, y - row_at[i]], out[y + 1, left + 1 : right + 1]
            for x in range(target.size):
                target[x] += weight * source[x]


@allocating
def _framed(samples):
    """A copy with a border of zeros. Loops, as an expression of whole arrays takes seconds to compile."""
    field = np.zeros((samples.shape[0] + 2, samples.shape[1] + 2), np.float32)
    for y in range(samples.shape[0]):
        for x in range(samples.shape[1]):
            field[y + 1, x + 1] = samples[y, x]
    return field


@allocating
def _squared(weights):
    out = np.empty(weights.shape, np.float32)
    for i in range(weights.shape[0]):
        for j in range(weights.shape[1]):
            out[i, j] = weights[i, j] * weights[i, j]
    return out


@allocating
def _conjugate_gradients(
    samples, state, spans, stencil, iterations, tolerance, rows, row_at, columns, column_at, strength, target
):
    """Jacobi-preconditioned; stops at `iterations`, or at `tolerance` per unknown sample."""
    height, width = samples.shape
    frame = (height + 2, width + 2)
    field, residual, step = _framed(samples), np.zeros(frame, np.float32), np.zeros(frame, np.float32)
    image, diagonal = np.zeros(frame, np.float32), np.zeros(frame, np.float32)
    line, small = np.empty(width, np.float32), np.empty(strength.shape, np.float32)
    if not spans.shape[0]:
        return
    extent = extent_of(spans)
    previewed = row_at.size > 0 and column_at.size > 0
    _apply(stencil, field, spans, image)
    if previewed:
        _shrink(field, (0, height, 0, width), rows, row_at, columns, column_at, line, small)
        for i in range(small.shape[0]):
            for j in range(small.shape[1]):
                small[i, j] = strength[i, j] * (small[i, j] - target[i, j])
        _add_enlarged(small, extent, rows, row_at, columns, column_at, line, image)
        _add_enlarged(strength, extent, _squared(rows), row_at, _squared(columns), column_at, line, diagonal)
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
    norm = _dot(residual, step, spans, line)
    for _ in range(iterations):
        if norm <= tolerance * unknown:
            break
        _apply(stencil, step, spans, image)
        if previewed:
            _shrink(step, extent, rows, row_at, columns, column_at, line, small)
            for i in range(small.shape[0]):
                for j in range(small.shape[1]):
                    small[i, j] *= strength[i, j]
            _add_enlarged(small, extent, rows, row_at, columns, column_at, line, image)
        curvature = _dot(step, image, spans, line)
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
        norm = _dot(residual, image, spans, line)
        ratio = np.float32(norm / norm_before)
        for i in range(spans.shape[0]):
            y = spans[i, 0] + 1
            for x in range(spans[i, 1] + 1, spans[i, 2] + 1):
                step[y, x] = image[y, x] + ratio * step[y, x]
    for i in range(spans.shape[0]):
        y = spans[i, 0]
        for x in range(spans[i, 1], spans[i, 2]):
            samples[y, x] = field[y + 1, x + 1]
