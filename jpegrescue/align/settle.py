"""Moves what the search has left at the wrong place, wherever whole sets of runs are likelier elsewhere.

The search decides MCU by MCU. Where it has moved all that follows by the same few MCUs, or torn the picture along an
edge, row by row, no single decision is worth revising; all of them together are.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align.evidence import Evidence
from jpegrescue.align.frame import framed
from jpegrescue.align.place import Placement, Run, rated
from jpegrescue.align.slips import REACH, Slip, better
from jpegrescue.score.plausibility import NAT
from jpegrescue.score.soundness import GARBLED

WORTH, PROMISING = 10 * NAT, 2 * NAT
ROUNDS, TRIED = 8, 6
LOOKED_AT = 400_000
"""What a move must gain, and promise; rounds, and moves tried in each; borders that may be looked at in each."""


def settled(evidence: Evidence, placement: Placement) -> Placement:
    """The placement with what is likelier elsewhere moved there; that has no lead then, as neither end put it there."""
    if not placement.contested:
        return placement
    path = placement.path
    worth = path.odds + framed(evidence, path.runs)
    reach = max(REACH, min(evidence.width // 2, LOOKED_AT // evidence.count))
    for _ in range(ROUNDS):
        parts = _parts(evidence, path.runs)
        found = better(evidence, parts, reach)
        tried = [slip for slips in found for slip in slips[:TRIED] if slip.odds >= PROMISING]
        moved = [rated(evidence, _moved(evidence, parts, slip)) for slip in tried]
        worths = [other.odds + framed(evidence, other.runs) for other in moved]
        if max(worths, default=worth) < worth + WORTH or not moved:
            break
        worth = max(worths)
        path = moved[worths.index(worth)]
    if path is placement.path:
        return placement
    stays = _shifts(path.runs, evidence.count) == _shifts(placement.path.runs, evidence.count)
    return replace(placement, path=path, lead=np.where(stays, placement.lead, 0))


def _parts(evidence: Evidence, runs: Sequence[Run]) -> list[Run]:
    """Runs cut wherever symbols say that an error lies inside: what is behind it may belong elsewhere."""
    garbled = evidence.soundness.dip < GARBLED
    begins = np.flatnonzero(garbled[1:] & ~garbled[:-1]) + 1
    parts = []
    for run in runs:
        bounds = [run.start, *begins[(begins > run.start) & (begins < run.stop)].tolist(), run.stop]
        parts += [Run(start, stop, run.shift) for start, stop in pairwise(bounds)]
    return parts


def _moved(evidence: Evidence, runs: Sequence[Run], slip: Slip) -> list[Run]:
    """The runs with some of them moved; what these fall on gives way."""
    out: list[tuple[Run, bool]] = []
    for run, moved in zip(runs, slip.moved.tolist(), strict=True):
        shift = run.shift + (slip.move if moved else 0)
        start, stop = max(run.start, -shift), min(run.stop, evidence.places - shift)
        if start >= stop:
            continue
        while moved and out and not out[-1][1] and out[-1][0].stop + out[-1][0].shift > start + shift:
            before = out.pop()[0]
            room = start + shift - before.shift
            if room > before.start:
                out.append((Run(before.start, room, before.shift), False))
        floor = out[-1][0].stop + out[-1][0].shift if out else 0
        start = max(start, floor - shift)
        if start < stop:
            out.append((Run(start, stop, shift), moved))
    joined: list[Run] = []
    for run, _ in out:
        if joined and joined[-1].stop == run.start and joined[-1].shift == run.shift:
            joined[-1] = Run(joined[-1].start, run.stop, run.shift)
        else:
            joined.append(run)
    return joined


def _shifts(runs: Sequence[Run], count: int) -> NDArray[np.int64]:
    """Shift of every MCU, one that none has where it is not placed."""
    shifts = np.full(count, -(1 << 40))
    for run in runs:
        shifts[run.start : run.stop] = run.shift
    return shifts
