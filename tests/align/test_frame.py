"""Protects what margins say: a rim holds its picture, and a picture without one is held by nothing it does not have."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.align.frame import SIDES, cost_of_moves, frame_odds, framed
from jpegrescue.align.place import Run
from jpegrescue.score.plausibility import NAT
from tests.align.readings import reading
from tests.resync.damaged import NAMES, encoded, photo, saved

RIM = 3
MOVES = np.array([-2, -1, 1, 2])


def rimmed(name: str) -> bytes:
    """A photo with a dark rim, as scanners leave it."""
    samples = np.array(photo(name))
    samples[:, :RIM] = samples[:, -RIM:] = samples[:RIM] = samples[-RIM:] = 0
    return saved(Image.fromarray(samples))


def told(jpeg: bytes, shift: int = 0) -> tuple[NDArray[np.int64], int]:
    """What it costs to move most of the picture, and what its margins are worth."""
    evidence = reading(jpeg).evidence
    runs = [Run(0, 5, 0), Run(8, evidence.places - 8, shift)]
    return cost_of_moves(evidence, runs, MOVES, frame_odds(evidence, runs))[1], framed(evidence, runs)


@pytest.mark.parametrize("name", NAMES)
def test_a_rim_holds_its_picture(name: str) -> None:
    costs, worth = told(rimmed(name))

    assert costs.min() > 5 * NAT
    assert worth > 20 * NAT


@pytest.mark.parametrize("name", NAMES)
def test_without_a_rim_nothing_is_held_by_one(name: str) -> None:
    costs, worth = told(encoded(name))
    rim_costs, rim_worth = told(rimmed(name))

    assert worth < rim_worth / 2
    assert costs.min() < rim_costs.min()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_that_lies_wrong_has_no_rim(name: str) -> None:
    assert told(rimmed(name), shift=3)[1] < 0.8 * told(rimmed(name))[1]


@pytest.mark.parametrize("runs", [[], [Run(0, 3, 0)]])
def test_hardly_anything(runs: list[Run]) -> None:
    evidence = reading(encoded("coffee")).evidence
    odds = frame_odds(evidence, runs)

    assert odds.shape == (SIDES, evidence.count)
    assert cost_of_moves(evidence, runs, MOVES, odds).shape == (len(runs), MOVES.size)


def test_few_columns_tell_nothing() -> None:
    evidence = reading(encoded("coffee", size=(64, 256))).evidence
    assert not frame_odds(evidence, [Run(0, evidence.places, 0)]).any()
