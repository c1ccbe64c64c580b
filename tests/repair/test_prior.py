"""Protects what is known of single bits beforehand: what flipping them costs, and what a search makes of it."""

import math

import numpy as np
import pytest

from jpegrescue.flow.here import Here
from jpegrescue.jpeg.parse import parse
from jpegrescue.repair.headers import mend_header
from jpegrescue.repair.prior import NOTHING, Known, Prior
from jpegrescue.repair.repair import EFFORTS, Repaired, repair
from jpegrescue.repair.search import block_odds, single_flips
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable, PlainBits
from tests.repair.flipped import ciphertext, scan_bit, tracked
from tests.resync.damaged import encoded

JPEG = encoded("coffee")


def in_the_clear(bits: list[int]) -> PlainBits:
    file = PlainBits(np.frombuffer(JPEG, np.uint8))
    for bit in bits:
        file.flip(bit)
    return file


def repaired(file: Flippable, known: Known = NOTHING, effort: str = "normal") -> Repaired | None:
    return repair(file, parse, Here(), EFFORTS[effort], known=known)


def reads_that_disagree(true: list[int], others: int, chance: float, seed: int = 3) -> Known:
    """Bits of which several reads of a chip differ: the ones that did flip among others that did not."""
    scan = parse(JPEG).scans[0]
    decoys = np.random.default_rng(seed).integers(8 * scan.start, 8 * scan.end, others).tolist()
    return Known.of(dict.fromkeys([*true, *decoys], chance))


def test_a_flip_costs_its_log_odds() -> None:
    prior = Prior(1e-4, Known.of({70: 0.5, 5: 0.01, 9: 0.99, 11: 0.0, 12: 1.0}))

    costs = prior.costs(np.array([[5, 6], [9, 70], [11, 12]])) / NAT

    usual = -math.log(1e-4)
    expected = [[math.log(99), usual], [-math.log(99), 0.0]]
    np.testing.assert_allclose(costs[:2], expected, atol=0.01)
    assert costs[2, 0] == -costs[2, 1] > 20
    assert prior.cost == round(usual * NAT)
    assert (prior.chance(9), prior.chance(8), prior.chance(10**9)) == (0.99, 1e-4, 1e-4)


def test_blocks_with_likely_bits_are_likelier_hit() -> None:
    prior = Prior(1e-4, Known.of({1: 0.2, 2: 0.3, 3 * BITS: 1e-6, 9 * BITS: 0.5}))

    hits, favour = prior.hits(4), prior.favour(4)

    usual = BITS * 1e-4
    np.testing.assert_allclose(hits, [usual + 0.5 - 2e-4, usual, usual, usual - 1e-4 + 1e-6])
    np.testing.assert_allclose(favour, [math.log(hits[0] / usual), 0, 0, 0])
    np.testing.assert_allclose(prior.hits(4, frozenset({2}))[0], usual + 0.2 - 1e-4)
    assert not Prior(1e-4).favour(5).any()


@pytest.mark.parametrize("chances", [{3: 1.5}, {3: -0.1}, {3: math.nan}, {-1: 0.5}])
def test_what_is_no_probability_or_no_bit_is_refused(chances: dict[int, float]) -> None:
    with pytest.raises(ValueError, match=r"probability|before the file"):
        Known.of(chances)


def test_in_the_clear_errors_are_found_where_reads_disagree() -> None:
    errors = [scan_bit(JPEG, share, int(900 * share) % BITS) for share in (0.1, 0.25, 0.4, 0.6, 0.75, 0.9)]
    blind, told = in_the_clear(errors), in_the_clear(errors)

    repaired(blind)
    found = repaired(told, reads_that_disagree(errors, 40, 0.15))

    assert found is not None
    assert found.flipped <= set(errors)
    assert not found.verdict.exact
    left = [np.count_nonzero(file.plain != np.frombuffer(JPEG, np.uint8)) for file in (blind, told)]
    assert left[1] < left[0]


def test_bits_that_were_told_wrongly_are_left_alone() -> None:
    file = ciphertext(JPEG, lead=5)
    found = repaired(file, reads_that_disagree([], 60, 0.2))

    assert file.plain.tobytes() == JPEG
    assert found is None or not found.flipped


def test_against_a_bit_that_is_known_to_be_right_much_has_to_speak() -> None:
    error = scan_bit(JPEG, 0.5, 77, lead=5)
    file = ciphertext(JPEG, [error], lead=5)
    track = tracked(file.plain)
    odds = block_odds(track, file)

    def gain(known: Known) -> int:
        prior = Prior(1e-5, known)
        (found,) = single_flips(track, file, [error // BITS], odds, frozenset(), prior, Here())
        return next((option.gain for option in found if option.flips == (error,)), -1000 * NAT)

    assert gain(Known.of({error: 0.0})) < gain(NOTHING) - 16 * NAT
    assert gain(Known.of({error: 0.01})) > gain(NOTHING) + 6 * NAT


def test_a_header_is_mended_by_what_is_known() -> None:
    at = JPEG.index(b"\xff\xc4") + 9
    error = 8 * (at + 5) + 3

    def mended(known: Known) -> list[tuple[tuple[int, ...], int]]:
        file = ciphertext(JPEG, [error], lead=5)
        return [(change.flips, change.gain) for change in mend_header(file, known)]

    ((usual, usual_gain),) = mended(NOTHING)
    ((likely, likely_gain),) = mended(Known.of({error: 0.01}))

    assert usual == likely == (error,)
    assert likely_gain - usual_gain == pytest.approx(NAT * (math.log(1 / 99) - math.log(1e-5)), abs=2)
