"""How a preview lies on the picture, and which blur made it: fitted on preview samples that known samples went into.

Of 27 camera originals a third turned out to be decimated at the top-left sample, and five to be scaled or cut by 1–2 %
along one side: so the area's four sides are fitted along with the blur, by linearising the prediction (as in B. D.
Lucas, T. Kanade, "An iterative image registration technique", IJCAI 1981).
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_thumbnail as kernels
from jpegrescue.model.fill import ThumbnailModel

CELLS_MIN = 60
ROUGH, BLURS_REFINED = 300, 3  # preview samples to choose blurs by that are then looked at more closely
PROBE = 0.15  # preview samples
STEP_MAX = 0.5
AREA_SIGMA, ALIKE = 0.5, 20.0  # samples that the match may be off by; so many residuals go together
MOVED_MAX = 4.0
STARTS = (0.0, -0.5)  # centred, or decimated at the top-left sample
GAIN_MIN = 0.2
SIGMA_MIN = 0.5
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
SHARPENED = " sharpened "
SHARPNESS_MIN, SHARPNESS_MAX = -0.1, 0.25  # share of its neighbours taken off each preview sample, either way
SHARPER = 0.97  # of the residual, that it has to make a difference
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A reduced plane, what of it is unknown (as in `kernels.predict`), preview samples in the rest, their values."""

    plane: NDArray[np.float32]
    unknown: NDArray[np.int64]
    block: tuple[int, int, int]
    cells: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Fit:
    geometry: NDArray[np.float64]
    gain: float
    offset: float
    sigma: float


def reach_of(name: str) -> float:
    """How far a blur reaches; sharpening takes in a sample more on either side."""
    plain, _, sharpness = name.partition(SHARPENED)
    return REACHES[plain] + (1.0 if sharpness else 0.0)


@cache
def blur_table(name: str) -> NDArray[np.float64]:
    """Integral of a blur, from 0 to 1 over twice its reach."""
    plain, _, sharpness = name.partition(SHARPENED)
    reach, amount = reach_of(name), float(sharpness or 0)
    u = (np.arange(int(2 * reach * kernels.STEPS)) + 0.5) / kernels.STEPS - reach
    density = _density(plain, np.abs(u))
    if amount:
        density = (1 + 2 * amount) * density - amount * (
            _density(plain, np.abs(u - 1)) + _density(plain, np.abs(u + 1))
        )
    table = np.concatenate(([0.0], np.cumsum(density)))
    normalised: NDArray[np.float64] = table / table[-1]
    return normalised


