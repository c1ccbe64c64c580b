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
from jpegrescue.repair.search import Change, block_odds
from jpegrescue.repair.track import Track
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable
from jpegrescue.source.crypt.sector import BLOCK

UNSEEN = ((0.0, 2e-2), (3.0, 5e-3), (6.0, 2e-3), (9.0, 1e-3), (12.0, 1e-4), (15.0, 1e-5))
"""Share of garbled blocks whose symbols add up to more than so many nats, on development photos."""
ADJACENT = (
    (-40.0, 12.7),
    (-35.0, 9.5),
    (-27.5, 8.3),
    (-22.5, 7.0),
    (-17.5, 5.2),
    (-12.5, 3.6),
    (-7.5, 1.0),
    (-2.5, -1.2),
)
SINGLE = (
    (-40.0, 12.1),
    (-35.0, 11.8),
    (-27.5, 11.6),
    (-22.5, 10.0),
    (-17.5, 8.7),
    (-12.5, 6.9),
    (-7.5, 4.6),
    (-2.5, 1.8),
)
"""Log-odds that two blocks side by side, or one, whose symbols add up to so many nats, are garbled rather than sound,
before it is asked how rare that is; on development photos."""
RISK_MOST = 1e-2
DOUBTFUL = 1e-3  # risk of a single block
GAIN_MOST = 5.0
LUCKY = 0.05


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
    flipped: frozenset[int],
    unsolved: Sequence[Change],
    unlikely: Sequence[int],
    rate: float,
    deep: float,
    *,
    encrypted: bool,
) -> Verdict:
    """Judge the scan as it stands.

    Args:
        track: of the scan.
        file: as it stands.
        flipped: its bits that were flipped.
        unsolved: of blocks that were searched, and of bits that were flipped, what else is likely there.
        unlikely: gains of the best options of all other blocks that were searched, 1/NAT nat.
        rate: errors per bit.
        deep: nats of a block up to which blocks were searched.
        encrypted: whether a flipped bit garbles a whole block.
    """
    odds = block_odds(track, file)
    risk = np.where(np.isnan(odds) | (odds < deep), 0.0, BITS * rate * _unseen(deep))
    for change in unsolved:
        risk[change.flips[0] // BITS] += _odds(change.threat)
    for block in {flip // BITS for flip in flipped}:
        if np.nanmin(odds[max(block - 1, 0) : block + 2]) < 0:  # perhaps a lucky bit in place of two, here and beside
            risk[block] += LUCKY
    several = (BITS * rate) ** 2
    risk[:-1] += several * _garbled(odds[:-1] + odds[1:], ADJACENT)
    risk += several / 2 * _garbled(odds, SINGLE)
    total = float(risk.sum() + sum(map(_odds, unlikely)))
    exact = encrypted and track.counted and track.plan.ends and total < RISK_MOST
    return Verdict(exact, total, _ranges(risk > DOUBTFUL, file))


def _unseen(deep: float) -> float:
    known, shares = zip(*UNSEEN, strict=True)
    return float(np.exp(np.interp(deep, known, np.log(shares))))


def _garbled(nats: NDArray[np.float64], table: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    known, odds = zip(*table, strict=True)
    likely: NDArray[np.float64] = np.where(nats < 0, np.exp(np.interp(nats, known, odds)), 0.0)
    return likely


def _odds(nats: int) -> float:
    return float(np.exp(min(nats / NAT, GAIN_MOST)))


def _ranges(doubtful: NDArray[np.bool_], file: Flippable) -> tuple[ByteRange, ...]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], doubtful.astype(np.int8), [0]))))
    ends = np.clip(BLOCK * edges - file.lead, 0, file.plain.size).reshape(-1, 2).tolist()
    return tuple(ByteRange(start, end) for start, end in ends)
