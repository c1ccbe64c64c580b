"""The thumbnail model: how an embedded preview came from the picture, fitted on intact samples.

A preview sample is a blur of the picture around some place, times a gain, plus an offset. Of 27 camera originals a
third turned out to be decimated at the top-left sample, and five to be scaled or cut by 1–2 % along one side: so the
area's four sides are fitted along with the blur, by linearising the prediction (as in B. D. Lucas, T. Kanade, "An
iterative image registration technique", IJCAI 1981).
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_thumbnail as kernels
from jpegrescue.model.fill import ThumbnailModel
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.thumbnail import ThumbnailMatch

SEED = 21
BINS = 6  # per preview sample: finer structure of the picture does not show in it
CELLS_TRIED, CELLS, CELLS_MIN = 12000, 1000, 60
BLURS_REFINED = 4
PROBE = 0.15  # preview samples
STEP_MAX = 0.5
MOVED_MAX = 4.0
STARTS = (0.0, -0.5)  # centred, or decimated at the top-left sample
GAIN_MIN = 0.2
SIGMA_MIN = 0.5
UNEXPLAINED_MAX = 0.5
NOISE_STEPS = 4
SIDE_MIN = 4.0
BAR_MIN = 0.75  # samples: less is the uncertainty of the fit
REACHES = {
    "box 1/6": 0.125,
    "box 1/2": 0.3125,
    "box 1": 0.5625,
    "triangle": 1.0,
    "cubic": 2.0,
    "lanczos": 3.0,
    "gauss 0.35": 1.125,
    "gauss 0.5": 1.5,
    "gauss 0.7": 2.125,
}
"""Blurs by name, and how far they reach; all lengths in preview samples, in steps of 1/128."""
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Preview:
    """One component of the preview and its model, in samples of the picture's plane of that component.

    `samples`: uint8 (height, width), turned upright; `geometry`: float64 (4,), origin and pitch across, then down;
    `size`: height and width of the plane without padding; `noise`: float32 like `samples`, variance that the model
    leaves, in squared levels.
    """

    samples: NDArray[np.uint8]
    geometry: NDArray[np.float64]
    size: tuple[int, int]
    model: ThumbnailModel
    noise: NDArray[np.float32]

    @property
    def reach(self) -> float:
        """How far the blur reaches, in preview samples."""
        return REACHES[self.model.kernel]

    @property
    def table(self) -> NDArray[np.float64]:
        """The blur as kernels take it."""
        return blur_table(self.model.kernel)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """A reduced plane, counts of what is unknown in it, preview samples in its known part, and their values."""

    plane: NDArray[np.float32]
    unknown: NDArray[np.int64]
    cells: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Fit:
    geometry: NDArray[np.float64]
    gain: float
    offset: float
    sigma: float


@cache
def blur_table(name: str) -> NDArray[np.float64]:
    """Integral of a blur, from 0 to 1 over twice its reach."""
    reach = REACHES[name]
    steps = int(2 * reach * kernels.STEPS)
    u = np.abs((np.arange(steps) + 0.5) / kernels.STEPS - reach)
    family, _, parameter = name.partition(" ")
    if family == "box":
        numerator, _, denominator = parameter.partition("/")
        density = np.clip((float(numerator) / float(denominator or 1) / 2 - u) * kernels.STEPS + 0.5, 0, 1)
    elif family == "gauss":
        density = np.exp(-(u**2) / (2 * float(parameter) ** 2))
    elif family == "triangle":
        density = np.clip(1 - u, 0, None)
    elif family == "cubic":  # R. Keys, 1981, a = −1/2
        inner, outer = (1.5 * u - 2.5) * u * u + 1, ((-0.5 * u + 2.5) * u - 4) * u + 2
        density = np.where(u < 1, inner, np.where(u < 2, outer, 0))
    else:
        density = np.where(u < 3, np.sinc(u) * np.sinc(u / 3), 0)
    table = np.concatenate(([0.0], np.cumsum(density)))
    normalised: NDArray[np.float64] = table / table[-1]
    return normalised


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
        evidence = _evidence(samples[index], trusted, frame, index, small, box)
        model = _fitted(evidence, match.box, box, search=index == 0)
        if model is None:
            model = _unfitted(match, index, box)
            noise = np.full(small.shape, model.sigma**2, np.float32)
        elif index == 0:
            if model.sigma**2 > UNEXPLAINED_MAX * float(evidence[0].values.var()):
                return []
            noise = np.full(small.shape, model.sigma**2, np.float32)
        else:
            noise = _noise(evidence[0], _geometry(evidence[1], model.box), small, model)
        box = model.box
        height, width = _extent(frame, index)
        size = (int(np.ceil(height)), int(np.ceil(width)))
        previews.append(Preview(small, _geometry((height, width), model.box), size, model, noise))
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


def _geometry(extent: tuple[float, float], box: Box) -> NDArray[np.float64]:
    across, down = extent[1] / (box[2] - box[0]), extent[0] / (box[3] - box[1])
    return np.array([-box[0] * across, across, -box[1] * down, down])


def _box(extent: tuple[float, float], geometry: NDArray[np.float64]) -> Box:
    left, top = -geometry[0] / geometry[1], -geometry[2] / geometry[3]
    return float(left), float(top), float(left + extent[1] / geometry[1]), float(top + extent[0] / geometry[3])


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
) -> tuple[_Evidence, tuple[float, float]]:
    """What to fit on, and the height and width of the picture in the reduced plane."""
    height, width = _extent(frame, index)
    pitch = min(width / (box[2] - box[0]), height / (box[3] - box[1]))
    factor = max(1, int(pitch / BINS))
    shape = (max(1, int(np.ceil(height / factor))), max(1, int(np.ceil(width / factor))))
    reduced, known = np.empty(shape, np.float32), np.empty(shape, np.bool_)
    component = frame.components[index]
    kernels.shrink(plane, trusted, 8 * component.vertical, 8 * component.horizontal, factor, reduced, known)
    extent = (height / factor, width / factor)
    rows, columns = (np.array(shown_cells(small.shape[i], box[1 - i], box[3 - i]), np.int64) for i in (0, 1))
    count = rows.size * columns.size
    random = np.random.default_rng(SEED)
    picked = random.permutation(count)[:CELLS_TRIED] if count > CELLS_TRIED else random.permutation(count)
    cells = np.stack((rows[picked // max(columns.size, 1)], columns[picked % max(columns.size, 1)]), axis=1)
    unknown = np.empty((shape[0] + 1, shape[1] + 1), np.int64)
    kernels.count_unknown(known, unknown)
    _, good = _predicted(reduced, unknown, cells, _geometry(extent, box), "triangle")
    cells = np.ascontiguousarray(cells[good][:CELLS])
    return _Evidence(reduced, unknown, cells, small[cells[:, 0], cells[:, 1]].astype(np.float64)), extent


def _predicted(
    plane: NDArray[np.float32],
    unknown: NDArray[np.int64],
    cells: NDArray[np.int64],
    geometry: NDArray[np.float64],
    blur: str,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    out, good = np.empty(len(cells)), np.empty(len(cells), np.bool_)
    kernels.predict(plane, unknown, cells, geometry, blur_table(blur), REACHES[blur], out, good)
    return out, good


def _fitted(
    found: tuple[_Evidence, tuple[float, float]], matched: Box, box: Box, *, search: bool
) -> ThumbnailModel | None:
    """The blur that fits best, each with the area fitted to it if there is to be a `search`, and gain and offset."""
    evidence, extent = found
    if len(evidence.cells) < CELLS_MIN:
        return None
    start = _geometry(extent, box)
    if search:
        start = _located(evidence, start)
        if max(abs(a - b) for a, b in zip(_box(extent, start), matched, strict=True)) > MOVED_MAX:
            start, search = _geometry(extent, box), False
    fits = _ranked(evidence, [(name, start) for name in REACHES])
    if search:
        moved = [(name, _moved(evidence, fit.geometry, name, steps=2)) for name, fit in fits[:BLURS_REFINED]]
        fits = _ranked(evidence, moved)
    if not fits:
        return None
    name, fit = fits[0]
    if fit.gain < GAIN_MIN:
        fit = _with_unit_gain(evidence, fit, name)
    where = _box(extent, fit.geometry) if search else box
    shift = (where[0] - matched[0], where[1] - matched[1], where[2] - matched[2], where[3] - matched[3])
    return ThumbnailModel(name, where, shift, fit.gain, fit.offset, max(fit.sigma, SIGMA_MIN), fitted=True)


def _ranked(evidence: _Evidence, tried: list[tuple[str, NDArray[np.float64]]]) -> list[tuple[str, _Fit]]:
    """Blurs and where to apply them, the best fit first."""
    fits = [(name, _measured(evidence, geometry, name)) for name, geometry in tried]
    return sorted(((name, fit) for name, fit in fits if fit is not None), key=lambda pair: pair[1].sigma)


def _located(evidence: _Evidence, geometry: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area as wide blurs see it, which find it from further away."""
    best, best_sigma = geometry, np.inf
    for start in STARTS:
        moved = geometry + start * np.array([geometry[1], 0, geometry[3], 0])
        moved = _moved(evidence, moved, "gauss 0.7", steps=2)
        moved = _moved(evidence, moved, "triangle", steps=4)
        fit = _measured(evidence, moved, "triangle")
        if fit is not None and fit.sigma < best_sigma:
            best, best_sigma = moved, fit.sigma
    return best


