"""Kernels that solve for the DC offsets of runs."""

import math

import numpy as np

from jpegrescue.compiled import kernel
from jpegrescue.score._kernels_borders import ACTIVITY_BIN, difference

ROUNDS = 10
LIKE = 10.0  # neighbouring borders are wrong together: so many count as one
ANCHOR = 1e9
LOOSE = 1e-9


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
def solve_offsets(above, below, mean, variance, own_run, own, own_variance, band, step, offset, steps, doubt):
    """Offsets of runs of one component, as whole quantiser steps where that is possible.

    Borders say how far the offsets of two runs lie apart, a preview what one of them is; all of it robustly (a Student
    distribution with three degrees of freedom, by reweighting). The system has a band, as runs border only on those of
    the row above. Runs are then rounded one after the other, each given those before it.

    Args:
        above, below: int64 (borders,), runs on both sides, above < below.
        mean, variance: float64 (borders,), of the border: below − above as decoded.
        own_run, own, own_variance: int64 and float64 (n,), what a preview says a run's offset is.
        band: the most that below − above can be.
        step: of the quantiser, 1/16 level.
        offset: float64 (runs,), in: first guess; out: the solution, 1/16 level. Run 0 keeps its own.
        steps: int64 (runs,), output: whole steps.
        doubt: float64 (runs,), output: standard deviation in steps, given that the runs before are right.
    """
    count = offset.size
    matrix = np.zeros((count, band + 1))  # [i, k]: row i, column i - k, of the reversed system below
    right = np.zeros(count)
    for _ in range(ROUNDS):
        matrix[:] = 0.0
        right[:] = 0.0
        for i in range(count):
            matrix[i, 0] = LOOSE
        for k in range(above.size):
            i, j = above[k], below[k]
            surprise = -mean[k] - (offset[j] - offset[i])
            weight = 4.0 / (variance[k] * (3.0 + surprise * surprise / variance[k])) / LIKE
            matrix[i, 0] += weight
            matrix[j, 0] += weight
            matrix[j, j - i] -= weight
            right[j] -= weight * mean[k]
            right[i] += weight * mean[k]
        for k in range(own.size):
            i = own_run[k]
            surprise = own[k] - offset[i]
            weight = 4.0 / (own_variance[k] * (3.0 + surprise * surprise / own_variance[k])) / LIKE
            matrix[i, 0] += weight
            right[i] += weight * own[k]
        matrix[0, 0] += ANCHOR
        right[0] += ANCHOR * offset[0]
        # eliminate from the last run to the first
        for j in range(count - 1, -1, -1):
            for a in range(1, min(band, j) + 1):
                if matrix[j, a] == 0.0:
                    continue
                factor = matrix[j, a] / matrix[j, 0]
                for b in range(a, min(band, j) + 1):
                    matrix[j - a, b - a] -= factor * matrix[j, b]
                right[j - a] -= factor * right[j]
        for j in range(count):
            value = right[j]
            for a in range(1, min(band, j) + 1):
                value -= matrix[j, a] * offset[j - a]
            offset[j] = value / matrix[j, 0]
    for j in range(count):
        value = right[j]
        for a in range(1, min(band, j) + 1):
            value -= matrix[j, a] * steps[j - a] * step
        value /= matrix[j, 0] * step
        steps[j] = np.int64(math.floor(value + 0.5))
        doubt[j] = math.sqrt(1.0 / matrix[j, 0]) / step + abs(value - steps[j])


@kernel
def link(above, below, certain, anchored, weight):
    """How sure each run's offset is, as far as it rests on others: `weight` float64 (runs,), output.

    `certain`: float64 (runs,), given that those it rests on are right; the product with the mean of theirs, weighted by
    the borders that they share. Those that are `anchored` rest on nothing.
    """
    count = certain.size
    total = np.zeros(count)
    shared = np.zeros(count)
    at = 0
    order = np.argsort(below, kind="mergesort")
    for j in range(count):
        while at < order.size and below[order[at]] == j:
            i = above[order[at]]
            total[j] += weight[i]
            shared[j] += 1.0
            at += 1
        if anchored[j]:
            weight[j] = 1.0
        elif shared[j] > 0:
            weight[j] = certain[j] * total[j] / shared[j]
        else:
            weight[j] = 0.0


@kernel
def own_borders(lines, activity, columns, kinds, scatter, width, start, stop, out):
    """How far borders inside a run are from meeting, in standard deviations and at most three of them.

    `out`: float64 (components, stop − start), output; 0 where the MCU above is not of the run.
    """
    for c in range(kinds.size):
        for t in range(start + width, stop):
            mean, _ = difference(lines[1], t - width, lines[0], t, columns[c], columns[c + 1] - columns[c])
            active = ACTIVITY_BIN[min(4095, activity[c, 1, t - width] + activity[c, 0, t])]
            out[c, t - start] = min(max(mean / math.sqrt(scatter[0, kinds[c], active]), -3.0), 3.0)
