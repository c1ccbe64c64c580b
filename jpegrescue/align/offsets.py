"""DC offsets of runs, in whole quantiser steps, solved for all runs together.

Fine quantisers make this hard: between photographic neighbours the mean of a border is off by several tenths of a level
for reasons of the picture, and one step of a camera's quantiser is an eighth to a quarter of a level
(`benchmarks/offsets.py`). So every offset carries the probability that it is exact.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_offsets as kernels
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run

PREVIEW_DOUBT = 4.0
SHARED, SHADING_MAX = 0.5, 2.0
ROUNDS = 10
LIKE = 10.0  # neighbouring borders are wrong together: so many count as one
ANCHOR, LOOSE = 1e9, 1e-9
SURPRISE_MAX = 3.0  # standard deviations that a border can be off by
CHANGE, CHANGE_ROOT, CHANGE_MCUS = 16.0, 2.0, 16


def solve_offsets(
    evidence: Evidence, runs: Sequence[Run], guess: NDArray[np.float64], anchored: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Offsets of `runs`.

    Args:
        evidence: the stream.
        runs: where its MCUs lie, in stream order.
        guess: float64 (runs, components), 1/16 level.
        anchored: bool (runs,), whether a run's DC predictors began at 0.

    Returns:
        int64 (runs, components), quantiser steps; float64 (runs, components), probability that they are exact.
    """
    borders = evidence.borders
    if not runs:
        return np.zeros((0, borders.kinds.size), np.int64), np.zeros((0, borders.kinds.size))
    above, below, near, far = _borders_between(evidence, runs)
    mean, variance = _means(evidence, near, far)
    mean -= SHARED * _shading(evidence, runs, near, far)
    skyline = _skyline(above, below, len(runs))
    steps, sure = np.zeros((borders.kinds.size, len(runs)), np.int64), np.zeros((borders.kinds.size, len(runs)))
    for c in range(borders.kinds.size):
        system = _System(above, below, mean[c], variance[c], *_previewed(evidence, runs, anchored, c))
        offset = np.where(anchored, 0.0, guess[:, c])
        steps[c], doubt = _solved(system, skyline, offset, float(borders.steps[c]))
        certain = np.array([_within_half(d) for d in doubt.tolist()])
        kernels.link(above, below, certain, anchored, sure[c])
    return steps.T.copy(), sure.T.copy()


@dataclass(frozen=True, slots=True)
class _System:
    """What is known of the offsets of one component, 1/16 level and its square.

    `above`, `below`: int64 (borders,), runs on both sides, above < below; `mean`, `variance`: float64 (borders,), of
    below − above as decoded; `run`, `own`, `own_variance`: (n,), what a preview says a run's offset is.
    """

    above: NDArray[np.int64]
    below: NDArray[np.int64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    run: NDArray[np.int64]
    own: NDArray[np.float64]
    own_variance: NDArray[np.float64]


def _skyline(above: NDArray[np.int64], below: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], ...]:
    """`low` and `ends` as the kernels take them: int64 (runs,)."""
    low = np.arange(count)
    np.minimum.at(low, below, above)
    low = np.minimum.accumulate(low[::-1])[::-1].copy()
    return low, np.cumsum(np.arange(count) - low + 1) - 1


