import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegrescue.fill.dc_only import with_flat_blocks
from jpegrescue.model.decode import ComponentPlane

STEPS = np.arange(1, 65, dtype=np.uint16)


def plane_of(dc: np.ndarray, horizontal: int = 1, vertical: int = 1, seed: int = 0) -> ComponentPlane:
    blocks = np.random.default_rng(seed).integers(-99, 99, (*dc.shape, 64), np.int16)
    blocks[..., 0] = dc
    return ComponentPlane(blocks, STEPS, horizontal, vertical)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 7),
    columns=st.integers(1, 7),
    factors=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    seed=st.integers(0, 999),
    share=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
)
def test_known_blocks_stay_and_others_are_flat_and_in_range(
    rows: int, columns: int, factors: tuple[int, int], seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    known = rng.random((rows, columns)) < share
    across, down = factors
    before = plane_of(rng.integers(-1024, 1024, (rows * down, columns * across)), across, down, seed)
    kept = before.blocks.copy()

    (after,) = with_flat_blocks([before], known)

    by_block = np.kron(known, np.ones((down, across), np.bool_)).astype(np.bool_)
    np.testing.assert_array_equal(before.blocks, kept)
    np.testing.assert_array_equal(after.blocks[by_block], kept[by_block])
    assert after.blocks.dtype == np.int16
    assert not after.blocks[~by_block][:, 1:].any()
    filled = after.blocks[~by_block][:, 0]
    assert (after.horizontal, after.vertical) == factors
    assert after.quantisation is STEPS
    if known.any() and filled.size:
        assert kept[by_block][:, 0].min() <= filled.min() <= filled.max() <= kept[by_block][:, 0].max()
    elif filled.size:
        assert not filled.any()


@pytest.mark.parametrize("size", [(40, 40), (37, 51)])
def test_a_slope_goes_on_through_a_hole(size: tuple[int, int]) -> None:
    y, x = np.mgrid[: size[0], : size[1]]
    known = np.ones(size, np.bool_)
    known[8:24, 10:30] = False

    (after,) = with_flat_blocks([plane_of(4 * x - 3 * y + 20)], known)

    # a slope is harmonic: what is left of the way there is a small part of its range in the hole, 124
    assert np.abs(after.blocks[..., 0] - (4 * x - 3 * y + 20)).max() <= 8


def test_components_are_filled_each_from_its_own() -> None:
    known = np.array([[True, False]])
    planes = [plane_of(np.array([[70, 0]])), plane_of(np.array([[-30, 0]]))]
    assert [int(plane.blocks[0, 1, 0]) for plane in with_flat_blocks(planes, known)] == [70, -30]
