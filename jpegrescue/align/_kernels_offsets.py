"""Kernels that solve for the DC offsets of runs.

Systems are kept by their skyline: of row j the columns from `low[j]` to j, of which the last lies at `ends[j]` of one
array. `low` never falls from one row to the next, so elimination from the last row to the first fills nothing else.
"""

import math

from jpegrescue.compiled import kernel
from jpegrescue.score._kernels_borders import ACTIVITY_BIN, difference


@kernel
def border_means(lines, activity, columns, kinds, scatter, near, far, mean, variance):
    """Means of the borders between MCUs `near[k]` and `far[k]` below them, and their variances.

    `mean`, `variance`: float64 (components, borders), output, (1/16 level) and its square.
    """
    for c in range(kinds.size):
        for k in range(near.size):
            i, j = near[k], far[k]
            mean[c, k], _ = difference(lines[1], i, lines[0], j, columns[c], columns[c + 1] - columns[c])
            variance[c, k] = scatter[0, kinds[c], ACTIVITY_BIN[min(4095, activity[c, 1, i] + activity[c, 0, j])]]


@kernel
def eliminate(matrix, low, ends, right):
    """Eliminate from the last row to the first, in place, so that each row holds itself and those before it only.

    Args:
        matrix: float64, the lower half of a symmetric matrix by its skyline, positive definite.
        low, ends: int64 (rows,), see above.
        right: float64 (rows,), the right side.
    """
    for j in range(low.size - 1, 0, -1):
        pivot, first = matrix[ends[j]], low[j]
        row = ends[j] - j
        for i in range(j - 1, first - 1, -1):
            if matrix[row + i] == 0.0:
                continue
            factor = matrix[row + i] / pivot
            upper = ends[i] - i
            for k in range(first, i + 1):
                matrix[upper + k] -= factor * matrix[row + k]
            right[i] -= factor * right[j]


@kernel
def substitute(matrix, low, ends, right, step, solution, doubt):
    """Solve row after row what `eliminate` has left, each given those before it.

    Args:
        matrix, low, ends, right: as `eliminate` leaves them.
        step: what solutions are rounded to multiples of, 0 for not at all.
        solution: float64 (rows,), output, in multiples of `step` where there is one.
        doubt: float64 (rows,), output: standard deviations in steps; with a `step` only.
    """
    unit = step if step > 0.0 else 1.0
    for j in range(low.size):
        value, row = right[j], ends[j] - j
        for i in range(j - 1, low[j] - 1, -1):
            value -= matrix[row + i] * solution[i] * unit
        value /= matrix[ends[j]] * unit
        solution[j] = value
        if step > 0.0:
            solution[j] = math.floor(value + 0.5)
            doubt[j] = math.sqrt(1.0 / matrix[ends[j]]) / step + abs(value - solution[j])


@kernel
def link(above, below, certain, anchored, weight):
    """How sure each run's offset is, as far as it rests on others: `weight` float64 (runs,), output.

    `above`, `below`: int64 (borders,), runs on both sides, sorted by the latter; `certain`: float64 (runs,), given that
    those it rests on are right; the product with the mean of theirs, weighted by the borders that they share. Those
    that are `anchored` rest on nothing.
    """
    at = 0
    for j in range(certain.size):
        total, shared = 0.0, 0
        while at < below.size and below[at] == j:
            total += weight[above[at]]
            shared += 1
            at += 1
        weight[j] = 0.0
        if anchored[j]:
            weight[j] = 1.0
        elif shared > 0:
            weight[j] = certain[j] * total / shared
