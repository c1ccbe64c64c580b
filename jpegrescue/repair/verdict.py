"""What may be said of a repaired file: how likely it is that an error is left in its scan, and where.

The gain of an option is the logarithm of its odds against the scan as it stands, so what was searched and left alone
says itself how likely an error is there. What was not searched is judged by its symbols: `lab.train_repair` measures
how often garbled blocks look like that. An option that leads to a wrong number of MCUs needs a second error that makes
up for it. `benchmarks.false_exact` measures what comes of all this.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.evidence import ByteRange
from jpegrescue.repair.change import POOR, Change
from jpegrescue.repair.prior import Prior
from jpegrescue.repair.search import MADE_UP_FOR, block_odds
from jpegrescue.repair.track import Track
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable
from jpegrescue.source.crypt.sector import BLOCK

ONE = (
    (-50.0, 10.1),
    (-32.5, 9.6),
    (-22.5, 8.4),
    (-15.0, 5.8),
    (-7.5, 2.9),
    (-3.8, 0.9),
    (-1.2, -0.6),
    (1.0, -1.8),
    (3.0, -3.6),
    (5.0, -5.2),
    (7.0, -6.9),
    (9.0, -8.8),
    (11.0, -10.6),
    (13.5, -13.9),
)
TWO = (
    (-50.0, 11.0),
    (-32.5, 8.0),
    (-22.5, 5.8),
    (-15.0, 3.2),
    (-7.5, -0.1),
    (-3.8, -2.0),
    (-1.2, -3.3),
    (1.0, -4.7),
    (3.0, -6.4),
    (5.0, -7.3),
    (7.0, -9.1),
    (9.0, -10.6),
    (11.0, -11.0),
    (13.5, -11.9),
)
"""Log-odds that a block, or two side by side, are garbled whose symbols add up to so many nats."""
UNCOUNTED = 0.60  # share of errors that leave the number of MCUs as it is
PAIR_MISSED = 0.01
"""Share of pairs of errors in one block, or in two side by side, that are there and not found by trying them all."""
FITTING = 1000.0
"""By how much a bit that fits makes an error in its block likelier than the block's symbols do: as many sound blocks
have none that fits as well."""
RISK_MOST = 2e-3
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
    flipped: frozenset[int],
    unsolved: Sequence[Change],
    accepted: tuple[Sequence[Change], Sequence[Change]],
    paired: Sequence[int],
    prior: Prior,
    deep: float,
) -> Verdict:
    """Judge the scan as it stands.

    Args:
        track: of the scan.
        file: as it stands.
        flipped: its bits that were flipped.
        unsolved: of blocks that were searched, and of bits that were flipped, what else is likely there.
        accepted: what it would do to flip those back, and changes of several bits, of which not all others were tried
            since.
        paired: blocks that were searched for two errors, one of them in the block itself.
        prior: how likely bits are to flip.
        deep: nats of a block up to which blocks were searched, fewer where errors are less likely than elsewhere.
    """
    odds = block_odds(track, file)
    hits, one = prior.hits(odds.size, flipped), _garbled(odds, ONE)
    pairs = pair_risks(odds, hits)
    pairs[list(paired)] *= PAIR_MISSED
    risk = np.where(odds - prior.favour(odds.size) < deep, 0.0, hits * one) + pairs
    for flip in flipped:  # perhaps a lucky bit in place of two others of its block
        if odds[flip // BITS] >= POOR:
            risk[flip // BITS] += hits[flip // BITS] ** 2 / 2 / prior.chance(flip) * one[flip // BITS]
    risk *= UNCOUNTED
    for change in unsolved:
        block = change.flips[0] // BITS
        told = change.left / (1 - change.left)
        alone = change.fresh == len(change.flips) == 1 and not np.isnan(odds[block])
        risk[block] += min(told, FITTING * hits[block] * one[block]) if alone else told
    undone, together = accepted
    for change in undone:
        risk[change.flips[0] // BITS] += change.mistaken / (1 - change.mistaken)
    for change in together:
        risk[change.flips[0] // BITS] += change.doubt + _odds(-change.margin)
    miscounted = np.array([_odds(change.miscounted) for change in unsolved])
    miscounted /= 1 + miscounted
    cancelled = MADE_UP_FOR * (miscounted.sum() ** 2 - (miscounted**2).sum()) / 2
    total = float(risk.sum() + cancelled)
    exact = file.garbles and track.counted and track.plan.ends and total < RISK_MOST
    return Verdict(exact, total, _ranges(risk > DOUBTFUL, file))


def pair_risks(odds: NDArray[np.float64], hits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every block, how likely it holds two errors, or one and the next block another.

    `odds`: `block_odds`; `hits`: errors to be expected in every block, as far as is known beforehand.
    """
    two = np.append(_garbled(odds[:-1] + odds[1:], TWO), 0.0)
    risks: NDArray[np.float64] = hits * (hits * _garbled(odds, ONE) / 2 + np.append(hits[1:], 0.0) * two)
    return risks


def _garbled(nats: NDArray[np.float64], table: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    known, odds = zip(*table, strict=True)
    return np.where(np.isnan(nats), 0.0, np.exp(np.interp(np.nan_to_num(nats), known, odds)))


def _odds(nats: int) -> float:
    return float(np.exp(min(nats / NAT, GAIN_MOST)))


def _ranges(doubtful: NDArray[np.bool_], file: Flippable) -> tuple[ByteRange, ...]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], doubtful.astype(np.int8), [0]))))
    ends = np.clip(BLOCK * edges - file.lead, 0, file.plain.size).reshape(-1, 2).tolist()
    return tuple(ByteRange(start, end) for start, end in ends)
