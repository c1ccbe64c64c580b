"""Kernels that look for places where DC offsets change inside a run."""

import math

import numpy as np

from jpegrescue.compiled import allocating, inlined, kernel
from jpegrescue.score._kernels_borders import ACTIVITY_BIN, LEFT, RIGHT, difference

CLIP = 3.0  # standard deviations: what a single border can say at most
INFLATION, FLOOR = 1.2, 2.56
"""Means of many borders scatter by more than single ones promise: factor, and (1/16 level)² that no number averages
out."""
ONE, ALL = 0.8, 0.2
"""Shares of the changes that concern one component, and every one."""
HEARD_MOST = 4.0  # standard deviations: what a single border can say at most before it is looked at more closely
PENALTY = 1.0
LEAST_STEPS = 0.6
LIKE_LEFT, AGREED_MOST = 0.3, 200.0


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


@kernel
def residuals(lines, activity, columns, kinds, scatter, at, owner, offsets, width, over, under, residual, variance):
    """What borders between MCUs above each other are off by, with the offsets of their runs.

    Args:
        lines, activity, columns, kinds, scatter: of the borders.
        at, owner: int64 (places,), stream index and run of what lies there, or -1.
        offsets: float64 (runs, components), 1/16 level.
        width: MCUs in a row.
        over, under: int64 (MCUs,), output: stream index of the MCU above and below, or -1.
        residual, variance: float64 (components, MCUs), output for MCUs with one above: positive if they are too high.
    """
    over[:] = -1
    under[:] = -1
    for place in range(width, at.size):
        i, j = at[place - width], at[place]
        if i < 0 or j < 0:
            continue
        over[j], under[i] = i, j
        upper, lower = owner[place - width], owner[place]
        for c in range(kinds.size):
            mean, _ = difference(lines[1], i, lines[0], j, columns[c], columns[c + 1] - columns[c])
            residual[c, j] = mean + offsets[lower, c] - offsets[upper, c]
            variance[c, j] = scatter[0, kinds[c], ACTIVITY_BIN[min(4095, activity[c, 1, i] + activity[c, 0, j])]]


@inlined
def _beside(vertical, activity, rows, kinds, scatter, t, c):
    """Difference of an MCU to the one before, and its variance."""
    mean, _ = difference(vertical[1], t - 1, vertical[0], t, rows[c], rows[c + 1] - rows[c])
    active = ACTIVITY_BIN[min(4095, activity[c, RIGHT, t - 1] + activity[c, LEFT, t])]
    return mean, scatter[0, kinds[c], active]


@inlined
def _gain(value, other, variance):
    """Log-likelihood ratio of `other` being the deviation, not `value`: Student, three degrees of freedom."""
    return 2.0 * math.log((3.0 * variance + value * value) / (3.0 * variance + other * other))


@allocating
def rough_odds(vertical, activity, rows, kinds, scatter, steps, path, width, over, under, residual, variance, out):
    """Roughly how much likelier borders are if offsets change at an MCU: from means over a row on either side.

    Args:
        vertical, activity, rows, kinds, scatter: of the borders; `steps`: int64 (components,), 1/16 level.
        path: int64 (runs, 3), start, stop, shift.
        width, over, under, residual, variance: see `residuals`.
        out: float64 (MCUs,), output, log-odds for MCUs of runs but their first.
    """
    count = over.size
    total, weight, own, own_weight = np.empty((4, count + 2))
    for c in range(kinds.size):
        total[:], weight[:], own[:], own_weight[:] = 0.0, 0.0, 0.0, 0.0
        for run in range(path.shape[0]):
            start, stop = path[run, 0], path[run, 1]
            for j in range(start, stop):
                i, k = over[j], under[j]
                if i >= 0:
                    most = HEARD_MOST * math.sqrt(variance[c, j])
                    value = min(max(residual[c, j], -most), most) / variance[c, j]
                    if i >= start:
                        total[i + 1] -= value
                        total[j + 1] += value
                        weight[i + 1] += 1.0 / variance[c, j]
                        weight[j + 1] -= 1.0 / variance[c, j]
                    else:
                        own[j + 1] -= value
                        own_weight[j + 1] += 1.0 / variance[c, j]
                if k >= stop:
                    most = HEARD_MOST * math.sqrt(variance[c, k])
                    own[j + 1] += min(max(residual[c, k], -most), most) / variance[c, k]
                    own_weight[j + 1] += 1.0 / variance[c, k]
        for t in range(1, count + 1):
            total[t] += total[t - 1]
            weight[t] += weight[t - 1]
            own[t] += own[t - 1]
            own_weight[t] += own_weight[t - 1]
        for run in range(path.shape[0]):
            start, stop = path[run, 0], path[run, 1]
            for t in range(start + 1, stop):
                end, begin = min(t + width, stop), max(t - width, start)
                value, certain = total[t], max(weight[t], 0.0)
                after, before = own_weight[end] - own_weight[t], own_weight[t] - own_weight[begin]
                if after > 1e-9 and before > 1e-9:
                    both = after * before / (after + before)
                    value += both * ((own[end] - own[t]) / after - (own[t] - own[begin]) / before)
                    certain += both
                if certain < 1e-9:
                    continue
                change = value / certain
                if abs(change) < LEAST_STEPS * steps[c]:
                    continue
                odds = 2.0 * math.log1p(change * change / (3.0 * (INFLATION / certain + FLOOR))) - PENALTY
                if (t + path[run, 2]) % width > 0:
                    mean, scattered = _beside(vertical, activity, rows, kinds, scatter, t, c)
                    likely = math.exp(min(_gain(mean, mean + change, scattered), 30.0))
                    odds += math.log(LIKE_LEFT + (1.0 - LIKE_LEFT) * likely)
                out[t] += max(odds, 0.0)


