"""Protects what symbols say of single MCUs: garbled ones stand out, and the distance to them is that in bits."""

import numpy as np
import pytest

from jpegrescue.score.plausibility import NAT
from jpegrescue.score.soundness import FAR, GARBLED, WINDOW, Soundness, calibrated_odds, of_mcus
from jpegrescue.score.symbols import weigh
from tests.resync.damaged import NAMES, Opened, addresses, damaged, encoded, opened

ERRORS = [0.2, 0.4, 0.6, 0.8]


def soundness(file: Opened) -> Soundness:
    odds = calibrated_odds(file.stripped, file.intervals.bits, file.layout, file.structure.scans[0])
    weighed = weigh(file.stripped, file.intervals.bits, file.layout.mcus, file.layout, odds)
    return of_mcus(weighed, file.stream.bit_start, file.stream.bit_end)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quality", [75, 93])
def test_sound_mcus_have_no_dip_and_garbled_ones_do(name: str, quality: int) -> None:
    intact, file = (
        opened(jpeg) for jpeg in (encoded(name, quality=quality), damaged(encoded(name, quality=quality), ERRORS))
    )
    known = {tuple(pair) for pair in addresses(intact).tolist()}
    same = np.array([tuple(pair) in known for pair in addresses(file).tolist()])
    told = soundness(file)

    assert np.mean(told.dip[~same] < 0) > 0.8
    assert np.mean(told.dip[same] < GARBLED) < 0.06
    assert told.odds[same].mean() > 10 * NAT


def test_what_a_garbled_window_reaches_into_has_a_dip() -> None:
    told = soundness(opened(damaged(encoded("coffee"), ERRORS)))
    behind, before = told.since < 0, told.until < 0

    assert 0 < np.mean(behind) < 0.3
    assert 0 < np.mean(before) < 0.3
    assert told.dip[behind | before].max() < GARBLED
    assert np.any((told.since >= 0) & (told.since < WINDOW))


def test_without_anything_garbled_it_is_far_away() -> None:
    told = soundness(opened(encoded("rocket")))

    assert told.since.max() == FAR
    assert told.until.max() == FAR


def test_backwards_what_was_before_is_behind() -> None:
    told = soundness(opened(damaged(encoded("coffee"), ERRORS)))
    turned = told.mirrored()

    np.testing.assert_array_equal(turned.since[::-1], told.until)
    np.testing.assert_array_equal(turned.mirrored().since, told.since)
    np.testing.assert_array_equal(turned.dip[::-1], told.dip)


def test_mcus_that_were_not_weighed_have_no_odds() -> None:
    file = opened(encoded("coffee"))
    odds = calibrated_odds(file.stripped, file.intervals.bits, file.layout, file.structure.scans[0])
    weighed = weigh(file.stripped, file.intervals.bits, file.layout.mcus, file.layout, odds)
    told = of_mcus(weighed, file.stream.bit_start + 1, file.stream.bit_end + 1)

    assert np.count_nonzero(told.odds) < 0.01 * told.odds.size
