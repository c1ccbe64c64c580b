"""By how much the place of every run is better than the next best, whatever moves along with it.

A run that lies wrong seldom does so alone: everything from one error on is moved by the same few MCUs, up to another
error, the end of the scan, or an edge along which the picture can be torn, row by row. So every run is a node of a
graph, and what speaks for two runs lying as they do to each other is what it costs to cut between them: borders where
one lies above the other, bits where one follows the other. The cheapest way to move a run is the least cut between it
and what cannot move.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_slips as kernels
from jpegrescue.align._kernels_path import NOWHERE, SEAM_ALIKE, SEAM_LEAST, SEAM_MOST
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.frame import cost_of_moves, frame_odds
from jpegrescue.align.place import AT_END, Run, gains
from jpegrescue.score.plausibility import NAT

REACH, ROWS = 12, 2
NEVER, CEILING = 1 << 30, 100 * NAT
WORK = 600_000_000
"""MCUs, and rows, that runs may be moved by; odds of what cannot be, and above which none are told apart, 1/NAT nat;
arcs that may be looked at."""


@dataclass(frozen=True, slots=True)
class Slip:
    """Runs that would better lie elsewhere: bool (runs,); by how many MCUs they are to be moved; odds, 1/NAT nat."""

    moved: NDArray[np.bool_]
    move: int
    odds: int


@dataclass(frozen=True, slots=True)
class _Costs:
    """What moving runs costs, 1/NAT nat.

    `upper`, `lower`: int64 (pairs,), runs of a pair; `lower_moved`, `upper_moved`: int64 (pairs, moves), if only that
    one is; `alone`: int64 (runs, moves), whatever the others do.
    """

    upper: NDArray[np.int64]
    lower: NDArray[np.int64]
    upper_moved: NDArray[np.int64]
    lower_moved: NDArray[np.int64]
    alone: NDArray[np.int64]


def slips(evidence: Evidence, runs: Sequence[Run]) -> NDArray[np.int64]:
    """Odds of every run's place against the likeliest other one, int64 (runs,), 1/NAT nat; see the module."""
    if not runs:
        return np.zeros(0, np.int64)
    moves = _moves(evidence.width, REACH)
    return _looked_for(_costs(evidence, runs, moves), moves, each=True)[0]


def better(evidence: Evidence, runs: Sequence[Run], reach: int) -> tuple[list[Slip], list[Slip]]:
    """Sets of runs that are likelier elsewhere, up to `reach` columns or some rows away, the likeliest first.

    Once as margins and all have it, and once without the margins, which may lie wrong themselves.
    """
    if not runs:
        return [], []
    moves = _moves(evidence.width, reach)
    costs = _costs(evidence, runs, moves)
    margins = _seams(evidence, runs, moves, framed=True) - _seams(evidence, runs, moves, framed=False)
    bare = replace(costs, alone=np.where(costs.alone >= NEVER, NEVER, costs.alone - margins))
    return _looked_for(costs, moves, each=False)[1], _looked_for(bare, moves, each=False)[1]


def _moves(width: int, reach: int) -> NDArray[np.int64]:
    """In an order that is the same backwards with all signs turned."""
    rows = [row * width for row in range(1, ROWS + 1)]
    ahead = sorted({*range(1, reach + 1), *rows})
    return np.array([*(-move for move in reversed(ahead)), *ahead])


def _looked_for(costs: _Costs, moves: NDArray[np.int64], *, each: bool) -> tuple[NDArray[np.int64], list[Slip]]:
    count, pairs = costs.alone.shape[0], costs.upper.size
    odds = np.full(count, NEVER)
    found: list[Slip] = []
    every, fast, loose = np.arange(count), np.full(count, count), np.full(count, count + 1)
    tail = np.concatenate((costs.upper, costs.lower, fast, every, every, loose))
    head = np.concatenate((costs.lower, costs.upper, every, fast, loose, every))
    sizes = (pairs, count, count)
    starts = np.cumsum([0, *(2 * size for size in sizes)])[:-1].tolist()
    turned = np.concatenate(
        [start + np.roll(np.arange(2 * size), -size) for start, size in zip(starts, sizes, strict=True)]
    )
    arc = np.argsort(tail, kind="stable")
    first = np.searchsorted(tail[arc], np.arange(count + 3))
    nothing, moved, work = np.zeros(count, np.int64), np.zeros(count, np.bool_), np.array([WORK])
    for index in np.argsort(np.abs(moves), kind="stable").tolist():
        to_lower, to_upper, alone = _capacities(costs, index)
        room = np.concatenate((to_lower, to_upper, np.maximum(alone, 0), nothing, np.maximum(-alone, 0), nothing))
        least = int(np.minimum(alone, 0).sum())
        cost = kernels.cuts(first, arc, head, turned, room, least, CEILING, odds, each, moved, work)
        if cost < 0:
            found.append(Slip(moved.copy(), int(moves[index]), -int(cost)))
    if costs.alone[0].min() >= NEVER and odds[0] > 0:
        odds[0] = NEVER
    return odds, sorted(found, key=lambda slip: -slip.odds)


