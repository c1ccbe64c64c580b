"""The search for flipped bits: wherever the scan looks garbled, every bit of the cipher blocks there is tried.

Each pass decodes the file as it stands, tries all bits of all suspicious blocks, and flips those that explain the scan
best, one for each stretch that they change; the next pass sees what is left. A flip is a candidate like any other later
on, so what turns out wrong is undone.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.repair.candidates import block_offset, try_flips
from jpegrescue.repair.surroundings import Surroundings, fit
from jpegrescue.repair.track import Track
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, ONE_BIT, Flippable
from jpegrescue.source.crypt.sector import BLOCK

RIVALS = 12
PICTURE_SHARE, PICTURE_MOST, PICTURE_LEAST = 0.5, 200 * NAT, -20 * NAT
"""Candidates of a block that are kept; what the picture counts of what its borders say, and how much at most, for a
candidate and against it where it is asked what may be wrong."""
BEYOND, SOUND = 30 * NAT, 5 * NAT
ENOUGH, MARGIN, SEEN, OBVIOUS = 8 * NAT, 5 * NAT, 20 * NAT, 40 * NAT
GARBLED, MARGIN_MOST, PICTURE_HEARD, ALL_IN_ALL = -12 * NAT, 40 * NAT, 30 * NAT, 50 * NAT
OWN_SURE, BETTER_SURE, GAIN_SURE = 20 * NAT, 30 * NAT, 25 * NAT


@dataclass(frozen=True, slots=True)
class Change:
    """Bits of one block or of two, flipped together.

    `flips`: the bits, counted from the file's first block on; `gain`, `margin`: 1/NAT nat, with what each flip costs,
    over the scan as it stands and over the second best; `picture`: of it, what the picture's borders say; `threat`: the
    most that any option of the block gains if a picture can speak against it by so much only; `fresh`, `own`, `better`:
    as in `Option`; MCUs `[first, last]` of the stream change.
    """

    flips: tuple[int, ...]
    fresh: int
    gain: int
    margin: int
    picture: int
    threat: int
    own: int
    better: int
    first: int
    last: int

    @property
    def convincing(self) -> bool:
        """Whether to believe it."""
        several = self.fresh > 1
        by_symbols = self.gain - min(self.picture, PICTURE_MOST)
        if self.margin < MARGIN or self.own < GARBLED:
            return False
        if not several and _sure(by_symbols, self.own, self.better):
            return True  # another error close by may spoil the picture
        if several and (self.own < 3 * SOUND or self.margin < 3 * MARGIN):
            return False
        if self.own < 0 and (max(self.picture, self.better - SEEN) < SEEN or self.margin < 2 * MARGIN):
            return False
        obvious = not several and self.own >= 2 * SOUND and by_symbols >= OBVIOUS
        if self.gain < ENOUGH or self.picture <= (-OBVIOUS if obvious else 0):
            return False
        seconded = self.own + self.better + min(self.margin, MARGIN_MOST)
        return by_symbols + min(self.picture, PICTURE_HEARD) + seconded // 2 >= ALL_IN_ALL


@dataclass(frozen=True, slots=True)
class Option:
    """A set of flips with the bytes that it leads to: `patch`, uint8, from file offset `at` on.

    `fresh`: how many of the flips were not made before; `own`: log-odds of these bytes, 1/NAT nat; `better`: than those
    of the bytes that stand there now. A wrong flip may bring a long stretch back into step, as happens by itself after
    a while; its own bytes stay garbled.
    """

    flips: tuple[int, ...]
    fresh: int
    gain: int
    at: int
    patch: NDArray[np.uint8]
    first: int
    last: int
    own: int
    better: int

    @property
    def sure(self) -> bool:
        """Whether symbols alone are enough."""
        return self.fresh == 1 and _sure(self.gain, self.own, self.better)


def _sure(gain: int, own: int, better: int) -> bool:
    return own >= OWN_SURE and better >= BETTER_SURE and gain >= GAIN_SURE


def block_odds(track: Track, file: Flippable) -> NDArray[np.float64]:
    """Log-odds, in nats, of every block's symbols; NaN of blocks that hold nothing of the scan."""
    edges = BLOCK * np.arange(file.blocks() + 1) - file.lead
    scan = track.plan.scan
    odds = track.odds_between(np.clip(edges, scan.start, scan.end))
    odds[(edges[1:] <= scan.start) | (edges[:-1] >= scan.end)] = np.nan
    return odds


def suspects(odds: NDArray[np.float64], threshold: float, before: int = 0) -> list[int]:
    """Blocks whose symbols add up to less than `threshold` nats, and as many `before` each, ascending."""
    low = np.flatnonzero(odds < threshold)
    wanted = np.unique(np.concatenate([low - back for back in range(before + 1)]))
    chosen: list[int] = wanted[(wanted >= 0) & ~np.isnan(odds[np.maximum(wanted, 0)])].tolist()
    return chosen


def single_flips(
    track: Track,
    file: Flippable,
    blocks: Sequence[int],
    odds: NDArray[np.float64],
    flipped: frozenset[int],
    cost: int,
    pool: Executor,
) -> list[list[Option]]:
    """The best options of every one of `blocks`, best first; the result does not depend on how many run at once."""
    bits = np.arange(BITS)[:, None]

    def attempt(block: int) -> list[Option]:
        return options(track, file, block, file.variants(block), bits, odds, flipped, cost)

    return [found for found in pool.map(attempt, blocks) if found]


