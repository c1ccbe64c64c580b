"""Protects what the search hears: neighbours in the stream speak up for each other, also when it is read backwards."""

import numpy as np
import pytest

from jpegrescue.align.evidence import CLOSED_IN_PLAIN, ERROR, ERROR_IN_PLAIN, contrast
from tests.align.readings import reading
from tests.resync.damaged import NAMES, damaged, encoded, opened, screenshot, true_places


@pytest.mark.parametrize("name", NAMES)
def test_mcus_in_one_row_hear_that_they_are_neighbours(name: str) -> None:
    evidence = reading(encoded(name)).evidence
    column = np.arange(evidence.count) % evidence.width

    assert evidence.left[0] == 0
    assert np.mean(evidence.left[column > 0] > 0) > 0.75
    assert np.median(evidence.left[column > 0]) > np.median(evidence.left[(column == 0)][1:])


@pytest.mark.parametrize("name", NAMES)
def test_garbage_is_heard(name: str) -> None:
    jpeg = damaged(encoded(name), [0.2, 0.5, 0.8], seed=5)
    evidence = reading(jpeg).evidence
    sound = true_places(opened(jpeg), opened(encoded(name))) >= 0
    inside = np.flatnonzero(sound[1:] & sound[:-1]) + 1

    assert np.median(evidence.left[inside]) > np.median(evidence.left[~sound])


def test_where_decoding_began_anew_nothing_is_said() -> None:
    evidence = reading(encoded("coffee", restart=5)).evidence

    assert not evidence.left[::5].any()
    assert np.count_nonzero(evidence.left) > 0.7 * evidence.count


def test_read_backwards_twice_it_is_as_it_was() -> None:
    evidence = reading(damaged(encoded("coffee"), [0.4])).evidence
    twice = evidence.mirrored().mirrored()

    np.testing.assert_array_equal(twice.borders.horizontal, evidence.borders.horizontal)
    np.testing.assert_array_equal(twice.borders.vertical, evidence.borders.vertical)
    np.testing.assert_array_equal(twice.borders.activity, evidence.borders.activity)
    np.testing.assert_array_equal(twice.borders.contents, evidence.borders.contents)
    np.testing.assert_array_equal(twice.above.contents, evidence.above.contents)
    np.testing.assert_array_equal(twice.left, evidence.left)
    np.testing.assert_array_equal(twice.hit, evidence.hit)
    np.testing.assert_array_equal(np.diff(twice.bit_start), np.diff(evidence.bit_start))
    np.testing.assert_array_equal(twice.bit_end - twice.bit_start, evidence.bit_end - evidence.bit_start)


def test_read_backwards_the_last_comes_first() -> None:
    evidence = reading(encoded("coffee")).evidence
    back = evidence.mirrored()

    np.testing.assert_array_equal(back.borders.horizontal[0, 0], evidence.borders.horizontal[1, -1, ::1])
    np.testing.assert_array_equal(back.borders.activity[:, 0, 0], evidence.borders.activity[:, 1, -1])
    np.testing.assert_array_equal(back.borders.contents[:, 3], evidence.borders.contents[:, -4])
    assert back.left[1] == evidence.left[-1]
    assert back.bit_start[0] == 0
    assert back.bits_per_mcu == evidence.bits_per_mcu
    assert not back.anchored
    assert np.all(back.forced == -1)


def test_a_screenshot_is_plain_and_photos_are_not() -> None:
    flat = reading(screenshot()).evidence

    assert (flat.plain, flat.closed, flat.error) == (True, CLOSED_IN_PLAIN, ERROR_IN_PLAIN)
    assert flat.mirrored().plain
    for name in NAMES:
        for jpeg in (encoded(name), damaged(encoded(name), [0.3, 0.6])):
            evidence = reading(jpeg).evidence
            assert (evidence.plain, evidence.error) == (False, ERROR)
            assert np.mean(evidence.left[evidence.left != 0] > evidence.closed) > 0.5


def test_a_picture_that_says_nothing_is_plain() -> None:
    assert contrast(np.zeros(9, np.int64)) == (True, CLOSED_IN_PLAIN)
    assert contrast(np.zeros(0, np.int64)) == (True, CLOSED_IN_PLAIN)
