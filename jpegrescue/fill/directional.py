"""The default fill of lost MCUs: directional interpolation, helped by the preview where that proves to help."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_window as kernels
from jpegrescue.fill.gate import Rehearsal, gates_for, rehearsals
from jpegrescue.fill.holes import Hole, find_holes
from jpegrescue.fill.solve import Canvas, enlarge, fill_hole, fill_hole_from, window_area
from jpegrescue.fill.thumbnail import Preview, fit_previews
from jpegrescue.fill.told import told_of
from jpegrescue.model.fill import ComponentFill, Filled, FillGate, Study
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.thumbnail import ThumbnailMatch


def fill(
    samples: Sequence[NDArray[np.uint8]],
    lost: NDArray[np.bool_],
    trusted: NDArray[np.bool_],
    frame: Frame,
    thumbnail: NDArray[np.uint8] | None,
    match: ThumbnailMatch | None,
    *,
    study: bool = False,
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
        study: whether to keep what else is known of the holes of the first component.
    """
    planes = tuple(samples)
    mcus = int(np.count_nonzero(lost))
    if not mcus:
        nothing = Study(planes[0], ()) if study else None
        return Filled(planes, tuple(ComponentFill("none") for _ in planes), 0, 0, nothing)
    known = trusted & ~lost
    previews: list[Preview] = []
    if thumbnail is not None and match is not None and match.trusted and thumbnail.shape[-1] == len(planes):
        previews = fit_previews(planes, known, frame, thumbnail, match)
    states = np.where(lost, kernels.LOST, np.where(known, kernels.KNOWN, kernels.DOUBTFUL)).astype(np.uint8)
    holes = find_holes(lost)
    hidden = rehearsals(holes, known) if previews else []
    out, records, area = [], [], 0
    studied = None
    for index, plane in enumerate(planes):
        component = frame.components[index]
        mcu = (8 * component.vertical, 8 * component.horizontal)
        preview = previews[index] if previews else None
        canvas = Canvas(plane.copy(), states, mcu)
        record, worked, plain = _fill_plane(canvas, plane, holes, hidden, preview, study=study and index == 0)
        if study and index == 0:
            studied = Study(plain, told_of(canvas, holes, preview) if preview else ())
        out.append(canvas.samples)
        records.append(record)
        area += worked
    return Filled(tuple(out), tuple(records), mcus, area, studied)


def _fill_plane(
    canvas: Canvas,
    original: NDArray[np.uint8],
    holes: list[Hole],
    hidden: list[Rehearsal],
    preview: Preview | None,
    *,
    study: bool,
) -> tuple[ComponentFill, int, NDArray[np.uint8]]:
    """Fill the canvas; the record, samples of the windows worked on, and for a study what it is without a preview."""
    if (canvas.states == kernels.LOST).all():
        canvas.samples[:] = int(kernels.MID_GREY)
        if preview is None:
            return ComponentFill("grey"), canvas.samples.size, canvas.samples
        plain = canvas.samples.copy() if study else canvas.samples
        for hole in holes:
            enlarge(canvas, hole, preview)
        return ComponentFill("enlarged", preview.model), canvas.samples.size, plain
    for hole in holes:
        fill_hole(canvas, hole)
    area = sum(window_area(canvas, hole) for hole in holes)
    if preview is None:
        return ComponentFill("directional"), area, canvas.samples
    plain = canvas.samples.copy() if study else canvas.samples
    gates: list[FillGate] = []
    for rehearsal in [one.for_colour for one in hidden] if preview.component else hidden:
        found = gates_for(canvas, original, rehearsal, preview)
        gates.extend(found)
        area += sum(window_area(canvas, hole) for hole in rehearsal.pseudo_holes)
        weights = [(gate.surprise, gate.strength) for gate in found]
        if any(gate.strength for gate in found):
            for hole in rehearsal.holes:
                fill_hole_from(canvas, hole, preview, weights)
    helped = any(gate.strength for gate in gates)
    return ComponentFill("thumbnail" if helped else "directional", preview.model, tuple(gates)), area, plain