def options(
    track: Track,
    file: Flippable,
    block: int,
    variants: NDArray[np.uint8],
    bits: NDArray[np.int64],
    odds: NDArray[np.float64],
    flipped: frozenset[int],
    cost: int,
) -> list[Option]:
    """Try `variants` of what begins with `block`; the best `RIVALS`, best first.

    `bits`: int64 (variants, n), bits of the block that each flips; `odds`: `block_odds` of the file; `flipped`: what
    has been flipped so far, so that flipping it again costs nothing but gives back its `cost`, 1/NAT nat.
    """
    at = block_offset(block, file.lead)
    tried = try_flips(track, file.plain, at, variants)
    if tried is None:
        return []
    base = NAT * float(np.nansum(odds[block : block + variants.shape[1] // BLOCK]))
    again = [flip - BITS * block for flip in flipped if flip // BITS == block]
    made = np.isin(bits, again)
    fresh = (~made).sum(axis=1)
    prior = np.where(made, cost, -cost).sum(axis=1)
    lucky = tried.own < SOUND  # to be in step again so soon
    gain = np.where(lucky, np.minimum(tried.gain, 4 * np.maximum(tried.own, 0) + BEYOND), tried.gain) + prior
    likely = np.argsort(-gain, kind="stable")[:RIVALS]
    last = np.where(tried.joined >= 0, tried.joined, tried.first + tried.mcus)
    return [
        Option(
            flips=tuple((BITS * block + bits[k]).tolist()),
            fresh=int(fresh[k]),
            gain=int(gain[k]),
            at=at,
            patch=variants[k],
            first=tried.first,
            last=int(last[k]),
            own=int(tried.own[k]),
            better=int(tried.own[k] - base),
        )
        for k in likely.tolist()
    ]


def weigh_up(
    track: Track,
    surroundings: Surroundings,
    data: NDArray[np.uint8],
    found: Sequence[Sequence[Option]],
    least: int,
) -> list[Change]:
    """The best change of every stretch that is worth a look, by symbols and picture together, best first.

    `least`: gain, 1/NAT nat, from which on an option is worth a look.
    """
    best_of: list[Change] = []
    taken: list[tuple[int, int]] = []
    everything = sorted((option for rivals in found for option in rivals), key=lambda o: (-o.gain, o.flips))
    for best in everything:
        if best.gain < least:
            break
        if any(best.first <= last and first <= best.last for first, last in taken):
            continue
        change = _compare(track, surroundings, data, [option for option in everything if option.at == best.at])
        taken += [(best.first, best.last), (change.first, change.last)]
        best_of.append(change)
    return best_of


def _compare(track: Track, surroundings: Surroundings, data: NDArray[np.uint8], rivals: Sequence[Option]) -> Change:
    """The best of the options of one block, by symbols and picture together."""
    first, last = min(option.first for option in rivals), max(option.last for option in rivals)
    patches = [None, *((option.at, option.patch) for option in rivals)]
    alone, *fits = fit(track, surroundings, data, first, last, patches)
    fitting = max(fits)
    totals = [
        option.gain + max(int(PICTURE_SHARE * (seen - fitting)), -PICTURE_MOST)
        for option, seen in zip(rivals, fits, strict=True)
    ]
    best = min(range(len(rivals)), key=lambda k: (not rivals[k].sure, -totals[k], rivals[k].flips))
    chosen = rivals[best]
    others = [total for k, total in enumerate(totals) if k != best]
    pictures = [int(PICTURE_SHARE * (seen - alone)) for seen in fits]
    picture = pictures[best]
    return Change(
        flips=chosen.flips,
        fresh=chosen.fresh,
        gain=chosen.gain + min(picture, PICTURE_MOST),
        margin=totals[best] - max(others, default=totals[best] - PICTURE_MOST),
        picture=picture,
        threat=max(
            option.gain + max(min(told, PICTURE_MOST), PICTURE_LEAST)
            for option, told in zip(rivals, pictures, strict=True)
        ),
        own=chosen.own,
        better=chosen.better,
        first=chosen.first,
        last=chosen.last,
    )


def weigh_each(
    track: Track,
    surroundings: Surroundings,
    data: NDArray[np.uint8],
    found: Sequence[Sequence[Option]],
    least: int,
) -> list[Change]:
    """The best change of every block by itself, where it is worth a look, whatever lies beside it."""
    return [_compare(track, surroundings, data, options) for options in found if options[0].gain >= least]


def swaps(bit: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All ways to have another bit of a block flipped instead of `bit`, as in `same_block_pairs`."""
    others = np.array([other for other in range(BITS) if other != bit])
    return ONE_BIT[others] ^ ONE_BIT[bit], np.stack((np.full(BITS - 1, bit), others), axis=1)


def swaps_for_two(bit: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The same with two other bits."""
    flips, pairs = same_block_pairs()
    others = (pairs != bit).all(axis=1)
    pairs = pairs[others]
    return flips[others] ^ ONE_BIT[bit], np.concatenate((np.full((pairs.shape[0], 1), bit), pairs), axis=1)


def same_block_pairs() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All pairs of bits of a block: uint8 (n, 16) to flip, and int64 (n, 2), their numbers."""
    first, second = np.triu_indices(BITS, 1)
    return ONE_BIT[first] ^ ONE_BIT[second], np.stack((first, second), axis=1)
