"""The search for flipped bits: wherever the scan looks garbled, every bit of the cipher blocks there is tried.

Each pass decodes the file as it stands, tries all bits of all suspicious blocks, and flips those that explain the scan
best, one for each stretch that they change; the next pass sees what is left. A flip is a candidate like any other later
on, so what turns out wrong is undone.
"""

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from jpegrescue.repair.candidates import Tried, block_offset, standing, try_flips
from jpegrescue.repair.change import PICTURE_LEAST, PICTURE_MOST, UNKNOWN, Change, Option
from jpegrescue.repair.prior import Prior
from jpegrescue.repair.surroundings import Surroundings, fit
from jpegrescue.repair.track import DOUBTFUL, Track
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable
from jpegrescue.source.crypt.sector import BLOCK

RIVALS = 12  # candidates of a block that are kept
WORTH_KEEPING = -18 * NAT  # gain of the best of them, or they are not
HOPEFUL, FEW = -2 * NAT, 4  # gain below which only so many options of a block are compared by the picture
REACH = 16  # blocks that flips of one option lie in at most
PICTURE_AT_BEST = 5 * NAT  # for an option that leaves the rest of the scan as sound as it is
PICTURE_SHARE = 0.5  # of what the picture's borders say, as neighbouring ones say much the same
BEYOND, SOUND = 30 * NAT, 5 * NAT  # what counts at most of what lies behind bytes that stay garbled; what is garbled
MADE_UP_FOR = 0.2  # share of errors that make up for what another does to the number of MCUs
HIDDEN = 12 * NAT  # what it costs not to show
BELIEVED = 0.5


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
    prior: Prior,
    pool: Executor,
) -> list[list[Option]]:
    """The best options of every one of `blocks`, best first; the result does not depend on how many run at once."""
    bits = np.arange(BITS)[:, None]

    def attempt(block: int) -> list[Option]:
        return options(track, file, block, file.variants(block), bits, odds, flipped, prior)

    return [found for found in pool.map(attempt, blocks) if found]


