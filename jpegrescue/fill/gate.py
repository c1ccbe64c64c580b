"""Whether a preview helps, and how much to follow it: MCUs that are known are hidden and filled both ways."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_window as kernels
from jpegrescue.fill.holes import Hole, pseudo_holes
from jpegrescue.fill.solve import Canvas, enlarge, fill_hole, preview_term, rehearse_window, window_of
from jpegrescue.fill.thumbnail import Preview
from jpegrescue.model.fill import FillGate, HoleKind

STRENGTHS = np.array([0.1, 0.3, 1.0, 3.0, 10.0], np.float32)
UNPROVEN = 1.0
PSEUDO_MCUS, PSEUDO_SHARE = 200, 6
PSEUDO_HOLES_MIN = 4
USUAL, DOUBT = 3, 1.25  # strength of (0, *STRENGTHS), and by how many standard deviations another has to be better
USUAL_COLOUR, DOUBT_COLOUR = 0, 0.5  # edges are blurred in its colours
PEAK = 255.0**2
KINDS: tuple[HoleKind, ...] = ("run", "deep", "vast")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Holes of one `kind`, and known MCUs of like shapes to try on what they are to be filled with."""

    kind: HoleKind
    holes: list[Hole]
    pseudo_holes: list[Hole]


def rehearsals(holes: Sequence[Hole], known: NDArray[np.bool_]) -> list[Rehearsal]:
    """One per kind of hole that there is; without pseudo-holes where too few MCUs are `known`, or nothing to learn."""
    wanted = min(PSEUDO_MCUS, int(np.count_nonzero(known)) // PSEUDO_SHARE)
    found = []
    for kind in KINDS:
        members = [hole for hole in holes if hole.kind == kind]
        hidden = pseudo_holes(members, known, wanted) if members and kind != "vast" else []
        if members:
            found.append(Rehearsal(kind, members, hidden if len(hidden) >= PSEUDO_HOLES_MIN else []))
    return found


def strength_for(canvas: Canvas, original: NDArray[np.uint8], rehearsal: Rehearsal, preview: Preview) -> FillGate:
    """The usual strength of the preview, or the one (0 among them) that fills pseudo-holes better beyond doubt.

    A few pseudo-holes with hard edges decide the sum of errors, so that the best in a rehearsal is often not the best
    for the holes: always going by the best, or by nothing unless it is proven to help, lost 0.15 to 0.4 dB on camera
    originals.

    Args:
        canvas: with the holes filled from their surroundings; as it was when this returns.
        original: uint8, its plane before that.
        rehearsal: what to hide.
        preview: of this component.
    """
    hidden = rehearsal.pseudo_holes
    if not hidden:
        return FillGate(rehearsal.kind, UNPROVEN, None, None, 0)
    without, tried = _errors(canvas, original, hidden, preview)
    errors = np.column_stack((without, tried))
    usual, doubt = (USUAL_COLOUR, DOUBT_COLOUR) if preview.component else (USUAL, DOUBT)
    best = chosen(errors, usual, doubt)
    mcus = sum(int(np.count_nonzero(hole.mcus)) for hole in hidden)
    size = mcus * canvas.mcu[0] * canvas.mcu[1]
    totals = errors.sum(axis=0)
    strength = float(STRENGTHS[best - 1]) if best else 0.0
    return FillGate(rehearsal.kind, strength, _psnr(float(totals[0]), size), _psnr(float(totals[best]), size), mcus)


def chosen(errors: NDArray[np.float64], usual: int, doubt: float) -> int:
    """Of the ways to fill (columns of squared `errors`, a row per hole) the `usual`, unless another is proven better.

    What is proven is the sum of gains over the usual, less `doubt` times its standard deviation.
    """
    gains = errors[:, usual, None] - errors
    proven = gains.sum(axis=0) - doubt * np.sqrt(np.sum(gains**2, axis=0))
    return int(np.argmax(proven)) if proven.max() > 0 else usual


def _errors(
    canvas: Canvas, original: NDArray[np.uint8], hidden: list[Hole], preview: Preview
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared error of each pseudo-hole (n,) without the preview and (n, strengths) with it."""
    states = canvas.states.copy()
    for hole in hidden:
        states[hole.area][hole.mcus] = kernels.LOST
    stage = Canvas(canvas.samples, states, canvas.mcu)
    for hole in hidden:
        fill_hole(stage, hole)
    places = [_samples_of(canvas, hole) for hole in hidden]
    without = [np.sum((canvas.samples[place].astype(np.float64) - original[place]) ** 2) for place in places]
    tried = np.empty((len(hidden), STRENGTHS.size))
    for hole, errors in zip(hidden, tried, strict=True):
        term = preview_term(stage, hole, window_of(stage, hole), preview)
        if hole.kind != "run":
            enlarge(stage, hole, preview)
        rehearse_window(stage, original, hole, term, STRENGTHS, errors)
    for place in places:
        canvas.samples[place] = original[place]
    return np.array(without), tried


def _samples_of(canvas: Canvas, hole: Hole) -> tuple[slice, slice]:
    rows, columns = hole.area
    height, width = canvas.mcu
    return slice(rows.start * height, rows.stop * height), slice(columns.start * width, columns.stop * width)


def _psnr(error: float, size: int) -> float:
    return float(10 * np.log10(PEAK * size / max(error, 1e-3)))
