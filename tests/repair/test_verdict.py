"""Protects what is claimed: the risk adds up, doubtful bytes are named, and a photo in the clear is never exact."""

from dataclasses import replace

import numpy as np
import pytest

from jpegrescue.model.evidence import ByteRange
from jpegrescue.repair.change import POOR, Change
from jpegrescue.repair.prior import NOTHING, Known, Prior
from jpegrescue.repair.search import block_odds
from jpegrescue.repair.track import Track
from jpegrescue.repair.verdict import RISK_MOST, Verdict, judge, pair_risks
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable, PlainBits
from jpegrescue.source.crypt.sector import BLOCK
from tests.repair.flipped import ciphertext, tracked
from tests.resync.damaged import damaged, encoded

JPEG = encoded("coffee")
LEAD = 5


def change(block: int, threat: float, miscounted: float = -1000) -> Change:
    """Of bit 7 of a block."""
    return Change(
        flips=(BITS * block + 7,),
        fresh=1,
        gain=int(threat * NAT),
        favour=0,
        margin=0,
        picture=0,
        threat=int(threat * NAT),
        miscounted=int(miscounted * NAT),
        garbles=True,
        own=0,
        better=0,
        counts=0,
        whole=-1000 * NAT,
        first=10,
        last=12,
    )


def instead(block: int, threat: float) -> Change:
    """Of bit 9 of a block in place of bit 7."""
    return replace(change(block, threat), flips=(BITS * block + 7, BITS * block + 9))


def verdict(
    jpeg: bytes = JPEG,
    unsolved: tuple[Change, ...] = (),
    paired: tuple[int, ...] = (),
    undone: tuple[Change, ...] = (),
    together: tuple[Change, ...] = (),
    *,
    flipped: frozenset[int] = frozenset(),
    rate: float = 1e-5,
    known: Known = NOTHING,
    deep: float = 12.0,
    file: Flippable | None = None,
    track: Track | None = None,
) -> Verdict:
    file = file or ciphertext(jpeg, lead=LEAD)
    accepted = undone, together
    return judge(track or tracked(jpeg), file, flipped, unsolved, accepted, paired, Prior(rate, known), deep)


def test_an_intact_scan_is_exact() -> None:
    found = verdict()

    assert found.exact
    assert 0 < found.risk < RISK_MOST
    assert found.doubtful == ()


def test_a_block_that_looks_like_a_photo_hardly_holds_an_error_whatever_fits_there() -> None:
    odds = block_odds(tracked(JPEG), ciphertext(JPEG, lead=LEAD))
    sound, odd = int(np.nanargmax(odds)), int(np.nanargmin(odds))

    assert verdict(unsolved=(change(sound, 0),)).risk < verdict().risk + 1e-4
    assert verdict(unsolved=(change(odd, 0),)).risk > verdict().risk + 1e-2


def test_two_flips_are_as_unsure_as_another_two_are_likely() -> None:
    two = replace(instead(800, 300), fresh=2, own=40 * NAT, better=50 * NAT, picture=120 * NAT, counts=1)
    close, clear = (replace(two, margin=int(nats * NAT)) for nats in (0.3, 90))

    assert verdict(together=(close,)).risk - verdict().risk == pytest.approx(np.exp(-0.3) + close.doubt, rel=1e-2)
    assert clear.doubt < 1e-5
    close, clear = (verdict(together=(one,)) for one in (close, clear))
    assert not close.exact
    assert clear.exact


def test_in_the_clear_nothing_is_exact() -> None:
    assert not verdict(file=PlainBits(np.frombuffer(JPEG, np.uint8))).exact


def test_what_cannot_be_counted_is_not_exact() -> None:
    without_end = JPEG[:-2]
    track = tracked(JPEG)

    assert not verdict(without_end).exact
    assert not verdict(track=replace(track, complete=False)).exact
    assert not verdict(damaged(encoded("coffee", quality=95, subsampling=0), [0.2, 0.5, 0.6, 0.8])).exact


def test_a_likely_error_that_was_left_is_a_risk() -> None:
    doubt = replace(instead(600, -1), better=30 * NAT, own=9 * NAT, margin=9 * NAT)
    sure, found = verdict(unsolved=(change(600, -40),)), verdict(unsolved=(doubt,))

    assert sure.exact
    assert not found.exact
    assert found.risk == pytest.approx(sure.risk + doubt.left / (1 - doubt.left), rel=0.01)
    assert found.doubtful == (ByteRange(600 * BLOCK - LEAD, 601 * BLOCK - LEAD),)


