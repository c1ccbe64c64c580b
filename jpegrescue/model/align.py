"""What alignment found out."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.decode import ComponentPlane, Segment
from jpegrescue.model.thumbnail import ThumbnailMatch

ScaPart = Literal["compensation", "normalisation", "alignment"]
SCA_PARTS: tuple[ScaPart, ...] = ("compensation", "normalisation", "alignment")


@dataclass(frozen=True, slots=True)
class ScaSegment:
    """A run of MCUs `[mcu_start, mcu_end)`, raster indices in the decoded picture, that one colour cast covers.

    `offset`: what was subtracted from its samples, in levels, per channel of the picture.
    """

    mcu_start: int
    mcu_end: int
    offset: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RowShift:
    """MCUs by which everything from MCU row `row` on was moved along in scan order, positive = towards the end."""

    row: int
    shift: int


@dataclass(frozen=True, slots=True)
class ScaRecord:
    """How `NAME.sca.png` came about (published self-compensation and alignment); every pixel of it is heuristic."""

    parts: tuple[ScaPart, ...]
    segments: tuple[ScaSegment, ...]
    shifts: tuple[RowShift, ...]
    grade: Literal["heuristic"] = "heuristic"


LOST, UNCERTAIN, PLACED, ALIGNED = 0, 1, 2, 3
"""What is known of an MCU's place: nothing decoded belongs there; a guess; its place is sure and its AC coefficients
are exact, its DC offsets are estimates; all of it is exact."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """A damaged scan put back in place, as integers.

    `planes`: all that was decoded at its likeliest place, guesses among it, with estimated DC offsets; zeros where
    nothing belongs. `certainty`: uint8 (MCU rows, MCU columns), LOST to ALIGNED. `segments`: in stream order, graded
    `aligned`, `placed` or `uncertain`, engine `integer`. `thumbnail`: what the preview was found to be worth, `None`
    where there is none.
    """

    planes: tuple[ComponentPlane, ...]
    certainty: NDArray[np.uint8]
    segments: tuple[Segment, ...]
    thumbnail: ThumbnailMatch | None = None
