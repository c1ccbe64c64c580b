"""Rendered planes, frames and previews for the tests of filling."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.model.jpeg import Component, Frame
from jpegrescue.model.thumbnail import ThumbnailMatch


def frame(width: int, height: int, factors: tuple[tuple[int, int], ...] = ((1, 1),)) -> Frame:
    components = tuple(Component(index + 1, *pair, 0) for index, pair in enumerate(factors))
    return Frame("baseline", 8, width, height, components)


def stripes(height: int, width: int, angle: float = 0.9, period: float = 11.0) -> NDArray[np.uint8]:
    """Slanting waves: clear edges, all in one direction."""
    y, x = np.mgrid[:height, :width]
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    return np.clip(128 + 90 * wave, 0, 255).astype(np.uint8)


def blobs(height: int, width: int, seed: int = 1, size: float = 9.0) -> NDArray[np.uint8]:
    """Smoothed noise: structures of some `size` samples that no neighbour foretells."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width))
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-2 * (np.pi * size) ** 2 * (fx**2 + fy**2) / 4)).real
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def shrunk(plane: NDArray[np.uint8], side: int, resample: int = Image.Resampling.BOX) -> NDArray[np.uint8]:
    """As a preview, with an axis for its one component."""
    scale = side / max(plane.shape)
    size = round(plane.shape[1] * scale), round(plane.shape[0] * scale)
    return np.asarray(Image.fromarray(plane).resize(size, resample))[..., None]


def through_jpeg(preview: NDArray[np.uint8], quality: int = 80) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(preview[..., 0]).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))[..., None]


def whole(preview: NDArray[np.uint8], turns: int = 0, count: int = 1) -> ThumbnailMatch:
    """A match that takes the whole preview, once turned, for the picture."""
    height, width = np.rot90(preview, turns).shape[:2]
    return ThumbnailMatch(
        "trusted", turns, (0.0, 0.0, float(width), float(height)), 1.0, (1.0,) * count, (0.0,) * count, (4.0,) * count
    )


def scattered(rows: int, columns: int, runs: int, seed: int = 3, length: int = 3) -> NDArray[np.bool_]:
    """Runs of lost MCUs."""
    random = np.random.default_rng(seed)
    lost = np.zeros((rows, columns), np.bool_)
    for _ in range(runs):
        row, column = int(random.integers(rows)), int(random.integers(max(columns - length, 1)))
        lost[row, column : column + length] = True
    return lost


def spread(lost: NDArray[np.bool_], mcu: tuple[int, int] = (8, 8)) -> NDArray[np.bool_]:
    """MCUs as samples."""
    return np.repeat(np.repeat(lost, mcu[0], axis=0), mcu[1], axis=1)


def psnr(plane: NDArray[np.uint8], truth: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    error = float(np.mean((plane[mask].astype(np.float64) - truth[mask]) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
