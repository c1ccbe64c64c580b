"""Holes: connected lost MCUs, and pseudo-holes of like shapes among the intact ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_holes as kernels
from jpegrescue.model.fill import HoleKind

SEED = 20
DEEP_SIDE, VAST_SIDE = 3, 8
SHAPE_ROWS, SHAPE_COLUMNS = 4, 6
TRIES = 24


@dataclass(frozen=True, slots=True)
class Hole:
    """MCUs to fill: `mcus`, bool (rows, columns) with its first MCU at (`top`, `left`)."""

    top: int
    left: int
    mcus: NDArray[np.bool_]

    @property
    def kind(self) -> HoleKind:
        """How far it reaches from everything known."""
        side = min(self.mcus.shape)
        return "run" if side < DEEP_SIDE else "deep" if side < VAST_SIDE else "vast"

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns of its MCUs in the picture."""
        rows, columns = self.mcus.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)


def find_holes(lost: NDArray[np.bool_]) -> list[Hole]:
    """8-connected groups of lost MCUs (bool, (MCU rows, MCU columns)) in raster order."""
    labels = np.empty(lost.shape, np.int32)
    boxes = np.empty((kernels.label(lost, labels), 4), np.int64)
    kernels.bounds(labels, boxes)
    return [
        Hole(top, left, labels[top:bottom, left:right] == number)
        for number, (top, bottom, left, right) in enumerate(boxes.tolist(), 1)
    ]


def pseudo_holes(holes: Sequence[Hole], trusted: NDArray[np.bool_], wanted: int) -> list[Hole]:
    """Places among trusted MCUs for holes of the shapes of `holes`, about `wanted` MCUs in all.

    Shapes are cut to 4 × 6 MCUs. Each place is trusted and so are the MCUs around it, and no two touch. Where nothing
    fits, single MCUs are tried. Always the same for the same input.
    """
    random = np.random.default_rng(SEED)
    free = np.pad(trusted, 1, constant_values=True)
    found: list[Hole] = []
    total, misses = 0, 0
    while total < wanted and misses < TRIES:
        shape = _cut(holes[int(random.integers(len(holes)))].mcus, random)
        place = _place(shape, free, random) or _place(np.ones((1, 1), np.bool_), free, random)
        if place is None:
            misses += 1
            continue
        rows, columns = place.mcus.shape
        free[place.top : place.top + rows + 2, place.left : place.left + columns + 2] = False
        found.append(place)
        total += int(np.count_nonzero(place.mcus))
    return found


def _cut(mcus: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.bool_]:
    """A part of a shape, around one of its MCUs."""
    rows, columns = np.nonzero(mcus)
    pick = int(random.integers(rows.size))
    top = min(max(int(rows[pick]) - SHAPE_ROWS // 2, 0), max(mcus.shape[0] - SHAPE_ROWS, 0))
    left = min(max(int(columns[pick]) - SHAPE_COLUMNS // 2, 0), max(mcus.shape[1] - SHAPE_COLUMNS, 0))
    return mcus[top : top + SHAPE_ROWS, left : left + SHAPE_COLUMNS]


def _place(shape: NDArray[np.bool_], free: NDArray[np.bool_], random: np.random.Generator) -> Hole | None:
    """`free` has a border of one MCU around the picture, which counts as free unless a hole touches it."""
    rows, columns = shape.shape
    spare = (free.shape[0] - 2 - rows, free.shape[1] - 2 - columns)
    if min(spare) < 0:
        return None
    tops, lefts = random.integers(spare[0] + 1, size=TRIES), random.integers(spare[1] + 1, size=TRIES)
    chosen = kernels.first_free(free, rows, columns, tops, lefts)
    return Hole(int(tops[chosen]), int(lefts[chosen]), shape) if chosen >= 0 else None
