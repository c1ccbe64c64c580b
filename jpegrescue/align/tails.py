"""Ends of runs whose place nothing confirms: on white, or in a night sky, an error may move all that follows unseen.

What lies above tells the next MCUs from those beside them only where it is not flat, and so do the picture's margins,
row by row. From the first MCU on behind which neither says anything up to the end of the run, errors that left no trace
add up.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_sides as kernels
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run
from jpegrescue.score.plausibility import NAT

MOST = 5 * NAT  # what a single border may say
MOVES = (-1, 1)
SLIPS = 0.4  # share of errors that change the number of MCUs
UNSEEN = (1.0, 0.1)
"""Share of errors that look like a photo, in files that lie as they are, and of garbled cipher blocks."""


def unseen_slips(
    evidence: Evidence,
    runs: Sequence[Run],
    owned: tuple[NDArray[np.int64], NDArray[np.int64]],
    offsets: NDArray[np.float64],
    errors_per_bit: float,
    *,
    encrypted: bool,
) -> list[NDArray[np.float64]]:
    """For every MCU of every run, how likely an error before it in the run has moved it by one, unseen.

    `owned`: stream index and run of what lies at every place, as `certainty.owners` has them; `offsets`: float64 (runs,
    components), 1/16 level; `errors_per_bit`: as far as it is known; `encrypted`: whether errors garble whole blocks.
    """
    at, owner = owned
    beside = np.zeros((len(MOVES) + 1, evidence.count), np.int64)
    path = np.array([(run.start, run.stop, run.shift) for run in runs], np.int64).reshape(-1, 3)
    kernels.odds_beside(*evidence.for_borders(), at, owner, offsets, evidence.width, path, beside)
    bits = np.maximum(evidence.bit_end - evidence.bit_start, 0)
    chance = SLIPS * UNSEEN[int(encrypted)] * errors_per_bit * bits
    return [_slipped(evidence, run, beside[:, run.start : run.stop], chance[run.start : run.stop]) for run in runs]


def _slipped(
    evidence: Evidence, run: Run, beside: NDArray[np.int64], chance: NDArray[np.float64]
) -> NDArray[np.float64]:
    stream = np.arange(run.start, run.stop)
    column = (stream + run.shift) % evidence.width
    left = np.clip(evidence.left[stream], -MOST, MOST)
    unlikely = np.zeros(stream.size)
    for number, move in enumerate(MOVES):
        above = np.clip(beside[0] - beside[1 + number], -MOST, MOST)
        margins = np.where((column + move) % evidence.width == 0, left, 0) - np.where(column == 0, left, 0)
        rest = _sums_from(above, evidence.width) + _sums_from(margins, stream.size) + left
        unlikely += np.exp(-np.clip(rest / NAT, 0, 60))
    slipped = np.cumsum(chance * unlikely)
    out: NDArray[np.float64] = np.minimum(slipped - chance[0] * unlikely[0], 1.0)
    return out


def _sums_from(values: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Of `length` values from each on, fewer at the end."""
    sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(values)))
    place = np.arange(values.size)
    return sums[np.minimum(place + length, values.size)] - sums[place]
