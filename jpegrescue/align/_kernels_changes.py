"""Kernels that look for places where DC offsets change inside a run."""

import math

import numpy as np

from jpegrescue.compiled import inlined, kernel
from jpegrescue.score._kernels_borders import ACTIVITY_BIN, LEFT, RIGHT, difference

CLIP = 3.0  # standard deviations: what a single border can say at most
INFLATION, FLOOR = 1.2, 2.56
"""Means of many borders scatter by more than single ones promise: factor, and (1/16 level)² that no number averages
out."""
ONE, ALL = 0.8, 0.2
"""Shares of the changes that concern one component, and every one."""


@inlined
def _add(total, weight, c, begin, end, value, certain):
    """Let a border speak of changes at `[begin, end)`; sums over what comes before are taken later."""
    total[c, begin] += certain * value
    total[c, end] -= certain * value
    weight[c, begin] += certain
    weight[c, end] -= certain


@kernel
def change_sums(lines, activity, columns, kinds, scatter, at, owner, path, anchored, width, total, weight):
    """What borders say about changes at every MCU of every run, from there to the run's end.

    A change shows where the MCU above lies before it, in the same run, and everywhere beside runs whose offsets are
    known.

    Args:
        lines, activity, columns, kinds, scatter: of the borders.
        at, owner: int64 (places,), stream index and run of what lies there, or -1.
        path: int64 (runs, 3), start, stop, shift, ascending.
        anchored: bool (runs,), whether a run's offsets are known to be 0.
        width: MCUs in a row.
        total, weight: float64 (components, MCUs + runs + 1), zeros; output: MCU t of run r in column t + r: sum of the
            borders' means, each divided by its variance, positive if what follows is too high; sum of 1 / variance.
    """
    for place in range(width, at.size):
        i, j = at[place - width], at[place]
        if i < 0 or j < 0:
            continue
        upper, lower = owner[place - width], owner[place]
        if upper != lower and not (anchored[upper] or anchored[lower]):
            continue
        for c in range(kinds.size):
            mean, _ = difference(lines[1], i, lines[0], j, columns[c], columns[c + 1] - columns[c])
            variance = scatter[0, kinds[c], ACTIVITY_BIN[min(4095, activity[c, 1, i] + activity[c, 0, j])]]
            most = CLIP * math.sqrt(variance)
            mean = min(max(mean, -most), most)
            if upper == lower:
                _add(total, weight, c, i + 1 + upper, j + 1 + upper, mean, 1.0 / variance)
                continue
            if anchored[upper]:
                _add(total, weight, c, path[lower, 0] + lower, j + 1 + lower, mean, 1.0 / variance)
            if anchored[lower]:
                _add(total, weight, c, path[upper, 0] + upper, i + 1 + upper, -mean, 1.0 / variance)
    for c in range(kinds.size):
        for run in range(path.shape[0]):
            for k in range(path[run, 0] + run + 1, path[run, 1] + run):
                total[c, k] += total[c, k - 1]
                weight[c, k] += weight[c, k - 1]


@inlined
def _ratio(value, step, variance):
    """Likelihood ratio of a mean being `step` to its being 0: Student, three degrees of freedom."""
    other = value - step
    root = (3.0 * variance + value * value) / (3.0 * variance + other * other)
    return root * root


@kernel
def change_odds(vertical, activity, rows, kinds, scatter, steps, path, width, total, weight, sizes, shares, out):
    """Log of how much likelier what borders say is if offsets change at an MCU, than if they do not.

    Args:
        vertical, activity, rows, kinds, scatter: of the borders; a change shows at its left border as well, if the MCU
            itself is not damaged.
        steps: int64 (components,), quantiser steps, 1/16 level.
        path, width: see `change_sums`; `total`, `weight`: from there.
        sizes, shares: float64 (n,), steps by which offsets change, either way, and how often they do.
        out: float64 (MCUs,), output for MCUs of runs.
    """
    for run in range(path.shape[0]):
        for t in range(path[run, 0], path[run, 1]):
            inner = t > path[run, 0] and (t + path[run, 2]) % width > 0
            mean_of, product = 0.0, 1.0
            for c in range(kinds.size):
                certain = weight[c, t + run]
                heard = certain > 1e-9
                value = total[c, t + run] / certain if heard else 0.0
                variance = INFLATION / certain + FLOOR if heard else 1.0
                beside, scattered = 0.0, 1.0
                if inner:
                    beside, _ = difference(vertical[1], t - 1, vertical[0], t, rows[c], rows[c + 1] - rows[c])
                    active = ACTIVITY_BIN[min(4095, activity[c, RIGHT, t - 1] + activity[c, LEFT, t])]
                    scattered = scatter[0, kinds[c], active]
                likely = 0.0
                for n in range(2 * sizes.size):
                    step = steps[c] * sizes[n >> 1] * (1 - 2 * (n & 1))
                    ratio = _ratio(value, step, variance) if heard else 1.0
                    if inner:
                        ratio *= 0.5 + 0.5 * _ratio(beside, step, scattered)
                    likely += 0.5 * shares[n >> 1] * ratio
                mean_of += likely / kinds.size
                product *= 0.5 + 0.5 * likely
            out[t] = np.log(ONE * mean_of + ALL * product)
