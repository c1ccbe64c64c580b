"""Stretches that look garbled, while what lies before and behind says that no error can lie between.

An error changes the sum of the DC differences of every component (T.81 F.2.1.3.1) and, as a rule, the number of MCUs.
Where a long stretch does neither, its bits are those of the photo, however unlike one they look: captions, date stamps
and signs do. A garbled block or two may hide in one all the same, so it is shown and not claimed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run
from jpegrescue.model.align import LOST

LEAST = 8  # MCUs of a stretch: an error or two side by side garble fewer, and may leave all sums as they are
STEPS_MOST = 2  # by which what was estimated of DC offsets on either side may differ
SURE = 0.9  # probability that the runs on either side lie where they should


def closed_gaps(
    evidence: Evidence,
    runs: Sequence[Run],
    steps: NDArray[np.int64],
    grades: NDArray[np.uint8],
    sure: NDArray[np.float64],
) -> list[tuple[Run, int]]:
    """Stretches of lost MCUs that close, as runs, each with the number of the run before it.

    Args:
        evidence: of the stream.
        runs: what of it was placed.
        steps: int64 (runs, components), DC offsets of every run, quantiser steps.
        grades: uint8 (MCUs,), of the stream.
        sure: float64 (runs,), probability that each lies where it should.
    """
    owner = np.full(evidence.count, -1)
    for number, run in enumerate(runs):
        owner[run.start : run.stop] = number
    found = []
    for first, stop in _stretches(grades == LOST):
        if first == 0 or stop == evidence.count or stop - first < LEAST:
            continue
        before, behind = int(owner[first - 1]), int(owner[stop])
        alike = runs[before].shift == runs[behind].shift and np.abs(steps[before] - steps[behind]).max() <= STEPS_MOST
        if alike and min(sure[before], sure[behind]) >= SURE and _seamless(evidence, first, stop):
            found.append((Run(first, stop, runs[before].shift), before))
    return found


def _stretches(lost: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(lost, prepend=False, append=False)).reshape(-1, 2)
    yield from map(tuple, edges.tolist())


def _seamless(evidence: Evidence, first: int, stop: int) -> bool:
    """Whether all bits were decoded from before MCU `first` to MCU `stop`, without a restart marker between."""
    decoded = (evidence.bit_start[first : stop + 1] == evidence.bit_end[first - 1 : stop]).all()
    return bool(decoded and (evidence.forced[first : stop + 1] < 0).all() and not evidence.hit[first:stop].any())