@allocating
def _median(values, variances, count):
    """Median of the first `count` values, weighted by the inverse of their standard deviations."""
    order = np.argsort(values[:count])
    half = 0.0
    for k in range(count):
        half += 0.5 / math.sqrt(variances[k])
    passed = 0.0
    for k in range(count):
        passed += 1.0 / math.sqrt(variances[order[k]])
        if passed >= half:
            return values[order[k]]
    return 0.0


@inlined
def _cost(values, variances, count, centre):
    total = 0.0
    for k in range(count):
        off = values[k] - centre
        total += 2.0 * math.log1p(off * off / (3.0 * variances[k]))
    return total


@inlined
def _heard(begin, end, start, stop, c, over, under, residual, variance, values, variances):
    """What MCUs of other runs say that MCUs `[begin, end)` of the run `[start, stop)` are off by; how many say so."""
    count = 0
    for j in range(begin, end):
        i, k = over[j], under[j]
        if 0 <= i < start:
            values[count], variances[count] = -residual[c, j], variance[c, j]
            count += 1
        if k >= stop:
            values[count], variances[count] = residual[c, k], variance[c, k]
            count += 1
    return count


@allocating
def agreement(t, start, stop, width, c, over, under, residual, variance, values, variances):
    """How well borders agree on a change at `t` of the run `[start, stop)`: log-likelihood ratio, and the change.

    A change moves every border by the same amount, an edge of the picture each by another. `values`, `variances`:
    float64 (3, 4 · width), room to work in.
    """
    end, begin = min(t + width, stop), max(t - width, start)
    crossing = 0
    for j in range(t, end):
        if start <= over[j] < t:
            values[0, crossing], variances[0, crossing] = -residual[c, j], variance[c, j]
            crossing += 1
    behind = _heard(t, end, start, stop, c, over, under, residual, variance, values[1], variances[1])
    before = _heard(begin, t, start, stop, c, over, under, residual, variance, values[2], variances[2])
    heard = behind > 0 and before > 0
    if crossing == 0 and not heard:
        return 0.0, 0.0
    unchanged = _cost(values[0], variances[0], crossing, 0.0)
    first, second, centre = 0.0, 0.0, 0.0
    if heard:
        centre = _median(values[2], variances[2], before)
        second = _median(values[1], variances[1], behind) - centre
        together = math.inf
        for k in range(2):
            middle = centre + k * second
            cost = _cost(values[1], variances[1], behind, middle) + _cost(values[2], variances[2], before, middle)
            together = min(together, cost)
        unchanged += together
    if crossing > 0:
        first = _median(values[0], variances[0], crossing)
    best, change = -math.inf, 0.0
    for k in range(3):
        if (k < 2 and crossing == 0) or (k > 0 and not heard):
            continue
        tried = first if k == 0 else second if k == 2 else 0.5 * (first + second)
        cost = _cost(values[0], variances[0], crossing, tried)
        if heard:
            cost += _cost(values[2], variances[2], before, centre)
            cost += _cost(values[1], variances[1], behind, centre + tried)
        if unchanged - cost > best:
            best, change = unchanged - cost, tried
    return best, change


@allocating
def cut_odds(
    vertical, activity, rows, kinds, scatter, path, width, over, under, residual, variance, near, far, told, run, t, out
):  # fmt: skip
    """Log-odds, without what is known beforehand, that offsets change close to MCU `t` of run `run`.

    Args:
        vertical, activity, rows, kinds, scatter, path: as for `rough_odds`.
        width, over, under, residual, variance: see `residuals`.
        near: MCUs on either side of `t` to look at, if log-odds at `t` itself are not below `far`.
        told: float64 (3,), weights of what borders above and below, the border beside and the size of the change say.
        run, t: which run and MCU.
        out: float64 (2,), output: log-odds of the likeliest MCU, and that MCU.
    """
    start, stop, shift = path[run]
    values, variances = np.empty((3, 4 * width)), np.empty((3, 4 * width))
    out[0], out[1] = -math.inf, t
    first, last = max(t - near, start + 1), min(t + near, stop - 1)
    for n in range(last - first + 2):
        k = t if n == 0 else first + n - 1
        for c in range(kinds.size):
            agreed, change = agreement(k, start, stop, width, c, over, under, residual, variance, values, variances)
            odds = told[0] * min(agreed, AGREED_MOST) + told[2] * math.log(abs(change) / 16.0 + 0.05)
            if (k + shift) % width > 0:
                mean, scattered = _beside(vertical, activity, rows, kinds, scatter, k, c)
                odds += told[1] * _gain(mean, mean + change, scattered)
            if odds > out[0]:
                out[0], out[1] = odds, k
        if n == 0 and out[0] < far:
            return