def _moved(evidence: _Evidence, geometry: NDArray[np.float64], blur: str, steps: int) -> NDArray[np.float64]:
    """Gauss–Newton on origin and pitch both ways, along with gain and offset."""
    cells = evidence.cells
    middle = cells.mean(axis=0)
    spread = np.maximum(np.ptp(cells, axis=0) / 2, 1.0)
    place = (cells - middle) / spread
    for _ in range(steps):
        value, good = _predicted(evidence.plane, evidence.unknown, cells, geometry, blur)
        slopes = []
        for axis in (0, 2):
            probe = np.zeros(4)
            probe[axis] = PROBE * geometry[axis + 1]
            ahead, good_ahead = _predicted(evidence.plane, evidence.unknown, cells, geometry + probe, blur)
            behind, good_behind = _predicted(evidence.plane, evidence.unknown, cells, geometry - probe, blur)
            slopes.append((ahead - behind) / (2 * PROBE))
            good = good & good_ahead & good_behind
        if np.count_nonzero(good) < CELLS_MIN:
            return geometry
        across, down = slopes
        columns = [value, np.ones(len(cells)), across, down, across * place[:, 1], down * place[:, 0]]
        answer = _least_squares(np.stack(columns, axis=1)[good], evidence.values[good])
        gain = answer[0] if answer[0] > GAIN_MIN else 1.0
        step = np.clip(answer[2:] / gain, -STEP_MAX, STEP_MAX)
        geometry = geometry.copy()
        for axis, shift, stretch in ((0, step[0], step[2] / spread[1]), (2, step[1], step[3] / spread[0])):
            centre = middle[1 if axis == 0 else 0] + 0.5
            geometry[axis] += (shift - stretch * centre) * geometry[axis + 1]
            geometry[axis + 1] *= 1 + stretch
    return geometry


