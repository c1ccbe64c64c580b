"""DC offsets of runs, in whole quantiser steps, solved for all runs together.

Fine quantisers make this hard: between photographic neighbours the mean of a border is off by several tenths of a level
for reasons of the picture, and one step of a camera's quantiser is an eighth to a quarter of a level
(`benchmarks/offsets.py`). So every offset carries the probability that it is exact.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_offsets as kernels
from jpegrescue.align.cuts import likely_cuts
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run, gains
from jpegrescue.score.borders import CHROMA, LUMA, Borders

PREVIEW_DOUBT = 4.0
SHARED, SHADING_MAX, SMOOTH = 0.5, 2.0, 16.0**2
ROUNDS = 10
LIKE = 10.0  # neighbouring borders are wrong together: so many count as one
ANCHOR, LOOSE = 1e9, 1e-9
BLACK, WHITE = 0.0, 255 * 16.0
CENTRE = 128 * 16.0
PRIMARIES = np.array([[0.0, 1.402], [-0.344136, -0.714136], [1.772, 0.0]])
"""What Cb and Cr add to luma in red, green and blue (JFIF 1.02)."""
SLACK, BEYOND = 16.0, 16.0**2
"""1/16 level: what samples exceed black and white by for reasons of quantisation, and the variance of more."""
SEAM = 1.0
"""Variance, (1/16 level)², of how much offsets differ on both sides of a cut, unless they do by much."""
SEAM_VOICE, BESIDE_VOICE = 8.0, 1.0 / 40
"""Weights in the first guess: of a seam, in borders; of the border to the MCU before, 1/16 level to the minus first."""
CUT_ROUNDS = 2


def solve_offsets(
    evidence: Evidence, runs: Sequence[Run], guess: NDArray[np.float64], anchored: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Offsets of `runs`.

    Args:
        evidence: the stream.
        runs: where its MCUs lie, in stream order.
        guess: float64 (runs, components), 1/16 level, for runs that neither borders nor a preview speak of.
        anchored: bool (runs,), whether a run's DC predictors began at 0.

    Returns:
        int64 (runs, components), quantiser steps; float64 (runs, components), probability that they are exact.
    """
    if not runs:
        return np.zeros((0, evidence.borders.kinds.size), np.int64), np.zeros((0, evidence.borders.kinds.size))
    above, below, *_ = _borders_between(evidence, runs)
    steps, doubt = _solved_all(evidence, runs, guess, anchored, np.zeros(len(runs), np.bool_))
    sure = np.zeros((evidence.borders.kinds.size, len(runs)))
    for c in range(sure.shape[0]):
        certain = np.array([_within_half(d) for d in doubt[c].tolist()])
        kernels.link(above, below, certain, anchored, sure[c])
    return steps.T.copy(), sure.T.copy()


