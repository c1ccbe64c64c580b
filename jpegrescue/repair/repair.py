"""A file's flipped bits, found and undone."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.repair.search import (
    Change,
    Option,
    block_odds,
    options,
    same_block_pairs,
    single_flips,
    suspects,
    swaps,
    swaps_for_two,
    weigh_each,
    weigh_up,
)
from jpegrescue.repair.surroundings import Surroundings, look_around
from jpegrescue.repair.track import ScanPlan, Track, follow, plan_scan, quick_look, still_fits
from jpegrescue.repair.verdict import Verdict, judge
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable
from jpegrescue.source.crypt.sector import BLOCK

UNUSUAL, ODD = -5.0, -1.0
"""Nats of a block, before odds are calibrated to the file and then, below which bits are tried in a file that seems
undamaged otherwise: a third of all errors in cipher blocks leave one that decodes to its end."""
POOR = 12.0  # nats of a repaired block in which two other bits may have flipped as well
GARBLED = 0.0  # nats of a block in which two flips may be worth looking for
RATE_LEAST = 1e-5
BLOCKS_BEFORE = 2
WORTH_A_LOOK, LAST_LOOK = -2 * NAT, -10 * NAT  # gain from which on a picture is looked at
ROWS_AROUND, BLOCKS_AROUND = 2, 32
HOPELESS_SHARE = 0.4
TURNS = 2  # a bit is flipped, and flipped back, once
StructureOf = Callable[[NDArray[np.uint8]], JpegStructure]


@dataclass(frozen=True, slots=True)
class Effort:
    """How far to search.

    `suspicious`, `deep`: nats that a block's symbols may add up to, at most, for it to be searched in every pass, and
    in the last one; `pair_blocks`: blocks in which two flips are looked for; `passes`: at most.
    """

    suspicious: float
    deep: float
    pair_blocks: int
    passes: int


EFFORTS = {
    "quick": Effort(0.0, 9.0, 0, 8),
    "normal": Effort(3.0, 10.0, 64, 24),
    "thorough": Effort(9.0, 1000.0, 1000, 64),
}


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was flipped, in the order of finding, the file as it stands then, and what to think of it."""

    changes: tuple[Change, ...]
    flipped: frozenset[int]
    track: Track
    structure: JpegStructure
    verdict: Verdict


