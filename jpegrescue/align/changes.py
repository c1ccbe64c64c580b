"""How likely DC offsets change unseen inside runs.

An error that costs no MCU, as a flipped bit in a DC difference does, leaves all that follows it at its place, off by a
constant. Where that is many quantiser steps, the row above tells; where it is one step of a fine quantiser, nothing
does, and what remains is how often such errors are. A logistic model weighs both (`lab.train_certainty`, fitted on
training photos only).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_changes as kernels
from jpegrescue.align.certainty import hit_chances, owners, runs_as_array, starts_anew
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run

SIZES = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 80], np.float64)
SHARES = np.array([0.25, 0.15, 0.14, 0.1, 0.09, 0.06, 0.06, 0.045, 0.04, 0.025, 0.025, 0.015])
WEIGHTS = np.array([
    [-5.054, 0.374, 0.177, -0.012, 0.053, 0.832, 0.493],
    [-6.509, 0.274, 0.751, -0.383, 0.256, 0.745, 0.811],
])  # fmt: skip
"""Of files that lie as they are, and of those that were decrypted."""
AHEAD = 3
ODDS_MIN, ODDS_MAX = -6.0, 4.0  # what speaks louder is an edge of the picture more often than a change


def chance_of_change(
    evidence: Evidence, runs: Sequence[Run], sound: NDArray[np.float64], *, encrypted: bool = False
) -> NDArray[np.float64]:
    """Probability that DC offsets change at each MCU of a run, float64 (MCUs,), 0 for MCUs of none.

    `runs`: of any offsets, not cut where these change; `sound`: float64 (MCUs,), as `certainty.Certainty` has it;
    `encrypted`: whether the file was decrypted, so that errors come as whole cipher blocks.
    """
    chance = np.zeros(evidence.count)
    described = describe(evidence, runs, sound)
    for run, features in zip(runs, described, strict=True):
        chance[run.start : run.stop] = 1 / (1 + np.exp(-features @ WEIGHTS[int(encrypted)]))
    return chance


def describe(evidence: Evidence, runs: Sequence[Run], sound: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Features of the MCUs of every run, float64 (MCUs of the run, features)."""
    odds = _odds(evidence, runs)
    chances = hit_chances(evidence, runs)
    doubt = np.log(np.clip(1 - sound, 1e-6, 1)) + 4
    described = []
    for run in runs:
        part = slice(run.start, run.stop)
        ahead = doubt[part].copy()  # the MCU that an error hits is often damaged itself
        for k in range(1, min(AHEAD, ahead.size)):
            ahead[:-k] = np.maximum(ahead[:-k], doubt[part][k:])
        described.append(np.column_stack((np.ones(ahead.size), chances[part], odds[part], ahead)))
    return described


def _odds(evidence: Evidence, runs: Sequence[Run]) -> NDArray[np.float64]:
    """Log of how much likelier the borders are if offsets change at an MCU, float64 (MCUs,)."""
    borders, odds = evidence.borders, np.zeros(evidence.count)
    at, owner = owners(evidence, runs)
    path = runs_as_array(runs)
    anchored = np.array([starts_anew(evidence, run) for run in runs], np.bool_)
    total, weight = np.zeros((2, borders.kinds.size, evidence.count + len(runs) + 1))
    kernels.change_sums(
        borders.horizontal,
        borders.activity,
        borders.columns,
        borders.kinds,
        evidence.above.scatter,
        at,
        owner,
        path,
        anchored,
        evidence.width,
        total,
        weight,
    )
    kernels.change_odds(
        borders.vertical,
        borders.activity,
        borders.rows,
        borders.kinds,
        evidence.above.scatter,
        borders.steps,
        path,
        evidence.width,
        total,
        weight,
        SIZES,
        SHARES,
        odds,
    )
    return np.clip(odds, ODDS_MIN, ODDS_MAX)