def _solved(
    system: _System, skyline: tuple[NDArray[np.int64], ...], offset: NDArray[np.float64], step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offsets as whole steps, and their standard deviations in steps, given that those of earlier runs are right.

    Borders say how far the offsets of two runs lie apart, a preview what one of them is; all of it robustly (a Student
    distribution with three degrees of freedom, by reweighting `offset`, the first guess). Run 0 keeps its own. Runs are
    then rounded one after the other, each given those before it.
    """
    low, ends = skyline
    doubt = np.zeros(low.size)
    for _ in range(ROUNDS):
        matrix, right = _normal_equations(system, ends, offset)
        kernels.eliminate(matrix, low, ends, right)
        kernels.substitute(matrix, low, ends, right, 0.0, offset, doubt)
    steps = np.zeros(low.size)
    kernels.substitute(matrix, low, ends, right, step, steps, doubt)
    return steps, doubt


def _normal_equations(
    system: _System, ends: NDArray[np.int64], offset: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix, by its skyline, and right side, with weights for `offset`."""
    above, below = system.above, system.below
    matrix, right = np.zeros(int(ends[-1]) + 1), np.zeros(ends.size)
    matrix[ends] = LOOSE
    weight = _weights(-system.mean - (offset[below] - offset[above]), system.variance)
    pull = weight * system.mean
    both = np.stack((above, below), axis=1).ravel()
    np.add.at(matrix, ends[both], np.repeat(weight, 2))
    np.subtract.at(matrix, ends[below] - below + above, weight)
    np.add.at(right, both, np.stack((pull, -pull), axis=1).ravel())
    own = _weights(system.own - offset[system.run], system.own_variance)
    np.add.at(matrix, ends[system.run], own)
    np.add.at(right, system.run, own * system.own)
    matrix[0] += ANCHOR
    right[0] += ANCHOR * offset[0]
    return matrix, right


def _weights(surprise: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = 4.0 / (variance * (3.0 + surprise * surprise / variance)) / LIKE
    return weights


def _within_half(doubt: float) -> float:
    """How likely an offset is off by less than half a step: Student, as pictures err by more than borders promise."""
    at = 0.5 / max(doubt, 1e-6) / math.sqrt(3)
    return 2 / math.pi * (at / (1 + at * at) + math.atan(at))


def split_where_offsets_change(evidence: Evidence, runs: Sequence[Run]) -> list[Run]:
    """Cut runs where something behind a quiet error meets what lies above it only with another offset.

    Such an error leaves the shift alone. What follows it is off by a constant against the row above, for one row; then
    both sides of every border lie behind the error.
    """
    cut: list[Run] = []
    for run in runs:
        bounds = [run.start, *_changes(evidence, run), run.stop]
        cut += [Run(start, stop, run.shift) for start, stop in pairwise(bounds)]
    return cut


def _changes(evidence: Evidence, run: Run) -> list[int]:
    """Where offsets change, at least `CHANGE_MCUS` apart: maxima of a window of one row over the run's own borders."""
    length = run.stop - run.start
    off = np.zeros((evidence.borders.kinds.size, length))
    lower = np.arange(run.start + evidence.width, run.stop)
    mean, variance = _means(evidence, lower - evidence.width, lower)
    off[:, evidence.width :] = np.clip(mean / np.sqrt(variance), -SURPRISE_MAX, SURPRISE_MAX)
    running = np.concatenate((np.zeros((off.shape[0], 1)), np.cumsum(off, axis=1)), axis=1)
    begin = np.arange(length)
    end = np.minimum(begin + evidence.width, length)
    window = np.abs(running[:, end] - running[:, begin]).max(axis=0) / np.sqrt(np.maximum(end - begin, CHANGE_MCUS))
    window[: evidence.width] = 0
    found: list[int] = []
    enough = min(CHANGE, CHANGE_ROOT * evidence.width**0.5)  # three times the root is the most that there can be
    while window.size and window.max() >= enough:
        at = int(window.argmax())
        found.append(run.start + at)
        window[max(0, at - evidence.width) : at + evidence.width] = 0
    return sorted(found)


def _shading(
    evidence: Evidence, runs: Sequence[Run], near: NDArray[np.int64], far: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What borders that lie above and below those between `near` and `far`, inside runs, are off by, 0 if unknown.

    Flat blocks hide the gradient of a sky, so that borders are off by the same amount row after row; taken for offsets,
    that would add up from run to run. float64 (components, borders).
    """
    width = evidence.width
    first = np.zeros(evidence.count, np.int64)
    last = np.full(evidence.count, -1, np.int64)
    for run in runs:
        first[run.start : run.stop], last[run.start : run.stop] = run.start, run.stop
    total, known = np.zeros((evidence.borders.kinds.size, near.size)), np.zeros(near.size)
    over, under = near - width >= first[near], far + width < last[far]
    for inside, upper, lower in ((over, near - width, near), (under, far, far + width)):
        mean, variance = _means(evidence, upper[inside], lower[inside])
        limit = SHADING_MAX * np.sqrt(variance)
        total[:, inside] += np.clip(mean, -limit, limit)
        known[inside] += 1
    return total / np.maximum(known, 1)


def _means(
    evidence: Evidence, near: NDArray[np.int64], far: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of the borders between MCUs `near` and those `far` below, and variances: float64 (components, borders)."""
    borders = evidence.borders
    mean, variance = np.empty((2, borders.kinds.size, near.size))
    kernels.border_means(
        borders.horizontal,
        borders.activity,
        borders.columns,
        borders.kinds,
        evidence.above.scatter,
        near,
        far,
        mean,
        variance,
    )
    return mean, variance


def _borders_between(evidence: Evidence, runs: Sequence[Run]) -> tuple[NDArray[np.int64], ...]:
    """Runs above and below of every border between MCUs of different runs, and the stream indices of both MCUs."""
    at, owner = np.full((2, evidence.places), -1, np.int64)
    for index, run in enumerate(runs):
        at[run.start + run.shift : run.stop + run.shift] = np.arange(run.start, run.stop)
        owner[run.start + run.shift : run.stop + run.shift] = index
    upper, lower = slice(0, -evidence.width or None), slice(evidence.width, None)
    between = (owner[upper] >= 0) & (owner[lower] > owner[upper])
    return owner[upper][between], owner[lower][between], at[upper][between], at[lower][between]


def _previewed(
    evidence: Evidence, runs: Sequence[Run], anchored: NDArray[np.bool_], component: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """What the preview says of runs, and for anchored ones that their offset is 0."""
    preview = evidence.preview
    owner, own, variance = (
        [np.flatnonzero(anchored)],
        [np.zeros(int(anchored.sum()))],
        [np.full(int(anchored.sum()), 1e-6)],
    )
    if preview.expected.shape[0]:
        for index, run in enumerate(runs):
            places = slice(run.start + run.shift, run.stop + run.shift)
            value = preview.expected[places, component] - preview.levels[run.start : run.stop, component]
            value = value[np.isfinite(value)]
            owner.append(np.full(value.size, index))
            own.append(value)
            variance.append(np.full(value.size, preview.near[component] * PREVIEW_DOUBT))
    return np.concatenate(owner), np.concatenate(own), np.concatenate(variance)
