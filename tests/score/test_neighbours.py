"""Protects what MCUs of a stream say about each other before anything is placed."""

import numpy as np
import pytest

from jpegrescue.score.borders import look_at_borders
from jpegrescue.score.neighbours import calibrated_to, left_odds, stacked_odds
from tests.resync.damaged import NAMES, encoded, opened


def test_a_single_mcu_hears_nothing() -> None:
    file = opened(encoded("coffee", size=(16, 16)))
    borders = look_at_borders(file.stream.coefficients, file.layouts)
    left, _ = left_odds(borders, file.stream.fresh, 1)

    assert left.tolist() == [0]


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_a_photo_fit_below_each_other_and_not_when_shifted(name: str) -> None:
    file = opened(encoded(name))
    borders = look_at_borders(file.stream.coefficients, file.layouts)
    width = file.layout.columns
    _, above = calibrated_to(borders, file.stream.fresh, width)

    in_place = stacked_odds(borders, width, above)
    astray = stacked_odds(borders, width - 3, above)

    assert np.all(in_place[:width] == 0)
    assert in_place.sum() > 0
    assert in_place.sum() > astray.sum()
