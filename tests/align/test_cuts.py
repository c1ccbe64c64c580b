"""Protects cuts: where offsets change inside a run is found, and edges of the picture are not taken for that."""

import numpy as np
import pytest

from jpegrescue.align.cuts import likely_cuts, peaks
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run
from tests.align.readings import reading, with_offsets
from tests.resync.damaged import encoded

WIDTH, MCUS = 48, 1536  # of 384 × 256 pixels in 4:4:4
WHOLE = [Run(0, MCUS, 0)]


def textured() -> bytes:
    return encoded("coffee", subsampling=0)


def cuts(evidence: Evidence, runs: list[Run] = WHOLE, errors: int = 5) -> list[int]:
    return likely_cuts(evidence, runs, np.zeros((len(runs), evidence.borders.kinds.size)), errors).tolist()


@pytest.mark.parametrize("offset", [(12, 0, 0), (-40, 9, 9), (0, 12, 0)])
@pytest.mark.parametrize("at", [60, 700, 1310])
def test_a_change_is_found_where_it_is(offset: tuple[int, ...], at: int) -> None:
    found = cuts(with_offsets(reading(textured()), {at: offset}))

    assert len(found) == 1
    assert abs(found[0] - at) <= 6


def test_a_change_in_the_first_row_shows_below() -> None:
    found = cuts(with_offsets(reading(textured()), {20: (30, 0, 0)}))

    assert len(found) == 1
    assert abs(found[0] - 20) <= 6


def test_a_change_less_than_a_row_before_the_end_of_a_run_is_found() -> None:
    """One photo had all behind such a change wrong by 33 levels."""
    evidence = with_offsets(reading(textured()), {700: (30, 0, 0), 720: (0, 0, 0)})
    found = cuts(evidence, [Run(0, 720, 0), Run(720, MCUS, 0)])

    assert len(found) == 1
    assert abs(found[0] - 700) <= 6


def test_other_runs_speak_of_short_ones() -> None:
    """No MCU of the run lies above another of it."""
    evidence = with_offsets(reading(textured()), {700: (30, 0, 0), 715: (0, 0, 0)})
    found = cuts(evidence, [Run(0, 685, 0), Run(685, 715, 0), Run(715, MCUS, 0)])

    assert len(found) == 1
    assert abs(found[0] - 700) <= 6


@pytest.mark.parametrize("name", ["coffee", "astronaut", "chelsea"])
def test_a_sound_picture_is_not_cut(name: str) -> None:
    assert cuts(reading(encoded(name, subsampling=0)).evidence, errors=0) == []


def test_the_more_errors_the_more_cuts() -> None:
    evidence = with_offsets(reading(textured()), {700: (6, 0, 0)})

    assert set(cuts(evidence, errors=0)) < set(cuts(evidence, errors=200))


def test_no_runs_no_cuts() -> None:
    assert cuts(reading(textured()).evidence, []) == []


def test_peaks_are_apart() -> None:
    odds = np.array([0.0, 2.0, 3.0, 2.5, 0.5, 0.9, 4.0, 0.0, 1.5])

    assert peaks(odds, 1.0, 3) == [6, 2]
    assert peaks(odds, 1.0, 2) == [6, 2, 8]
    assert peaks(odds, 0.6, 1) == [6, 2, 3, 1, 8, 5]
    assert peaks(np.zeros(5), 0.0, 2) == []
