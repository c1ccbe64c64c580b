"""A file's flipped bits, found and undone."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.repair.change import POOR, SURE, Change, Option, made_together
from jpegrescue.repair.pairs import (
    REACH,
    another_bit,
    beginnings,
    garbled_stretches,
    instead_of,
    neighbours,
    one_in_place_of,
    two_bits,
    two_blocks,
    two_other_bits,
)
from jpegrescue.repair.prior import NOTHING, Known, Prior
from jpegrescue.repair.search import block_odds, options, single_flips, suspects, undo_each, weigh_up
from jpegrescue.repair.surroundings import Surroundings, look_around
from jpegrescue.repair.track import ScanPlan, Track, calibrated, follow, plan_scan, quick_look, still_fits
from jpegrescue.repair.verdict import Verdict, judge, pair_risks
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable
from jpegrescue.source.crypt.sector import BLOCK

UNUSUAL, ODD = -10.0, -3.0
"""Nats of a block, before odds are calibrated to the file and then, below which bits are tried in a file that seems
undamaged otherwise: a third of all errors in cipher blocks leave one that decodes to its end."""
WORTH_A_PAIR = 12.0  # nats that two flips have to gain beyond what they cost
PAIRS_LEFT = 2e-4, 2e-5
"""Risk of pairs of errors that need not be looked for, all blocks together, and where hardly an error can be left."""
CLEAR, NEARLY = 1e-4, 0.03  # risk of a scan that need not be searched any further, and that is worth it
GARBLED = 0.0  # nats of a block that two flipped bits may lie in: one in 400 garbled ones has more
LIKELY = 0.5  # probability of a change that is made when nothing surer is left
GAIN_LEAST = 3 * NAT  # over leaving it alone, which is an explanation, too
DAMAGED, DAMAGED_GAIN = 0.98, 10 * NAT  # the same, and its gain, in a file that shows no damage otherwise
IN_THE_CLEAR = 0.97  # the same in a file that is not encrypted
RATE_LEAST = 1e-5
EXPECTED = 0.05  # errors in a block, by what is known beforehand, from which on it is searched in any case
BLOCKS_BEFORE = 1
WORTH_A_LOOK, LAST_LOOK = -2 * NAT, -16 * NAT
"""Gain from which on the picture is asked: of an error that its symbols hardly show, it may see more."""
ROWS_AROUND, BLOCKS_AROUND = 2, 32
HOPELESS_SHARE = 0.4
TURNS = 2  # a bit is flipped, and flipped back, once
StructureOf = Callable[[NDArray[np.uint8]], JpegStructure]
Watch = Callable[[list[Change], frozenset[int]], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How far to search.

    `suspicious`, `deep`, `deepest`: nats that a block's symbols may add up to, at most, for it to be searched in every
    pass, in the last one, and where hardly an error can be left; `stretches`: garbled ones in which two flips are
    looked for; `doubtful`: blocks, a pass, in which they are looked for in the end; `passes`: at most.
    """

    suspicious: float
    deep: float
    deepest: float
    stretches: int
    doubtful: int
    passes: int


