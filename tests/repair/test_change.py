"""Protects what is believed of a change: what speaks for it makes it likelier, and several flips have to show more."""

from dataclasses import replace

import numpy as np
import pytest

from jpegrescue.repair.change import (
    FEATURES,
    LEFT_WEIGHTS,
    UNDO_WEIGHTS,
    WEIGHTS,
    Change,
    described,
    described_left,
    described_undo,
    made_together,
)
from jpegrescue.score.plausibility import NAT

SURE = Change(
    flips=(1,),
    fresh=1,
    gain=90 * NAT,
    favour=0,
    margin=40 * NAT,
    picture=30 * NAT,
    threat=90 * NAT,
    miscounted=-1000 * NAT,
    garbles=True,
    own=15 * NAT,
    better=40 * NAT,
    counts=1,
    whole=-1000 * NAT,
    first=4,
    last=5,
)


def nats(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def test_every_feature_has_a_weight() -> None:
    assert described(SURE).shape == WEIGHTS[1].shape == (FEATURES,)
    assert described_left(SURE).shape == LEFT_WEIGHTS.shape
    assert described_undo(SURE).shape == UNDO_WEIGHTS.shape


def test_what_speaks_for_a_change_convinces() -> None:
    assert SURE.likely > 0.99
    assert SURE.likely == pytest.approx(1 / (1 + np.exp(-described(SURE) @ WEIGHTS[1])))


@pytest.mark.parametrize(("field", "value"), [("margin", 0), ("own", -30 * NAT), ("better", -20 * NAT)])
def test_what_lacks_anything_is_less_likely(field: str, value: int) -> None:
    assert nats(replace(SURE, **{field: value}).likely) < nats(SURE.likely) - 1


def test_nothing_at_all_is_not_believed() -> None:
    nothing = replace(SURE, gain=0, margin=0, picture=0, threat=0, own=0, better=0, counts=0)

    assert nothing.likely < 0.1
    assert replace(nothing, threat=-10 * NAT).left < 1e-4


def test_several_flips_have_to_convince_more() -> None:
    middling = replace(SURE, margin=8 * NAT)

    assert replace(middling, flips=(1, 2), fresh=2).likely < middling.likely - 0.05
    one_instead_of_another = replace(middling, flips=(1, 2), gain=0)
    assert one_instead_of_another.likely == max(replace(middling, gain=0).likely, one_instead_of_another.replaces)


def test_what_explains_more_than_other_flips_takes_their_place() -> None:
    poor = replace(SURE, flips=(1, 2), own=0, better=-4 * NAT, margin=0, counts=0)
    chances = [replace(poor, gain=gain * NAT, picture=0).replaces for gain in (-2, 2, 8, 20)]

    assert chances == sorted(chances)
    assert chances[0] < 2e-3
    assert chances[2] == pytest.approx(0.5)
    assert replace(poor, gain=20 * NAT, picture=0).likely > 0.99
    assert replace(SURE, gain=20 * NAT).replaces == 0
    assert replace(poor, gain=20 * NAT, garbles=False).replaces == 0


def test_bits_that_were_flipped_together_are_known_whatever_they_replaced() -> None:
    """A pair in place of a single bit went unnoticed: it was doubtful, and the scan was called exact."""
    alone, pair, instead = (
        replace(SURE, flips=flips, fresh=fresh) for flips, fresh in (((1,), 1), ((5, 6), 2), ((1, 2, 3), 2))
    )
    half = replace(SURE, flips=(6, 9), fresh=1)

    assert made_together([alone, pair, instead], frozenset({2, 3, 5, 6})) == [pair, instead]
    assert made_together([alone, pair, instead, half], frozenset({2, 3, 5, 9})) == [instead]
    assert made_together([alone], frozenset({1})) == []


def test_two_bits_whose_own_bytes_look_poor_are_doubted() -> None:
    two = replace(SURE, flips=(1, 2), fresh=2, margin=60 * NAT, gain=200 * NAT, picture=90 * NAT, better=60 * NAT)
    doubts = [replace(two, own=own * NAT).doubt for own in (-30, 5, 20, 40)]

    assert SURE.doubt == 0
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[1] >= 1
    assert doubts[3] < 1e-5
    assert replace(two, own=40 * NAT, margin=0, gain=30 * NAT, better=0).doubt > 0.05


def test_a_right_count_speaks_for_it() -> None:
    middling = replace(SURE, margin=4 * NAT, counts=0)

    assert replace(middling, counts=1).likely > middling.likely


def test_what_gained_little_may_have_been_a_mistake() -> None:
    chances = [replace(SURE, gain=-gained * NAT).mistaken for gained in (0, 7, 12, 30, 60)]

    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.5 > chances[1] > 0.1
    assert chances[2] < 0.1
    assert chances[4] < 1e-7


def test_values_beyond_all_bounds_do_no_harm() -> None:
    for value in (-(10**12), 10**12):
        wild = replace(SURE, gain=value, margin=value, picture=value, threat=value, own=value, better=value)
        assert 0 < wild.likely < 1
        assert 0 < wild.left < 1
        assert 0 < wild.mistaken < 1


def test_in_a_whole_scan_what_gains_enough_by_itself_convinces() -> None:
    """Garbled bytes count as a hole at most, which costs less than they are worth; a whole scan can have none."""
    quiet = replace(
        SURE, gain=-6 * NAT, margin=5 * NAT, picture=3 * NAT, threat=-6 * NAT, own=0, better=26 * NAT, counts=0
    )
    whole = [replace(quiet, whole=nats * NAT) for nats in (-1000, 5, 14, 20, 35)]

    assert whole[0].likely < 0.5
    assert whole[0].left < 0.01
    assert [change.mends for change in whole[1:]] == sorted(change.mends for change in whole[1:])
    assert whole[2].mends == pytest.approx(0.5)
    assert whole[-1].likely > 0.999
    assert whole[-1].left > 0.999
    assert replace(whole[-1], better=5 * NAT).mends < 0.01  # what gains are other bytes
    assert replace(whole[-1], garbles=False).mends == 0


def test_undoing_what_gained_enough_in_a_whole_scan_is_no_option() -> None:
    little = replace(SURE, gain=-6 * NAT)
    sure, unsure, unknown = (replace(little, whole=nats * NAT) for nats in (-40, -16, -1000))

    assert sure.mistaken < 1e-3 < unsure.mistaken
    assert unsure.mistaken == unknown.mistaken
