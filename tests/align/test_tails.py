"""Protects against errors that leave no trace: behind a flat stretch that nothing confirms, places are less sure."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.align import certainty
from jpegrescue.align.place import Run
from jpegrescue.align.tails import unseen_slips
from tests.align.readings import reading
from tests.resync.damaged import photo, saved

RATE = 1e-5
WIDTH = 24  # MCUs in a row
FLAT = 8  # the first row that is flat


@cache
def half_white(*, flat_below: bool) -> bytes:
    """A photo that is white from some row on, or up to it."""
    pixels = np.asarray(photo("coffee")).copy()
    pixels[slice(16 * FLAT, None) if flat_below else slice(0, 16 * FLAT)] = 250
    return saved(Image.fromarray(pixels))


def slipped(jpeg: bytes, stop: int | None = None, *, encrypted: bool = True) -> NDArray[np.float64]:
    """Of a single run from the first MCU on."""
    evidence = reading(jpeg).evidence
    runs = [Run(0, stop or evidence.count, 0)]
    owned = certainty.owners(evidence, runs)
    (found,) = unseen_slips(evidence, runs, owned, np.zeros((1, 3)), RATE, encrypted=encrypted)
    return found


def test_what_ends_on_white_is_less_and_less_sure() -> None:
    found = slipped(half_white(flat_below=True))

    before, last = found[WIDTH * (FLAT - 1)], found[-1]
    assert 0 <= before < 1e-5
    assert last > 20 * max(before, 1e-6)
    assert np.all(np.diff(found) >= 0)
    assert last <= 1


def test_what_comes_behind_white_confirms_it() -> None:
    """The picture's margins below say that nothing was lost above."""
    found = slipped(half_white(flat_below=False))
    cut_off = slipped(half_white(flat_below=False), WIDTH * FLAT)

    assert found[-1] < 1e-5 < cut_off[-1]


def test_errors_in_the_clear_are_seen_less_often() -> None:
    jpeg = half_white(flat_below=True)

    assert slipped(jpeg, encrypted=False)[-1] > 5 * slipped(jpeg)[-1]


def test_a_photo_is_sure_to_its_end() -> None:
    pixels = np.asarray(photo("astronaut"))

    assert slipped(saved(Image.fromarray(pixels)))[-1] < 2e-5
