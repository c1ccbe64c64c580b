"""Integer alignment: every decoded MCU back at its place, with its true DC offsets, without a pixel invented."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import certainty, previewed
from jpegrescue.align.changes import chance_of_change
from jpegrescue.align.closing import closed_gaps
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.offsets import solve_offsets, split_where_offsets_change
from jpegrescue.align.place import Placement, Run, from_start, place, rated
from jpegrescue.align.reading import Reading, read_scan
from jpegrescue.align.settle import settled
from jpegrescue.jpeg.pixels import ColourSpace
from jpegrescue.model.align import ALIGNED, LOST, PLACED, UNCERTAIN, Alignment
from jpegrescue.model.decode import ComponentPlane, Decode, Grade, Segment
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.jpeg import Frame, JpegStructure
from jpegrescue.model.thumbnail import ThumbnailMatch

CLAIM = (0.99, 0.9955)
CLAIM_LEAST, WRONG_MOST = 0.98, 0.0005
OFFSETS_SURE = 0.99
SOUND = 0.5
DC_MAX = 2047 * 8
"""Probability from which on an MCU is claimed, in files that lie as they are, where a flipped bit may leave no trace at
all, and in those that were decrypted; the least that will do where claims are right all the same, and the share of a
file's claims that may be wrong then. The probability from which on DC offsets are claimed; below which an MCU counts as
garbage, not shown. What a DC coefficient can be at most (T.81 F.1.2.1.1, 8-bit samples and a quantiser step of 1)."""
_GRADES: dict[int, Grade] = {UNCERTAIN: "uncertain", PLACED: "placed", ALIGNED: "aligned"}
_OFF_CENTRE = 0.5  # samples by which hardly any camera's preview lies beside its picture
_GUESSED = (1.0, 0.0, 6.0)  # gain, offset and sigma of a preview that nothing is known about yet
_ASPECT_SLACK = 0.03


def align(
    data: NDArray[np.uint8],
    structure: JpegStructure,
    space: ColourSpace,
    decoded: Decode,
    preview: NDArray[np.uint8] | None,
    bad: Sequence[ByteRange] = (),
    *,
    encrypted: bool = False,
) -> Alignment | None:
    """Place what a damaged scan decodes to.

    Args:
        data: uint8, the file.
        structure: of the file, fit for `resync.decode.decode`.
        space: colour space of the picture.
        decoded: what the robust decoder made of the file.
        preview: uint8 (height, width, components), an embedded preview in the picture's components, or `None`.
        bad: byte ranges of the file that are known to be unreadable.
        encrypted: whether the file was decrypted: then errors garble whole cipher blocks, and few leave no trace.

    Returns:
        The alignment, or `None` where there is not exactly one scan with all components or nothing decodes.
    """
    reading = read_scan(data, structure, space, bad)
    if reading is None:
        return None
    placement, evidence, match = _placed(reading, preview)
    placement = settled(evidence, placement)
    whole = placement.path.runs
    placement = replace(placement, path=rated(evidence, split_where_offsets_change(evidence, placement.path.runs)))
    runs = placement.path.runs
    anchored = np.array([certainty.starts_anew(evidence, run) for run in runs], np.bool_)
    steps, exact = solve_offsets(evidence, runs, placement.path.offsets, anchored)
    offsets = (steps * evidence.borders.steps).astype(np.float64)
    sure = certainty.judge(evidence, placement, offsets, encrypted=encrypted)
    changes = chance_of_change(evidence, whole, sure.sound, encrypted=encrypted)
    grades = _grades(evidence, runs, sure, exact, changes, CLAIM[int(encrypted)])
    gaps = closed_gaps(evidence, runs, steps, grades, sure.runs)
    shown = [gap for gap, _ in gaps]
    shown_steps = steps[[before for _, before in gaps]]
    frame = reading.frame
    places = _certainty_map(grades, runs, evidence)
    for gap in shown:
        places[gap.start + gap.shift : gap.stop + gap.shift] = UNCERTAIN
    segments = [*_segments(reading, runs, grades, sure, steps), *_shown(reading, shown, shown_steps)]
    return Alignment(
        planes=_planes(decoded, reading, [*runs, *shown], np.concatenate((steps, shown_steps)), places == LOST),
        certainty=places.reshape(frame.mcu_rows, frame.mcu_columns),
        segments=tuple(sorted(segments, key=lambda segment: segment.mcu_start)),
        thumbnail=match,
    )


def _placed(reading: Reading, preview: NDArray[np.uint8] | None) -> tuple[Placement, Evidence, ThumbnailMatch | None]:
    """The placement, with the help of the preview if that can be trusted."""
    evidence, frame = reading.evidence, reading.frame
    forward = from_start(evidence)
    if preview is None:
        return place(evidence, forward), evidence, None
    levels = previewed.stream_levels(reading)
    match = previewed.match(preview, forward, levels, frame, evidence)
    beside = max(abs(side) for side in match.box[:2]) >= _OFF_CENTRE
    guess = None if match.trusted and not beside else _guessed(preview, frame)
    if guess is not None:
        # where placement went wrong early on, even the right preview does not match, or lies to the side: let it help,
        # then see again
        guided = from_start(replace(evidence, preview=previewed.as_evidence(preview, guess, levels, frame)))
        again = previewed.match(preview, guided, levels, frame, evidence)
        if not match.trusted or (again.trusted and again.correlation > match.correlation):
            match = again
    if not match.trusted:
        return place(evidence, forward), evidence, match
    sure = next((run for run in forward.runs[:1] if evidence.forced[run.start] == run.start + run.shift), None)
    helped = replace(evidence, preview=previewed.as_evidence(preview, match, levels, frame, sure))
    return place(helped), helped, match


def _guessed(preview: NDArray[np.uint8], frame: Frame) -> ThumbnailMatch | None:
    """A preview taken for the whole picture, to see whether what it leads to agrees with it."""
    height, width, components = preview.shape
    if abs(width * frame.height / (height * frame.width) - 1) > _ASPECT_SLACK:
        return None
    gain, offset, sigma = ((value,) * components for value in _GUESSED)
    return ThumbnailMatch("trusted", 0, (0.0, 0.0, float(width), float(height)), 0.0, gain, offset, sigma)


def _grades(
    evidence: Evidence,
    runs: Sequence[Run],
    sure: certainty.Certainty,
    exact: NDArray[np.float64],
    changes: NDArray[np.float64],
    claim: float,
) -> NDArray[np.uint8]:
    """Per MCU of the stream, LOST (not placed) to ALIGNED; `claim`: probability that is always enough."""
    grades = np.full(evidence.count, LOST, np.uint8)
    claim = _enough(sure.mcus, claim)
    for run, offsets in zip(runs, exact, strict=True):
        part = slice(run.start, run.stop)
        # what changes offsets unseen changes those of all that follows; a plain picture's borders would not show it
        exactly = sure.mcus[part] * float(offsets.prod()) * np.cumprod(1 - changes[part])
        claimed = np.where((exactly >= OFFSETS_SURE) & (not evidence.plain), ALIGNED, PLACED)
        guessed = np.where(sure.sound[part] < SOUND, LOST, UNCERTAIN)
        grades[part] = np.where((sure.mcus[part] >= claim) & ~evidence.hit[part], claimed, guessed)
    return grades


def _enough(sure: NDArray[np.float64], claim: float) -> float:
    """The probability that is enough in this file: less than usual if its claims as a whole are right all the same."""
    ordered = np.sort(sure)[::-1]
    wrong = np.cumsum(1 - ordered) / np.arange(1, ordered.size + 1)
    few = int(np.searchsorted(wrong, WRONG_MOST, side="right"))
    return max(CLAIM_LEAST, min(claim, float(ordered[few - 1]))) if few else claim


def _certainty_map(grades: NDArray[np.uint8], runs: Sequence[Run], evidence: Evidence) -> NDArray[np.uint8]:
    out = np.full(evidence.places, LOST, np.uint8)
    for run in runs:
        out[run.start + run.shift : run.stop + run.shift] = grades[run.start : run.stop]
    return out


def _planes(
    decoded: Decode, reading: Reading, runs: Sequence[Run], steps: NDArray[np.int64], lost: NDArray[np.bool_]
) -> tuple[ComponentPlane, ...]:
    planes = list(decoded.planes)
    columns = reading.evidence.width
    for number, (part, layout) in enumerate(zip(reading.scan.components, reading.layouts, strict=True)):
        plane = decoded.planes[part.index]
        blocks = np.zeros_like(plane.blocks)
        # (MCU rows, down, MCU columns, across, 64) as (MCUs, down, across, 64)
        rows = blocks.shape[0] // layout.down
        by_mcu = np.zeros((rows * columns, layout.down, layout.across, 64), np.int16)
        source = reading.stream.coefficients[number].reshape(layout.down, -1, layout.across, 64)
        for run, offset in zip(runs, steps[:, number].tolist(), strict=True):
            moved = source[:, run.start : run.stop].transpose(1, 0, 2, 3).copy()
            moved[..., 0] = np.clip(moved[..., 0].astype(np.int64) + offset, -DC_MAX, DC_MAX)
            by_mcu[run.start + run.shift : run.stop + run.shift] = moved
        by_mcu[lost] = 0
        blocks[:] = (
            by_mcu.reshape(rows, columns, layout.down, layout.across, 64).transpose(0, 2, 1, 3, 4).reshape(blocks.shape)
        )
        planes[part.index] = replace(plane, blocks=blocks)
    return tuple(planes)


def _segments(
    reading: Reading,
    runs: Sequence[Run],
    grades: NDArray[np.uint8],
    sure: certainty.Certainty,
    steps: NDArray[np.int64],
) -> Iterator[Segment]:
    """Runs cut where the grade changes, without garbage; the confidence of a segment is the mean of its MCUs'."""
    for run, offset in zip(runs, steps.tolist(), strict=True):
        inside = grades[run.start : run.stop]
        cuts = np.flatnonzero(inside[1:] != inside[:-1]) + 1 + run.start
        bounds = [run.start, *cuts.tolist(), run.stop]
        for start, stop in pairwise(bounds):
            if grades[start] != LOST:
                confidence = round(float(sure.mcus[start:stop].mean()), 4)
                part = Run(start, stop, run.shift)
                yield _segment(reading, part, offset, confidence, _GRADES[int(grades[start])])


def _shown(reading: Reading, gaps: Sequence[Run], steps: NDArray[np.int64]) -> Iterator[Segment]:
    """What is no more than shown: nobody can say how likely it is."""
    for gap, offset in zip(gaps, steps.tolist(), strict=True):
        yield _segment(reading, gap, offset, None, "uncertain")


def _segment(reading: Reading, run: Run, offset: Sequence[int], confidence: float | None, grade: Grade) -> Segment:
    return Segment(
        scan=0,
        mcu_start=run.start,
        mcu_end=run.stop,
        bit_start=int(reading.bit_start[run.start]),
        bit_end=int(reading.bit_end[run.stop - 1]),
        placed_at=run.start + run.shift,
        shift=run.shift,
        dc_offset=tuple(offset),
        confidence=confidence,
        engine="integer",
        grade=grade,
    )
