"""Protects the prices of a path: what errors lose, margins that are alike, pictures that do not belong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.align import _kernels_path as kernels
from jpegrescue.score.plausibility import NAT


@given(st.lists(st.integers(-9 * NAT, 9 * NAT), max_size=60))
def test_alike_margins_are_paid_for_once(odds: list[int]) -> None:
    alike, total = 0, 0
    for each in odds:
        alike, gain = kernels.seam_gain(alike, each)
        total += gain
    assert total == max(0, alike - kernels.SEAM_ALIKE)
    assert alike >= kernels.SEAM_FLOOR


def test_margins_that_are_strangers_add_nothing() -> None:
    alike, total = 0, 0
    for each in [-3 * NAT, 2 * NAT] * 30:
        alike, gain = kernels.seam_gain(alike, each)
        total += gain
    assert total == 0


@pytest.mark.parametrize("lost", [0.5, 2.0, 4.4, 11.0, 60.0])
def test_what_bits_say_is_cheapest_and_an_unchanged_count_is_never_dear(lost: float) -> None:
    costs = [kernels.jump_cost(missing, 1000, lost) for missing in range(200)]
    assert abs(int(np.argmin(costs)) - lost) <= 0.5
    least = int(np.argmin(costs))
    assert (np.diff(costs[: least + 1]) <= 0).all()
    assert (np.diff(costs[least:]) >= 0).all()
    assert all(kernels.jump_cost(n, n, lost) <= 3 * NAT for n in range(1, 200))
    assert kernels.jump_cost(150, 1, 2.0) > 10 * NAT


def test_a_long_hole_may_end_at_the_final_shift() -> None:
    near, far = (kernels.hole_cost(900, 100, 400.0, shift, 777) for shift in (777, 700))
    unknown = kernels.hole_cost(900, 100, 400.0, 777, kernels.NOWHERE)
    assert near < far
    assert near < unknown


def test_another_picture_is_worth_nearly_as_much_left_out_as_put_in() -> None:
    waited = 0
    for _ in range(100):
        waited = kernels.strange(waited, 5 * NAT)
    placed = 100 * kernels.tempered(5 * NAT)
    assert 0.85 * placed < waited < placed
    assert kernels.strange(3 * NAT, -20 * NAT) == 0


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=40))
def test_density_is_that_of_the_nearest_mcus(sizes: list[int]) -> None:
    end = np.cumsum(sizes)
    start = end - sizes
    before, after = np.empty((2, len(sizes)))
    kernels.density(start, end, before, after)
    for t in range(len(sizes)):
        assert before[t] == pytest.approx(np.mean(sizes[max(0, t - kernels.NEIGHBOURS + 1) : t + 1]))
        assert after[t] == pytest.approx(np.mean(sizes[t : t + kernels.NEIGHBOURS]))


@given(st.lists(st.integers(0, 40 * NAT), max_size=12))
def test_margins_that_are_alike_add_what_they_say_less_the_price(odds: list[int]) -> None:
    alike, total = 0, 0
    for each in odds:
        alike, gain = kernels.seam_gain(alike, each)
        total += gain
    assert total == max(0, sum(min(each, kernels.SEAM_MOST) for each in odds) - kernels.SEAM_ALIKE)


@given(st.integers(0, 500), st.floats(0, 500))
def test_a_count_that_is_kept_costs_what_such_errors_are_rare(garbage: int, lost: float) -> None:
    kept = kernels.jump_cost(garbage, garbage, lost)
    assert kept <= np.log(1 / kernels.COUNT_KEPT) * NAT + 8
    assert kept <= kernels.jump_cost(garbage, garbage + 1, lost)
