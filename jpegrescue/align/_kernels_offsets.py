"""Kernels that solve for the DC offsets of runs.

Systems are kept by their skyline: of row j the columns from `low[j]` to j, of which the last lies at `ends[j]` of one
array. `low` never falls from one row to the next, so elimination from the last row to the first fills nothing else.
"""

import math

import numpy as np

from jpegrescue.compiled import allocating, kernel
from jpegrescue.score._kernels_borders import ACTIVITY_BIN, difference

TAIL = 0.1
"""Share of a run's MCUs that may lie outside of what samples can be: garbage, and what changed inside the run."""


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
def level_range(horizontal, vertical, activity, columns, rows, lowest, highest):
    """Levels that the outermost lines of an MCU have at least and at most, whatever extrapolation adds.

    `lowest`, `highest`: float64 (components, MCUs), output, 1/16 level: of the four sides the highest mean that is sure
    to be reached, the lowest that is sure not to be exceeded.
    """
    for c in range(lowest.shape[0]):
        for n in range(lowest.shape[1]):
            lowest[c, n], highest[c, n] = math.inf, -math.inf
            for side in range(4):
                if side < 2:
                    mean = horizontal[side, n, columns[c] : columns[c + 1]].mean()
                else:
                    mean = vertical[side - 2, n, rows[c] : rows[c + 1]].mean()
                slack = 0.5 * activity[c, side, n]
                lowest[c, n] = min(lowest[c, n], mean + slack)
                highest[c, n] = max(highest[c, n], mean - slack)


@allocating
def allowed(path, lowest, highest, least, most, low, high):
    """Offsets with which nearly all samples of a run are possible ones.

    Args:
        path: int64 (runs, 2), start and stop.
        lowest, highest: float64 (MCUs,), see `level_range`.
        least, most: what samples can be.
        low, high: float64 (runs,), output; `low` may exceed `high`.
    """
    for run in range(path.shape[0]):
        start, stop = path[run, 0], path[run, 1]
        out = int(TAIL * (stop - start))
        low[run] = least - np.sort(lowest[start:stop])[out]
        high[run] = most - np.sort(highest[start:stop])[stop - start - 1 - out]


@allocating
def first_guess(above, below, mean, variance, owner, own, spread, beside, voice, low, high, anchored, solution):
    """Offsets run after run: the median of what is said of each, within what is possible. Outliers do not move it.

    Args:
        above, below, mean, variance: int64 and float64 (borders,), as in `offsets._System`, `below` ascending.
        owner, own, spread: int64 and float64 (n,), what a preview says, and its standard deviation; `owner` ascending.
        beside, voice: float64 (runs,), by how much an offset differs from that of the run before, and its weight.
        low, high: float64 (runs,), see `allowed`.
        anchored: bool (runs,), whose offsets are 0.
        solution: float64 (runs,), output; a guess for runs that nothing speaks of, input.
    """
    room = below.size + own.size + 1
    values, weights = np.empty(room), np.empty(room)
    border, at = 0, 0
    for run in range(solution.size):
        count, total = 0, 0.0
        while border < below.size and below[border] == run:
            values[count] = solution[above[border]] - mean[border]
            weights[count] = 1.0 / math.sqrt(variance[border])
            count += 1
            border += 1
        while at < owner.size and owner[at] == run:
            values[count], weights[count] = own[at], 1.0 / spread[at]
            count += 1
            at += 1
        if voice[run] > 0.0:
            values[count], weights[count] = solution[run - 1] + beside[run], voice[run]
            count += 1
        if anchored[run]:
            solution[run] = 0.0
            continue
        half = 0.5 * weights[:count].sum()
        for k in np.argsort(values[:count]):
            total += weights[k]
            if total >= half:
                solution[run] = values[k]
                break
        middle = 0.5 * (low[run] + high[run])
        within = min(max(solution[run], low[run]), high[run])
        solution[run] = within if low[run] <= high[run] else middle


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