def _measured(evidence: _Evidence, geometry: NDArray[np.float64], blur: str) -> _Fit | None:
    value, good = _predicted(evidence.plane, evidence.unknown, evidence.cells, geometry, blur)
    if np.count_nonzero(good) < CELLS_MIN:
        return None
    design = np.stack((value, np.ones(len(value))), axis=1)[good]
    gain, offset = _least_squares(design, evidence.values[good])
    rest = evidence.values[good] - gain * design[:, 0] - offset
    return _Fit(geometry, float(gain), float(offset), float(np.sqrt(np.mean(rest**2))))


def _with_unit_gain(evidence: _Evidence, fit: _Fit, blur: str) -> _Fit:
    """For planes without contrast, which say nothing about the gain."""
    value, good = _predicted(evidence.plane, evidence.unknown, evidence.cells, fit.geometry, blur)
    rest = evidence.values[good] - value[good]
    return replace(fit, gain=1.0, offset=float(rest.mean()), sigma=float(rest.std()))


def _noise(
    evidence: _Evidence, geometry: NDArray[np.float64], small: NDArray[np.uint8], model: ThumbnailModel
) -> NDArray[np.float32]:
    """Variance that the model leaves at each preview sample: a constant and a share of the contrast around it.

    For colours, whose edges are blurred in the preview by subsampling of its own: with a constant, edges that the
    directional solve continues rightly got ghosts. The first component does better (0.1 dB) with a constant.
    """
    contrast = _contrast(small)
    value, good = _predicted(evidence.plane, evidence.unknown, evidence.cells, geometry, model.kernel)
    rest = ((evidence.values - model.gain * value - model.offset) ** 2)[good]
    design = np.stack((np.ones(len(value)), contrast[evidence.cells[:, 0], evidence.cells[:, 1]]), axis=1)[good]
    parts = np.array([model.sigma**2, 0.0])
    for _ in range(NOISE_STEPS):
        weight = 1 / (design[:, 0] * parts[0] + design[:, 1] * parts[1])
        parts = np.maximum(_least_squares(design * weight[:, None], rest * weight), (SIGMA_MIN**2, 0.0))
    noise: NDArray[np.float32] = np.maximum(parts[0] + parts[1] * contrast, model.sigma**2).astype(np.float32)
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


def _least_squares(design: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """By normal equations, summed without BLAS so that the number of threads does not matter; slightly damped."""
    normal = np.einsum("ni,nj->ij", design, design)
    damped = normal + np.diag(1e-6 * np.diag(normal) + 1e-9)
    return np.linalg.solve(damped, np.einsum("ni,n->i", design, values))
