"""Protects the search: which blocks it looks at, what it makes of their bits, and what convinces it."""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from jpegrescue.flow.here import Here
from jpegrescue.jpeg.parse import parse
from jpegrescue.repair.change import Option
from jpegrescue.repair.pairs import two_bits
from jpegrescue.repair.prior import Prior
from jpegrescue.repair.search import RIVALS, block_odds, options, single_flips, suspects, undo_each, weigh_up
from jpegrescue.repair.surroundings import look_around
from jpegrescue.repair.track import Track, follow
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Ciphertext, PlainBits
from jpegrescue.source.crypt.sector import BLOCK
from tests.repair.flipped import CBC, XTS, ciphertext, scan_bit, tracked
from tests.resync.damaged import encoded

PRIOR = Prior(math.exp(-9))
NONE: frozenset[int] = frozenset()
JPEG = encoded("coffee")
BIT = scan_bit(JPEG, 0.4, lead=5)
BELIEVED = 0.95


def look(bits: list[int], cipher: str = CBC) -> tuple[Ciphertext, Track]:
    file = ciphertext(JPEG, bits, cipher, lead=5)
    return file, tracked(file.plain)


def tracked_like(track: Track, file: Ciphertext) -> Track:
    """The scan as it stands now, weighed by the same odds."""
    return follow(file.plain, track.plan)


def singles(file: Ciphertext, track: Track, blocks: list[int], flipped: frozenset[int] = NONE) -> list[list[Option]]:
    return single_flips(track, file, blocks, block_odds(track, file), flipped, PRIOR, Here())


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_garbled_blocks_are_suspect(cipher: str) -> None:
    file, track = look([BIT], cipher)
    odds = block_odds(track, file)

    block = BIT // BITS
    assert odds.size == file.blocks()
    sound = block_odds(tracked(JPEG), ciphertext(JPEG, lead=5))
    low = set(suspects(odds, -8.0)) - set(suspects(sound, -8.0))
    assert low & {block, block + 1}
    assert block <= min(low)
    assert max(low) <= block + 60  # until it is in step again


