"""Two flipped bits that have to be undone together, and other bits in place of some that were flipped.

Of two errors in one block, or in blocks so close that the scan is not in step again between them, neither alone brings
anything back into step. Bits of the second block are tried behind those of the first whose own bytes look best.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.repair.candidates import block_offset, standing, try_flips
from jpegrescue.repair.change import Option
from jpegrescue.repair.prior import Prior
from jpegrescue.repair.search import RIVALS, options
from jpegrescue.repair.track import Track
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, ONE_BIT, Flippable
from jpegrescue.source.crypt.sector import BLOCK

HEADS, HEAD_LEAST = 8, -4 * NAT
"""Bits of the first block that are gone on from, at most, and log-odds that the block must have then: of blocks that
are sound one in 250 has less."""
REACH = 12  # blocks from the first error to the second
BRIDGED = 2
SOUND = 5.0  # nats of a block that is in step again
ODD = -10.0  # nats of a stretch: what looks better may be sound, and is asked by how likely two errors are
ADJACENT, GROUP_MOST = 2, 8  # blocks between flips that may have come of one error, and how many of these at most
CLOSE = 2  # blocks around where the scan falls out of step that the first error may lie in


def garbled_stretches(odds: NDArray[np.float64], gain: float) -> Iterator[tuple[int, int]]:
    """Stretches of blocks `[first, last]` that would add up to `gain` nats more if they were like all others.

    Of those, the ones that are `ODD`, too: where all blocks are worth much, many sound ones are worth much less. Up to
    `BRIDGED` blocks that look sound part no stretch: between two errors the scan may be in step by chance.

    `odds`: `block_odds` of the file.
    """
    known = ~np.isnan(odds)
    if not known.any():
        return
    low = known & (np.nan_to_num(odds) < SOUND)
    usual = float(np.median(odds[known]))
    at = np.flatnonzero(low)
    for part in np.split(at, np.flatnonzero(np.diff(at) > BRIDGED + 1) + 1) if at.size else ():
        first, last = int(part[0]), int(part[-1])
        total = float(odds[part].sum())
        if total < ODD and part.size * usual - total >= gain:
            yield first, last


def beginnings(odds: NDArray[np.float64], first: int, last: int) -> list[int]:
    """Blocks of a stretch `[first, last]`, and next to it, that the first of two errors may lie in, ascending."""
    low = np.flatnonzero(odds[first : last + 1] < SOUND) + first
    runs = np.split(low, np.flatnonzero(np.diff(low) > 1) + 1)
    starts = [int(run[0]) for run in runs if run.size and odds[run].min() < 0]
    wanted = {block for start in starts for block in range(start - CLOSE + 1, min(start + CLOSE, last + 1))}
    return sorted(block for block in wanted if block >= 0 and not np.isnan(odds[block]))


@dataclass(frozen=True, slots=True)
class Flips:
    """Ways to change one block: uint8 (n, 16) to flip, and int64 (n, bits), which bits of the block that are."""

    masks: NDArray[np.uint8]
    bits: NDArray[np.int64]


def one_bit() -> Flips:
    """Each bit of a block."""
    return Flips(ONE_BIT, np.arange(BITS)[:, None])


def another_bit(bit: int) -> Flips:
    """All ways to have another bit of a block flipped instead of `bit`."""
    others = np.array([other for other in range(BITS) if other != bit])
    return Flips(ONE_BIT[others] ^ ONE_BIT[bit], np.stack((np.full(BITS - 1, bit), others), axis=1))


def two_bits() -> Flips:
    """All pairs of bits of a block."""
    first, second = np.triu_indices(BITS, 1)
    return Flips(ONE_BIT[first] ^ ONE_BIT[second], np.stack((first, second), axis=1))


def two_other_bits(bit: int) -> Flips:
    """All ways to have two other bits flipped instead of `bit`."""
    pairs = two_bits()
    others = (pairs.bits != bit).all(axis=1)
    bits = pairs.bits[others]
    return Flips(pairs.masks[others] ^ ONE_BIT[bit], np.concatenate((np.full((bits.shape[0], 1), bit), bits), axis=1))


def instead_of(bits: Sequence[int]) -> list[Flips]:
    """All ways to have one other bit of a block flipped, or two, instead of several."""
    made = np.array(bits)
    ways = []
    for way in (one_bit(), two_bits()):
        others = ~np.isin(way.bits, made).any(axis=1)
        changed = np.broadcast_to(made, (int(others.sum()), made.size))
        masks: NDArray[np.uint8] = way.masks[others] ^ np.bitwise_xor.reduce(ONE_BIT[made], axis=0)
        ways.append(Flips(masks, np.concatenate((changed, way.bits[others]), axis=1)))
    return ways


def neighbours(flipped: Iterable[int]) -> list[list[int]]:
    """Flipped bits of blocks that lie side by side, or but one apart, ascending; none of those that lie alone."""
    groups: list[list[int]] = []
    for flip in sorted(flipped):
        if groups and flip // BITS - groups[-1][-1] // BITS <= ADJACENT:
            groups[-1].append(flip)
        else:
            groups.append([flip])
    return [group for group in groups if group[0] // BITS != group[-1] // BITS and len(group) <= GROUP_MOST]


def one_in_place_of(
    track: Track,
    file: Flippable,
    made: Sequence[int],
    odds: NDArray[np.float64],
    flipped: frozenset[int],
    prior: Prior,
) -> list[Option]:
    """Options of one other bit, in any of their blocks, instead of all that were `made` in `neighbours`.

    A wrong bit may garble the block behind it, so that two more make up for it there.
    """
    first, last = made[0] // BITS, made[-1] // BITS
    at, size = block_offset(first, file.lead), BLOCK * (last + 2 - first)
    blocks = [block for block in range(first, last + 1) if not np.isnan(odds[block])]
    for flip in made:
        file.flip(flip)
    before = standing(file.plain, at, size)
    single = [file.variants(block) for block in blocks]
    for flip in made:
        file.flip(flip)
    undone = np.array(made) - BITS * first
    found: list[Option] = []
    for block, changed in zip(blocks, single, strict=True):
        inside = BITS * (block - first) + np.arange(BITS)
        others = ~np.isin(inside, undone)
        variants = np.repeat(before[None], int(others.sum()), axis=0)
        variants[:, BLOCK * (block - first) :][:, : changed.shape[1]] = changed[others]
        bits = np.concatenate((np.tile(undone, (variants.shape[0], 1)), inside[others, None]), axis=1)
        found += options(track, file, first, variants, bits, odds, flipped, prior)
    return sorted(found, key=lambda option: (-option.gain, option.flips))[:RIVALS]


def two_blocks(
    track: Track,
    file: Flippable,
    block: int,
    others: Iterable[int],
    odds: NDArray[np.float64],
    flipped: frozenset[int],
    prior: Prior,
    here: Flips | None = None,
    there: Flips | None = None,
) -> list[Option]:
    """Options of `here` in `block` and `there` in one of `others` behind it; the best `RIVALS`, best first.

    `odds`, `flipped`, `prior`: as in `search.options`; `here`, `there`: one bit if not given.
    """
    here, there = here or one_bit(), there or one_bit()
    at = block_offset(block, file.lead)
    first = file.variants(block, here.masks)
    tried = try_flips(track, file.plain, at, first, BLOCK)
    if tried is None:
        return []
    heads = np.argsort(-tried.own, kind="stable")[:HEADS]
    heads = heads[tried.own[heads] >= HEAD_LEAST]
    found: list[Option] = []
    for other in others if heads.size else ():
        ahead = BLOCK * (other - block)
        second = file.variants(other, there.masks)
        stands = standing(file.plain, at, max(ahead + second.shape[1], first.shape[1]))
        changed = np.repeat(stands[None], heads.size * second.shape[0], axis=0)
        changed[:, : first.shape[1]] ^= np.repeat(first[heads] ^ stands[: first.shape[1]], second.shape[0], axis=0)
        behind = slice(ahead, ahead + second.shape[1])
        changed[:, behind] ^= np.tile(second ^ stands[behind], (heads.size, 1))
        bits = np.concatenate(
            (
                np.repeat(here.bits[heads], second.shape[0], axis=0),
                np.tile(BITS * (other - block) + there.bits, (heads.size, 1)),
            ),
            axis=1,
        )
        found += options(track, file, block, changed, bits, odds, flipped, prior)
    return sorted(found, key=lambda option: (-option.gain, option.flips))[:RIVALS]
