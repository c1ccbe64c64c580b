"""What may be said of a repaired file: how likely it is that an error is left in its scan, and where.

The gain of an option is the logarithm of its odds against the scan as it stands, so what was searched and left alone
says itself how likely an error is there. Blocks that look like the photo were not searched: of garbled ones hardly any
does. `benchmarks.false_exact` measures what comes of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.evidence import ByteRange
from jpegrescue.repair.search import Change, Option, block_odds
from jpegrescue.repair.track import Track
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable
from jpegrescue.source.crypt.sector import BLOCK

UNSEEN = 1e-4
"""Share of garbled blocks whose symbols add up to more than what every block below was searched for."""
RISK_MOST = 1e-2
DOUBTFUL = 1e-3  # risk of a single block
GAIN_MOST = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`exact`: the scan is the original's, as far as can be told; `risk`: expected number of errors in it otherwise.

    `doubtful`: bytes of the file, of the scan, in which an error may be left.
    """

    exact: bool
    risk: float
    doubtful: tuple[ByteRange, ...]


def judge(
    track: Track,
    file: Flippable,
    changes: Sequence[Change],
    flipped: frozenset[int],
    left: Sequence[Sequence[Option]],
    unsolved: Sequence[Change],
    rate: float,
    deep: float,
    encrypted: bool,
) -> Verdict:
    """Judge the scan as it stands.

    Args:
        track: of the scan.
        file: as it stands.
        changes: all that were made; those of which nothing is left do not count.
        flipped: what is left.
        left: the best options of every block that was searched, nothing of which was accepted.
        unsolved: of those that are the likeliest, what their pictures say.
        rate: errors per bit.
        deep: nats of block up to which blocks were searched.
        encrypted: whether a flipped bit garbles a whole block.
    """
    odds = block_odds(track, file)
    risk = np.where(np.isnan(odds), 0.0, BITS * rate * UNSEEN)
    risk[odds < deep] = 0.0
    seen = [(change.first, change.last) for change in unsolved]
    for found in left:
        best = found[0]
        if not any(best.first <= last and first <= best.last for first, last in seen):
            risk[best.flips[0] // BITS] += _odds(best.gain)
    for change in unsolved:
        risk[change.flips[0] // BITS] += _odds(change.gain)
    for change in changes:
        if flipped.issuperset(change.flips):
            risk[change.flips[0] // BITS] += _odds(-change.margin)
    total = float(risk.sum())
    exact = encrypted and track.counted and track.plan.ends and total < RISK_MOST
    return Verdict(exact, total, _ranges(risk > DOUBTFUL, file))


def _odds(nats: int) -> float:
    return float(np.exp(min(nats / NAT, GAIN_MOST)))


def _ranges(doubtful: NDArray[np.bool_], file: Flippable) -> tuple[ByteRange, ...]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], doubtful.astype(np.int8), [0]))))
    ends = np.clip(BLOCK * edges - file.lead, 0, file.plain.size).reshape(-1, 2).tolist()
    return tuple(ByteRange(start, end) for start, end in ends)
