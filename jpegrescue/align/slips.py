"""By how much the place of every run is better than the next best, for whole stretches of runs at once.

A run that lies wrong seldom does so alone: everything from one error on is moved by the same few MCUs, up to another
error or the end of the scan. Inside the stretch nothing shows that. What does is at both of its ends, and at the
margins of the picture, which would meet in its midst.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align._kernels_path import SEAM_ALIKE, SEAM_LEAST, SEAM_MOST
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import AT_END, Run, gains
from jpegrescue.score.plausibility import NAT

REACH, ROWS = 12, 2
NEVER = 1 << 30
FALLEN_OFF = 4 * NAT
"""MCUs, and rows, that a stretch may be moved by; odds of what cannot be, 1/NAT nat; what an MCU costs that has no
place then."""


def slips(evidence: Evidence, runs: Sequence[Run]) -> NDArray[np.int64]:
    """Odds of every run's place against the likeliest other one, int64 (runs,), 1/NAT nat; see the module."""
    if not runs:
        return np.zeros(0, np.int64)
    moves = _moves(evidence.width)
    cost = _costs(evidence, runs, moves)
    into, out_of = cost[:-1], cost[1:, ::-1]
    begun, entering = _running_least(into)
    ended, leaving = _running_least(out_of[::-1])
    leaving = len(runs) - 1 - leaving[::-1]
    seam = _seams(evidence, runs, moves)
    torn = seam[leaving + 1, np.arange(moves.size)] - seam[entering, np.arange(moves.size)]
    margins = np.minimum(torn[..., 0] - SEAM_ALIKE, 0) - np.minimum(torn[..., 1] - SEAM_ALIKE, 0)
    least: NDArray[np.int64] = (begun + ended[::-1] + 7 * margins // 10).min(axis=1)
    return np.minimum(least, NEVER)


def _moves(width: int) -> NDArray[np.int64]:
    """In an order that is the same backwards with all signs turned."""
    rows = [row * width for row in range(1, ROWS + 1)]
    ahead = sorted({*range(1, REACH + 1), *rows})
    return np.array([*(-move for move in reversed(ahead)), *ahead])


def _running_least(cost: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Least of all rows so far, and which row that was."""
    least = np.minimum.accumulate(cost, axis=0)
    rows = np.arange(cost.shape[0])[:, None]
    return least, np.maximum.accumulate(np.where(cost == least, rows, 0), axis=0)


def _costs(evidence: Evidence, runs: Sequence[Run], moves: NDArray[np.int64]) -> NDArray[np.int64]:
    """What it costs that all from a run on is moved, int64 (runs + 1, moves); the last row is the end of the scan."""
    cost = np.zeros((len(runs) + 1, moves.size), np.int64)
    if evidence.forced[runs[0].start] == runs[0].start + runs[0].shift:
        cost[0] = NEVER
    for number in range(1, len(runs)):
        before, behind = _around(runs, number, evidence.width)
        kept = _odds(evidence, before, behind, 0)
        cost[number] = [max(kept - _odds(evidence, before, behind, move), 0) for move in moves.tolist()]
    if evidence.ends and runs[-1].stop + runs[-1].shift == evidence.places:
        # moved back, as the last row says it, is what lies too far on
        cost[-1] = AT_END + FALLEN_OFF * np.maximum(-moves, 0)
    return cost


def _around(runs: Sequence[Run], number: int, width: int) -> tuple[list[Run], list[Run]]:
    """What lies in the row before run `number` begins, and in the row from there on."""
    here = runs[number].start + runs[number].shift
    before = [
        Run(max(run.start, here - width - REACH - run.shift), run.stop, run.shift)
        for run in runs[max(0, number - width) : number]
        if run.stop + run.shift > here - width - REACH
    ]
    behind = [
        Run(run.start, min(run.stop, here + width + REACH - run.shift), run.shift)
        for run in runs[number : number + width]
        if run.start + run.shift < here + width + REACH
    ]
    return before, behind


def _odds(evidence: Evidence, before: list[Run], behind: list[Run], move: int) -> int:
    """Odds of both, with what lies behind moved; where there is no room it is cut off."""
    floor = before[-1].stop + before[-1].shift if before else 0
    moved = []
    for run in behind:
        shift = run.shift + move
        start, stop = max(run.start, floor - shift), min(run.stop, evidence.places - shift)
        if start < stop:
            moved.append(Run(start, stop, shift))
    return int(gains(evidence, [*before, *moved])[0].sum())


def _seams(evidence: Evidence, runs: Sequence[Run], moves: NDArray[np.int64]) -> NDArray[np.int64]:
    """What pairs of MCUs say that would be at the margins with all moved, and those that are, up to each run.

    int64 (runs + 1, moves, 2), sums over the picture's rows.
    """
    said = np.zeros((len(runs) + 1, moves.size, 2), np.int64)
    for number, run in enumerate(runs):
        stream = np.arange(run.start + 1, run.stop)
        odds = np.clip(evidence.left[stream], SEAM_LEAST, SEAM_MOST)
        column = (stream + run.shift) % evidence.width
        said[number + 1, :, 1] = odds[column == 0].sum()
        for index, move in enumerate(moves.tolist()):
            said[number + 1, index, 0] = odds[(column + move) % evidence.width == 0].sum()
    return np.cumsum(said, axis=0)