@dataclass(frozen=True, slots=True)
class _System:
    """What is known of the offsets of one component, 1/16 level and its square.

    `above`, `below`: int64 (borders,), runs on both sides, above < below; `mean`, `variance`: float64 (borders,), of
    below − above as decoded; `run`, `own`, `own_variance`: (n,), what a preview says a run's offset is; `member`:
    int64 (MCUs of runs,), their runs; `lowest`, `highest`: float64 (MCUs of runs,), see `kernels.level_range`.
    """

    above: NDArray[np.int64]
    below: NDArray[np.int64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    run: NDArray[np.int64]
    own: NDArray[np.float64]
    own_variance: NDArray[np.float64]
    member: NDArray[np.int64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]


def _solved_all(
    evidence: Evidence,
    runs: Sequence[Run],
    guess: NDArray[np.float64],
    anchored: NDArray[np.bool_],
    seams: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps and their doubt, int64 and float64 (components, runs), see `_solved`.

    `seams`: bool (runs,), whether a run was cut off from the one before, so that their offsets are likely the same.
    """
    borders = evidence.borders
    above, below, near, far = _borders_between(evidence, runs)
    mean, variance = _means(evidence, near, far)
    mean -= SHARED * _shading(evidence, runs, near, far)
    lowest, highest = np.empty((2, borders.kinds.size, evidence.count))
    kernels.level_range(
        borders.horizontal, borders.vertical, borders.activity, borders.columns, borders.rows, lowest, highest
    )
    members = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    member = np.repeat(np.arange(len(runs)), [run.stop - run.start for run in runs])
    seam = np.flatnonzero(seams)
    linked = np.concatenate((above, seam - 1)), np.concatenate((below, seam))
    skyline = _skyline(*linked, len(runs))
    steps, doubt = np.zeros((borders.kinds.size, len(runs)), np.int64), np.zeros((borders.kinds.size, len(runs)))
    coloured = borders.kinds.tolist() == [LUMA, CHROMA, CHROMA]
    for c in (1, 2, 0) if coloured else range(borders.kinds.size):
        low, high = lowest[c], highest[c]
        if coloured and c == 0:
            low, high = _with_colours(evidence, members, steps[1:, member], low, high)
        told = (*_previewed(evidence, runs, anchored, c), member, low[members], high[members])
        system = _System(above, below, mean[c], variance[c], *told)
        offset = _first_guess(evidence, runs, system, (low, high), guess[:, c], anchored, seams, c)
        joined = np.concatenate((mean[c], np.zeros(seam.size))), np.concatenate((variance[c], np.full(seam.size, SEAM)))
        system = replace(system, above=linked[0], below=linked[1], mean=joined[0], variance=joined[1])
        steps[c], doubt[c] = _solved(system, skyline, offset, float(borders.steps[c]))
    return steps, doubt


def _with_colours(
    evidence: Evidence,
    members: NDArray[np.int64],
    steps: NDArray[np.int64],
    lowest: NDArray[np.float64],
    highest: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What luma has at least and at most, float64 (MCUs,), with red, green and blue in mind: none is under 0 either.

    Args:
        evidence: the stream; of Y, Cb and Cr.
        members: int64 (n,), its MCUs whose colours are known.
        steps: int64 (2, n), the offsets of their chroma, quantiser steps.
        lowest: float64 (MCUs,), see `kernels.level_range`, of luma.
        highest: the same.
    """
    borders = evidence.borders
    luma, blue, red = _side_means(borders)[:, members]
    blue = blue + steps[0] * borders.steps[1] - CENTRE
    red = red + steps[1] * borders.steps[2] - CENTRE
    primaries = luma + PRIMARIES @ np.stack((blue, red))
    low, high = lowest.copy(), highest.copy()
    low[members] = np.minimum(low[members], primaries.min(axis=0))
    high[members] = np.maximum(high[members], primaries.max(axis=0))
    return low, high


def _side_means(borders: Borders) -> NDArray[np.float64]:
    """Means of the four sides of MCUs, float64 (components, MCUs), 1/16 level."""
    means = np.empty((borders.kinds.size, borders.mcus))
    for c, (columns, rows) in enumerate(zip(pairwise(borders.columns), pairwise(borders.rows), strict=True)):
        across, along = borders.horizontal[:, :, slice(*columns)], borders.vertical[:, :, slice(*rows)]
        means[c] = (across.mean(axis=(0, 2)) + along.mean(axis=(0, 2))) / 2
    return means


def _first_guess(
    evidence: Evidence,
    runs: Sequence[Run],
    system: _System,
    levels: tuple[NDArray[np.float64], NDArray[np.float64]],
    guess: NDArray[np.float64],
    anchored: NDArray[np.bool_],
    seams: NDArray[np.bool_],
    component: int,
) -> NDArray[np.float64]:
    """A start near enough to the truth for `_solved`, float64 (runs,): reweighting finds the nearest way to agree."""
    borders, offset = evidence.borders, guess.copy()
    low, high, beside, voice = np.zeros((4, len(runs)))
    path = np.array([(run.start, run.stop) for run in runs], np.int64)
    kernels.allowed(path, *levels, BLACK, WHITE, low, high)
    typical = float(np.median(system.variance)) if system.variance.size else SEAM
    voice[seams] = SEAM_VOICE / math.sqrt(typical)
    rows = slice(int(borders.rows[component]), int(borders.rows[component + 1]))
    for index, (before, run) in enumerate(pairwise(runs), 1):
        place = run.start + run.shift
        if anchored[index] or seams[index] or before.stop + before.shift != place:
            continue
        if place % evidence.width:
            off = borders.vertical[0, run.start, rows].mean() - borders.vertical[1, before.stop - 1, rows].mean()
            beside[index], voice[index] = -off, BESIDE_VOICE
    order = np.argsort(system.run, kind="stable")
    own = (system.run[order], system.own[order], np.sqrt(system.own_variance[order]))
    known = (system.above, system.below, system.mean, system.variance, *own)
    kernels.first_guess(*known, beside, voice, low, high, anchored, offset)
    return offset


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

    Borders say how far the offsets of two runs lie apart, a preview what one of them is, and no sample is darker than
    black or lighter than white; all of it robustly (a Student distribution with three degrees of freedom, by
    reweighting `offset`, the first guess). Run 0 keeps its own. Runs are then rounded one after the other, each given
    those before it.
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
    for levels, limit, side in ((system.highest, WHITE + SLACK, 1), (system.lowest, BLACK - SLACK, -1)):
        over = side * (levels + offset[system.member] - limit)
        outside = over > 0
        kept = _weights(over[outside], np.full(int(outside.sum()), BEYOND))
        np.add.at(matrix, ends[system.member[outside]], kept)
        np.add.at(right, system.member[outside], kept * (limit - levels[outside]))
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

    Such an error leaves the shift alone. Likely places are cut; what then turns out to have one offset is joined again.
    """
    begun = {run.start for run in runs}
    errors = int((evidence.forced[[run.start for run in runs]] < 0).sum()) if runs else 0
    parts = list(runs)
    for _ in range(CUT_ROUNDS if runs else 0):
        steps = _steps_of(evidence, parts, begun)
        cuts = likely_cuts(evidence, parts, (steps * evidence.borders.steps[:, None]).T.astype(np.float64), errors)
        if not cuts.size:
            break
        cut: list[Run] = []
        for run in parts:
            bounds = [run.start, *cuts[(cuts > run.start) & (cuts < run.stop)].tolist(), run.stop]
            cut += [Run(start, stop, run.shift) for start, stop in pairwise(bounds)]
        parts = _joined(cut, _steps_of(evidence, cut, begun), begun)
    return parts


def _steps_of(evidence: Evidence, runs: Sequence[Run], begun: set[int]) -> NDArray[np.int64]:
    """Offsets of runs, int64 (components, runs), as those that did not start where `begun` says were cut."""
    anchored = evidence.forced[[run.start for run in runs]] >= 0
    seams = np.array([run.start not in begun for run in runs], np.bool_)
    return _solved_all(evidence, runs, gains(evidence, runs)[1], anchored, seams)[0]


def _joined(runs: Sequence[Run], steps: NDArray[np.int64], begun: set[int]) -> list[Run]:
    """`runs` without the cuts that turned out to change nothing."""
    joined: list[Run] = []
    for index, run in enumerate(runs):
        if run.start in begun or (steps[:, index] != steps[:, index - 1]).any():
            joined.append(run)
        else:
            joined[-1] = Run(joined[-1].start, run.stop, run.shift)
    return joined


def _shading(
    evidence: Evidence, runs: Sequence[Run], near: NDArray[np.int64], far: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What borders that lie above and below those between `near` and `far`, inside runs, are off by, 0 if unknown.

    Flat blocks hide the gradient of a sky, so that borders are off by the same amount row after row; taken for offsets,
    that would add up from run to run. Where a picture is not smooth, one row says nothing about the next. float64
    (components, borders).
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
        total[:, inside] += np.where(variance < SMOOTH, np.clip(mean, -limit, limit), 0.0)
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
