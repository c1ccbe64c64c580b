import numpy as np
import pytest

from jpegrescue.fill import _kernels_window as kernels

RANDOM = np.random.default_rng(6)
PLANE = RANDOM.integers(0, 256, (64, 96), np.uint8)
STATES = RANDOM.integers(0, 3, (4, 12)).astype(np.uint8)


@pytest.mark.parametrize(("top", "left", "shape"), [(0, 0, (64, 96)), (5, 13, (30, 41)), (16, 88, (48, 8))])
def test_cutting_is_gathering_at_full_size(top: int, left: int, shape: tuple[int, int]) -> None:
    outcomes = []
    for kernel, more in ((kernels.cut, ()), (kernels.gather, (1,))):
        samples, state = np.empty(shape, np.float32), np.empty(shape, np.uint8)
        kernel(PLANE, STATES, 16, 8, top, left, *more, samples, state)
        outcomes.append((samples, state))
    for one, other in zip(*outcomes, strict=True):
        assert np.array_equal(one, other)


def test_a_holes_samples_in_a_window_that_cuts_it() -> None:
    mcus = np.array([[True, False, True], [False, True, True]])
    whole = np.zeros((64, 96), np.bool_)
    whole[16:48, 24:48] = np.repeat(np.repeat(mcus, 16, axis=0), 8, axis=1)
    for top, bottom, left, right in ((0, 64, 0, 96), (20, 40, 30, 44)):
        out = np.empty((bottom - top, right - left), np.bool_)
        kernels.inside(mcus, 1, 3, 16, 8, top, left, out)
        assert np.array_equal(out, whole[top:bottom, left:right])