def options(
    track: Track,
    file: Flippable,
    block: int,
    variants: NDArray[np.uint8],
    bits: NDArray[np.int64],
    odds: NDArray[np.float64],
    flipped: frozenset[int],
    prior: Prior,
) -> list[Option]:
    """Try `variants` of what begins with `block`; the best `RIVALS`, best first, of what is hopeless the best.

    `bits`: int64 (variants, n), bits of the block that each flips; `odds`: `block_odds` of the file; `flipped`: what
    has been flipped so far, so that flipping it again costs nothing but gives back what it had cost by its `prior`.
    """
    at = block_offset(block, file.lead)
    tried = try_flips(track, file.plain, at, variants)
    if tried is None:
        return []
    base = NAT * float(np.nansum(odds[block : block + variants.shape[1] // BLOCK]))
    before = [inside for flip in flipped if 0 <= (inside := flip - BITS * block) < BITS * REACH]
    made = np.isin(bits, before) if before else np.zeros(bits.shape, np.bool_)
    fresh = bits.shape[1] - made.sum(axis=1)
    costs = prior.costs(BITS * block + bits)
    paid = np.where(made, costs, -costs).sum(axis=1)
    usual = prior.cost * (bits.shape[1] - 2 * fresh)
    lucky = tried.own < SOUND  # to be in step again so soon
    gain = np.where(lucky, np.minimum(tried.gain, 4 * np.maximum(tried.own, 0) + BEYOND), tried.gain) + paid
    likely = np.argsort(-gain, kind="stable")[:RIVALS]
    if gain[likely[0]] < WORTH_KEEPING:
        likely = likely[:1]
    last = np.where(tried.joined >= 0, tried.joined, tried.first + tried.mcus)
    found = []
    for k in likely.tolist():
        counts = _counts(track, tried, k)
        counted = counts * _worth_of_count(track, tried.first, int(last[k]), prior.cost) if counts else 0
        option = Option(
            flips=tuple((BITS * block + bits[k]).tolist()),
            fresh=int(fresh[k]),
            gain=int(gain[k]) + counted,
            favour=int(paid[k] - usual[k]),
            at=at,
            patch=variants[k],
            first=tried.first,
            last=int(last[k]),
            own=int(tried.own[k]),
            better=int(tried.own[k] - base),
            counts=counts,
            whole=_whole(track, tried, k) + int(paid[k]),
        )
        found.append(option)
    return sorted(found, key=lambda option: -option.gain)


def undo_each(
    track: Track,
    surroundings: Surroundings,
    file: Flippable,
    made: Sequence[Sequence[int]],
    odds: NDArray[np.float64],
    flipped: frozenset[int],
    prior: Prior,
) -> list[Change]:
    """What it would do to flip back each of the sets of bits in `made`; others as in `options`."""
    found: list[Change] = []
    for flips in made:
        first, last = min(flips) // BITS, max(flips) // BITS
        for flip in flips:
            file.flip(flip)
        before = standing(file.plain, block_offset(first, file.lead), BLOCK * (last + 2 - first))
        for flip in flips:
            file.flip(flip)
        bits = np.array([flips]) - BITS * first
        undone = options(track, file, first, before[None], bits, odds, flipped, prior)
        found += [_compare(track, surroundings, file, undone)] if undone else []
    return found


def _worth_of_count(track: Track, first: int, last: int, cost: int) -> int:
    """What the right number of MCUs in the restart interval of MCUs `[first, last)` is worth, 1/NAT nat.

    A wrong one takes another error in the interval, which `cost`s that much at any one bit and, where all the rest of
    it looks sound, hides besides.
    """
    weighed = track.weighed
    interval = max(int(np.searchsorted(weighed.first[:-1], first, side="right")) - 1, 0)
    begin, end = weighed.first[interval : interval + 2].tolist()
    rest = np.concatenate((weighed.odds[begin:first], weighed.odds[last:end]))
    bits = int(weighed.start[end] - weighed.start[begin])
    another = max(cost - int(np.log(max(MADE_UP_FOR * bits, 1)) * NAT), 0)
    return another + (HIDDEN if rest.size and rest.min() > DOUBTFUL else 0)


def _whole(track: Track, tried: Tried, k: int) -> int:
    """What candidate `k` gains, 1/NAT nat, in a scan that can have no hole, as all its MCUs are there."""
    joined = int(tried.joined[k])
    if not track.counted or joined - tried.first != tried.mcus[k]:
        return UNKNOWN
    return int(tried.whole[k]) - int(track.weighed.odds[tried.first : joined].sum())


def _counts(track: Track, tried: Tried, k: int) -> int:
    joined = int(tried.joined[k])
    if joined < 0:
        return 0
    before, then = track.surplus(tried.first, joined, tried.first + int(tried.mcus[k]) - joined)
    return 0 if then is None else int(then == 0) - int(before == 0)


def weigh_up(
    track: Track,
    surroundings: Surroundings,
    file: Flippable,
    found: Sequence[Sequence[Option]],
    least: int,
) -> list[Change]:
    """What is worth a look, by symbols and picture together, best first; one change of every stretch that is believed.

    `least`: gain, 1/NAT nat, from which on an option is worth a look.
    """
    best_of: list[Change] = []
    taken: list[tuple[int, int]] = []
    seen: set[int] = set()
    rivals: dict[int, list[Option]] = {}
    # what leads to the same bits is found in several ways, and would be its own rival
    different = {frozenset(option.flips): option for options in found for option in options}
    everything = sorted(different.values(), key=lambda o: (-o.gain, o.flips))
    for option in everything:
        rivals.setdefault(option.at, []).append(option)
    for best in everything:
        if best.gain < least:
            break
        if best.at in seen or any(best.first <= last and first <= best.last for first, last in taken):
            continue
        seen.add(best.at)
        few = len(rivals[best.at]) if best.gain >= HOPEFUL else FEW
        change = _compare(track, surroundings, file, rivals[best.at][:few])
        if change.likely >= BELIEVED:
            taken += [(best.first, best.last), (change.first, change.last)]
        best_of.append(change)
    return best_of


def _compare(track: Track, surroundings: Surroundings, file: Flippable, rivals: Sequence[Option]) -> Change:
    """The best of the options of one block, by symbols and picture together."""
    first, last = min(option.first for option in rivals), max(option.last for option in rivals)
    patches = [None, *((option.at, option.patch) for option in rivals)]
    alone, *fits = fit(track, surroundings, file.plain, first, last, patches)
    fitting = max(fits)
    totals = [
        option.gain + max(int(PICTURE_SHARE * (seen - fitting)), -PICTURE_MOST)
        for option, seen in zip(rivals, fits, strict=True)
    ]
    best = min(range(len(rivals)), key=lambda k: (-totals[k], rivals[k].flips))
    chosen = rivals[best]
    others = [total for k, total in enumerate(totals) if k != best]
    pictures = [int(PICTURE_SHARE * (seen - alone)) for seen in fits]
    picture = pictures[best]
    threats = {
        counted: [
            option.gain + max(min(told, PICTURE_MOST), PICTURE_LEAST)
            for option, told in zip(rivals, pictures, strict=True)
            if (option.counts >= 0) == counted
        ]
        for counted in (True, False)
    }
    return Change(
        flips=chosen.flips,
        fresh=chosen.fresh,
        gain=chosen.gain + min(picture, PICTURE_MOST),
        favour=chosen.favour,
        margin=totals[best] - max(others, default=totals[best] - PICTURE_MOST),
        picture=picture,
        threat=max(threats[True], default=UNKNOWN),
        miscounted=max(threats[False], default=UNKNOWN),
        garbles=file.garbles,
        own=chosen.own,
        better=chosen.better,
        counts=chosen.counts,
        whole=chosen.whole + min(picture, PICTURE_AT_BEST),
        first=chosen.first,
        last=chosen.last,
    )
