"""Protects captions: what looks garbled is shown where all around it says that no error lies there, and only then."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image

from jpegrescue.align.closing import LEAST, STEPS_MOST, SURE, closed_gaps
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.integer import align
from jpegrescue.align.place import Run
from jpegrescue.model.align import LOST, PLACED, UNCERTAIN, Alignment
from tests.align.readings import reading
from tests.resync.damaged import NAMES, damaged, encoded, opened, photo, planes_by_mcu, saved

FIRST, STOP = 100, 130


@cache
def evidence(restart: int = 0) -> Evidence:
    return reading(encoded("coffee", restart=restart)).evidence


def gaps(
    given: Evidence,
    *,
    shifts: tuple[int, int] = (0, 0),
    steps: tuple[int, int] = (0, 0),
    sure: tuple[float, float] = (0.99, 0.99),
    stop: int = STOP,
) -> list[tuple[Run, int]]:
    """Of two runs with a gap between."""
    runs = [Run(0, FIRST, shifts[0]), Run(stop, given.count, shifts[1])]
    grades = np.full(given.count, PLACED, np.uint8)
    grades[FIRST:stop] = LOST
    offsets = np.array([[steps[0]] * 3, [0, steps[1], 0]])
    return closed_gaps(given, runs, offsets, grades, np.array(sure))


def test_a_gap_that_changes_nothing_closes() -> None:
    assert gaps(evidence()) == [(Run(FIRST, STOP, 0), 0)]
    assert gaps(evidence(), shifts=(-3, -3)) == [(Run(FIRST, STOP, -3), 0)]
    assert gaps(evidence(), steps=(0, STEPS_MOST)) != []
    assert gaps(evidence(), stop=FIRST + LEAST) != []


def test_a_gap_that_changes_something_or_may_does_not() -> None:
    assert gaps(evidence(), shifts=(0, -1)) == []
    assert gaps(evidence(), steps=(0, STEPS_MOST + 1)) == []
    assert gaps(evidence(), sure=(0.99, SURE - 0.01)) == []
    assert gaps(evidence(), stop=FIRST + LEAST - 1) == []
    assert gaps(evidence(restart=12)) == []  # DC begins anew: that it is the same says nothing


def test_neither_what_could_not_be_read_nor_decoded_closes() -> None:
    unread = evidence().hit.copy()
    unread[FIRST + 3] = True
    skipped = evidence().bit_start.copy()
    skipped[FIRST + 3] += 1

    assert gaps(replace(evidence(), hit=unread)) == []
    assert gaps(replace(evidence(), bit_start=skipped)) == []


@cache
def with_caption(name: str) -> bytes:
    """A photo with a line of noise across, as dense as any caption."""
    pixels = np.asarray(photo(name)).copy()
    pixels[160:176, 64:272] = 255 * (np.random.default_rng(0).random((16, 208, 1)) < 0.5)
    return saved(Image.fromarray(pixels), quality=90)


def aligned(jpeg: bytes) -> Alignment:
    file = opened(jpeg)
    made = align(file.data, file.structure, "ycc", file.decoded, None, encrypted=True)
    assert made is not None
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_is_shown_in_a_photo_with_an_error_elsewhere(name: str) -> None:
    intact = with_caption(name)
    made = aligned(damaged(intact, [0.3]))

    shown = [segment for segment in made.segments if segment.confidence is None]
    assert len(shown) == 1
    (segment,) = shown
    place = np.arange(segment.placed_at, segment.placed_at + segment.mcu_end - segment.mcu_start)
    assert segment.grade == "uncertain"
    assert set(made.certainty.ravel()[place].tolist()) == {UNCERTAIN}
    assert {int(at) for at in place} >= {10 * 24 + column for column in range(5, 16)}
    file = opened(intact)
    true, got = (planes_by_mcu(planes, file) for planes in (file.decoded.planes, made.planes))
    for ours, theirs in zip(true, got, strict=True):
        np.testing.assert_array_equal(ours[place, :, 1:], theirs[place, :, 1:])


def test_garbage_as_long_as_a_caption_is_not_shown() -> None:
    for seed in range(6):
        made = aligned(damaged(encoded("coffee"), [0.3, 0.302, 0.304, 0.306], seed))

        assert all(segment.confidence is not None for segment in made.segments)
