"""Protects the bookkeeping of offsets: equal to conditioning one Gaussian on all that was seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jpegrescue.score import _kernels_evidence as kernels

OWN, FIRST, SECOND = 0, 1, 2  # offsets of the run at hand, and of two runs that lie above it one after the other


def conditioned(
    mean: NDArray[np.float64], cover: NDArray[np.float64], seen: list[tuple[list[float], float, float]]
) -> tuple[float, float]:
    """Mean and variance of `OWN` after linear observations (coefficients, value, variance)."""
    for row, value, variance in seen:
        h = np.array(row)
        gain = cover @ h / (h @ cover @ h + variance)
        mean = mean + gain * (value - h @ mean)
        cover = cover - np.outer(gain, h @ cover)
    return float(mean[OWN]), float(cover[OWN, OWN])


def started(offset: float, variance: float) -> NDArray[np.float64]:
    state = np.zeros((1, kernels.STATE))
    state[0, kernels.HELD], state[0, kernels.HELD_VARIANCE] = offset, variance
    return state


def difference_seen(state: NDArray[np.float64], value: float, variance: float) -> None:
    """The offset against the run above has been seen, as by a border: one step of the filter without a bias."""
    s = state[0]
    gain = s[kernels.OFFSET_VARIANCE] / (s[kernels.OFFSET_VARIANCE] + variance)
    s[kernels.OFFSET] += gain * (value - s[kernels.OFFSET])
    s[kernels.OFFSET_VARIANCE] *= 1 - gain


VARIANCES = st.floats(10, 1e6)


@given(VARIANCES, VARIANCES, VARIANCES, st.lists(st.floats(-800, 800), min_size=6, max_size=6))
def test_an_unsure_run_above_teaches_no_more_than_it_knows(
    own: float, first: float, second: float, values: list[float]
) -> None:
    state = started(7.0, own)
    kernels.meet(state, np.array([20.0]), np.array([first]))
    difference_seen(state, values[0], 300.0)
    difference_seen(state, values[1], 50.0)
    kernels.meet(state, np.array([-90.0]), np.array([second]))
    difference_seen(state, values[2], 100.0)

    mean, cover = np.array([7.0, 20.0, -90.0]), np.diag([own, first, second])
    seen = [([1, -1, 0], values[0], 300.0), ([1, -1, 0], values[1], 50.0), ([1, 0, -1], values[2], 100.0)]
    wanted = conditioned(mean, cover, seen)
    np.testing.assert_allclose(kernels.resolved(state[0]), wanted, rtol=1e-6, atol=1e-4)


@given(VARIANCES, VARIANCES, st.floats(100, 1e5), st.lists(st.floats(-800, 800), min_size=3, max_size=3))
def test_a_preview_counts_whatever_lies_above(own: float, above: float, near: float, values: list[float]) -> None:
    """What it says of the run itself also tells what the run above it must have been."""
    state = started(0.0, own)
    kernels.meet(state, np.array([30.0]), np.array([above]))
    difference_seen(state, values[0], 80.0)
    kernels._hold(state[0], values[1], near)
    difference_seen(state, values[2], 80.0)

    seen = [([1.0, -1.0], values[0], 80.0), ([1.0, 0.0], values[1], near), ([1.0, -1.0], values[2], 80.0)]
    wanted = conditioned(np.array([0.0, 30.0]), np.diag([own, above]), seen)
    np.testing.assert_allclose(kernels.resolved(state[0]), wanted, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("above", [0.0, 500.0])
def test_an_anchored_run_learns_nothing(above: float) -> None:
    """Its offset is 0, whatever the border says."""
    state = started(0.0, 0.0)
    kernels.meet(state, np.array([300.0]), np.array([above]))
    difference_seen(state, 123.0, 10.0)
    assert kernels.resolved(state[0]) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(12))
def test_a_second_run_above_is_met_with_all_that_is_known_by_then(seed: int) -> None:
    """By the filter's own correction; what a preview says comes before the second run, and again under it."""
    rng = np.random.default_rng(seed)
    mean, variances = rng.normal(0, 100, 3), rng.uniform(200, 20_000, 3)
    state, seen = started(float(mean[OWN]), float(variances[OWN])), []
    above = FIRST
    for step in ("meet", "border", "border", "preview", "meet", "border", "border", "preview", "border"):
        value, noise = float(rng.normal(0, 150)), float(rng.uniform(300, 5000))
        if step == "meet":
            above = SECOND if seen else FIRST
            kernels.meet(state, mean[above : above + 1], variances[above : above + 1])
        elif step == "preview":
            kernels._hold(state[0], value, noise)
            seen.append(([1.0, 0.0, 0.0], value, noise))
        else:
            s = state[0]
            kernels._correct(s, value - s[kernels.OFFSET], noise + s[kernels.OFFSET_VARIANCE], False)
            seen.append(([1.0, *(-float(above == n) for n in (FIRST, SECOND))], value, noise))
        wanted = conditioned(mean, np.diag(variances), seen)
        np.testing.assert_allclose(kernels.resolved(state[0]), wanted, rtol=1e-6, atol=1e-6)
