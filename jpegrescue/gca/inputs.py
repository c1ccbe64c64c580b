"""What a network is shown of a window: the default fill, what is lost or unsure, and what the preview says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.fill import Filled, Told

SCALE, MIDDLE = 64.0, 128.0  # levels
NOISE_SCALE = 8.0
FILL, LOST, DOUBT, PLAIN, TOLD, NOISE, REACHED = range(7)
CHANNELS = 7
Window = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Scene:
    """The first component of a picture with its holes filled.

    `filled`: by `fill.directional.fill`, with a study; `lost`, `trusted`: bool (MCU rows, MCU columns), as given to it;
    `mcu`: height and width of an MCU in samples.
    """

    filled: Filled
    lost: NDArray[np.bool_]
    trusted: NDArray[np.bool_]
    mcu: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the plane, samples."""
        height, width = self.filled.samples[0].shape
        return height, width


def inputs_of(scene: Scene, window: Window) -> NDArray[np.float32]:
    """Channels of a window, float32 (CHANNELS, height, width).

    Beyond the plane its outermost samples go on, known to nobody.

    Args:
        scene: the picture.
        window: top, bottom, left and right, samples; may reach beyond the plane.
    """
    study = scene.filled.study
    if study is None:
        raise ValueError("filled without a study")
    top, bottom, left, right = window
    rows, columns = (np.arange(*pair) for pair in ((top, bottom), (left, right)))
    inside = np.outer(_within(rows, scene.shape[0]), _within(columns, scene.shape[1]))
    at = np.ix_(np.clip(rows, 0, scene.shape[0] - 1), np.clip(columns, 0, scene.shape[1] - 1))
    mcus = np.ix_(at[0].ravel() // scene.mcu[0], at[1].ravel() // scene.mcu[1])
    out = np.zeros((CHANNELS, rows.size, columns.size), np.float32)
    fill, plain = (plane[at].astype(np.float32) for plane in (scene.filled.samples[0], study.plain))
    out[FILL] = (fill - MIDDLE) / SCALE
    out[LOST] = scene.lost[mcus] & inside
    out[DOUBT] = ~inside | (~scene.trusted[mcus] & ~scene.lost[mcus])
    out[PLAIN] = (plain - fill) / SCALE
    for told in study.told:
        _enter(out, told, window)
    return out


def _within(at: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
    return (at >= 0) & (at < length)


def _enter(out: NDArray[np.float32], told: Told, window: Window) -> None:
    """What the preview says, where a hole's window and this one overlap."""
    low = max(told.window[0], window[0]), max(told.window[2], window[2])
    high = min(told.window[1], window[1]), min(told.window[3], window[3])
    if low[0] >= high[0] or low[1] >= high[1]:
        return
    here = tuple(slice(a - origin, b - origin) for a, b, origin in zip(low, high, window[::2], strict=True))
    there = tuple(slice(a - origin, b - origin) for a, b, origin in zip(low, high, told.window[::2], strict=True))
    out[TOLD][here] = told.rest[there] / SCALE
    out[NOISE][here] = told.noise[there] / NOISE_SCALE
    out[REACHED][here] = told.noise[there] > 0
