"""Protects where a preview is found to lie, and through which blur; whole fits are tested in test_thumbnail.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.fill.registration import REACHES, blur_table, geometry_of, least_squares


@pytest.mark.parametrize("name", REACHES)
def test_blurs_are_symmetric_and_add_up_to_one(name: str) -> None:
    table = blur_table(name)
    assert (table[0], table[-1]) == (0.0, 1.0)
    np.testing.assert_allclose(table + table[::-1], 1, atol=1e-12)


@given(
    st.tuples(st.floats(16, 9000), st.floats(16, 9000)),
    st.tuples(st.floats(-20, 20), st.floats(-20, 20), st.floats(60, 320), st.floats(60, 320)),
)
def test_the_corners_of_the_area_are_those_of_the_plane(
    extent: tuple[float, float], box: tuple[float, float, float, float]
) -> None:
    origin_x, pitch_x, origin_y, pitch_y = geometry_of(extent, box)
    corners = [origin_x + pitch_x * box[0], origin_x + pitch_x * box[2]]
    corners += [origin_y + pitch_y * box[1], origin_y + pitch_y * box[3]]
    np.testing.assert_allclose(corners, [0, extent[1], 0, extent[0]], atol=1e-6 * max(extent))


def test_least_squares_are_numpys() -> None:
    rng = np.random.default_rng(5)
    design, values = rng.normal(size=(200, 4)), rng.normal(size=200)
    np.testing.assert_allclose(least_squares(design, values), np.linalg.lstsq(design, values, rcond=None)[0], rtol=1e-4)