def test_blocks_of_the_header_have_no_odds() -> None:
    file, track = look([])
    odds = block_odds(track, file)
    scan = track.plan.scan

    blind = np.flatnonzero(np.isnan(odds)).tolist()
    inside = range((scan.start + 5) // BLOCK, (scan.end + 4) // BLOCK + 1)
    assert blind == [block for block in range(file.blocks()) if block not in inside]
    assert np.nansum(odds) == pytest.approx(track.weighed.bins.sum() / NAT, abs=20)


def test_suspects_are_ascending_and_hold_what_comes_before() -> None:
    odds = np.array([np.nan, np.nan, 5.0, 5.0, -1.0, 5.0, 5.0, 5.0, -20.0, -9.0, np.nan])

    assert suspects(odds, -2.0) == [8, 9]
    assert suspects(odds, 0.0, 1) == [3, 4, 7, 8, 9]
    assert suspects(odds, 0.0, 3) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert suspects(odds, -99.0, 2) == []
    assert suspects(np.full(5, np.nan), 10.0, 2) == []


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_the_true_flip_is_the_best_option(cipher: str) -> None:
    file, track = look([BIT], cipher)

    (found,) = singles(file, track, [BIT // BITS])

    best = found[0]
    assert best.flips == (BIT,)
    assert best.gain > 20 * NAT
    assert best.better > 10 * NAT
    assert 1 <= len(found) <= RIVALS
    assert [o.gain for o in found] == sorted((o.gain for o in found), reverse=True)
    lies = slice(best.at, best.at + best.patch.size)
    assert best.patch.tobytes() == JPEG[lies]
    assert best.first <= best.last


def test_a_flip_costs_and_its_undoing_gives_that_back() -> None:
    file, track = look([BIT])
    (new,), (again,) = (singles(file, track, [BIT // BITS], known) for known in (NONE, frozenset([BIT])))

    assert again[0].flips == new[0].flips == (BIT,)
    assert again[0].gain - new[0].gain == 2 * PRIOR.cost


def test_blocks_far_from_the_scan_have_no_options() -> None:
    file, track = look([])

    assert singles(file, track, [0, 1, 2]) == []


def test_the_number_of_threads_changes_nothing() -> None:
    file, track = look([BIT])
    blocks = [BIT // BITS + near for near in range(-6, 6)]
    odds = block_odds(track, file)
    with ThreadPoolExecutor(4) as pool:
        many = single_flips(track, file, blocks, odds, NONE, PRIOR, pool)
    one = singles(file, track, blocks)

    def told(found: list[list[Option]]) -> list[list[tuple[object, ...]]]:
        return [[(o.flips, o.gain, o.first, o.last, o.own, o.patch.tobytes()) for o in rivals] for rivals in found]

    assert told(many) == told(one)


def test_what_miscounts_the_mcus_of_a_restart_interval_has_to_gain_more() -> None:
    """As much as another error in that short interval costs, and that it does not show."""
    jpeg = encoded("coffee", restart=8)
    file, track = ciphertext(jpeg, lead=5), tracked(jpeg)
    first = scan_bit(jpeg, 0.5, lead=5) // BITS
    odds = block_odds(track, file)

    cheap, dear = (
        {
            option.flips: option
            for found in single_flips(track, file, range(first, first + 40), odds, NONE, prior, Here())
            for option in found
        }
        for prior in (PRIOR, Prior(math.exp(-12)))
    )

    both = cheap.keys() & dear.keys()
    lost = {counts: {cheap[f].gain - dear[f].gain for f in both if cheap[f].counts == counts} for counts in (-1, 0)}
    assert lost == {-1: {6 * NAT}, 0: {3 * NAT}}


def test_two_flips_of_a_block_are_found() -> None:
    bits = [scan_bit(JPEG, 0.6, inside, lead=5) for inside in (5, 99)]
    file, track = look(bits)
    ways = two_bits()
    block = bits[0] // BITS

    variants = file.variants(block, ways.masks)
    found = options(track, file, block, variants, ways.bits, block_odds(track, file), NONE, PRIOR)

    assert found[0].flips == tuple(bits)


def test_one_change_for_each_stretch() -> None:
    bits = [scan_bit(JPEG, share, lead=5) for share in (0.2, 0.5, 0.8)]
    file, track = look(bits)
    around = look_around(track, file.plain, parse(file.plain))
    blocks = [bit // BITS + near for bit in bits for near in (-1, 0, 1)]
    found = singles(file, track, blocks)

    changes = weigh_up(track, around, file, found, -2 * NAT)

    believed = {flip for change in changes if change.likely >= BELIEVED for flip in change.flips}
    assert believed <= set(bits)
    assert len(believed) >= 2
    spans = sorted((change.first, change.last) for change in changes if change.likely >= BELIEVED)
    assert all(last < first for (_, last), (first, _) in pairwise(spans))
    assert weigh_up(track, around, file, found, 10_000 * NAT) == []
    assert weigh_up(track, around, file, [], -2 * NAT) == []


def test_in_a_sound_file_nothing_convinces() -> None:
    file, track = look([])
    around = look_around(track, file.plain, parse(file.plain))
    found = singles(file, track, list(range(80, file.blocks() - 2, 60)))

    assert not any(change.likely >= BELIEVED for change in weigh_up(track, around, file, found, -30 * NAT))


def test_bits_in_the_clear_are_searched_the_same_way() -> None:
    data = np.frombuffer(JPEG, np.uint8).copy()
    bit = scan_bit(JPEG, 0.3, 40)
    data[bit >> 3] ^= 0x80 >> (bit & 7)
    file, track = PlainBits(data), tracked(data)
    odds = block_odds(track, file)

    (found,) = single_flips(track, file, [bit // BITS], odds, NONE, PRIOR, Here())

    rank = [option.flips for option in found].index((bit,))
    assert odds.size == file.blocks()
    assert rank < RIVALS


def test_undoing_what_is_right_loses_and_what_is_wrong_gains() -> None:
    wrong = scan_bit(JPEG, 0.7, 3, lead=5)
    file, track = look([wrong])
    surroundings = look_around(track, file.plain, parse(file.plain))
    stands = file.plain.copy()

    # BIT was flipped back already, `wrong` was flipped by mistake
    good, bad = undo_each(
        track, surroundings, file, [[BIT], [wrong]], block_odds(track, file), frozenset({BIT, wrong}), PRIOR
    )

    assert (good.flips, bad.flips) == ((BIT,), (wrong,))
    assert good.gain < -10 * NAT
    assert bad.gain > 10 * NAT
    assert good.mistaken < 0.01
    assert bad.mistaken > 0.9
    np.testing.assert_array_equal(file.plain, stands)


def test_what_was_flipped_together_is_undone_together() -> None:
    bits = [scan_bit(JPEG, 0.4, inside, lead=5) for inside in (3, 300)]
    file, track = look([])
    surroundings = look_around(track, file.plain, parse(file.plain))

    (both,) = undo_each(track, surroundings, file, [bits], block_odds(track, file), frozenset(bits), PRIOR)

    assert both.flips == tuple(bits)
    assert both.gain < -20 * NAT
    assert both.fresh == 0


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_what_an_option_gains_in_a_whole_scan_is_what_its_symbols_are_worth(cipher: str) -> None:
    file, track = look([], cipher)
    block = BIT // BITS
    assert track.counted
    worth = int(track.weighed.odds.sum())

    compared = 0
    for found in singles(file, track, [block + near for near in range(12)]):
        for option in found:
            file.flip(option.flips[0])
            other = tracked_like(track, file)
            file.flip(option.flips[0])
            if other.counted and option.whole > -500 * NAT:
                # back in step, a block may be weighed by another one before it
                gained = int(other.weighed.odds.sum()) - worth - PRIOR.cost
                assert option.whole == pytest.approx(gained, abs=4 * NAT)
                compared += 1
    assert compared >= 5


def test_in_a_scan_with_a_hole_nobody_knows_what_it_would_gain_without() -> None:
    bits = [scan_bit(JPEG, share, lead=5) for share in (0.2, 0.6)]
    file, track = look(bits)
    assert not track.counted

    assert all(option.whole < -500 * NAT for found in singles(file, track, [bits[0] // BITS]) for option in found)
