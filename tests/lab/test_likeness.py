"""PSNR and SSIM against closed forms and against scikit-image in double precision."""

import importlib
import math
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity as reference

from jpegrescue.errors import UsageError
from jpegrescue.lab import likeness as module
from jpegrescue.lab.likeness import likeness, luma, psnr, psnr_of_mean


def noisy(height: int, width: int, seed: int = 0, spread: float = 12.0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A grey scene, and the same with noise in its lower half."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    scene = 128 + 80 * np.sin(x / 9) * np.cos(y / 7) + rng.normal(0, 6, (height, width))
    noise = rng.normal(0, spread, (height, width)) * (y >= height // 2)
    one, other = (np.clip(np.round(plane), 0, 255).astype(np.uint8) for plane in (scene, scene + noise))
    return one, other


def ssim_map(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> tuple[float, NDArray[np.float64]]:
    mean, whole = reference(
        one.astype(np.float64),
        other.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    return float(mean), whole


def test_luma_of_primaries_is_exact() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [1, 2, 3]]], np.uint8)

    assert luma(pixels).tolist() == [[76245, 149685, 29070, 255000, 299 + 2 * 587 + 3 * 114]]


def test_grey_and_its_rgb_have_the_same_luma() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)

    assert np.array_equal(luma(grey), luma(np.stack([grey] * 3, axis=-1)))


@pytest.mark.parametrize("offset", [1, 10, 255])
def test_a_constant_offset(offset: int) -> None:
    """MSE is the offset squared, so PSNR is 20·log10(255 / offset)."""
    black = np.zeros((20, 30), np.uint8)

    whole, holes = likeness(luma(black), luma(black + np.uint8(offset)), None)

    assert (whole.pixels, whole.mse, holes) == (600, offset**2, None)
    assert whole.psnr == pytest.approx(20 * math.log10(255 / offset), abs=1e-12)


def test_one_channel_counts_by_its_weight() -> None:
    black = np.zeros((20, 30, 3), np.uint8)
    blue = black.copy()
    blue[4, 7, 2] = 100

    whole, _ = likeness(luma(black), luma(blue), None)

    assert whole.mse == pytest.approx(11.4**2 / 600, rel=1e-15)


def test_one_pixel_in_a_hole() -> None:
    one = np.full((140, 30), 100, np.uint8)
    other = one.copy()
    other[130, 3] = 110
    holes = np.zeros(one.shape, np.bool_)
    holes[128:132, 0:5] = True

    whole, part = likeness(luma(one), luma(other), holes)

    assert part is not None
    assert (whole.mse, part.mse, part.pixels) == (100 / 4200, 100 / 20, 20)
    assert part.psnr == pytest.approx(10 * math.log10(255**2 / 5), abs=1e-12)


def test_identical_pictures() -> None:
    one, _ = noisy(150, 40)

    whole, part = likeness(luma(one), luma(one.copy()), np.ones(one.shape, np.bool_))

    assert (whole.mse, whole.psnr) == (0.0, None)
    assert whole.ssim == pytest.approx(1.0, abs=1e-7)
    assert part is not None
    assert (part.pixels, part.psnr) == (6000, None)
    assert part.ssim == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("height", [11, 12, 16, 127, 128, 129, 133, 134, 138, 139, 256, 300])
def test_ssim_is_that_of_scikit_image_in_double_precision(height: int) -> None:
    one, other = noisy(height, 37, seed=height)
    rng = np.random.default_rng(height)
    holes = rng.random(one.shape) < 0.1

    whole, part = likeness(luma(one), luma(other), holes)

    mean, values = ssim_map(one, other)
    assert whole.ssim == pytest.approx(mean, abs=1e-5)
    assert part is not None
    assert part.ssim == pytest.approx(float(values[holes].mean()), abs=1e-5)
    difference = one.astype(np.float64) - other
    assert whole.mse == pytest.approx(float(np.mean(difference**2)), rel=1e-12)
    assert part.mse == pytest.approx(float(np.mean(difference[holes] ** 2)), rel=1e-12)


@pytest.mark.parametrize("level", [0, 250])
def test_single_precision_holds_in_flat_bright_pictures(level: int) -> None:
    """Where variances are differences of large numbers, 32 bits would show first."""
    one = np.full((64, 64), level, np.uint8)
    other = one.copy()
    other[::7, ::5] += 1

    whole, _ = likeness(luma(one), luma(other), None)

    assert whole.ssim == pytest.approx(ssim_map(one, other)[0], abs=1e-4)


@pytest.mark.parametrize("size", [(10, 40), (40, 10), (1, 1)])
def test_no_ssim_where_the_window_does_not_fit(size: tuple[int, int]) -> None:
    one = np.zeros(size, np.uint8)

    whole, part = likeness(luma(one), luma(one + np.uint8(3)), np.ones(size, np.bool_))

    assert (whole.mse, whole.ssim) == (9.0, None)
    assert part is not None
    assert (part.mse, part.ssim) == (9.0, None)


def test_holes_without_a_pixel_have_no_likeness() -> None:
    one, other = noisy(20, 20)

    assert likeness(luma(one), luma(other), np.zeros(one.shape, np.bool_))[1] is None


def test_psnr_of_nothing_wrong_is_infinite() -> None:
    assert psnr(0.0) is None
    assert psnr(255.0**2) == 0.0


def test_psnr_of_the_mean_error() -> None:
    assert psnr_of_mean([1.0, 0.0, 5.0]) == pytest.approx(10 * math.log10(255**2 / 2))
    assert psnr_of_mean([0.0, 0.0]) is None
    assert psnr_of_mean([]) is None


def test_a_scikit_image_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ImportError("libwhatever.so: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", fail)
    module.structural_similarity.cache_clear()
    try:
        with pytest.raises(UsageError, match=r"libwhatever.*pip install 'jpegrescue\[eval\]'"):
            module.structural_similarity()
    finally:
        module.structural_similarity.cache_clear()


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    module.structural_similarity.cache_clear()
    try:
        with pytest.raises(UsageError, match=r"pip install 'jpegrescue\[eval\]'"):
            module.structural_similarity()
    finally:
        module.structural_similarity.cache_clear()
