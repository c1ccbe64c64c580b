"""How much the Huffman symbols of a scan look like those of a photo: log-odds against random bits.

Learnt (`lab.train_symbols`, model card in symbols.md) are histograms of what symbol stands at which place of a block,
given how busy the block before was and what the block held so far. Every file adds its own counts. A garbled cipher
block of 128 bits costs some 25 nats where the photo's own bits would gain 10 to 15: enough to find flipped bits
without looking at a single pixel. Scores are integers, in 1/`NAT` nat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.entropy import ScanBytes, ScanLayout
from jpegrescue.model.jpeg import HuffmanTable
from jpegrescue.score import _kernels_symbols as kernels
from jpegrescue.score.plausibility import NAT

MODEL_FILE = "symbols.npz"
SURPLUS = 64  # MCUs that garbage may decode to beyond twice what there should be
PRIOR, DC_PRIOR = 50.0, 20.0  # learnt shares weigh as much as so many symbols of the file, for each context
_BACK_OFF = 20.0  # a context's counts against those of the wider one around it
_LEAST = 1e-7
_ODDS_MAX = 12.0
AC_SHAPE = (2, kernels.LEVELS, 64, kernels.SHAPES, kernels.SYMBOLS)
DC_SHAPE = (2, kernels.DC_CONTEXTS, kernels.DC_SIZES)


@dataclass(frozen=True, slots=True)
class Counts:
    """Histograms, int64: `ac` AC_SHAPE, `dc` DC_SHAPE; LUMA and CHROMA first."""

    ac: NDArray[np.int64]
    dc: NDArray[np.int64]

    @classmethod
    def none(cls) -> "Counts":
        """Nothing counted."""
        return cls(np.zeros(AC_SHAPE, np.int64), np.zeros(DC_SHAPE, np.int64))


@dataclass(frozen=True, slots=True)
class SymbolOdds:
    """Of one scan, as `_kernels_symbols.weigh_block` takes them."""

    ac: NDArray[np.int16]
    dc: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class _Shares:
    """Probabilities, float32, shapes as in `Counts`."""

    ac: NDArray[np.float32]
    dc: NDArray[np.float32]


@cache
def learnt() -> _Shares:
    """The shares that are shipped with the package."""
    with (files("jpegrescue.score") / MODEL_FILE).open("rb") as file, np.load(file) as arrays:
        ac = np.zeros(AC_SHAPE, np.float64)
        ac[..., arrays["symbols"]] = arrays["ac"]
        dc = arrays["dc"].astype(np.float64)
    everywhere = _shares(ac.sum((1, 2, 3), keepdims=True) + 0.01)
    placed = _shares(ac.sum((1, 3), keepdims=True) + _BACK_OFF * everywhere)
    busy = _shares(ac.sum(3, keepdims=True) + _BACK_OFF * placed)
    return _Shares(_shares(ac + _BACK_OFF * busy).astype(np.float32), _shares(dc + 1).astype(np.float32))


@lru_cache(maxsize=4)
def learnt_odds(tables: tuple[tuple[HuffmanTable, HuffmanTable], ...], kinds: tuple[int, ...]) -> SymbolOdds:
    """Log-odds of a scan's symbols, by what was learnt; kept, because most files of a medium share their tables.

    `tables`: DC and AC table of every component of the scan; `kinds`: LUMA or CHROMA of each.
    """
    shares = learnt()
    ac = np.stack([_odds(shares.ac[kind], _lengths(table)) for (_, table), kind in zip(tables, kinds, strict=True)])
    lengths = [_lengths(table)[: kernels.DC_SIZES] for table, _ in tables]
    dc = np.stack([_odds(shares.dc[kind], used) for used, kind in zip(lengths, kinds, strict=True)])
    return SymbolOdds(ac, dc)


def symbol_odds(
    tables: Sequence[tuple[HuffmanTable, HuffmanTable]], kinds: Sequence[int], own: Counts | None = None
) -> SymbolOdds:
    """`learnt_odds` with a file's `own` counts: what was seen once proves nothing, it may be garbage."""
    shares, known = learnt(), learnt_odds(tuple(tables), tuple(kinds))
    if own is None:
        return known
    ac, dc = known.ac.copy(), known.dc.copy()
    for index, ((dc_table, ac_table), kind) in enumerate(zip(tables, kinds, strict=True)):
        twin = next(k for k in range(index + 1) if (tables[k], kinds[k]) == (tables[index], kind))
        if twin != index:
            ac[index], dc[index] = ac[twin], dc[twin]
            continue
        _calibrate(ac[index], own.ac[kind], shares.ac[kind], PRIOR, _lengths(ac_table))
        _calibrate(dc[index], own.dc[kind], shares.dc[kind], DC_PRIOR, _lengths(dc_table)[: kernels.DC_SIZES])
    return SymbolOdds(ac, dc)


