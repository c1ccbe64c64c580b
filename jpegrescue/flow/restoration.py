"""A damaged picture put back together: align, write as a JPEG file, fill, and say what every pixel is worth."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align.integer import align
from jpegrescue.fill.dc_only import with_flat_blocks
from jpegrescue.fill.directional import fill
from jpegrescue.flow.grade import looks_foreign
from jpegrescue.flow.mask import pixel_levels
from jpegrescue.jpeg.pixels import ColourSpace, component_samples, picture_of
from jpegrescue.jpeg.write import ExtendedTable, Written, write_jpeg
from jpegrescue.model.align import LOST, PLACED, UNCERTAIN, Alignment
from jpegrescue.model.decode import ComponentPlane, Decode, Segment
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import FillRecord
from jpegrescue.resync.decode import decode, picture_frame
from jpegrescue.score.preview import preview_samples

T = TypeVar("T")

LIKELY = 0.4
"""Confidence of a segment from which on lost MCUs are filled from it: about that of a run that nothing confirms."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """The best picture, uint8 (height, width) or (height, width, 3), what its pixels are worth, and what was filled.

    `mask`: uint8 (height, width), as `flow.mask.pixel_levels` has it.
    """

    samples: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    record: FillRecord


@dataclass(frozen=True, slots=True)
class Restoration:
    """What could be made of a damaged file; each part is `None` where it could not.

    `jpeg`: a valid file with the coefficients of MCUs that are at least placed, and flat blocks for all others.
    """

    alignment: Alignment | None
    jpeg: bytes | None
    picture: Restored | None
    problems: tuple[Problem, ...]


def put_together(
    data: NDArray[np.uint8],
    structure: JpegStructure,
    outcome: Decode,
    space: ColourSpace,
    bad: tuple[ByteRange, ...],
    *,
    encrypted: bool,
    repaired: bool = False,
) -> Restoration:
    """Align what was decoded, and make all that follows from it.

    A bug in one part costs that part and what rests on it, and is a problem `internal_error`.

    Args:
        data: uint8, the whole file.
        structure: what `parse` made of it, with what was completed from elsewhere.
        outcome: its decode.
        space: its colour space.
        bad: bytes of it that are known to be wrong.
        encrypted: whether it was decrypted, so that errors garbled whole cipher blocks.
        repaired: whether bits of it were flipped back.
    """
    assert structure.frame is not None  # noqa: S101  (it has been decoded)
    frame = picture_frame(structure.frame)
    if looks_foreign(outcome, mcus=frame.mcu_columns * frame.mcu_rows):
        detail = "it decodes like foreign data, not like a photo: what was decoded stays where the stream puts it"
        return Restoration(None, None, None, (Problem("not_aligned", "info", detail),))
    preview = preview_of(data, structure, space)

    def aligned() -> Alignment | None:
        made = align(data, structure, space, outcome, preview, bad, encrypted=encrypted)
        return _as_decoded(made, data, structure) if made is not None and repaired and not outcome.damaged else made

    alignment, problems = attempted("alignment", aligned)
    if alignment is None:
        if not problems:
            detail = "only a single scan of all components is aligned: what was decoded stays where the stream puts it"
            problems = (Problem("not_aligned", "info", detail),)
        return Restoration(None, None, None, problems)
    written, write_problems = attempted("writing of the aligned file", lambda: _written(data, structure, alignment))
    jpeg, told = written if written is not None else (None, ())
    picture, fill_problems = attempted("filling", lambda: _filled(structure, alignment, preview, space))
    return Restoration(alignment, jpeg, picture, (*told, *write_problems, *fill_problems))


def stays_put(data: NDArray[np.uint8], structure: JpegStructure, outcome: Decode, space: ColourSpace) -> bool:
    """Whether alignment leaves everything where the decoder put it, DC included; arguments as of `put_together`."""
    preview = preview_of(data, structure, space)
    made, _ = attempted("alignment", lambda: align(data, structure, space, outcome, preview, encrypted=False))
    return made is None or not any(segment.shift or any(segment.dc_offset or ()) for segment in made.segments)


def attempted(what: str, step: Callable[[], T]) -> tuple[T | None, tuple[Problem, ...]]:
    """What `step` makes, or `None` and a problem if it runs into a bug: everything else goes on."""
    try:
        return step(), ()
    except Exception as error:
        log.exception("%s", what)
        detail = f"{type(error).__name__}: {error}: this is a bug in the {what}, please report it with this file"
        return None, (Problem("internal_error", "error", detail),)


def preview_of(data: NDArray[np.uint8], structure: JpegStructure, space: ColourSpace) -> NDArray[np.uint8] | None:
    """The first preview that decodes; one that cannot be read is nothing worth a word here."""
    components = len(structure.frame.components) if structure.frame else 0
    decoded = (preview_samples(data, thumbnail, space, components) for thumbnail in structure.thumbnails)
    return next((samples for samples in decoded if samples is not None), None)


def _as_decoded(alignment: Alignment, data: NDArray[np.uint8], structure: JpegStructure) -> Alignment:
    """What alignment takes for lost as the decoder has it, if nothing had to be moved.

    Captions look like garbled blocks. In a scan that was repaired and holds as many MCUs as it should, each where the
    stream puts it, they are likelier to be captions.
    """
    if any(segment.shift for segment in alignment.segments):
        return alignment
    outcome = decode(data, structure)
    assert outcome is not None  # noqa: S101  (it has been before)
    lost = alignment.certainty == LOST
    planes = tuple(
        replace(plane, blocks=np.where(_of_blocks(lost, plane)[..., None], own.blocks, plane.blocks))
        for plane, own in zip(alignment.planes, outcome.planes, strict=True)
    )
    bits = np.append(outcome.scans[0].mcu_bit, outcome.scans[0].segments[-1].bit_end)
    edges = np.flatnonzero(np.diff(lost.ravel(), prepend=False, append=False)).reshape(-1, 2)
    added = (
        Segment(0, start, end, int(bits[start]), int(bits[end]), start, 0, None, None, "decoder", "uncertain")
        for start, end in edges.tolist()
    )
    segments = sorted((*alignment.segments, *added), key=lambda segment: segment.mcu_start)
    certainty = np.where(lost, np.uint8(UNCERTAIN), alignment.certainty)
    return replace(alignment, planes=planes, certainty=certainty, segments=tuple(segments))


def _of_blocks(mcus: NDArray[np.bool_], plane: ComponentPlane) -> NDArray[np.bool_]:
    """Bool per MCU as bool (block rows, block columns)."""
    return np.repeat(np.repeat(mcus, plane.vertical, axis=0), plane.horizontal, axis=1)


def _written(
    data: NDArray[np.uint8], structure: JpegStructure, alignment: Alignment
) -> tuple[bytes | None, tuple[Problem, ...]]:
    written = write_jpeg(data, structure, with_flat_blocks(alignment.planes, alignment.certainty >= PLACED))
    if isinstance(written, Problem):
        return None, (written,)
    told = (*written.problems, *_extended(written))
    return written.data, tuple(replace(problem, detail=f"In the aligned file: {problem.detail}") for problem in told)


def _extended(written: Written) -> tuple[Problem, ...]:
    if not written.extended_tables:
        return ()
    names = ", ".join(map(_name, written.extended_tables))
    return (Problem("tables_extended", "info", f"These Huffman tables are not the damaged file's own: {names}."),)


def _name(table: ExtendedTable) -> str:
    return f"{table.kind.upper()} {table.destination} of scan {table.scan + 1} ({table.change})"


def _filled(
    structure: JpegStructure, alignment: Alignment, preview: NDArray[np.uint8] | None, space: ColourSpace
) -> Restored:
    assert structure.frame is not None  # noqa: S101  (it has been decoded)
    frame = picture_frame(structure.frame)
    lost, likely = alignment.certainty == LOST, _likely(alignment)
    filled = fill(component_samples(alignment.planes), lost, likely, frame, preview, alignment.thumbnail)
    return Restored(
        samples=picture_of(frame, filled.samples, space).samples,
        mask=pixel_levels(frame, alignment.certainty),
        record=FillRecord(filled.mcus, filled.components),
    )


def _likely(alignment: Alignment) -> NDArray[np.bool_]:
    """MCUs that are to be gone by, bool (MCU rows, MCU columns).

    Less than a claim takes: what surrounds a hole is often unsure itself, and right all the same.
    """
    likely: NDArray[np.bool_] = alignment.certainty >= PLACED
    for segment in alignment.segments:
        if segment.confidence is not None and segment.confidence >= LIKELY:
            likely.ravel()[segment.placed_at : segment.placed_at + segment.mcu_end - segment.mcu_start] = True
    likely &= alignment.certainty != LOST
    return likely
