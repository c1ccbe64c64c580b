"""What tells the margins of a picture from all that lies inside it.

Scanned photos have a dark rim, encoders fill up what is missing to whole MCUs with the last column or row, and cameras
crop hard. So MCUs at a margin look alike, down the whole picture, and unlike all others: on the side that lies at the
margin, and there alone. A picture that was moved by some MCUs has such a line in its midst, and no rim.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run
from jpegrescue.score.plausibility import NAT

SIDES = 4  # left, right, top and bottom
_OWN_ACTIVITY = (2, 3, 0, 1)
BINS = 14
PRIOR = 12.0  # what is usual in the picture weighs as much as so many MCUs of a column or row
LINES_MIN = 8  # columns and rows, at least, to tell what is usual
WEIGHT = 0.5  # of both features, as they say much the same


def frame_odds(evidence: Evidence, runs: Sequence[Run]) -> NDArray[np.int64]:
    """Log-odds, int64 (SIDES, MCUs), 1/NAT nat, that each side of an MCU lies at that margin of the picture.

    Learnt from where `runs` put MCUs, and worth no more than by how much the margin stands out from all other columns
    or rows; 0 throughout where it does not.
    """
    out = np.zeros((SIDES, evidence.count), np.int64)
    columns, rows = evidence.width, evidence.places // evidence.width
    if min(columns, rows) < LINES_MIN or not runs:
        return out
    stream = np.concatenate([np.arange(run.start, run.stop) for run in runs])
    place = np.concatenate([np.arange(run.start, run.stop) + run.shift for run in runs])
    column, row = (place % columns, columns), (place // columns, rows)
    lines = ((*column, 0), (*column, -1), (*row, 0), (*row, -1))
    told = _features(evidence)
    for side, (line, count, margin) in enumerate(lines):
        odds = np.zeros(evidence.count)
        total = np.zeros(count)
        for feature in told[:, side]:
            usual = np.bincount(feature[stream], minlength=BINS) + 0.5
            usual /= usual.sum()
            seen = np.zeros((count, BINS))
            np.add.at(seen, (line, feature[stream]), 1)
            share = (seen + PRIOR * usual) / (seen.sum(axis=1, keepdims=True) + PRIOR)
            gain = np.log(share / usual)
            total += (seen * gain).sum(axis=1)
            odds += gain[margin][feature]
        others = np.delete(total, margin).max()
        if total[margin] > others:
            out[side] = np.rint(odds * (WEIGHT * NAT * (1 - max(others, 0.0) / total[margin])))
    return out


def framed(evidence: Evidence, runs: Sequence[Run]) -> int:
    """What the margins of the picture, where `runs` put them, speak for these, 1/NAT nat."""
    odds, total = frame_odds(evidence, runs), 0
    for run in runs:
        place = np.arange(run.start, run.stop) + run.shift
        total += int(_at_margins(odds[:, run.start : run.stop], place, evidence).sum())
    return total


def _features(evidence: Evidence) -> NDArray[np.int64]:
    """By how much each side's line of luma differs from the other three, and its activity: (2, SIDES, MCUs), binned."""
    borders = evidence.borders
    vertical = borders.vertical[:, :, borders.rows[0] : borders.rows[1]].mean(axis=2)
    horizontal = borders.horizontal[:, :, borders.columns[0] : borders.columns[1]].mean(axis=2)
    level = np.concatenate((vertical, horizontal)) / 16
    off = (SIDES * level - level.sum(axis=0)) / (SIDES - 1)
    size = np.minimum(np.floor(np.log2(1 + np.abs(off) / 2)), (BINS - 1) // 2)
    active = np.minimum(np.floor(np.log2(1 + borders.activity[0][list(_OWN_ACTIVITY)])), BINS - 1)
    return np.stack((np.sign(off) * size + (BINS - 1) // 2, active)).astype(np.int64)


def cost_of_moves(
    evidence: Evidence, runs: Sequence[Run], moves: NDArray[np.int64], odds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """What it costs by `odds` (see `frame_odds`) to move each run, int64 (runs, moves)."""
    out = np.zeros((len(runs), moves.size), np.int64)
    if not odds.any():
        return out
    for number, run in enumerate(runs):
        part = odds[:, run.start : run.stop]
        place = np.arange(run.start, run.stop) + run.shift
        there = place[None] + np.concatenate((np.zeros(1, np.int64), moves))[:, None]
        total = _at_margins(part, there, evidence).sum(axis=1)
        out[number] = total[0] - total[1:]
    return out


def _at_margins(odds: NDArray[np.int64], place: NDArray[np.int64], evidence: Evidence) -> NDArray[np.int64]:
    """What is said of MCUs, `odds` as in `frame_odds`, at `place`, int64 (…, MCUs)."""
    column, last = place % evidence.width, evidence.width - 1
    said = np.where(column == 0, odds[0], 0) + np.where(column == last, odds[1], 0)
    said += np.where(place < evidence.width, odds[2], 0)
    said += np.where(place >= evidence.places - evidence.width, odds[3], 0)
    return said
