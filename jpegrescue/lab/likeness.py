"""How alike two pictures are: MSE, PSNR and SSIM of their luma, over the whole picture and over a part of it."""

import importlib
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jpegrescue.errors import UsageError
from jpegrescue.model.evaluation import Likeness

PEAK = 255
WINDOW = 11
"""Side in pixels of the SSIM window: σ 1.5, cut off at 3.5 σ."""

_MARGIN = WINDOW // 2
_BAND_ROWS = 128  # at a time: little enough for the cache, and a picture of any size takes little memory
_SCALE = 1000
_WEIGHTS = (299, 587, 114)


@dataclass(slots=True)
class _Sums:
    """What has been added up over the pixels seen so far; `squares` in millionths of a squared level, exact."""

    pixels: int = 0
    squares: int = 0
    similarity: float = 0.0
    weight: int = 0

    def likeness(self) -> Likeness:
        mse = self.squares / (_SCALE * _SCALE * self.pixels)
        similarity = self.similarity / self.weight if self.weight else None
        return Likeness(self.pixels, mse, psnr(mse), similarity)


def luma(samples: NDArray[np.uint8]) -> NDArray[np.int32]:
    """BT.601 luma, full range, of grey (height, width) or RGB (height, width, 3) samples.

    int32 (height, width), in thousandths of a level: that way 0.299 R + 0.587 G + 0.114 B needs no rounding at all.
    """
    if samples.ndim == 2:
        return samples.astype(np.int32) * _SCALE
    out = np.zeros(samples.shape[:2], np.int32)
    for channel, weight in enumerate(_WEIGHTS):
        out += samples[..., channel].astype(np.int32) * weight
    return out


def psnr(mse: float) -> float | None:
    """Peak signal-to-noise ratio in dB of 8-bit samples, `None` (infinite) where `mse` is 0."""
    return 10.0 * math.log10(PEAK * PEAK / mse) if mse > 0 else None


def psnr_of_mean(mses: Sequence[float]) -> float | None:
    """PSNR in dB of the mean of `mses`, `None` where it is infinite, or where there is none to take the mean of."""
    return psnr(statistics.fmean(mses)) if mses else None


def likeness(
    original: NDArray[np.int32], picture: NDArray[np.int32], holes: NDArray[np.bool_] | None
) -> tuple[Likeness, Likeness | None]:
    """Likeness of `picture` to `original` over all pixels and over those of `holes`.

    The first SSIM is scikit-image's: the mean of the map without its outer 5 pixels, where the window does not fit; the
    second is the mean over all pixels of the holes, on a map mirrored at the picture's edges. `None` where a side of
    the picture is shorter than the window, and for `holes` that have no pixel.

    Args:
        original: what `luma` gives, (height, width).
        picture: the same of the picture to judge.
        holes: bool (height, width), or `None` for a picture without.

    Raises:
        UsageError: scikit-image is not installed.
    """
    height, width = original.shape
    inner = slice(_MARGIN, width - _MARGIN)
    whole, part = _Sums(), _Sums()
    for top in range(0, height, _BAND_ROWS):
        rows = slice(top, min(top + _BAND_ROWS, height))
        squares = (original[rows] - picture[rows]).astype(np.int64) ** 2
        similarity = _similarity(original, picture, rows) if min(height, width) >= WINDOW else None
        whole.pixels += squares.size
        whole.squares += int(squares.sum())
        if similarity is not None:
            fits = similarity[max(_MARGIN - top, 0) : max(height - _MARGIN - top, 0), inner]
            whole.similarity += float(fits.sum(dtype=np.float64))
            whole.weight += fits.size
        if holes is not None:
            _add_part(part, squares, similarity, holes[rows])
    return whole.likeness(), part.likeness() if part.pixels else None


def _add_part(
    part: _Sums, squares: NDArray[np.int64], similarity: NDArray[np.float32] | None, holes: NDArray[np.bool_]
) -> None:
    pixels = int(np.count_nonzero(holes))
    part.pixels += pixels
    part.squares += int(squares[holes].sum())
    if similarity is not None:
        part.similarity += float(similarity[holes].sum(dtype=np.float64))
        part.weight += pixels


def _similarity(original: NDArray[np.int32], picture: NDArray[np.int32], rows: slice) -> NDArray[np.float32]:
    """The rows `rows` of the SSIM map of two pictures at least `WINDOW` pixels high and wide.

    Computed from these rows and those that their windows reach into, which gives what the whole map holds there.
    """
    height = original.shape[0]
    first = max(min(rows.start - _MARGIN, height - WINDOW), 0)
    last = min(max(rows.stop + _MARGIN, WINDOW), height)
    # 32 bits are four times as fast and agree with 64 to 1e-5
    ours, theirs = (np.divide(plane[first:last], _SCALE, dtype=np.float32) for plane in (original, picture))
    _, similarity = structural_similarity()(
        ours,
        theirs,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=PEAK,
        full=True,
    )
    band: NDArray[np.float32] = similarity[rows.start - first : rows.stop - first]
    return band


@cache
def structural_similarity() -> Callable[..., Any]:
    """scikit-image's function of that name.

    Raises:
        UsageError: scikit-image is not installed, or not so that it can be used.
    """
    try:
        found: Callable[..., Any] = importlib.import_module("skimage.metrics").structural_similarity
    except ImportError as error:
        raise UsageError(
            f"evaluating pictures needs scikit-image, which cannot be used ({error}): pip install 'jpegrescue[eval]'"
        ) from None
    return found
