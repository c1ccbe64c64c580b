"""Whether a preview helps, and how much to follow it: MCUs that are known are hidden and filled both ways."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_window as kernels
from jpegrescue.fill.holes import Hole, pseudo_holes
from jpegrescue.fill.solve import TOLERANCE_ROUGH, Canvas, enlarge, fill_hole, preview_term, rehearse_window, window_of
from jpegrescue.fill.thumbnail import Preview
from jpegrescue.model.fill import FillGate, HoleKind

STRENGTHS = np.array([1.0, 3.0, 10.0, 30.0], np.float32)
UNPROVEN = 1.0
PSEUDO_MCUS, PSEUDO_SHARE = 200, 6
PSEUDO_HOLES_MIN = 4
BANDS: tuple[float, ...] = 0.0, 1.5, 4.0, 10.0  # least surprise of each
USUAL: tuple[int, ...] = (0, 1, 1, 2)  # strength per band, of (0, *STRENGTHS)
DOUBT_ALL, DOUBT = 2.0, 1.5  # standard deviations by which another has to be better, for all bands and for one
USUAL_COLOUR = 0  # edges are blurred in its colours
COLOUR_STEP = 2  # every second pseudo-hole will do for what gains 0.2 dB at best
PEAK = 255.0**2
KINDS: tuple[HoleKind, ...] = ("run", "deep", "vast")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Holes of one `kind`, and known MCUs of like shapes to try on what they are to be filled with."""

    kind: HoleKind
    holes: list[Hole]
    pseudo_holes: list[Hole]

    @property
    def for_colour(self) -> "Rehearsal":
        """With fewer pseudo-holes."""
        return replace(self, pseudo_holes=self.pseudo_holes[::COLOUR_STEP])


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


def gates_for(
    canvas: Canvas, original: NDArray[np.uint8], rehearsal: Rehearsal, preview: Preview
) -> tuple[FillGate, ...]:
    """For bands of surprise the preview's usual strength, or the one that fills pseudo-holes better beyond doubt.

    Where the surroundings explain the preview, following it does harm on most camera originals; where they do not, by
    far, it gains 4 dB and more. A few pseudo-holes with hard edges decide the sum of errors, so that the best in a
    rehearsal is often not the best for the holes: always going by the best lost 0.15 to 0.4 dB on camera originals.

    Args:
        canvas: with the holes filled from their surroundings; as it was when this returns.
        original: uint8, its plane before that.
        rehearsal: what to hide.
        preview: of this component.

    Returns:
        One per band, for the first component; for colours one that holds for all.
    """
    kind, hidden = rehearsal.kind, rehearsal.pseudo_holes
    if not hidden:
        return (FillGate(kind, UNPROVEN, None, None, 0),)
    errors, surprises = _errors(canvas, original, hidden, preview)
    sizes = np.array([np.count_nonzero(hole.mcus) for hole in hidden])
    bounds = BANDS[:1] if preview.component else BANDS
    band = np.searchsorted(bounds, surprises, side="right") - 1
    usual = usual_for(errors, band, (USUAL_COLOUR,) if preview.component else USUAL)
    area = canvas.mcu[0] * canvas.mcu[1]
    gates = []
    for number, bound in enumerate(bounds):
        mine = errors[band == number]
        best = chosen(mine, usual[number], DOUBT)
        strength = float(STRENGTHS[best - 1]) if best else 0.0
        mcus = int(sizes[band == number].sum())
        without, helped = (_psnr(float(mine[:, way].sum()), mcus * area) if mcus else None for way in (0, best))
        gates.append(FillGate(kind, strength, without, helped, mcus, bound))
    return tuple(gates)


def chosen(errors: NDArray[np.float64], usual: int, doubt: float) -> int:
    """Of ways to fill (columns of squared `errors`, a row per hole) the `usual`, unless another is proven better."""
    proven = _proven(errors[:, usual, None] - errors, doubt)
    return int(np.argmax(proven)) if proven.max() > 0 else usual


def usual_for(errors: NDArray[np.float64], band: NDArray[np.int64], usual: tuple[int, ...]) -> tuple[int, ...]:
    """The usual ways per `band` (of every hole), or at least the same one in all if that is proven better.

    A single band holds too few holes to say of a small photo that its preview is a good one.
    """
    tried = [tuple(max(way, least) for way in usual) for least in range(errors.shape[1])]
    holes = np.arange(len(band))
    sums = np.stack([errors[holes, np.array(one)[band]] for one in tried], axis=1)
    proven = _proven(sums[:, :1] - sums, DOUBT_ALL)
    return tried[int(np.argmax(proven))]


def _proven(gains: NDArray[np.float64], doubt: float) -> NDArray[np.float64]:
    """Sums of gains (holes, ways), less `doubt` times their standard deviation."""
    proven: NDArray[np.float64] = gains.sum(axis=0) - doubt * np.sqrt(np.sum(gains**2, axis=0))
    return proven


def _errors(
    canvas: Canvas, original: NDArray[np.uint8], hidden: list[Hole], preview: Preview
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared errors of pseudo-holes (n, 1 + strengths), without the preview first, and their surprises (n,)."""
    states = canvas.states.copy()
    for hole in hidden:
        states[hole.area][hole.mcus] = kernels.LOST
    stage = Canvas(canvas.samples, states, canvas.mcu)
    for hole in hidden:
        fill_hole(stage, hole, TOLERANCE_ROUGH)
    places = [_samples_of(canvas, hole) for hole in hidden]
    tried, surprises = np.empty((len(hidden), 1 + STRENGTHS.size)), np.empty(len(hidden))
    for number, (hole, place) in enumerate(zip(hidden, places, strict=True)):
        tried[number, 0] = np.sum((canvas.samples[place].astype(np.float64) - original[place]) ** 2)
        term = preview_term(stage, hole, window_of(stage, hole), preview)
        surprises[number] = term.surprise
        if hole.kind != "run":
            enlarge(stage, hole, preview)
        rehearse_window(stage, original, hole, term, STRENGTHS, tried[number, 1:])
    for place in places:
        canvas.samples[place] = original[place]
    return tried, surprises


def _samples_of(canvas: Canvas, hole: Hole) -> tuple[slice, slice]:
    rows, columns = hole.area
    height, width = canvas.mcu
    return slice(rows.start * height, rows.stop * height), slice(columns.start * width, columns.stop * width)


def _psnr(error: float, size: int) -> float:
    return float(10 * np.log10(PEAK * size / max(error, 1e-3)))
