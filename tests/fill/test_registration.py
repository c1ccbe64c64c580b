"""Protects where a preview is found to lie, and through which blur; whole fits are tested in test_thumbnail.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jpegrescue.fill.registration import (
    CELLS_MIN,
    GAIN_MIN,
    MOVED_MAX,
    REACHES,
    SIGMA_MIN,
    Box,
    Evidence,
    blur_table,
    fitted_model,
    geometry_of,
    least_squares,
    predicted,
)
from tests.fill.scenes import blobs

PLANE = blobs(160, 240, size=6.0).astype(np.float32)
EXTENT = (160.0, 240.0)
WHOLE = (0.0, 0.0, 30.0, 20.0)


@pytest.mark.parametrize("name", [*REACHES, "gauss 0.5 sharpened 0.20", "cubic sharpened -0.08"])
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


def looked(values: NDArray[np.float64] | None = None, cells: NDArray[np.int64] | None = None) -> Evidence:
    """A known plane of 160 × 240 samples with a preview of 20 × 30."""
    unknown = np.zeros((21, 31), np.int64)
    if cells is None:
        cells = np.argwhere(np.ones((18, 28), np.bool_)) + 1
    return Evidence(PLANE, unknown, (8, 8, 1), cells, np.zeros(len(cells)) if values is None else values)


def made(box: Box, blur: str, gain: float = 1.0, offset: float = 0.0) -> Evidence:
    """With values as a preview has them that shows the plane in `box`."""
    evidence = looked()
    value, _, good = predicted(evidence, geometry_of(EXTENT, box), blur)
    return looked(gain * value[good] + offset, evidence.cells[good])


@pytest.mark.parametrize("blur", ["box 1", "triangle", "lanczos", "gauss 0.7"])
def test_the_blur_and_the_area_that_made_a_preview_are_found(blur: str) -> None:
    box = (0.3, -0.2, 30.2, 19.7)
    model = fitted_model((made(box, blur, 0.8, 30.0), EXTENT), WHOLE, WHOLE, search=True)

    assert model is not None
    assert (model.kernel, model.fitted) == (blur, True)
    np.testing.assert_allclose(model.box, box, atol=0.05)
    np.testing.assert_allclose(model.shift, np.array(box) - WHOLE, atol=0.05)
    assert (model.gain, model.offset) == (pytest.approx(0.8, abs=0.02), pytest.approx(30, abs=2))
    assert model.sigma < 1.5


def test_without_a_search_the_area_stays_and_the_fit_is_worse() -> None:
    evidence = made((0.3, -0.2, 30.2, 19.7), "triangle")
    held, found = (fitted_model((evidence, EXTENT), WHOLE, WHOLE, search=search) for search in (False, True))

    assert held is not None
    assert found is not None
    assert (held.box, held.shift) == (WHOLE, (0.0, 0.0, 0.0, 0.0))
    assert held.sigma > 2 * found.sigma


def test_an_area_far_from_the_match_is_not_believed() -> None:
    evidence = made(WHOLE, "box 1")
    far = (MOVED_MAX + 1, 0.0, 30.0, 20.0)
    model = fitted_model((evidence, EXTENT), far, WHOLE, search=True)

    assert model is not None
    assert model.box == WHOLE


def test_few_preview_samples_say_nothing() -> None:
    evidence = made(WHOLE, "box 1")
    cells, values = evidence.cells[: CELLS_MIN - 1], evidence.values[: CELLS_MIN - 1]

    assert fitted_model((looked(values, cells), EXTENT), WHOLE, WHOLE, search=True) is None


def test_a_gain_that_cannot_be_is_taken_for_one() -> None:
    evidence = looked(np.random.default_rng(1).normal(120, 5, len(looked().cells)))
    model = fitted_model((evidence, EXTENT), WHOLE, WHOLE, search=False)

    assert model is not None
    assert GAIN_MIN < model.gain == 1.0
    assert model.sigma > SIGMA_MIN
