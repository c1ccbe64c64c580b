"""A file's flipped bits, found and undone."""

from collections import Counter
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.repair.search import (
    Change,
    Option,
    block_odds,
    decide,
    options,
    same_block_pairs,
    single_flips,
    suspects,
)
from jpegrescue.repair.surroundings import look_around
from jpegrescue.repair.track import Track, follow, plan_scan
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable

PASSES, PAIR_BLOCKS = 16, 24
TURNS = 2  # a bit is flipped, and flipped back, once
RATE_LEAST = 1e-5


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was flipped, in the order of finding, and the scan as it stands then."""

    changes: tuple[Change, ...]
    flipped: frozenset[int]
    track: Track


def repair(file: Flippable, structure: JpegStructure, pool: Executor) -> Repaired | None:
    """Search `file` for flipped bits and undo them in it; `None` where there is no scan to search.

    `structure`: of the file as it stands.
    """
    plan = plan_scan(file.plain, structure)
    if plan is None:
        return None
    changes: list[Change] = []
    flipped: frozenset[int] = frozenset()
    pairs_tried: set[int] = set()
    turns: Counter[int] = Counter()
    for _ in range(PASSES):
        track = follow(file.plain, plan)
        odds = block_odds(track, file)
        cost = _cost(len(flipped), track)
        blocks = suspects(odds)
        found = single_flips(track, file, blocks, flipped, cost, pool)
        surroundings = look_around(track, file.plain, structure)
        accepted = decide(track, surroundings, file.plain, found)
        if not accepted:
            fronts = [block for block in _fronts(track, odds, blocks) if block not in pairs_tried][:PAIR_BLOCKS]
            pairs_tried.update(fronts)
            paired = [made for block in fronts if (made := _pairs(track, file, block, flipped, cost))]
            accepted = decide(track, surroundings, file.plain, paired)
        accepted = [change for change in accepted if all(turns[flip] < TURNS for flip in change.flips)]
        if not accepted:
            break
        for change in accepted:
            for flip in change.flips:
                file.flip(flip)
                turns[flip] += 1
            flipped ^= frozenset(change.flips)
        changes += accepted
    return Repaired(tuple(changes), flipped, follow(file.plain, plan))


def _cost(found: int, track: Track) -> int:
    """What a flip costs, 1/NAT nat, at the rate of errors that has been seen."""
    bits = 8 * track.stripped.size
    return int(-np.log(max((found + 1) / bits, RATE_LEAST)) * NAT)


def _fronts(track: Track, odds: NDArray[np.float64], blocks: list[int]) -> list[int]:
    """Blocks at which garbled stretches seem to begin, worst first."""
    worth = [(odds[block] if not np.isnan(odds[block]) else 0.0, block) for block in blocks]
    return [block for value, block in sorted(worth) if value < 0]


def _pairs(track: Track, file: Flippable, block: int, flipped: frozenset[int], cost: int) -> list[Option]:
    flips, numbers = same_block_pairs()
    names = [(BITS * block + a, BITS * block + b) for a, b in numbers]
    return options(track, file, block, file.variants(block, flips), names, flipped, cost)