def _capacities(costs: _Costs, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Costs as a graph has them, none of which is below 0 between two nodes: what is moves over to the nodes."""
    to_lower, to_upper = costs.lower_moved[:, index], costs.upper_moved[:, index]
    both, alone = to_lower + to_upper, costs.alone[:, index].copy()
    over = np.where(both < 0, 0, np.minimum(to_lower, 0) - np.minimum(to_upper, 0))
    np.add.at(alone, costs.lower, over)
    np.add.at(alone, costs.upper, -over)
    cut = (both >= 0).astype(np.int64)
    return cut * (to_lower - over), cut * (to_upper + over), alone


def _costs(evidence: Evidence, runs: Sequence[Run], moves: NDArray[np.int64]) -> _Costs:
    count = len(runs)
    path = np.array([(run.start, run.stop, run.shift) for run in runs], np.int64)
    _, offsets = gains(evidence, runs)
    at, owner = np.full((2, evidence.places), -1, np.int64)
    for index, run in enumerate(runs):
        at[run.start + run.shift : run.stop + run.shift] = np.arange(run.start, run.stop)
        owner[run.start + run.shift : run.stop + run.shift] = index
    pairs = _meeting(owner, count, evidence.width, moves)
    together, alone = np.zeros((pairs.size, moves.size), np.int64), _seams(evidence, runs, moves, framed=True)
    given = evidence.for_paths()
    kernels.borders(*given, evidence.width, path, offsets, at, owner, moves, pairs, together, alone)
    usual, (behind, ahead, both) = np.zeros(count, np.int64), np.zeros((3, count, moves.size), np.int64)
    final = evidence.places - evidence.count if evidence.ends else NOWHERE
    kernels.junctions(
        *given, evidence.error, final, at, owner, evidence.width, offsets, path, moves, usual, behind, ahead, both
    )
    behind, both, ahead = behind - usual[:, None], both - usual[:, None], ahead - usual[:, None]
    if evidence.forced[runs[0].start] == runs[0].start + runs[0].shift:
        alone[0] = NEVER
    else:
        alone[0] += behind[0]
    alone[1:] += both[1:]
    alone[-1] += _at_end(evidence, runs[-1], moves)
    number = np.arange(1, count)
    return _Costs(
        upper=np.concatenate((number - 1, pairs % count)),
        lower=np.concatenate((number, pairs // count)),
        upper_moved=np.concatenate((ahead[1:], together[:, ::-1])),
        lower_moved=np.concatenate((behind[1:] - both[1:], together)),
        alone=alone,
    )


def _meeting(owner: NDArray[np.int64], count: int, width: int, moves: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lower run · runs + upper run, sorted, of all that lie above each other, or would where now nothing lies."""
    below, above = owner[width:], owner[:-width]
    meet = (below >= 0) & (above >= 0) & (below != above)
    found = [below[meet] * count + above[meet]]
    hole = np.flatnonzero((below >= 0) & (above < 0))
    for move in moves.tolist():
        there = hole[(hole + move >= 0) & (hole + move < owner.size)]
        upper, lower = owner[there + move], below[there]
        meet = (upper >= 0) & (upper != lower)
        found.append(lower[meet] * count + upper[meet])
    return np.unique(np.concatenate(found))


def _at_end(evidence: Evidence, last: Run, moves: NDArray[np.int64]) -> NDArray[np.int64]:
    """What it costs to move the last run, int64 (moves,)."""
    end = last.stop + last.shift + moves
    cost = kernels.FALLEN_OFF * np.maximum(end - evidence.places, 0)
    if evidence.ends and last.stop + last.shift == evidence.places:
        cost += AT_END
    elif evidence.ends and last.stop == evidence.count:
        cost -= np.where(end == evidence.places, AT_END, 0)
    return cost


def _seams(evidence: Evidence, runs: Sequence[Run], moves: NDArray[np.int64], *, framed: bool) -> NDArray[np.int64]:
    """What it costs that other pairs of MCUs come to lie at the margins of the picture, int64 (runs, moves).

    Margins that are alike count as neighbours do, whichever they are, but no pair of them for more than it may.
    """
    now, then = np.zeros((2, len(runs)), np.int64), np.zeros((2, len(runs), moves.size), np.int64)
    for number, run in enumerate(runs):
        stream = np.arange(run.start + 1, run.stop)
        columns = (stream + run.shift) % evidence.width
        inside = evidence.left[stream]
        for kind, odds in enumerate((inside, np.clip(inside, SEAM_LEAST, SEAM_MOST))):
            told = np.bincount(columns, odds, evidence.width).astype(np.int64)
            now[kind, number], then[kind, number] = told[0], told[-moves % evidence.width]
    lost = then[0] - np.where(then[1].sum(axis=0) < SEAM_ALIKE, 0, then[1])
    lost -= (now[0] - (0 if now[1].sum() < SEAM_ALIKE else now[1]))[:, None]
    if framed:
        lost += cost_of_moves(evidence, runs, moves, frame_odds(evidence, runs))
    tempered: NDArray[np.int64] = 7 * lost // 10
    return tempered
