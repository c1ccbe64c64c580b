"""Protects the search for two errors close together, where undoing either alone helps nothing."""

import math

import numpy as np
import pytest

from jpegrescue.repair.pairs import (
    REACH,
    another_bit,
    beginnings,
    garbled_stretches,
    instead_of,
    neighbours,
    one_bit,
    one_in_place_of,
    two_bits,
    two_blocks,
    two_other_bits,
)
from jpegrescue.repair.prior import Prior
from jpegrescue.repair.search import RIVALS, block_odds, options
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, ONE_BIT, Ciphertext
from jpegrescue.source.crypt.sector import BLOCK
from tests.repair.flipped import CBC, XTS, ciphertext, flip_name, scan_bit, tracked
from tests.resync.damaged import encoded

PRIOR = Prior(math.exp(-9))
JPEG = encoded("coffee")
NONE: frozenset[int] = frozenset()


def flat(masks: np.ndarray) -> list[int]:  # type: ignore[type-arg]
    return np.unpackbits(masks, axis=1).sum(axis=1).tolist()  # type: ignore[no-any-return]


def test_all_ways_to_change_a_block_once_each() -> None:
    assert np.array_equal(one_bit().masks, ONE_BIT)
    for ways, number, flips in (
        (two_bits(), BITS * (BITS - 1) // 2, 2),
        (another_bit(77), BITS - 1, 2),
        (two_other_bits(77), (BITS - 1) * (BITS - 2) // 2, 3),
    ):
        assert ways.masks.shape == (number, BLOCK)
        assert ways.bits.shape == (number, flips)
        assert set(flat(ways.masks)) == {flips}
        assert np.unique(ways.masks, axis=0).shape == ways.masks.shape
        for k in (0, number // 2, number - 1):
            assert np.flatnonzero(np.unpackbits(ways.masks[k])).tolist() == sorted(ways.bits[k].tolist())
    assert (another_bit(77).bits == 77).any(axis=1).all()


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize("apart", [1, 3])
def test_two_errors_in_blocks_close_together_are_found(cipher: str, apart: int) -> None:
    first = scan_bit(JPEG, 0.5, 20)
    bits = (first, first + BITS * apart + 3)
    file = ciphertext(JPEG, bits, cipher)
    track = tracked(file.plain)
    block = first // BITS

    found = two_blocks(track, file, block, range(block + 1, block + 5), block_odds(track, file), NONE, PRIOR)

    assert found[0].flips == bits
    assert found[0].fresh == 2
    assert found[0].own > 0
    assert 1 < len(found) <= RIVALS
    assert [o.gain for o in found] == sorted((o.gain for o in found), reverse=True)
    lies = slice(max(found[0].at, 0), found[0].at + found[0].patch.size)
    assert found[0].patch.tobytes() == JPEG[lies]


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_a_flip_can_be_exchanged_for_two(cipher: str) -> None:
    first = scan_bit(JPEG, 0.6, 50)
    errors = (first, first + BITS)
    block, wrong = first // BITS, first + 9
    file = ciphertext(JPEG, (*errors, wrong), cipher)
    track = tracked(file.plain)

    found = two_blocks(
        track,
        file,
        block,
        [block + 1],
        block_odds(track, file),
        frozenset([wrong]),
        PRIOR,
        here=another_bit(wrong % BITS),
    )

    assert set(found[0].flips) == {wrong, *errors}
    assert found[0].fresh == 2


def test_nothing_is_gone_on_from_where_no_first_bit_makes_sense() -> None:
    errors = [scan_bit(JPEG, 0.5, inside) for inside in (3, 70)]
    file: Ciphertext = ciphertext(JPEG, errors, XTS)
    track = tracked(file.plain)
    block = errors[0] // BITS

    found = two_blocks(track, file, block, [block + 1], block_odds(track, file), NONE, PRIOR)

    assert not any(option.gain > 20 * NAT for option in found)


def test_several_bits_are_taken_back_for_one_or_two_others() -> None:
    made = [5, 77, 100]
    one, two = instead_of(made)

    assert one.bits.shape == (BITS - 3, 4)
    assert two.bits.shape == ((BITS - 3) * (BITS - 4) // 2, 5)
    for way in (one, two):
        for row in (0, len(way.bits) // 2, -1):
            bits = np.flatnonzero(np.unpackbits(way.masks[row]))
            assert set(bits.tolist()) == set(way.bits[row].tolist()) >= set(made)


def test_one_error_is_found_behind_two_flips_that_were_made_for_it() -> None:
    error, wrong = scan_bit(JPEG, 0.5, 40), [scan_bit(JPEG, 0.5, inside) for inside in (3, 99)]
    file = ciphertext(JPEG, [error, *wrong])
    track, block = tracked(file.plain), error // BITS
    one, _ = instead_of([flip % BITS for flip in wrong])

    variants = file.variants(block, one.masks)
    found = options(track, file, block, variants, one.bits, block_odds(track, file), frozenset(wrong), PRIOR)

    assert found[0].flips == (*wrong, error)
    assert found[0].patch[:BLOCK].tobytes() == JPEG[BLOCK * block : BLOCK * (block + 1)]


def test_neighbours_are_flips_in_blocks_side_by_side() -> None:
    flips = [flip_name(block, bit) for block, bit in ((3, 9), (4, 1), (4, 100), (6, 0), (20, 5), (20, 6), (40, 1))]

    assert neighbours(reversed(flips)) == [flips[:4]]
    assert neighbours(NONE) == []


def test_too_many_flips_in_a_row_are_not_one_error() -> None:
    assert neighbours(flip_name(block, 0) for block in range(9)) == []


@pytest.mark.parametrize("name", [CBC, XTS])
@pytest.mark.parametrize("behind", [0, 1])
def test_one_error_is_found_behind_flips_in_two_blocks(name: str, behind: int) -> None:
    """A wrong bit made the next block look garbled; two flips made up for that, and the scan was called exact."""
    first = scan_bit(JPEG, 0.5, 0)
    error = first + BITS * behind + 40
    wrong = [first + 91, first + BITS, first + BITS + 55]
    file = ciphertext(JPEG, [error, *wrong], name)
    track, before = tracked(file.plain), file.plain.copy()

    found = one_in_place_of(track, file, wrong, block_odds(track, file), frozenset(wrong), PRIOR)

    assert found[0].flips == (*wrong, error)
    assert (found[0].fresh, len(found)) == (1, RIVALS)
    assert found[0].patch.tobytes() == JPEG[first // 8 : first // 8 + 3 * BLOCK]
    assert np.array_equal(file.plain, before)


def test_blocks_far_from_the_scan_have_no_pairs() -> None:
    file = ciphertext(JPEG)
    track = tracked(file.plain)

    assert two_blocks(track, file, 0, [1, 2], block_odds(track, file), NONE, PRIOR) == []


def test_stretches_are_those_that_pay_for_two_flips() -> None:
    odds = np.full(200, 15.0)
    odds[:3] = np.nan
    odds[20] = -4.0
    odds[50:53] = -12.0, 3.0, -20.0
    odds[80] = -30.0
    odds[[110, 113, 117]] = -10.5

    assert list(garbled_stretches(odds, 40.0)) == [(50, 52), (80, 80), (110, 113)]
    assert list(garbled_stretches(odds, 15.0)) == [(50, 52), (80, 80), (110, 113), (117, 117)]
    assert list(garbled_stretches(odds + 8.0, 15.0)) == [(50, 52), (80, 80)]  # worth less than others, but sound
    assert list(garbled_stretches(odds, 100.0)) == []
    assert list(garbled_stretches(np.full(9, 20.0), 0.0)) == []
    assert list(garbled_stretches(np.full(9, np.nan), 0.0)) == []


def test_the_first_error_lies_about_where_the_scan_falls_out_of_step() -> None:
    odds = np.full(100, 15.0)
    odds[:3] = np.nan
    odds[[3, 20, 21, 24, 27, 28]] = -9.0, -9.0, 2.0, 4.0, 3.0, -20.0

    assert beginnings(odds, 20, 28) == [19, 20, 21, 26, 27, 28]  # block 24 is not garbled
    assert beginnings(odds, 3, 3) == [3]


def test_the_last_block_has_nothing_behind_it() -> None:
    file = ciphertext(JPEG, [flip_name(len(JPEG) // BLOCK - 1, 5)])
    track = tracked(file.plain)
    last = file.blocks() - 1
    behind = range(last + 1, min(last + REACH, file.blocks() - 1) + 1)

    assert two_blocks(track, file, last, behind, block_odds(track, file), NONE, PRIOR) == []