@dataclass(slots=True)
class _Search:
    """A search under way. `stirred`: blocks that the last pass changed."""

    file: Flippable
    effort: Effort
    pool: Executor
    surroundings: Surroundings
    changes: list[Change] = field(default_factory=list)
    flipped: frozenset[int] = frozenset()
    turns: Counter[int] = field(default_factory=Counter)
    pairs_tried: set[int] = field(default_factory=set)
    stirred: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def singles(self, track: Track, odds: NDArray[np.float64], blocks: list[int]) -> list[list[Option]]:
        """Options of single flips in `blocks`."""
        return single_flips(track, self.file, blocks, odds, self.flipped, self.cost(track), self.pool)

    def pairs(self, track: Track, odds: NDArray[np.float64]) -> list[list[Option]]:
        """Options of two flips in one block, for blocks that are garbled for all that is known, the worst first."""
        blocks = sorted((float(odds[block]), block) for block in suspects(odds, GARBLED))
        new = [block for _, block in blocks if block not in self.pairs_tried]
        new = new[: max(self.effort.pair_blocks - len(self.pairs_tried), 0)]
        self.pairs_tried.update(new)
        flips, bits = same_block_pairs()
        cost = self.cost(track)

        def attempt(block: int) -> list[Option]:
            return options(track, self.file, block, self.file.variants(block, flips), bits, odds, self.flipped, cost)

        return [made for made in self.pool.map(attempt, new) if made]

    def swaps(self, track: Track, odds: NDArray[np.float64]) -> list[list[Option]]:
        """Options of having flipped another bit of the same block, for every bit that was flipped."""
        cost = self.cost(track)

        def attempt(flip: int) -> list[Option]:
            block, bit = divmod(flip, BITS)
            ways = [swaps(bit), *([swaps_for_two(bit)] if odds[block] < POOR else [])]
            return [
                option
                for flips, bits in ways
                for option in options(
                    track, self.file, block, self.file.variants(block, flips), bits, odds, self.flipped, cost
                )
            ]

        found = [
            sorted(made, key=lambda o: (-o.gain, o.flips)) for made in self.pool.map(attempt, sorted(self.flipped))
        ]
        return [made for made in found if made]

    def cost(self, track: Track) -> int:
        """What a flip costs, 1/NAT nat, at the rate of errors that has been seen."""
        return int(-np.log(self.rate(track)) * NAT)

    def rate(self, track: Track) -> float:
        """Errors per bit, as far as they are known."""
        return max((len(self.flipped) + 1) / (8 * track.stripped.size), RATE_LEAST)

    def near_changes(self, track: Track, blocks: list[int]) -> list[int]:
        """Those of `blocks` that lie within some rows of what the last pass changed; all of them in the first."""
        if not self.stirred.size:
            return blocks
        row = track.stripped.size * ROWS_AROUND // (BLOCK * max(track.plan.layout.rows, 1)) + BLOCKS_AROUND
        return [block for block in blocks if np.abs(self.stirred - block).min() <= row]

    def accept(self, track: Track, found: list[list[Option]]) -> bool:
        """Flip what convinces; whether there was anything to flip."""
        weighed = weigh_up(track, self.surroundings, self.file.plain, found, WORTH_A_LOOK)
        new = [
            change for change in weighed if change.convincing and all(self.turns[flip] < TURNS for flip in change.flips)
        ]
        for change in new:
            for flip in change.flips:
                self.file.flip(flip)
            self.turns.update(change.flips)
            self.flipped ^= frozenset(change.flips)
        self.changes += new
        self.stirred = np.array([flip // BITS for change in new for flip in change.flips], np.int64)
        return bool(new)


def repair(
    file: Flippable, structure_of: StructureOf, pool: Executor, effort: Effort, *, encrypted: bool
) -> Repaired | None:
    """Search `file` for flipped bits and undo them in it; `None` where there is no scan to search, or no need to.

    Args:
        file: the file; bits of it are flipped.
        structure_of: what to make of its bytes as they stand.
        pool: runs candidates side by side.
        effort: how far to go.
        encrypted: whether a flipped bit garbles a whole block.
    """
    structure = structure_of(file.plain)
    seen = quick_look(file.plain, structure)
    if seen is None or (seen.counted and not suspects(block_odds(seen, file), UNUSUAL)):
        return None
    plan = plan_scan(file.plain, structure)
    if plan is None:
        return None
    track = follow(file.plain, plan)
    if _hopeless(track):
        return None
    search = _Search(file, effort, pool, look_around(track, file.plain, structure))
    flipped, left = True, list[list[Option]]()
    if seen.counted and not _looks_damaged(search, track):
        return None
    for _ in range(effort.passes):
        flipped, left = _pass(search, track)
        if not flipped:
            break
        structure = structure_of(file.plain)
        plan = _plan_again(plan, file.plain, structure)
        track = follow(file.plain, plan)
    settled = not flipped
    unsolved = weigh_each(track, search.surroundings, file.plain, left, LAST_LOOK)
    unlikely = [tried[0].gain for tried in left if tried[0].gain < LAST_LOOK]
    judged = judge(
        track, file, search.flipped, unsolved, unlikely, search.rate(track), effort.deep, encrypted=encrypted
    )
    # a search that was cut short has not looked at what its last flips led to
    verdict = replace(judged, exact=judged.exact and settled)
    return Repaired(tuple(search.changes), search.flipped, track, structure, verdict)


def _hopeless(track: Track) -> bool:
    """Whether most of the scan is no photo by the tables at hand: a damaged header, or foreign data."""
    weighed = track.weighed
    bits = np.diff(weighed.start)
    return bool(bits[weighed.odds < 0].sum() > HOPELESS_SHARE * 8 * track.stripped.size)


def _looks_damaged(search: _Search, track: Track) -> bool:
    """Whether a flip convinces in a file that decodes to its end."""
    odds = block_odds(track, search.file)
    blocks = suspects(odds, ODD, BLOCKS_BEFORE)
    found = search.singles(track, odds, blocks)
    weighed = weigh_up(track, search.surroundings, search.file.plain, found, WORTH_A_LOOK)
    return any(change.convincing for change in weighed)


def _pass(search: _Search, track: Track) -> tuple[bool, list[list[Option]]]:
    """One pass: whether anything was flipped, and if not, what was looked at in vain.

    What is dearer comes when nothing cheaper is left: blocks near the last changes, all suspicious ones, two flips in
    one block, and all blocks that look the least odd.
    """
    odds = block_odds(track, search.file)
    suspicious = suspects(odds, search.effort.suspicious, BLOCKS_BEFORE)
    near = search.near_changes(track, suspicious)
    if search.accept(track, search.singles(track, odds, near)):
        return True, []
    if len(near) < len(suspicious) and search.accept(track, search.singles(track, odds, suspicious)):
        return True, []
    paired = search.pairs(track, odds)
    if search.accept(track, paired):
        return True, []
    left = search.singles(track, odds, suspects(odds, search.effort.deep, 1))
    swapped = search.swaps(track, odds)
    return search.accept(track, left + swapped), [*left, *paired, *swapped]


def _plan_again(plan: ScanPlan, data: NDArray[np.uint8], structure: JpegStructure) -> ScanPlan:
    """The plan, or a new one if the header or the scan's bounds have changed."""
    if still_fits(plan, structure):
        return plan
    return plan_scan(data, structure) or plan
