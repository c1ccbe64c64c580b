"""Flipped bits where a header's segments hold what no decoder reads: Exif, profiles, text, padding.

Of such bytes nothing is known but that they resemble those around them: zeros among zeros, text in text, numbers and
tags that recur every two, four or twelve bytes. Where that foretells the bytes of a block and those that stand there
are nothing like it, while with one of its bits flipped they are, that bit was flipped. All else is left alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.believe import embedded_end
from jpegrescue.jpeg.view import Memory
from jpegrescue.repair.candidates import block_offset
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable
from jpegrescue.source.crypt.sector import BLOCK

LOOKED_AT = 1 << 18  # bytes of a file
BLOCKS_MOST = 24  # that are least like what is around them
PERIODS = (1, 2, 4, 12)
NEAR, FAR = 24, 96  # bytes on either side that foretell a block
WORTH = 20.0  # nats that a block must be foretold by
_EXPERTS = ((1, NEAR), *((period, FAR) for period in PERIODS))
_PRIOR = 1.0
_OPAQUE = 0.2  # share of blocks that nothing foretells
_BYTE_MOST = 6.0  # nats of the one byte of the next block
_RECURRING, _TEXT = (0.3, 0.34), (0.8, 0.8)
"""Share of bytes around a block that recur, or are text, from which on it is looked at, and what part of it at most
there may be of them in the block."""
_SEEN = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Likely:
    """The best bit of a block: `gain` over what stands there and `margin` over the next best bit, 1/NAT nat."""

    flip: int
    gain: int
    margin: int


def likely_flips(file: Flippable, payloads: Sequence[tuple[int, int]]) -> Iterator[Likely]:
    """The best bit of every block that does not look like its surroundings.

    `payloads`: byte ranges of the file that nothing else is known of.
    """
    ranges = [part for low, high in payloads for part in _unembedded(file.plain, low, min(high, LOOKED_AT))]
    blocks = [(lack, block, low, high) for low, high in ranges for lack, block in _unlike(file, low, high)]
    worst = sorted(blocks, reverse=True)[:BLOCKS_MOST]
    for _, block, low, high in sorted(worst, key=lambda found: found[1]):
        found = _best(file, block, low, high)
        if found is not None:
            yield found


def _unembedded(data: NDArray[np.uint8], low: int, high: int) -> Iterator[tuple[int, int]]:
    """What lies before and behind embedded files, which are searched by themselves."""
    while low < high:
        image = data[low:high].tobytes().find(_SEEN)
        if image < 0:
            yield low, high
            return
        yield low, low + image
        end = embedded_end(Memory(data), low + image)
        low = high if end is None else max(end, low + image + 1)


def _unlike(file: Flippable, low: int, high: int) -> list[tuple[float, int]]:
    """Blocks wholly in `[low, high)` in which less recurs than around them, and how much less."""
    first, last = -(-(low + file.lead) // BLOCK), (high + file.lead) // BLOCK
    if last - first < 3:
        return []
    start = block_offset(first, file.lead)
    piece = file.plain[start : start + BLOCK * (last - first)]
    text = (piece >= 0x20) & (piece < 0x7F)
    features = [(_recurring(piece, period), _RECURRING) for period in PERIODS]
    lack = np.zeros(last - first)
    for feature, (least, most) in [*features, (text, _TEXT)]:
        share = feature.reshape(-1, BLOCK).mean(axis=1)
        padded = np.pad(share, 3, "edge")
        usual = np.median([padded[i : i + share.size] for i in (0, 1, 2, 4, 5, 6)], axis=0)
        lack = np.maximum(lack, np.where((usual > least) & (share < most * usual), usual - share, 0.0))
    return [(float(lack[k]), first + k) for k in np.flatnonzero(lack).tolist()]


def _recurring(piece: NDArray[np.uint8], period: int) -> NDArray[np.bool_]:
    """Bytes that are like those a period before or behind."""
    alike = piece[:-period] == piece[period:]
    recurring = np.zeros(piece.size, np.bool_)
    recurring[period:] = alike
    recurring[:-period] |= alike
    return recurring


def _best(file: Flippable, block: int, low: int, high: int) -> Likely | None:
    at = block_offset(block, file.lead)
    context = (max(low, at - FAR), min(high, at + BLOCK + FAR))
    tables = _tables(file.plain, at, context, (at, at + BLOCK))
    if _expected(tables) < WORTH:
        return None
    variants = file.variants(block)
    stands = file.plain[at : at + BLOCK]
    values = _values(tables, np.concatenate((stands[None], variants[:, :BLOCK])))
    totals = values[1:]
    if variants.shape[1] > BLOCK and at + 2 * BLOCK <= high:
        totals = totals + _beside(file.plain, at, context, variants[:, BLOCK:])
    order = np.argsort(-totals, kind="stable")
    best, second = (float(totals[k]) for k in order[:2])
    if values[1 + order[0]] < WORTH:
        return None
    gain = best - float(values[0])
    return Likely(BITS * block + int(order[0]), round(gain * NAT), round(min(best - second, gain) * NAT))


def _beside(
    data: NDArray[np.uint8], at: int, context: tuple[int, int], variants: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """What the flipped bit of the next block gains."""
    behind = at + BLOCK
    tables = _tables(data, behind, context, (at, behind + BLOCK))
    stands = data[behind : behind + BLOCK]
    mixed = np.log(np.exp(tables).mean(axis=0))
    places = np.arange(BLOCK)
    change: NDArray[np.float64] = (mixed[places, variants] - mixed[places, stands]).sum(axis=1)
    return np.clip(change, -_BYTE_MOST, _BYTE_MOST)


def _tables(data: NDArray[np.uint8], at: int, context: tuple[int, int], hidden: tuple[int, int]) -> NDArray[np.float64]:
    """Log-odds of every value of every byte of a block, float64 (experts, BLOCK, 256)."""
    places = np.arange(*context)
    places = places[(places < hidden[0]) | (places >= hidden[1])]
    values = data[places]
    tables = np.empty((len(_EXPERTS), BLOCK, 256))
    for expert, (period, reach) in enumerate(_EXPERTS):
        near = (places >= hidden[0] - reach) & (places < hidden[1] + reach)
        for phase in range(min(period, BLOCK)):
            heard = near & ((places - at - phase) % period == 0)
            counts = np.bincount(values[heard], minlength=256)
            chance = (counts + _PRIOR * _usual()) / (counts.sum() + _PRIOR)
            tables[expert, phase::period] = np.log(256 * chance)
    return tables


def _usual() -> NDArray[np.float64]:
    """Shares of byte values in headers, roughly."""
    shares = np.full(256, 0.3 / 256)
    shares[0x20:0x7F] += 0.4 / 95
    shares[0] += 0.25
    shares[0xFF] += 0.05
    return shares


def _expected(tables: NDArray[np.float64]) -> float:
    """Nats that the most hopeful expert would gain were it right."""
    return float((np.exp(tables) / 256 * tables).sum(axis=(1, 2)).max())


def _values(tables: NDArray[np.float64], blocks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Log-odds of whole blocks, uint8 (n, BLOCK): of any expert, or of none."""
    places = np.arange(BLOCK)
    by_expert = np.stack([table[places, blocks].sum(axis=1) for table in tables])
    share = (1 - _OPAQUE) / by_expert.shape[0]
    odds: NDArray[np.float64] = np.log(_OPAQUE + share * np.exp(np.minimum(by_expert, 600)).sum(axis=0))
    return odds
