"""How plausible it is that MCUs belong where they are thought to lie: log-odds from tables of counts.

Learnt (`lab.train_plausibility`, model card in plausibility.md) are histograms of what borders and contents look like
between true neighbours, between MCUs that lie elsewhere in the same picture, and between a decoder's garbage and what
surrounds it. Every file adds its own counts, so that what is usual in it raises no alarm. Scores are integers, in
1/`NAT` nat, looked up in tables that are rounded once: the same on every machine.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from jpegrescue.score import _kernels_borders as kernels
from jpegrescue.score.borders import Borders

NAT = 1024
PRIOR = 40.0  # learnt counts weigh as much as so many borders of the file, for each activity
MODEL_FILE = "plausibility.npz"
_SHAPE_MAX = 3.0
_CONTENT_MAX = 2.0
_CONTENT_WEIGHT = np.array([0.4, 0.4, 0.5])  # amplitudes and numbers say much the same


@dataclass(frozen=True, slots=True)
class Learnt:
    """Counts, float64.

    `borders`: (GOOD or WRONG, LUMA or CHROMA, spread or mean, activities, bins); `contents`:
    (left or above, GOOD, DISPLACED or GARBAGE, 3, bins of the neighbour, bins of the MCU).
    """

    borders: NDArray[np.float64]
    contents: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BorderModel:
    """Log-odds of one direction, calibrated to a file.

    `shape`: int32 (2, activities, spreads), in 1/NAT nat; `scatter`: float64 (2, 2, activities), variances of a
    border's mean, (1/16 level)², between true neighbours and others; `contents`: int32 (3, bins, bins), 1/NAT nat.
    """

    shape: NDArray[np.int32]
    scatter: NDArray[np.float64]
    contents: NDArray[np.int32]


@cache
def learnt() -> Learnt:
    """The counts that are shipped with the package."""
    with (files("jpegrescue.score") / MODEL_FILE).open("rb") as file, np.load(file) as arrays:
        return Learnt(arrays["borders"].astype(np.float64), arrays["contents"].astype(np.float64))


def count_pairs(borders: Borders, upright: bool, near: NDArray[np.int64], far: NDArray[np.int64]) -> NDArray[np.int64]:
    """Histograms of the borders between MCUs `near[k]` and `far[k]` of a stream, side by side or (`upright`) stacked.

    int64 (2, 2, ACTIVITIES, MEANS): LUMA and CHROMA, spreads and absolute means.
    """
    out = np.zeros((2, 2, kernels.ACTIVITIES, kernels.MEANS), np.int64)
    lines, starts = (borders.horizontal, borders.columns) if upright else (borders.vertical, borders.rows)
    sides = (kernels.BOTTOM, kernels.TOP) if upright else (kernels.RIGHT, kernels.LEFT)
    for component, kind in enumerate(borders.kinds.tolist()):
        activity = borders.activity[component]
        start = int(starts[component])
        kernels.count_borders(
            lines[1],
            lines[0],
            activity[sides[0]],
            activity[sides[1]],
            near,
            far,
            start,
            int(starts[component + 1]) - start,
            kernels.ACTIVITY_BIN,
            kernels.SPREAD_BIN,
            kernels.MEAN_BIN,
            out[kind],
        )
    return out


def calibrated(own: NDArray[np.int64], *, above: bool) -> BorderModel:
    """The learnt model and a file's own counts as one; `own`: (GOOD or WRONG, …) as `count_pairs` gives them."""
    model = learnt()
    prior = _normal(model.borders + 0.5)
    spreads = own[:, :, 0, :, : kernels.SPREADS].astype(np.float64)
    spreads = _smooth(spreads) + PRIOR * prior[:, :, 0, :, : kernels.SPREADS]
    odds = np.log(_normal(spreads[0]) / _normal(spreads[1]))
    means = own[:, :, 1] + PRIOR * prior[:, :, 1]
    scatter = _scatter(means) ** 2
    scatter[1] = np.maximum(scatter[1], 2.25 * scatter[0])
    return BorderModel(
        shape=_integers(np.clip(odds, -_SHAPE_MAX, _SHAPE_MAX)),
        scatter=scatter,
        contents=_content_odds(model.contents[int(above)], above=above),
    )


def _content_odds(counts: NDArray[np.float64], *, above: bool) -> NDArray[np.int32]:
    """Left of an MCU in a stream is its neighbour or garbage; above it may also be another part of the picture."""
    good, displaced, garbage = ((c + 0.3) / (c + 0.3).sum((-2, -1), keepdims=True) for c in counts)
    wrong = 0.5 * (displaced + garbage) if above else garbage
    odds = np.log(good / wrong) * _CONTENT_WEIGHT[:, None, None]
    return _integers(np.clip(odds, -_CONTENT_MAX, _CONTENT_MAX))


def _integers(odds: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(odds * NAT).astype(np.int32)


def _normal(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _smooth(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(counts, [(0, 0)] * (counts.ndim - 1) + [(1, 1)], mode="edge")
    return (padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]) / 4


def _scatter(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of a normal distribution that has the histogram's median of absolute means."""
    running = np.cumsum(means, axis=-1)
    half = running[..., -1:] / 2
    index = np.sum(running < half, axis=-1)
    before = np.take_along_axis(running, np.maximum(index - 1, 0)[..., None], -1)[..., 0] * (index > 0)
    inside = np.take_along_axis(means, index[..., None], -1)[..., 0]
    position = index + (half[..., 0] - before) / np.maximum(inside, 1e-9)
    scatter: NDArray[np.float64] = np.maximum(4 * (2 ** (position / 3) - 1), 3.0) / 0.6745
    return scatter
