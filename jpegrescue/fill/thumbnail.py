"""The thumbnail model: how an embedded preview came from the picture, fitted on intact samples.

A preview sample is a blur of the picture around some place, times a gain, plus an offset.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_thumbnail as kernels
from jpegrescue.fill.registration import (
    GAIN_MIN,
    SIGMA_MIN,
    Box,
    Evidence,
    blur_table,
    fitted_model,
    geometry_of,
    least_squares,
    predicted,
    reach_of,
    sharpened,
)
from jpegrescue.model.fill import ThumbnailModel
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.thumbnail import ThumbnailMatch

SEED = 21
BINS = 5  # per preview sample: finer structure of the picture does not show in it
CELLS_TRIED, CELLS = 12000, 800
UNEXPLAINED_MAX = 0.5
NOISE_STEPS = 4
RING, RING_PRIOR = 2, 8.0  # preview samples
SIDE_MIN = 4.0
FLOOR_SHARE = 0.1
BAR_MIN = 0.75  # samples: less is the uncertainty of the fit


@dataclass(frozen=True, slots=True)
class Preview:
    """One component of the preview and its model, in samples of the picture's plane of that component.

    `component`: 0 for the first; `samples`: uint8 (height, width), turned upright; `geometry`: float64 (4,), origin
    and pitch across, then down; `size`: height and width of the plane without padding; `noise`: float32 like
    `samples`, variance that the model leaves, in squared levels, to weigh the preview by; `expected`: float32 like
    `samples`, the same by the contrast around each, to tell what is surprising; `residual`, `checked`: float32 and bool
    like `samples`, squared residuals of those that only known samples went into, and which these are (none for
    colours, whose `noise` says where it is high).
    """

    component: int
    samples: NDArray[np.uint8]
    geometry: NDArray[np.float64]
    size: tuple[int, int]
    model: ThumbnailModel
    noise: NDArray[np.float32]
    expected: NDArray[np.float32]
    residual: NDArray[np.float32]
    checked: NDArray[np.bool_]

    @property
    def reach(self) -> float:
        """How far the blur reaches, in preview samples."""
        return reach_of(self.model.kernel)

    @property
    def table(self) -> NDArray[np.float64]:
        """The blur as kernels take it."""
        return blur_table(self.model.kernel)

    def noise_around(self, rows: range, columns: range) -> float:
        """How far the noise around these preview samples is above the usual.

        Where the picture is hard to predict a real preview is often off by much more than its mean residual: with a
        constant, one camera original lost 1.4 dB by its own preview.
        """
        usual = self.model.sigma**2
        around: float = kernels.noise_around(
            self.residual, self.checked, rows.start, rows.stop, columns.start, columns.stop, RING, RING_PRIOR, usual
        )
        return around / usual


def fit_previews(
    samples: tuple[NDArray[np.uint8], ...],
    trusted: NDArray[np.bool_],
    frame: Frame,
    thumbnail: NDArray[np.uint8],
    match: ThumbnailMatch,
) -> list[Preview]:
    """The model of every component; the area is fitted on the first and holds for all.

    Args:
        samples: uint8, a plane per component, padded to whole MCUs.
        trusted: bool (MCU rows, MCU columns), what it is fitted on.
        frame: of the picture.
        thumbnail: uint8 (height, width, components).
        match: trusted, with gain and offset per component.

    Returns:
        One preview per component; an empty list if the match holds no area to speak of, or if less than half of the
        preview's variance comes from the picture after all.
    """
    turned = np.rot90(thumbnail, match.quarter_turns)
    box = match.box
    if min(box[2] - box[0], box[3] - box[1]) < SIDE_MIN:
        return []
    previews: list[Preview] = []
    for index in range(len(samples)):
        small = np.ascontiguousarray(turned[..., index])
        evidence, extent = found = _evidence(samples[index], trusted, frame, index, small, box)
        model = fitted_model(found, match.box, box, search=index == 0)
        residual, checked = np.zeros(small.shape, np.float32), np.zeros(small.shape, np.bool_)
        if model is None:
            model = _unfitted(match, index, box)
            noise = expected = np.full(small.shape, model.sigma**2, np.float32)
        elif index:
            noise = expected = _noise(evidence, geometry_of(extent, model.box), small, model, 1.0)
        else:
            if model.sigma**2 > UNEXPLAINED_MAX * float(evidence.values.var()):
                return []
            model, residual, checked = _checked(evidence, extent, small, model)
            noise = np.full(small.shape, model.sigma**2, np.float32)
            expected = _noise(evidence, geometry_of(extent, model.box), small, model, FLOOR_SHARE)
        box = model.box
        height, width = _extent(frame, index)
        size = (int(np.ceil(height)), int(np.ceil(width)))
        geometry = geometry_of((height, width), model.box)
        previews.append(Preview(index, small, geometry, size, model, noise, expected, residual, checked))
    return previews


def shown_cells(count: int, low: float, high: float) -> range:
    """Of `count` rows or columns of a preview those that show the picture, whose area lies between `low` and `high`.

    One sample is left out beside the bars of a letterboxed preview, which bleed into the picture.
    """
    first = int(np.ceil(low)) + 1 if low > BAR_MIN else 0
    end = int(np.floor(high)) - 1 if high < count - BAR_MIN else count
    return range(first, max(end, first))


def _extent(frame: Frame, index: int) -> tuple[float, float]:
    component = frame.components[index]
    return (
        frame.height * component.vertical / frame.vertical_max,
        frame.width * component.horizontal / frame.horizontal_max,
    )


def _unfitted(match: ThumbnailMatch, index: int, box: Box) -> ThumbnailModel:
    """The match's own figures, which map the other way: picture = gain · preview + offset."""
    gain = match.gain[index] if index < len(match.gain) and match.gain[index] > GAIN_MIN else 1.0
    offset = match.offset[index] if index < len(match.offset) else 0.0
    sigma = match.sigma[index] if index < len(match.sigma) else 8.0
    shift = (box[0] - match.box[0], box[1] - match.box[1], box[2] - match.box[2], box[3] - match.box[3])
    return ThumbnailModel("box 1", box, shift, 1 / gain, -offset / gain, max(sigma / gain, SIGMA_MIN), fitted=False)


