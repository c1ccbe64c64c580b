"""Where inside runs DC offsets change: an error that costs no MCU leaves its traces in them alone.

What follows such an error is off by a constant against the row above, for one row; then both sides of every border lie
behind the error. Few places that look like that are changes, as edges of the picture do so too, and the more errors are
seen elsewhere the more are. Weights by a logistic fit on damaged photos.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_changes as kernels
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run

ROUGHLY, ASIDE = 1.0, 4
"""Rough log-odds from which on a place is looked at closely; the likeliest one of a row's share of `ASIDE` only."""
TOLD = np.array([0.1, 0.33, 0.5])
ENOUGH = 0.5
NEAR, FAR = 6, 3.0
"""MCUs on either side of a place that are looked at, unless it misses what is enough by as much as that."""


def likely_cuts(
    evidence: Evidence, runs: Sequence[Run], offsets: NDArray[np.float64], errors: int
) -> NDArray[np.int64]:
    """MCUs at which offsets likely change, given those of `runs`: int64, ascending, none the first of a run.

    Around a change all seems to change: of what lies less than a row apart only the likeliest is told.

    `offsets`: float64 (runs, components), 1/16 level; `errors`: how many are seen.
    """
    borders, count, components = evidence.borders, evidence.count, evidence.borders.kinds.size
    at, owner = np.full((2, evidence.places), -1, np.int64)
    for index, run in enumerate(runs):
        at[run.start + run.shift : run.stop + run.shift] = np.arange(run.start, run.stop)
        owner[run.start + run.shift : run.stop + run.shift] = index
    over, under = np.empty((2, count), np.int64)
    residual, variance = np.zeros((components, count)), np.ones((components, count))
    looked = (borders.activity, borders.columns, borders.kinds, evidence.above.scatter)
    met = (evidence.width, over, under, residual, variance)
    kernels.residuals(borders.horizontal, *looked, at, owner, offsets, *met)
    path = np.array([(run.start, run.stop, run.shift) for run in runs], np.int64).reshape(-1, 3)
    beside = (borders.vertical, borders.activity, borders.rows, borders.kinds, evidence.above.scatter)
    rough = np.zeros(count)
    kernels.rough_odds(*beside, borders.steps, path, *met, rough)
    enough = ENOUGH + np.log(count / (1 + errors))
    found, odds = np.zeros(2), np.full(count, -np.inf)
    cuts: list[int] = []
    for index, run in enumerate(runs):
        for candidate in peaks(rough[run.start : run.stop], ROUGHLY, max(1, evidence.width // ASIDE)):
            kernels.cut_odds(*beside, path, *met, NEAR, enough - FAR, TOLD, index, run.start + candidate, found)
            odds[int(found[1])] = max(odds[int(found[1])], found[0])
        cuts += (run.start + at for at in peaks(odds[run.start : run.stop], enough, evidence.width))
    return np.array(sorted(cuts), np.int64)


def peaks(odds: NDArray[np.float64], least: float, apart: int) -> list[int]:
    """Where `odds` are highest, above `least`, at least `apart` from each other: the highest first."""
    order = np.argsort(-odds, kind="stable")
    order = order[odds[order] > least]
    free = np.ones(odds.size, np.bool_)
    chosen = []
    for at in order.tolist():
        if free[at]:
            chosen.append(at)
            free[max(0, at - apart + 1) : at + apart] = False
    return chosen
