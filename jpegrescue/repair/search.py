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

from jpegrescue.repair.candidates import Tried, block_offset, try_flips
from jpegrescue.repair.surroundings import Surroundings, fit
from jpegrescue.repair.track import Track
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, ONE_BIT, Flippable
from jpegrescue.source.crypt.sector import BLOCK

BLOCKS_BEFORE = 2
RIVALS = 12
PICTURE_SHARE, PICTURE_MOST = 0.5, 200 * NAT
"""Candidates of a block whose picture is looked at; the gain from which on that is done; what the picture counts of
what its borders say, and how much at most."""
BEYOND, SOUND = 30 * NAT, 5 * NAT
ENOUGH, MARGIN, SEEN = 8 * NAT, 5 * NAT, 20 * NAT


@dataclass(frozen=True, slots=True)
class Change:
    """Bits of one block or of two, flipped together.

    `flips`: the bits, counted from the file's first block on; `gain`, `margin`: 1/NAT nat, with what each flip costs,
    over the scan as it stands and over the second best; `picture`: of it, what the picture's borders say; `own`: as in
    `Option`; MCUs `[first, last]` of the stream change.
    """

    flips: tuple[int, ...]
    gain: int
    margin: int
    picture: int
    own: int
    first: int
    last: int

    @property
    def convincing(self) -> bool:
        """Whether to believe it."""
        if self.own < 0 and (len(self.flips) > 1 or self.picture < SEEN or self.margin < 2 * MARGIN):
            return False
        return self.gain >= ENOUGH and self.margin >= MARGIN and self.picture > 0


@dataclass(frozen=True, slots=True)
class Option:
    """A set of flips with the bytes that it leads to: `patch`, uint8, from file offset `at` on.

    `own`: log-odds of these bytes, 1/NAT nat. A wrong flip may bring a long stretch back into step, as errors that are
    none of its own do after a while; its own bytes stay garbled.
    """

    flips: tuple[int, ...]
    gain: int
    at: int
    patch: NDArray[np.uint8]
    first: int
    last: int
    own: int


def block_odds(track: Track, file: Flippable) -> NDArray[np.float64]:
    """Log-odds, in nats, of every block's symbols; NaN of blocks that hold nothing of the scan."""
    edges = BLOCK * np.arange(file.blocks() + 1) - file.lead
    scan = track.plan.scan
    odds = track.odds_between(np.clip(edges, scan.start, scan.end))
    odds[(edges[1:] <= scan.start) | (edges[:-1] >= scan.end)] = np.nan
    return odds


def suspects(odds: NDArray[np.float64], threshold: float) -> list[int]:
    """Blocks whose symbols add up to less than `threshold` nats, and those before them, ascending."""
    low = np.flatnonzero(odds < threshold)
    wanted = np.unique(np.concatenate([low - before for before in range(BLOCKS_BEFORE + 1)]))
    chosen: list[int] = wanted[(wanted >= 0) & ~np.isnan(odds[np.maximum(wanted, 0)])].tolist()
    return chosen


def single_flips(
    track: Track, file: Flippable, blocks: Sequence[int], flipped: frozenset[int], cost: int, pool: Executor
) -> list[list[Option]]:
    """The best options of every one of `blocks`, best first; the result does not depend on how many run at once."""

    def attempt(block: int) -> list[Option]:
        names = [(BITS * block + bit,) for bit in range(BITS)]
        return options(track, file, block, file.variants(block), names, flipped, cost)

    return [found for found in pool.map(attempt, blocks) if found]


def options(
    track: Track,
    file: Flippable,
    block: int,
    variants: NDArray[np.uint8],
    names: Sequence[tuple[int, ...]],
    flipped: frozenset[int],
    cost: int,
) -> list[Option]:
    """Try `variants` of what begins with `block`; the best `RIVALS`, best first, that are worth a look.

    `names`: flips of each; `flipped`: what has been flipped so far, so that flipping it again costs nothing but gives
    back its `cost`, 1/NAT nat.
    """
    at = block_offset(block, file.lead)
    tried = try_flips(track, file.plain, at, variants)
    if tried is None:
        return []
    likely = np.argsort(-tried.gain, kind="stable")[: 4 * RIVALS]
    found = [_option(tried, int(k), names[k], at, variants[k], flipped, cost) for k in likely]
    found.sort(key=lambda option: (-option.gain, option.flips))
    return [option for option in found[:RIVALS] if option.gain >= found[0].gain - 60 * NAT]


def _option(
    tried: Tried,
    k: int,
    flips: tuple[int, ...],
    at: int,
    patch: NDArray[np.uint8],
    flipped: frozenset[int],
    cost: int,
) -> Option:
    prior = sum(cost if flip in flipped else -cost for flip in flips)
    joined = int(tried.joined[k])
    last = joined if joined >= 0 else tried.first + int(tried.mcus[k])
    gain = min(int(tried.gain[k]), max(int(tried.own[k]), 0) * 4 + BEYOND)
    return Option(flips, gain + prior, at, patch, tried.first, last, int(tried.own[k]))


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
        rivals = [o for o in everything if o.first <= best.last and best.first <= o.last][: 3 * RIVALS]
        if any(o.own >= SOUND and o.gain >= ENOUGH for o in rivals):
            rivals = [o for o in rivals if o.own >= 0]
        change = _compare(track, surroundings, data, rivals[:RIVALS])
        taken += [(best.first, best.last), (change.first, change.last)]
        best_of.append(change)
    return best_of


def _compare(track: Track, surroundings: Surroundings, data: NDArray[np.uint8], rivals: Sequence[Option]) -> Change:
    """The best of some options, by symbols and picture together.

    The margin is that over options of the same block: what lies elsewhere may well be another error.
    """
    first, last = min(option.first for option in rivals), max(option.last for option in rivals)
    patches = [None, *((option.at, option.patch) for option in rivals)]
    alone, *fits = fit(track, surroundings, data, first, last, patches)
    fitting = max(fits)
    totals = [
        option.gain + max(int(PICTURE_SHARE * (seen - fitting)), -PICTURE_MOST)
        for option, seen in zip(rivals, fits, strict=True)
    ]
    best = min(range(len(rivals)), key=lambda k: (-totals[k], rivals[k].flips))
    chosen = rivals[best]
    others = [totals[k] for k, option in enumerate(rivals) if option.at == chosen.at and k != best]
    picture = int(PICTURE_SHARE * (fits[best] - alone))
    return Change(
        flips=chosen.flips,
        gain=chosen.gain + min(picture, PICTURE_MOST),
        margin=totals[best] - max(others, default=totals[best] - PICTURE_MOST),
        picture=picture,
        own=chosen.own,
        first=chosen.first,
        last=chosen.last,
    )


def same_block_pairs() -> tuple[NDArray[np.uint8], list[tuple[int, int]]]:
    """All pairs of bits of a block: uint8 (n, 16) to flip, and their numbers."""
    first, second = np.triu_indices(BITS, 1)
    return ONE_BIT[first] ^ ONE_BIT[second], list(zip(first.tolist(), second.tolist(), strict=True))