EFFORTS = {
    "quick": Effort(-3.0, 3.0, 3.0, 0, 0, 8),
    "normal": Effort(0.0, 8.0, 12.0, 64, 32, 24),
    "thorough": Effort(6.0, 1000.0, 1000.0, 1000, 1000, 64),
}


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was flipped, in the order of finding, the file as it stands then, and what to think of it.

    `left`: what else was weighed in the end, and not made; `undone`: what it would do to flip back what was flipped.
    """

    changes: tuple[Change, ...]
    left: tuple[Change, ...]
    undone: tuple[Change, ...]
    flipped: frozenset[int]
    track: Track
    structure: JpegStructure
    verdict: Verdict


@dataclass(slots=True)
class _Search:
    """A search under way.

    `surroundings`: as they look before anything is flipped; `stirred`: blocks that the last pass changed; `paired`:
    what two flips can do in garbled stretches; `looked`: in how many of them that was asked; `least`: probability of
    changes to be made, at first and in the end; `known`: of single bits; `closely`: hardly an error can be left;
    `cleared`: looks of blocks whose single bits gain nothing.
    """

    file: Flippable
    effort: Effort
    pool: Executor
    surroundings: Callable[[], Surroundings]
    least: tuple[float, float]
    known: Known
    watch: Watch | None = None
    closely: bool = False
    changes: list[Change] = field(default_factory=list)
    flipped: frozenset[int] = frozenset()
    turns: Counter[int] = field(default_factory=Counter)
    paired: dict[tuple[int, int], dict[int, list[Option]]] = field(default_factory=dict)
    looked: int = 0
    cleared: dict[int, bytes] = field(default_factory=dict)
    stirred: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def singles(self, track: Track, odds: NDArray[np.float64], blocks: list[int]) -> list[list[Option]]:
        """Options of single flips in `blocks`, but for those that nothing came of before and that look as they did."""
        wanted = [block for block in blocks if self.cleared.get(block) != _look(odds, block)]
        found = single_flips(track, self.file, wanted, odds, self.flipped, self.prior(track), self.pool)
        for tried in found:
            block = tried[0].flips[0] // BITS
            if tried[0].gain < LAST_LOOK:
                self.cleared[block] = _look(odds, block)
        return found

    def pairs(self, track: Track, odds: NDArray[np.float64]) -> list[list[Option]]:
        """Options of two flips close together, in stretches that are garbled enough to pay for both.

        What was found in a stretch is kept until something changes there; the worst stretches are looked at first.
        """
        looks = self.looks(track, odds)
        stretches = list(garbled_stretches(looks, 2 * self.prior(track).cost / NAT + WORTH_A_PAIR))
        new = [stretch for stretch in stretches if stretch not in self.paired]
        new.sort(key=lambda stretch: (np.nansum(looks[stretch[0] : stretch[1] + 1]), stretch))
        new = new[: max(self.effort.stretches - self.looked, 0)]
        self.looked += len(new)
        self.try_pairs(track, odds, [(stretch, block) for stretch in new for block in beginnings(looks, *stretch)])
        return self.found_pairs()

    def doubtful_pairs(self, track: Track, odds: NDArray[np.float64]) -> list[list[Option]]:
        """Options of two flips where little is garbled, but two errors are likeliest of all that was not tried yet."""
        if not self.file.garbles:
            return []
        risks = pair_risks(odds, self.prior(track).hits(odds.size, self.flipped))
        risks[[block for tried in self.paired.values() for block in tried]] = 0
        rising = np.argsort(risks, kind="stable")
        worth = rising[np.cumsum(risks[rising]) > PAIRS_LEFT[int(self.closely)]]
        blocks = sorted(worth[max(worth.size - self.effort.doubtful, 0) :].tolist())
        self.try_pairs(track, odds, [((block, block), block) for block in blocks])
        return [made for block in blocks if (made := self.paired[block, block][block])]

    def found_pairs(self) -> list[list[Option]]:
        """Of every block in which two flips were tried, what they can do."""
        return list({block: made for tried in self.paired.values() for block, made in tried.items() if made}.values())

    def try_pairs(self, track: Track, odds: NDArray[np.float64], wanted: list[tuple[tuple[int, int], int]]) -> None:
        """Try two flips in blocks of stretches, or one there and one in a block behind."""
        prior, inside, looks = self.prior(track), two_bits(), self.looks(track, odds)

        def attempt(where: tuple[tuple[int, int], int]) -> list[Option]:
            (_, last), block = where
            others = range(block + 1, min(last + 1, block + REACH, self.file.blocks() - 1) + 1)
            one: list[Option] = []
            if looks[block] < GARBLED:
                variants = self.file.variants(block, inside.masks)
                one = options(track, self.file, block, variants, inside.bits, odds, self.flipped, prior)
            two = two_blocks(track, self.file, block, others, odds, self.flipped, prior)
            return sorted([*one, *two], key=lambda option: (-option.gain, option.flips))

        for (stretch, block), made in zip(wanted, self.pool.map(attempt, wanted), strict=True):
            self.paired.setdefault(stretch, {})[block] = made

    def swaps(self, track: Track, odds: NDArray[np.float64]) -> list[list[Option]]:
        """Options of having flipped other bits nearby, for every bit that was flipped."""
        prior = self.prior(track)

        def attempt(flip: int) -> list[Option]:
            block, bit = divmod(flip, BITS)
            other = another_bit(bit)
            poor = odds[block] < POOR
            found = [
                option
                for way in [other, *([two_other_bits(bit)] if poor else [])]
                for option in options(
                    track, self.file, block, self.file.variants(block, way.masks), way.bits, odds, self.flipped, prior
                )
            ]
            if poor and block + 1 < self.file.blocks():
                found += two_blocks(track, self.file, block, [block + 1], odds, self.flipped, prior, here=other)
            if poor and block > 0:
                found += two_blocks(track, self.file, block - 1, [block], odds, self.flipped, prior, there=other)
            return sorted(found, key=lambda option: (-option.gain, option.flips))

        def attempt_instead(block: int) -> list[Option]:
            ways = instead_of([flip % BITS for flip in sorted(self.flipped) if flip // BITS == block])
            variants = [self.file.variants(block, way.masks) for way in ways]
            found = [
                option
                for way, changed in zip(ways, variants, strict=True)
                for option in options(track, self.file, block, changed, way.bits, odds, self.flipped, prior)
            ]
            return sorted(found, key=lambda option: (-option.gain, option.flips))

        several = sorted(block for block, flips in Counter(flip // BITS for flip in self.flipped).items() if flips > 1)
        swapped = [*self.pool.map(attempt, sorted(self.flipped)), *self.pool.map(attempt_instead, several)]
        swapped += [
            one_in_place_of(track, self.file, group, odds, self.flipped, prior) for group in neighbours(self.flipped)
        ]
        return [made for made in swapped if made]

    def undo(self, track: Track) -> list[Change]:
        """What it would do to flip back what was flipped, what was flipped together together."""
        made: dict[int, list[int]] = {}
        latest = {flip: number for number, change in enumerate(self.changes) for flip in change.flips}
        for flip in sorted(self.flipped):
            made.setdefault(latest[flip], []).append(flip)
        odds = block_odds(track, self.file)
        prior = self.prior(track)
        return undo_each(track, self.surroundings(), self.file, list(made.values()), odds, self.flipped, prior)

    @property
    def deep(self) -> float:
        """Nats of a block up to which it is searched in the end."""
        return self.effort.deepest if self.closely else self.effort.deep

    def judged(self, track: Track, left: list[Change]) -> tuple[list[Change], Verdict]:
        """What it would do to flip back what was flipped, and what may be said of the scan."""
        undone = self.undo(track)
        paired = sorted(block for tried in self.paired.values() for block in tried)
        accepted = undone, made_together(self.changes, self.flipped)
        return undone, judge(track, self.file, self.flipped, left, accepted, paired, self.prior(track), self.deep)

    def prior(self, track: Track) -> Prior:
        """How likely every bit is to have flipped, at the rate of errors that has been seen."""
        unforeseen = self.flipped.difference(self.known.bits.tolist())
        return Prior(max((len(unforeseen) + 1) / (8 * track.stripped.size), RATE_LEAST), self.known)

    def looks(self, track: Track, odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """How sound blocks seem, nats: their odds, less so much as each is likelier to be hit than others."""
        return odds - self.prior(track).favour(odds.size) if self.known.bits.size else odds

    def expected(self, track: Track, odds: NDArray[np.float64]) -> list[int]:
        """Blocks of the scan that an error is expected in by what is known of their bits, however sound they look."""
        if not self.known.bits.size:
            return []
        hits = self.prior(track).hits(odds.size, self.flipped)
        blocks: list[int] = np.flatnonzero((hits >= EXPECTED) & ~np.isnan(odds)).tolist()
        return blocks

    def near_changes(self, track: Track, blocks: list[int]) -> list[int]:
        """Those of `blocks` that lie within some rows of what the last pass changed; all of them in the first."""
        if not self.stirred.size:
            return blocks
        row = track.stripped.size * ROWS_AROUND // (BLOCK * max(track.plan.layout.rows, 1)) + BLOCKS_AROUND
        return [block for block in blocks if np.abs(self.stirred - block).min() <= row]

    def weigh(self, track: Track, found: list[list[Option]], least: int = WORTH_A_LOOK) -> list[Change]:
        """What of it is worth a look."""
        if not any(option.gain >= least for options in found for option in options):
            return []
        weighed = weigh_up(track, self.surroundings(), self.file, found, least)
        if self.watch is not None:
            self.watch(weighed, self.flipped)
        return weighed

    def accept(self, weighed: list[Change], least: float) -> bool:
        """Flip what is at least so likely; whether there was anything to flip."""
        new = [
            change
            for change in weighed
            if (change.gain >= GAIN_LEAST or change.mends >= least)
            and change.symbols >= LAST_LOOK
            and change.likely >= least
            and all(self.turns[flip] < TURNS for flip in change.flips)
        ]
        for change in new:
            for flip in change.flips:
                self.file.flip(flip)
            self.turns.update(change.flips)
            self.flipped ^= frozenset(change.flips)
        self.changes += new
        for first, last in [
            stretch
            for stretch in self.paired
            if any(stretch[0] - REACH <= flip // BITS <= stretch[1] + REACH for change in new for flip in change.flips)
        ]:
            del self.paired[first, last]
        self.stirred = np.array([flip // BITS for change in new for flip in change.flips], np.int64)
        return bool(new)


def repair(
    file: Flippable,
    structure_of: StructureOf,
    pool: Executor,
    effort: Effort,
    *,
    damaged: bool = False,
    known: Known = NOTHING,
    watch: Watch | None = None,
) -> Repaired | None:
    """Search `file` for flipped bits and undo them in it; `None` where there is no scan to search, or no need to.

    Args:
        file: the file; bits of it are flipped.
        structure_of: what to make of its bytes as they stand.
        pool: runs candidates side by side.
        effort: how far to go.
        damaged: whether it is known to be, by its header; otherwise a scan without signs of damage is left alone.
        known: of single bits of it, how likely they are to have flipped.
        watch: told of all that is weighed, and of what is flipped by then.
    """
    structure = structure_of(file.plain)
    seen = quick_look(file.plain, structure)
    if seen is None or (seen.counted and not damaged and not _unusual(seen, file, known)):
        return None
    plan = calibrated(seen)
    if plan is None:
        return None
    track = follow(file.plain, plan)
    if _hopeless(track):
        return None
    least = (SURE, LIKELY) if file.garbles else (IN_THE_CLEAR, IN_THE_CLEAR)
    surroundings = cache(partial(look_around, track, file.plain, structure))
    search = _Search(file, effort, pool, surroundings, least, known, watch)
    settled, left = False, list[Change]()
    if seen.counted and not damaged and not _looks_damaged(search, track):
        return None
    for _ in range(effort.passes):
        flipped, left = _pass(search, track)
        if flipped:
            structure = structure_of(file.plain)
            plan = _plan_again(plan, file.plain, structure)
            track = follow(file.plain, plan)
        elif search.closely or not track.counted or not CLEAR <= search.judged(track, left)[1].risk < NEARLY:
            settled = True
            break
        else:
            search.closely = True
    undone, judged = search.judged(track, left)
    # a search that was cut short has not looked at what its last flips led to, or not as closely as it meant to
    verdict = replace(judged, exact=judged.exact and settled)
    return Repaired(tuple(search.changes), tuple(left), tuple(undone), search.flipped, track, structure, verdict)


def _look(odds: NDArray[np.float64], block: int) -> bytes:
    """What a block and its neighbours look like, to see whether anything has changed there."""
    return odds[max(block - 1, 0) : block + 3].tobytes()


def _unusual(track: Track, file: Flippable, known: Known) -> bool:
    """Whether to search a file that decodes to its end; in the clear an error makes no block look odd."""
    if known.bits.size:
        return True
    return file.garbles and bool(suspects(block_odds(track, file), UNUSUAL))


def _hopeless(track: Track) -> bool:
    """Whether most of the scan is no photo by the tables at hand: a damaged header, or foreign data."""
    weighed = track.weighed
    bits = np.diff(weighed.start)
    return bool(bits[weighed.odds < 0].sum() > HOPELESS_SHARE * 8 * track.stripped.size)


def _looks_damaged(search: _Search, track: Track) -> bool:
    """Whether a flip convinces in a file that decodes to its end."""
    odds = block_odds(track, search.file)
    weighed = search.weigh(track, search.singles(track, odds, suspects(search.looks(track, odds), ODD, BLOCKS_BEFORE)))
    return any(change.gain >= DAMAGED_GAIN and change.likely >= DAMAGED for change in weighed)


def _pass(search: _Search, track: Track) -> tuple[bool, list[Change]]:
    """One pass: whether anything was flipped, and if not, what was looked at in vain.

    What is dearer comes when nothing cheaper is left: blocks near the last changes, all suspicious ones, two flips in
    garbled stretches, all blocks that look the least odd, and two flips in the oddest of those.
    """
    odds = block_odds(track, search.file)
    looks = search.looks(track, odds)
    sure, likely = search.least
    suspicious = suspects(looks, search.effort.suspicious, BLOCKS_BEFORE)
    near = search.near_changes(track, suspicious)
    if search.accept(search.weigh(track, search.singles(track, odds, near)), sure):
        return True, []
    if len(near) < len(suspicious) and search.accept(
        search.weigh(track, search.singles(track, odds, suspicious)), sure
    ):
        return True, []
    paired = search.pairs(track, odds)
    if search.accept(search.weigh(track, paired), sure):
        return True, []
    deep = [*suspects(looks, search.deep), *search.expected(track, odds)]
    left = search.singles(track, odds, sorted(set(deep)))
    swapped = search.swaps(track, odds)
    weighed = search.weigh(track, [*left, *paired, *swapped], LAST_LOOK)
    if search.accept(weighed, sure) or search.accept(weighed, likely):
        return True, weighed
    doubtful = search.doubtful_pairs(track, odds)
    where = {_block(found[0]) for found in doubtful if found[0].gain >= LAST_LOOK}
    again = [found for found in [*left, *paired, *doubtful, *swapped] if _block(found[0]) in where]
    weighed = [change for change in weighed if _block(change) not in where] + search.weigh(track, again, LAST_LOOK)
    return bool(where) and (search.accept(weighed, sure) or search.accept(weighed, likely)), weighed


def _block(found: Option | Change) -> int:
    """The first block of what is flipped."""
    return found.flips[0] // BITS


def _plan_again(plan: ScanPlan, data: NDArray[np.uint8], structure: JpegStructure) -> ScanPlan:
    """The plan, or a new one if the header or the scan's bounds have changed."""
    if still_fits(plan, structure):
        return plan
    return plan_scan(data, structure) or plan
