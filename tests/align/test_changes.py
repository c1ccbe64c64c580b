"""Protects `aligned`: where an error may have moved DC offsets unseen, that is said."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageFilter

from jpegrescue.align.changes import WEIGHTS, chance_of_change, describe
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Run
from tests.align.readings import reading, with_offsets
from tests.resync.damaged import encoded, photo, saved

MCUS = 1536  # of 384 × 256 pixels in 4:4:4
WHOLE = [Run(0, MCUS, 0)]


def smooth() -> bytes:
    return saved(photo("coffee").filter(ImageFilter.GaussianBlur(24)), subsampling=0, quality=75)


def chances(evidence: Evidence, runs: list[Run] = WHOLE, *, encrypted: bool = True) -> NDArray[np.float64]:
    """As if every MCU looked sound."""
    return chance_of_change(evidence, runs, np.full(evidence.count, 0.9999), encrypted=encrypted)


def stays(chance: NDArray[np.float64], start: int, stop: int) -> float:
    return float(np.prod(1 - chance[start:stop]))


def around(chance: NDArray[np.float64], at: int) -> float:
    """How likely offsets change near an MCU, beside what is usual in the file."""
    return float(chance[at - 8 : at + 9].sum() / (17 * np.median(chance)))


@pytest.mark.parametrize("offset", [(6, 0, 0), (0, -5, 0), (-40, 9, 9)])
@pytest.mark.parametrize("at", [300, 700, 1310])
def test_a_change_is_likeliest_where_it_is(offset: tuple[int, ...], at: int) -> None:
    intact, moved = chances(reading(smooth()).evidence), chances(with_offsets(reading(smooth()), {at: offset}))

    assert around(moved, at) > 4 * around(intact, at)
    assert around(moved, at) > 4


def test_nothing_is_seen_where_nothing_changes() -> None:
    assert stays(chances(reading(smooth()).evidence), 0, MCUS) > 0.95


def test_a_step_of_a_fine_quantiser_stays_possible() -> None:
    read = reading(encoded("astronaut", subsampling=0, quality=97))
    intact, moved = chances(read.evidence), chances(with_offsets(read, {700: (1, 0, 0)}))

    assert stays(moved, 0, MCUS) < 0.99
    assert stays(intact, 0, MCUS) < 0.99


def test_more_errors_more_doubt() -> None:
    """Without a cipher: garbled blocks are seen by their symbols, single bits are not."""
    evidence = reading(encoded("coffee", subsampling=0)).evidence
    cut = [Run(a, a + 120, 0) for a in range(0, MCUS - 120, 128)]

    many, few = chances(evidence, cut, encrypted=False), chances(evidence, encrypted=False)
    assert many[:120].sum() > 1.5 * few[:120].sum()


def test_single_flipped_bits_are_the_quieter_ones() -> None:
    evidence = reading(encoded("coffee", subsampling=0)).evidence

    assert chances(evidence, encrypted=False).sum() > 1.5 * chances(evidence).sum()


def test_a_damaged_mcu_is_where_a_change_is_likely() -> None:
    evidence = reading(encoded("coffee", subsampling=0)).evidence
    sound = np.full(MCUS, 0.9999)
    sound[500] = 0.2
    chance = chance_of_change(evidence, WHOLE, sound)

    assert chance[498:501].min() > 1.2 * chances(evidence, encrypted=False)[498:501].max()


def test_neighbours_that_are_anchored_tell_more() -> None:
    """Behind a restart marker offsets are 0: all that borders on such MCUs is measured by them."""
    read, forced = reading(smooth()), np.full(MCUS, -1)
    forced[[0, 672, 720]] = [0, 672, 720]
    runs = [Run(0, 672, 0), Run(672, 720, 0), Run(720, MCUS, 0)]
    intact, moved = (
        chances(replace(with_offsets(read, {700: offset, 720: (0, 0, 0)}), forced=forced), runs)
        for offset in ((0, 0, 0), (6, 0, 0))
    )

    assert around(moved, 700) > 4 * around(intact, 700)


def test_every_mcu_of_a_run_is_described() -> None:
    evidence = reading(encoded("coffee")).evidence
    runs = [Run(0, 1, 0), Run(3, 200, 2), Run(200, 380, 4)]
    described = describe(evidence, runs, np.zeros(evidence.count))

    assert [part.shape for part in described] == [(run.stop - run.start, WEIGHTS.shape[1]) for run in runs]
    assert all(np.isfinite(part).all() for part in described)


@pytest.mark.parametrize("runs", [[], [Run(5, 6, 0)], [Run(0, 20, 0), Run(30, 31, 0)]])
def test_mcus_of_no_run_have_no_chance(runs: list[Run]) -> None:
    evidence = reading(encoded("coffee")).evidence
    chance = chance_of_change(evidence, runs, np.zeros(evidence.count))
    inside = np.zeros(evidence.count, np.bool_)
    for run in runs:
        inside[run.start : run.stop] = True

    assert not chance[~inside].any()
    assert np.all((chance >= 0) & (chance <= 1))
