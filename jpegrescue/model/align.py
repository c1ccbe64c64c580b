"""What alignment found out."""

from dataclasses import dataclass
from typing import Literal

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
