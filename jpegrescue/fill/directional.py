"""The default fill of lost MCUs: directional interpolation, helped by the preview where that proves to help."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_window as kernels
from jpegrescue.fill.holes import Hole, find_holes, pseudo_holes
from jpegrescue.fill.solve import (
    Canvas,
    Term,
    enlarge,
    fill_hole,
    fill_hole_from,
    preview_term,
    solve_window,
    window_of,
)
from jpegrescue.fill.thumbnail import Preview, fit_previews
from jpegrescue.model.fill import ComponentFill, Filled, FillGate, HoleKind
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.thumbnail import ThumbnailMatch

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
FIRST = 2
UNPROVEN = 1.0
PSEUDO_SAMPLES, PSEUDO_MCUS, PSEUDO_SHARE = 48_000, 240, 6
PSEUDO_HOLES_MIN = 4
Z, WORTH = 0.5, 0.01
PEAK = 255.0**2


def fill(
    samples: Sequence[NDArray[np.uint8]],
    lost: NDArray[np.bool_],
    trusted: NDArray[np.bool_],
    frame: Frame,
    thumbnail: NDArray[np.uint8] | None,
    match: ThumbnailMatch | None,
) -> Filled:
    """Fill lost MCUs from their surroundings and from the preview.

    Every component is filled in its own sampling. The surroundings are what is `trusted`; of the rest, what is not
    lost either counts as a loose hint. With a preview, MCUs that are known are hidden and filled with it and without
    it: it is used at the strength that did best, and not at all unless it did better than nothing. Same input, same
    output, on any number of threads.

    Args:
        samples: uint8, a plane per component, padded to whole MCUs (`jpeg.pixels.component_samples`).
        lost: bool (MCU rows, MCU columns), what to fill.
        trusted: same shape, what to learn from; lost MCUs are not, whatever it says.
        frame: as `resync.decode.picture_frame` gives it.
        thumbnail: uint8 (height, width, components), in the picture's component space, or `None`.
        match: where the picture lies in it; a thumbnail without a trusted match is not used.
    """
    planes = tuple(samples)
    mcus = int(np.count_nonzero(lost))
    if not mcus:
        return Filled(planes, tuple(ComponentFill("none") for _ in planes), 0, 0)
    known = trusted & ~lost
    previews: list[Preview] = []
    if thumbnail is not None and match is not None and match.trusted and thumbnail.shape[-1] == len(planes):
        previews = fit_previews(planes, known, frame, thumbnail, match)
    states = np.where(lost, kernels.LOST, np.where(known, kernels.KNOWN, kernels.DOUBTFUL)).astype(np.uint8)
    holes = find_holes(lost)
    out, records, area = [], [], 0
    for index, plane in enumerate(planes):
        component = frame.components[index]
        mcu = (8 * component.vertical, 8 * component.horizontal)
        preview = previews[index] if previews else None
        canvas = Canvas(plane.copy(), states, mcu)
        record, worked = _fill_plane(canvas, plane, holes, preview)
        out.append(canvas.samples)
        records.append(record)
        area += worked
    return Filled(tuple(out), tuple(records), mcus, area)


def _fill_plane(
    canvas: Canvas, original: NDArray[np.uint8], holes: list[Hole], preview: Preview | None
) -> tuple[ComponentFill, int]:
    """Fill the canvas; the record, and the samples of the windows worked on."""
    if (canvas.states == kernels.LOST).all():
        canvas.samples[:] = int(kernels.MID_GREY)
        if preview is None:
            return ComponentFill("grey"), canvas.samples.size
        for hole in holes:
            enlarge(canvas, hole, preview)
        return ComponentFill("enlarged", preview.model), canvas.samples.size
    area = 0
    for hole in holes:
        fill_hole(canvas, hole)
        area += _area(canvas, hole)
    if preview is None:
        return ComponentFill("directional"), area
    gates: list[FillGate] = []
    kinds: tuple[HoleKind, ...] = ("run", "deep", "vast")
    for kind in kinds:
        members = [hole for hole in holes if hole.kind == kind]
        if not members:
            continue
        gate, hidden = _gate(canvas, original, members, preview, kind)
        gates.append(gate)
        area += hidden
        if gate.strength:
            for hole in members:
                fill_hole_from(canvas, hole, preview, gate.strength)
    helped = any(gate.strength for gate in gates)
    return ComponentFill("thumbnail" if helped else "directional", preview.model, tuple(gates)), area


def _area(canvas: Canvas, hole: Hole) -> int:
    top, bottom, left, right = window_of(canvas, hole)
    return (bottom - top) * (right - left)


class _Rehearsal:
    """Pseudo-holes on a canvas: hidden, filled without the preview, then with it at any strength."""

    def __init__(self, canvas: Canvas, original: NDArray[np.uint8], holes: list[Hole], preview: Preview) -> None:
        states = canvas.states.copy()
        for hole in holes:
            states[hole.area][hole.mcus] = kernels.LOST
        self._canvas = Canvas(canvas.samples, states, canvas.mcu)
        self._holes = holes
        self._truth = [original[self._slices(hole)] for hole in holes]
        self._windows = [window_of(canvas, hole) for hole in holes]
        for hole in holes:
            fill_hole(self._canvas, hole)
        self._plain = [canvas.samples[self._slices(hole)].copy() for hole in holes]
        self.without = self._errors()
        self._terms: list[Term] = []
        for hole, window in zip(holes, self._windows, strict=True):
            self._terms.append(preview_term(self._canvas, hole, window, preview))
            if hole.kind != "run":
                enlarge(self._canvas, hole, preview)
        self._starts = [canvas.samples[self._slices(hole)].copy() for hole in holes]

    def errors(self, strength: float) -> NDArray[np.float64]:
        """Squared error of each hole."""
        for hole, window, term, start in zip(self._holes, self._windows, self._terms, self._starts, strict=True):
            self._canvas.samples[self._slices(hole)] = start
            solve_window(self._canvas, hole, window, term=term, weight=strength, started=True, rounds=1)
        return self._errors()

    def restore(self) -> None:
        """Put back what was hidden."""
        for hole, truth in zip(self._holes, self._truth, strict=True):
            self._canvas.samples[self._slices(hole)] = truth

    def _slices(self, hole: Hole) -> tuple[slice, slice]:
        rows, columns = hole.area
        height, width = self._canvas.mcu
        return slice(rows.start * height, rows.stop * height), slice(columns.start * width, columns.stop * width)

    def _errors(self) -> NDArray[np.float64]:
        return np.array(
            [
                np.sum((self._canvas.samples[self._slices(hole)].astype(np.float64) - truth) ** 2)
                for hole, truth in zip(self._holes, self._truth, strict=True)
            ]
        )


def _gate(
    canvas: Canvas, original: NDArray[np.uint8], holes: list[Hole], preview: Preview, kind: HoleKind
) -> tuple[FillGate, int]:
    """Choose the preview's strength by filling pseudo-holes; the gate, and the samples of their windows."""
    trusted = canvas.states == kernels.KNOWN
    samples_per_mcu = canvas.mcu[0] * canvas.mcu[1]
    wanted = min(PSEUDO_SAMPLES // samples_per_mcu, PSEUDO_MCUS)
    hidden = pseudo_holes(holes, trusted, min(wanted, int(np.count_nonzero(trusted)) // PSEUDO_SHARE))
    if kind == "vast" or len(hidden) < PSEUDO_HOLES_MIN:
        return FillGate(kind, UNPROVEN, None, None, 0), 0
    rehearsal = _Rehearsal(canvas, original, hidden, preview)
    strength, errors = _best_strength(rehearsal)
    rehearsal.restore()
    mcus = sum(int(np.count_nonzero(hole.mcus)) for hole in hidden)
    size = mcus * samples_per_mcu
    gain = rehearsal.without - errors
    proven = gain.sum() > max(Z * float(np.sqrt(np.sum(gain**2))), WORTH * float(rehearsal.without.sum()))
    return (
        FillGate(
            kind,
            strength if proven else 0.0,
            _psnr(float(rehearsal.without.sum()), size),
            _psnr(float(errors.sum()), size),
            mcus,
        ),
        sum(_area(canvas, hole) for hole in hidden),
    )


def _best_strength(rehearsal: _Rehearsal) -> tuple[float, NDArray[np.float64]]:
    """Walk from the middle strength to the best one, the weaker of two that do about as well."""
    index, errors = FIRST, rehearsal.errors(STRENGTHS[FIRST])
    for step, tie in ((1, 1 - WORTH), (-1, 1 + WORTH)):
        while 0 <= index + step < len(STRENGTHS):
            tried = rehearsal.errors(STRENGTHS[index + step])
            if tried.sum() >= tie * errors.sum():
                break
            index, errors = index + step, tried
        if index != FIRST:
            break
    return STRENGTHS[index], errors


def _psnr(error: float, size: int) -> float:
    return float(10 * np.log10(PEAK * size / max(error, 1e-3)))