def _density(name: str, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of a blur, to a factor, at distances `u` from its middle."""
    family, _, parameter = name.partition(" ")
    if family == "box":
        numerator, _, denominator = parameter.partition("/")
        density = np.clip((float(numerator) / float(denominator or 1) / 2 - u) * kernels.STEPS + 0.5, 0, 1)
    elif family == "gauss":
        density = np.exp(-(u**2) / (2 * float(parameter) ** 2)) * (u < REACHES[name])
    elif family == "triangle":
        density = np.clip(1 - u, 0, None)
    elif family == "cubic":  # R. Keys, 1981, a = −1/2
        inner, outer = (1.5 * u - 2.5) * u * u + 1, ((-0.5 * u + 2.5) * u - 4) * u + 2
        density = np.where(u < 1, inner, np.where(u < 2, outer, 0))
    else:
        density = np.where(u < 3, np.sinc(u) * np.sinc(u / 3), 0)
    return np.asarray(density)


def geometry_of(extent: tuple[float, float], box: Box) -> NDArray[np.float64]:
    """Origin and pitch across, then down, where `box` of the preview shows a plane of `extent` (height, width)."""
    across, down = extent[1] / (box[2] - box[0]), extent[0] / (box[3] - box[1])
    return np.array([-box[0] * across, across, -box[1] * down, down])


def _box(extent: tuple[float, float], geometry: NDArray[np.float64]) -> Box:
    left, top = -geometry[0] / geometry[1], -geometry[2] / geometry[3]
    return float(left), float(top), float(left + extent[1] / geometry[1]), float(top + extent[0] / geometry[3])


def predicted(
    evidence: Evidence, geometry: NDArray[np.float64], blur: str, probe: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Values, their slopes across and down if there is a `probe`, and which are good."""
    count = len(evidence.cells)
    out, slopes, good = np.empty(count), np.empty((2, count)), np.empty(count, np.bool_)
    kernels.predict(
        evidence.plane, evidence.unknown, evidence.block, evidence.cells, geometry, blur_table(blur), reach_of(blur),
        probe, out, slopes, good,
    )  # fmt: skip
    return out, slopes, good


def fitted_model(
    found: tuple[Evidence, tuple[float, float]], matched: Box, box: Box, *, search: bool
) -> ThumbnailModel | None:
    """The blur that fits best, each with the area fitted to it if there is to be a `search`, and gain and offset."""
    evidence, extent = found
    if len(evidence.cells) < CELLS_MIN:
        return None
    rough = replace(evidence, cells=evidence.cells[:ROUGH], values=evidence.values[:ROUGH])
    home = start = geometry_of(extent, box)
    if search:
        start = _located(rough, home)
        if max(abs(a - b) for a, b in zip(_box(extent, start), matched, strict=True)) > MOVED_MAX:
            start, search = home, False
    fits = _ranked(rough, [(name, start) for name in REACHES])
    tried = [(name, fit.geometry) for name, fit in fits[:BLURS_REFINED]]
    if search:
        tried = [(name, _moved(evidence, geometry, home, name, steps=2)) for name, geometry in tried]
    fits = _ranked(evidence, tried)
    if not fits:
        return None
    name, fit = fits[0]
    if fit.gain < GAIN_MIN:
        fit = _with_unit_gain(evidence, fit, name)
    where = _box(extent, fit.geometry) if search else box
    shift = (where[0] - matched[0], where[1] - matched[1], where[2] - matched[2], where[3] - matched[3])
    return ThumbnailModel(name, where, shift, fit.gain, fit.offset, max(fit.sigma, SIGMA_MIN), fitted=True)


def _ranked(evidence: Evidence, tried: list[tuple[str, NDArray[np.float64]]]) -> list[tuple[str, _Fit]]:
    """Blurs and where to apply them, the best fit first."""
    fits = [(name, _measured(evidence, geometry, name)) for name, geometry in tried]
    return sorted(((name, fit) for name, fit in fits if fit is not None), key=lambda pair: pair[1].sigma)


def _located(evidence: Evidence, geometry: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area as wide blurs see it, which find it from further away."""
    best, best_sigma = geometry, np.inf
    for start in STARTS:
        moved = geometry + start * np.array([geometry[1], 0, geometry[3], 0])
        moved = _moved(evidence, moved, geometry, "gauss 0.7", steps=2)
        moved = _moved(evidence, moved, geometry, "triangle", steps=4)
        fit = _measured(evidence, moved, "triangle")
        if fit is not None and fit.sigma < best_sigma:
            best, best_sigma = moved, fit.sigma
    return best


def _moved(
    evidence: Evidence, geometry: NDArray[np.float64], home: NDArray[np.float64], blur: str, steps: int
) -> NDArray[np.float64]:
    """Gauss–Newton on origin and pitch both ways, along with gain and offset; `home` is where the match puts it.

    Where little is known, or little structure in it, the area is held near the match: it was off by five samples
    where a fifth of a photo was known.
    """
    cells = evidence.cells
    middle = cells.mean(axis=0)
    spread = np.maximum(np.ptp(cells, axis=0) / 2, 1.0)
    place = (cells - middle) / spread
    for _ in range(steps):
        value, (across, down), good = predicted(evidence, geometry, blur, PROBE)
        if np.count_nonzero(good) < CELLS_MIN:
            return geometry
        columns = [value, np.ones(len(cells)), across, down, across * place[:, 1], down * place[:, 0]]
        design, values = np.stack(columns, axis=1)[good], evidence.values[good]
        free = design @ least_squares(design, values)
        hold = np.sqrt(ALIKE * np.mean((values - free) ** 2)) / AREA_SIGMA
        ties, offsets = _ties(evidence, geometry, home, middle, spread)
        answer = least_squares(np.concatenate((design, hold * ties)), np.concatenate((values, hold * offsets)))
        gain = answer[0] if answer[0] > GAIN_MIN else 1.0
        step = np.clip(answer[2:] / gain, -STEP_MAX, STEP_MAX)
        geometry = geometry.copy()
        for axis, shift, stretch in ((0, step[0], step[2] / spread[1]), (2, step[1], step[3] / spread[0])):
            centre = middle[1 if axis == 0 else 0] + 0.5
            geometry[axis] += (shift - stretch * centre) * geometry[axis + 1]
            geometry[axis + 1] *= 1 + stretch
    return geometry


def _ties(
    evidence: Evidence,
    geometry: NDArray[np.float64],
    home: NDArray[np.float64],
    middle: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Equations (4, 6) and right sides (4,) that say that each side of the area lies where `home` has it."""
    ties, offsets = np.zeros((4, 6)), np.empty(4)
    for axis in (0, 1):
        (origin, pitch), (here, now) = home[2 * axis : 2 * axis + 2], geometry[2 * axis : 2 * axis + 2]
        for end, side in enumerate((0.0, float(evidence.plane.shape[1 - axis]))):
            row, place = 2 * axis + end, (side - origin) / pitch
            ties[row, 2 + axis] = 1.0
            ties[row, 4 + axis] = (place - 0.5 - middle[1 - axis]) / spread[1 - axis]
            offsets[row] = (side - here - now * place) / pitch
    return ties, offsets


def _measured(evidence: Evidence, geometry: NDArray[np.float64], blur: str) -> _Fit | None:
    value, _, good = predicted(evidence, geometry, blur)
    if np.count_nonzero(good) < CELLS_MIN:
        return None
    design = np.stack((value, np.ones(len(value))), axis=1)[good]
    gain, offset = least_squares(design, evidence.values[good])
    rest = evidence.values[good] - gain * design[:, 0] - offset
    return _Fit(geometry, float(gain), float(offset), float(np.sqrt(np.mean(rest**2))))


def sharpened(
    model: ThumbnailModel, value: NDArray[np.float64], small: NDArray[np.uint8], counted: NDArray[np.bool_]
) -> tuple[ThumbnailModel, NDArray[np.float64]]:
    """The model with the sharpening or softening that explains the preview best, if that makes a difference.

    Args:
        model: fitted, with a plain blur.
        value: float64 (height, width), what its blur gives at all preview samples.
        small: uint8, same shape, the preview.
        counted: bool, same shape, samples to fit on.

    Returns:
        The model, and what its blur gives now.
    """
    counted = counted & _inner(counted)
    if np.count_nonzero(counted) < CELLS_MIN:
        return model, value
    plain, bent = value[counted], (_curvature(value, 0) + _curvature(value, 1))[counted]
    levels, ones = small[counted].astype(np.float64), np.ones(plain.size)
    gain, _, bend = least_squares(np.stack((plain, ones, bent), axis=1), levels)
    amount = round(float(np.clip(-bend / max(gain, GAIN_MIN), SHARPNESS_MIN, SHARPNESS_MAX)), 2)
    now = value - amount * _curvature(value, 0)
    now -= amount * _curvature(now, 1)
    gain, offset = least_squares(np.stack((now[counted], ones), axis=1), levels)
    sigma = float(np.sqrt(np.mean((levels - gain * now[counted] - offset) ** 2)))
    before = float(np.sqrt(np.mean((levels - model.gain * plain - model.offset) ** 2)))
    if not amount or gain < GAIN_MIN or sigma > SHARPER * before:
        return model, value
    name = f"{model.kernel}{SHARPENED}{amount:.2f}"
    shrunk = max(model.sigma * sigma / before, SIGMA_MIN)
    return replace(model, kernel=name, gain=float(gain), offset=float(offset), sigma=shrunk), now


def _inner(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the four neighbours are in the area too."""
    padded = np.pad(area, 1)
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _curvature(value: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Second difference along an axis; beyond the borders the outermost values go on."""
    padded = np.pad(value, [(1, 1) if i == axis else (0, 0) for i in (0, 1)], mode="edge")
    return np.diff(padded, 2, axis=axis)


def _with_unit_gain(evidence: Evidence, fit: _Fit, blur: str) -> _Fit:
    """For planes without contrast, which say nothing about the gain."""
    value, _, good = predicted(evidence, fit.geometry, blur)
    rest = evidence.values[good] - value[good]
    return replace(fit, gain=1.0, offset=float(rest.mean()), sigma=float(rest.std()))


def least_squares(design: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """By normal equations, summed without BLAS so that the number of threads does not matter; slightly damped."""
    normal = np.einsum("ni,nj->ij", design, design)
    damped = normal + np.diag(1e-6 * np.diag(normal) + 1e-9)
    return np.linalg.solve(damped, np.einsum("ni,n->i", design, values))