def _calibrate(
    odds: NDArray[np.int16],
    own: NDArray[np.int64],
    shares: NDArray[np.float32],
    prior: float,
    lengths: NDArray[np.int64],
) -> None:
    """Enter the odds of all contexts that were seen."""
    seen = np.nonzero((own > 1).any(axis=-1))
    counted = (own[seen] - (own[seen] > 0)).astype(np.float32)
    mixed = (counted + np.float32(prior) * shares[seen]) / (counted.sum(-1, keepdims=True) + np.float32(prior))
    odds[seen] = _odds(mixed, lengths)


def _odds(expected: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.int16]:
    coded = np.flatnonzero(lengths)
    share = expected[..., coded] + np.float32(_LEAST)
    share /= share.sum(-1, keepdims=True) + np.float32(10 * _LEAST)
    odds = np.zeros(expected.shape, np.int16)
    logarithms = np.log(share) + (lengths[coded] * np.log(2)).astype(np.float32)
    odds[..., coded] = np.rint(np.clip(logarithms, -_ODDS_MAX, _ODDS_MAX) * NAT)
    return odds


@lru_cache(maxsize=64)
def _lengths(table: HuffmanTable) -> NDArray[np.int64]:
    """Code length of every symbol, int64 (SYMBOLS,), 0 where it has no code."""
    lengths = np.zeros(kernels.SYMBOLS, np.int64)
    lengths[list(table.symbols)] = np.repeat(np.arange(1, 17), table.counts)
    return lengths


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-9)
    return shares


@dataclass(frozen=True, slots=True)
class Weighed:
    """MCUs of a scan in stream order, decoded by the robust rule; see `_kernels_symbols.weigh_stream`.

    `resumed`, `start`: int64 (MCUs + 1,); `odds`: int64 (MCUs,); `failed`: bool (MCUs + 1,); `states`: int8
    (MCUs + 1, 2, components); `first`: int64 (intervals + 1,); `bins`: int64, log-odds of every 64 bits.
    """

    resumed: NDArray[np.int64]
    start: NDArray[np.int64]
    odds: NDArray[np.int64]
    failed: NDArray[np.bool_]
    states: NDArray[np.int8]
    first: NDArray[np.int64]
    bins: NDArray[np.int64]

    @property
    def count(self) -> int:
        """MCUs of the stream."""
        return self.odds.size


def weigh(
    stripped: ScanBytes, intervals: NDArray[np.int64], mcus: int, layout: ScanLayout, odds: SymbolOdds
) -> Weighed:
    """Decode and weigh a scan.

    Args:
        stripped: its bytes.
        intervals: int64 (n, 2), bits of its restart intervals.
        mcus: how many there should be; up to twice that and some more are decoded.
        layout: of the scan.
        odds: of its symbols.
    """
    room = 2 * mcus + SURPLUS + intervals.shape[0]
    components = odds.ac.shape[0]
    resumed, start, weights = (np.empty(room, np.int64) for _ in range(3))
    failed, states = np.zeros(room, np.bool_), np.zeros((room, 2, components), np.int8)
    first = np.empty(intervals.shape[0] + 1, np.int64)
    bins = np.zeros(stripped.size // 8 + 2, np.int64)
    lookups = layout.lookups
    count = kernels.weigh_stream(
        stripped.data,
        intervals,
        layout.blocks,
        lookups.fast,
        lookups.code_max,
        lookups.code_delta,
        lookups.symbols,
        odds.ac,
        odds.dc,
        resumed,
        start,
        weights,
        failed,
        states,
        first,
        bins,
    )
    upto = count + 1
    return Weighed(resumed[:upto], start[:upto], weights[:count], failed[:upto], states[:upto], first, bins)


def sum_between(
    stripped: ScanBytes, weighed: Weighed, edges: NDArray[np.int64], layout: ScanLayout, odds: SymbolOdds
) -> NDArray[np.int64]:
    """Log-odds of the symbols that begin between successive `edges`, int64 bits, ascending; `odds`: as for `weigh`."""
    sums = np.zeros(edges.size - 1, np.int64)
    lookups = layout.lookups
    kernels.sum_between(
        stripped.data,
        weighed.resumed,
        weighed.start,
        weighed.failed,
        weighed.states,
        edges,
        layout.blocks,
        lookups.fast,
        lookups.code_max,
        lookups.code_delta,
        lookups.symbols,
        odds.ac,
        odds.dc,
        sums,
    )
    return sums


def count_symbols(
    stripped: ScanBytes, weighed: Weighed, wanted: NDArray[np.bool_], layout: ScanLayout, kinds: Sequence[int]
) -> Counts:
    """Count the symbols of the `wanted` MCUs of a stream, bool (MCUs,)."""
    counts = Counts.none()
    lookups = layout.lookups
    kernels.count_symbols(
        stripped.data,
        weighed.start,
        wanted,
        weighed.states,
        layout.blocks,
        lookups.fast,
        lookups.code_max,
        lookups.code_delta,
        lookups.symbols,
        np.array(kinds, np.int64),
        counts.ac,
        counts.dc,
    )
    return counts