def _evidence(
    plane: NDArray[np.uint8],
    trusted: NDArray[np.bool_],
    frame: Frame,
    index: int,
    small: NDArray[np.uint8],
    box: Box,
) -> tuple[Evidence, tuple[float, float]]:
    """What to fit on, and the height and width of the picture in the reduced plane."""
    height, width = _extent(frame, index)
    pitch = min(width / (box[2] - box[0]), height / (box[3] - box[1]))
    factor = max(1, round(pitch / BINS))
    shape = (max(1, int(np.ceil(height / factor))), max(1, int(np.ceil(width / factor))))
    reduced = np.empty(shape, np.float32)
    kernels.shrink(plane, factor, reduced)
    unknown = np.zeros((trusted.shape[0] + 1, trusted.shape[1] + 1), np.int64)
    unknown[1:, 1:] = np.cumsum(np.cumsum(~trusted, axis=0, dtype=np.int64), axis=1)
    component = frame.components[index]
    block = (8 * component.vertical, 8 * component.horizontal, factor)
    extent = (height / factor, width / factor)
    rows, columns = (np.array(shown_cells(small.shape[i], box[1 - i], box[3 - i]), np.int64) for i in (0, 1))
    count = rows.size * columns.size
    picked = np.random.default_rng(SEED).choice(count, min(count, CELLS_TRIED), replace=False)
    cells = np.stack((rows[picked // max(columns.size, 1)], columns[picked % max(columns.size, 1)]), axis=1)
    good = np.empty(len(cells), np.bool_)
    kernels.usable(shape, unknown, block, cells, geometry_of(extent, box), reach_of("triangle"), good)
    cells = np.ascontiguousarray(cells[good][:CELLS])
    values = small[cells[:, 0], cells[:, 1]].astype(np.float64)
    return Evidence(reduced, unknown, block, cells, values), extent


def _checked(
    evidence: Evidence, extent: tuple[float, float], small: NDArray[np.uint8], model: ThumbnailModel
) -> tuple[ThumbnailModel, NDArray[np.float32], NDArray[np.bool_]]:
    """The model, sharpened where cameras did so, squared residuals of all preview samples, and which count."""
    cells = np.argwhere(np.ones(small.shape, np.bool_))
    everywhere = replace(evidence, cells=cells, values=small.ravel().astype(np.float64))
    value, _, good = predicted(everywhere, geometry_of(extent, model.box), model.kernel)
    shown = np.zeros(small.shape, np.bool_)
    rows, columns = (shown_cells(small.shape[i], model.box[1 - i], model.box[3 - i]) for i in (0, 1))
    shown[rows.start : rows.stop, columns.start : columns.stop] = True
    checked = good.reshape(small.shape)
    model, level = sharpened(model, value.reshape(small.shape), small, checked & shown)
    rest = (small - model.gain * level - model.offset) ** 2
    return model, rest.astype(np.float32), checked


def _noise(
    evidence: Evidence, geometry: NDArray[np.float64], small: NDArray[np.uint8], model: ThumbnailModel, floor: float
) -> NDArray[np.float32]:
    """Variance that the model leaves at each preview sample: a constant and a share of the contrast around it.

    Real previews are off by 1 level where they are flat and by 5 to 20 where they are not. `floor`: share of the
    model's variance below which it does not go.
    """
    contrast = _contrast(small)
    value, _, good = predicted(evidence, geometry, model.kernel)
    rest = ((evidence.values - model.gain * value - model.offset) ** 2)[good]
    design = np.stack((np.ones(len(value)), contrast[evidence.cells[:, 0], evidence.cells[:, 1]]), axis=1)[good]
    parts = np.array([model.sigma**2, 0.0])
    for _ in range(NOISE_STEPS):
        weight = 1 / (design[:, 0] * parts[0] + design[:, 1] * parts[1])
        parts = np.maximum(least_squares(design * weight[:, None], rest * weight), (SIGMA_MIN**2, 0.0))
    least = max(floor * model.sigma**2, SIGMA_MIN**2)
    noise: NDArray[np.float32] = np.maximum(parts[0] + parts[1] * contrast, least).astype(np.float32)
    return noise


def _contrast(small: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean squared difference of each sample to its four neighbours."""
    padded = np.pad(small.astype(np.float64), 1, mode="edge")
    centre = padded[1:-1, 1:-1]
    others = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    total = np.zeros(small.shape)
    for other in others:
        total += (other - centre) ** 2
    return total / 4
