"""Brightness of a picture and of a preview on the same cells, and how it differs between neighbouring ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.jpeg import Frame

Box = tuple[float, float, float, float]
Floats = NDArray[np.float64]
ALL = slice(None)

CELL = 2.5  # preview samples across a cell: finer ones show the preview's own artefacts
CELLS_MAX = 80  # cells along a side
KNOWN_SHARE = 0.75  # of a cell's MCUs that must be known
SCALE_MIN = 1e-6
OVERHANG = 1.01  # samples by which the picture may stick out of the preview and still count as covered


@dataclass(frozen=True, slots=True)
class Integral:
    """Antiderivative along axis 0 of linearly interpolated samples; sample i lies at i + 0.5."""

    samples: Floats
    knots: Floats

    def means(self, edges: Floats) -> Floats:
        """Means between consecutive `edges`, shape (edges − 1, …)."""
        total = np.diff(self._up_to(edges), axis=0)
        return total / np.diff(edges).reshape(-1, *(1,) * (self.samples.ndim - 1))

    def _up_to(self, at: Floats) -> Floats:
        index = np.floor(np.minimum(np.maximum(at + 0.5, 0), len(self.knots) - 1)).astype(np.int64)
        t = (at + 0.5 - index).reshape(-1, *(1,) * (self.samples.ndim - 1))
        low = self.samples[index]
        return self.knots[index] + t * (low + (0.5 * t) * (self.samples[index + 1] - low))


def integral_of(samples: Floats) -> Integral:
    """Along axis 0; beyond the ends the outermost samples go on."""
    padded = np.concatenate((samples[:1], samples, samples[-1:]))
    steps = 0.5 * (padded[:-1] + padded[1:])
    return Integral(padded, np.concatenate((np.zeros_like(steps[:1]), np.cumsum(steps[:-1], axis=0))))


def edges_of(count: int, mcu: int, pixels: int, step: int = 1) -> Floats:
    """Edges of groups of `step` of `count` MCUs of `mcu` pixels, as shares of the picture's `pixels`."""
    edges = np.append(np.arange(0, count, step), count) * float(mcu)
    return np.minimum(edges, pixels) / pixels


@dataclass(frozen=True, slots=True)
class Area:
    """Means of a preview over a grid of rectangles, (rows, columns, …), and which of them it covers."""

    means: Floats
    covered: NDArray[np.bool_]


def area_of(
    down: Integral,
    size: tuple[int, int],
    box: Box,
    edges: tuple[Floats, Floats],
    rows: NDArray[np.int64] | slice = ALL,
    columns: NDArray[np.int64] | slice = ALL,
) -> Area:
    """Means over the chosen `rows` and `columns` of the grid with these `edges`, shares of height and width."""
    height_edges = box[1] + (box[3] - box[1]) * edges[0]
    width_edges = box[0] + (box[2] - box[0]) * edges[1]
    across = integral_of(np.swapaxes(down.means(height_edges)[rows], 0, 1))
    means = np.swapaxes(across.means(width_edges)[columns], 0, 1)
    rows_covered, columns_covered = _covered(height_edges, size[0])[rows], _covered(width_edges, size[1])[columns]
    return Area(means, rows_covered[:, None] & columns_covered)


def _covered(edges: Floats, size: int) -> NDArray[np.bool_]:
    return (edges[:-1] >= -OVERHANG) & (edges[1:] <= size + OVERHANG)


@dataclass(frozen=True, slots=True)
class Differences:
    """Between neighbouring cells, (2, rows, columns): to the right and below; squashed, 0 where one is unknown.

    `known`: 1 where both are known; `activity`: mean of the differences before squashing, levels.
    """

    values: Floats
    known: Floats
    activity: float


def differences_of(level: Floats, known: NDArray[np.bool_], weight: Floats | float = 1.0) -> Differences:
    """Differences of the cells' `level`; those with a `weight` set the scale of all."""
    both = np.zeros((2, *level.shape))
    both[0, :, :-1] = known[:, 1:] & known[:, :-1]
    both[1, :-1] = known[1:] & known[:-1]
    values = np.zeros_like(both)
    values[0, :, :-1] = np.diff(level, axis=1)
    values[1, :-1] = np.diff(level, axis=0)
    values *= both
    counted = both * weight
    mean = float((np.abs(values) * counted).sum()) / max(float(counted.sum()), 1.0)
    scale = max(2.0 * mean, SCALE_MIN)  # strong edges must not decide alone: beyond it they count hardly more
    return Differences(values / np.sqrt(values * values + scale * scale), both, mean)


def detail_of(differences: Differences, weight: Floats | float = 1.0) -> Differences:
    """Without what whole rows or columns have in common: horizons are alike in many photos."""
    known = differences.known * weight
    values = differences.values * known
    for axis in (0, 1):  # differences to the right lose their columns' means, those below their rows'
        counted = known[axis]
        count = np.maximum(counted.sum(axis=axis, keepdims=True), 1.0)
        values[axis] -= counted * (values[axis].sum(axis=axis, keepdims=True) / count)
    return Differences(values, known, differences.activity)


@dataclass(frozen=True, slots=True)
class Cells:
    """The known brightness of the picture on cells of whole MCUs; `edges` of rows and columns as for `area_of`."""

    edges: tuple[Floats, Floats]
    differences: Differences


def cells_of(level: Floats, known: NDArray[np.bool_], frame: Frame, size: tuple[int, int]) -> Cells:
    """Cells of about `CELL` samples of a preview of `size`."""
    mcu_y, mcu_x = 8 * frame.vertical_max, 8 * frame.horizontal_max
    down, across = (
        int(max(1, round(CELL * pixels / (side * mcu)), -(-count // CELLS_MAX)))
        for pixels, side, mcu, count in zip((frame.height, frame.width), size, (mcu_y, mcu_x), known.shape, strict=True)
    )
    share = _pool(known.astype(np.float64), down, across)
    whole = share >= KNOWN_SHARE * _pool(np.ones(known.shape), down, across)
    pooled = np.where(whole, _pool(np.where(known, level, 0.0), down, across) / np.maximum(share, 1.0), 0.0)
    return Cells(
        edges=(
            edges_of(known.shape[0], mcu_y, frame.height, down),
            edges_of(known.shape[1], mcu_x, frame.width, across),
        ),
        differences=differences_of(pooled, whole),
    )


def _pool(values: Floats, down: int, across: int) -> Floats:
    pooled = np.add.reduceat(values, np.arange(0, values.shape[0], down), axis=0)
    return np.add.reduceat(pooled, np.arange(0, values.shape[1], across), axis=1)