def test_what_miscounts_needs_a_second_error() -> None:
    alone = verdict(unsolved=(change(600, -40, 10),))
    together = verdict(unsolved=(change(600, -40, 10), change(700, -40, -1)))

    assert alone.exact
    assert not together.exact
    assert together.risk == pytest.approx(alone.risk + 0.2 * np.exp(-1) / (1 + np.exp(-1)), rel=0.05)


def test_more_errors_and_less_searching_are_more_risk() -> None:
    risks = [verdict(rate=rate).risk for rate in (1e-5, 1e-4, 1e-3)]
    assert risks[0] < risks[1] < risks[2]

    risks = [verdict(deep=deep).risk for deep in (0.0, 6.0, 12.0)]
    assert risks[0] > risks[1] > risks[2]


def test_a_bit_that_is_likely_to_have_flipped_is_a_risk_unless_its_block_was_searched() -> None:
    odds = block_odds(tracked(JPEG), ciphertext(JPEG, lead=LEAD))
    block = int(np.flatnonzero((odds > 5) & (odds < 7))[0])
    likely, unlikely = (Known.of({BITS * block + 3: chance}) for chance in (0.5, 1e-9))

    def risk(known: Known, deep: float) -> float:
        return verdict(known=known, deep=deep).risk

    assert risk(likely, 0.0) > risk(NOTHING, 0.0) + 1e-4
    assert risk(likely, 12.0) < risk(likely, 0.0) / 2
    assert risk(unlikely, 0.0) < risk(NOTHING, 0.0)


def test_neighbouring_doubts_are_one_range_and_keep_inside_the_file() -> None:
    blocks = (600, 601, 640, ciphertext(JPEG, lead=LEAD).blocks() - 1)

    found = verdict(unsolved=tuple(replace(instead(block, 10), better=30 * NAT) for block in blocks))

    assert [(part.start, part.end) for part in found.doubtful] == [
        (600 * BLOCK - LEAD, 602 * BLOCK - LEAD),
        (640 * BLOCK - LEAD, 641 * BLOCK - LEAD),
        (blocks[-1] * BLOCK - LEAD, len(JPEG)),
    ]


def test_every_flip_is_a_risk_and_a_greater_one_where_its_block_looks_odd() -> None:
    odds = block_odds(tracked(JPEG), ciphertext(JPEG, lead=LEAD))
    good = int(np.nanargmax(odds))
    middling = int(np.nanargmin(np.where(odds >= POOR, odds, np.nan)))

    none, fine, odd = (
        verdict(flipped=frozenset(flips)).risk for flips in ((), {BITS * good + 3}, {BITS * middling + 3})
    )

    assert none < fine < odd


def test_a_flip_that_hardly_gained_anything_is_a_risk() -> None:
    sure, doubtful = (verdict(undone=(change(600, -gain),)) for gain in (60, 6))

    assert sure.exact
    assert not doubtful.exact
    assert doubtful.doubtful == (ByteRange(600 * BLOCK - LEAD, 601 * BLOCK - LEAD),)


def test_two_errors_are_hardly_a_risk_where_they_were_searched() -> None:
    garbled = damaged(JPEG, [0.3])
    track = replace(tracked(garbled), complete=True)
    everywhere = tuple(range(ciphertext(garbled, lead=LEAD).blocks()))

    before, behind = (
        verdict(garbled, track=track, rate=1e-3, paired=paired, deep=1000.0) for paired in ((), everywhere)
    )

    assert 0 < behind.risk < before.risk / 10


def test_pairs_are_likelier_in_odd_blocks_and_next_to_them() -> None:
    odds = np.array([15.0, 15.0, -30.0, 15.0, np.nan])

    risks = pair_risks(odds, Prior(1e-5).hits(odds.size))

    assert np.argmax(risks) == 2
    assert risks[1] > risks[0]
    assert risks[3] < risks[0] * 1.01
    np.testing.assert_allclose(pair_risks(odds, Prior(3e-5).hits(odds.size)), 9 * risks)


def test_garbled_blocks_that_were_searched_in_vain_are_doubtful() -> None:
    """It can be counted, as by chance; what its blocks hold is no photo's all the same."""
    one, two = damaged(JPEG, [0.3]), damaged(damaged(JPEG, [0.3]), [0.3006])

    assert verdict(one, track=replace(tracked(one), complete=True)).doubtful
    assert verdict(two, track=replace(tracked(two), complete=True)).risk > RISK_MOST
