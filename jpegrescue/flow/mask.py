"""What is known of each pixel of a restored picture, as a picture of its own."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.pixels import blends
from jpegrescue.model.align import ALIGNED, LOST, PLACED, UNCERTAIN
from jpegrescue.model.decode import Grade
from jpegrescue.model.jpeg import Frame

LEVELS: dict[Grade, int] = {
    "exact": 255,
    "aligned": 224,
    "consistent": 192,
    "placed": 160,
    "uncertain": 96,
    "synthetic": 32,
    "filled": 0,
}
"""Grey level in `NAME.mask.png` of each pixel grade, the better the lighter; `synthetic` is for a stage to come."""
MASK_LABEL = "grade of each pixel of the restored picture: " + ", ".join(f"{v} {k}" for k, v in LEVELS.items())

_OF_CERTAINTY = np.zeros(4, np.uint8)
_OF_CERTAINTY[[LOST, UNCERTAIN, PLACED, ALIGNED]] = [LEVELS[g] for g in ("filled", "uncertain", "placed", "aligned")]


def pixel_levels(frame: Frame, certainty: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`LEVELS` of all pixels, uint8 (height, width): of each the worst grade among the MCUs that it is made of.

    Chroma upsampling mixes samples of neighbouring MCUs into the outermost pixels of each, so that a pixel beside a
    filled MCU may be filled in part, whatever its own MCU is worth.

    Args:
        frame: as `resync.decode.picture_frame` gives it.
        certainty: uint8 (MCU rows, MCU columns), as in `Alignment`.
    """
    tall, wide = 8 * frame.vertical_max, 8 * frame.horizontal_max
    levels = np.repeat(np.repeat(_OF_CERTAINTY[certainty], tall, axis=0), wide, axis=1)[: frame.height, : frame.width]
    worst = levels
    for across, down in set(blends(frame)):
        mixed = _with_neighbours(levels, tall, 0) if down else levels
        worst = np.minimum(worst, _with_neighbours(mixed, wide, 1) if across else mixed)
    return np.ascontiguousarray(worst)


def _with_neighbours(levels: NDArray[np.uint8], side: int, axis: int) -> NDArray[np.uint8]:
    """The lowest level of both sides in the lines on either side of each border between MCUs `side` pixels long."""
    out = levels.copy()
    source, target = np.moveaxis(levels, axis, 0), np.moveaxis(out, axis, 0)
    after = np.arange(side, source.shape[0], side)
    target[after] = np.minimum(source[after], source[after - 1])
    target[after - 1] = target[after]
    return out
