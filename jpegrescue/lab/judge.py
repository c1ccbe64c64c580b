"""One file of the truth against what a run made of it."""

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import colour_space, to_picture
from jpegrescue.lab.coefficients import (
    CLAIMED_GRADES,
    PLACED_GRADES,
    Agreement,
    DecodedFile,
    agreement,
    altered_bits,
    decode_file,
    exact_mcus,
    judge_claims,
    mcu_pixels,
    same_geometry,
    touched_mcus,
)
from jpegrescue.lab.consistency import flaw_of_image, flaw_of_truth
from jpegrescue.lab.likeness import likeness, luma
from jpegrescue.lab.listed import Bytes, Folders, listed, read_listed
from jpegrescue.lab.match import Match
from jpegrescue.lab.tally import Tally, tally
from jpegrescue.model.decode import Segment
from jpegrescue.model.evaluation import FileScore, PictureScore
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image, OutputFile
from jpegrescue.model.truth import TrueImage
from jpegrescue.resync.decode import picture_frame

NO_PICTURE = frozenset({"mask"})
"""Kinds of PNG files that show something else than the picture."""


@dataclass(frozen=True, slots=True)
class _Material:
    """All bytes that a judgement rests on, each as its SHA-256 says; `best`, `coefficients`: what the run has."""

    original: Bytes
    damaged: Bytes
    best: Bytes
    coefficients: Bytes


@dataclass(frozen=True, slots=True)
class _ClaimScore:
    """See `FileScore`."""

    placed: int = 0
    placed_wrong: int = 0
    claimed: int = 0
    wrong: int = 0
    dc_near: int = 0


@dataclass(frozen=True, slots=True)
class _McuScore:
    """See `FileScore`."""

    pixels: int = 0
    mcus: int = 0
    touched: int = 0
    exact: int = 0
    claims: _ClaimScore = _ClaimScore()
    problems: tuple[Problem, ...] = ()


def judge(match: Match, folders: Folders) -> FileScore:
    """Judge one file; whatever keeps it from being judged, wholly or in part, is among its `problems`."""
    if match.image is None:
        return _score(match, match.problems)
    material = _load(match.truth, match.image, folders)
    if isinstance(material, Problem):
        return _score(match, (*match.problems, material))
    counted = tally(match.truth, material.original, material.damaged, material.best)
    told = (*match.problems, *_slack_cut(match.truth, material))
    original = decode_file(material.original)
    if isinstance(original, Problem):
        detail = f"only bytes were compared, as the original cannot be decoded: {original.detail}"
        problem = Problem("original_undecodable", "warning", detail)
        return _score(match, (*told, problem), material, counted)
    touched = touched_mcus(original, material.original, altered_bits(material.original, material.damaged))
    mcus = _judge_mcus(original, material, match.image, touched)
    pictures, refused = _judge_pictures(original, match.image, folders.run, touched)
    problems = (*told, *_original_damage(original), *mcus.problems, *refused)
    return _score(match, problems, material, counted, mcus, pictures)


def _score(
    match: Match,
    problems: tuple[Problem, ...],
    material: _Material | None = None,
    counted: Tally | None = None,
    mcus: _McuScore | None = None,
    pictures: tuple[PictureScore, ...] = (),
) -> FileScore:
    truth, image = match.truth, match.image
    scan_identical = material is not None and _same(material.original, material.best, truth.scan)
    counted, mcus = counted or Tally(0, 0, 0), mcus or _McuScore()
    claim = image.claim if image is not None else None
    return FileScore(
        name=truth.name,
        image=image.name if image is not None else None,
        evaluated=material is not None,
        problems=problems,
        pixels=mcus.pixels,
        identical=material is not None and np.array_equal(material.original, material.best),
        scan_identical=scan_identical,
        grade=image.grade if image is not None else None,
        claim=claim,
        claim_holds=scan_identical if material is not None and claim == "exact_scan" else None,
        errors=counted.errors,
        errors_found=counted.found,
        errors_false=counted.false,
        mcus=mcus.mcus,
        mcus_touched=mcus.touched,
        mcus_recoverable=mcus.mcus - mcus.touched,
        mcus_exact=mcus.exact,
        mcus_placed=mcus.claims.placed,
        mcus_placed_wrong=mcus.claims.placed_wrong,
        mcus_claimed=mcus.claims.claimed,
        mcus_claimed_wrong=mcus.claims.wrong,
        mcus_dc_near=mcus.claims.dc_near,
        pictures=pictures,
    )


def _same(original: Bytes, best: Bytes, part: ByteRange) -> bool:
    return best.size >= part.end and np.array_equal(original[part.start : part.end], best[part.start : part.end])


def _original_damage(original: DecodedFile) -> tuple[Problem, ...]:
    if not original.outcome.damaged:
        return ()
    detail = "the original itself does not decode without a stumble: what is exact is what decodes as it does"
    return (Problem("original_damaged", "warning", detail),)


def _load(truth: TrueImage, image: Image, folders: Folders) -> _Material | Problem:
    original = _truth_file(truth, "original", folders)
    if isinstance(original, Problem):
        return original
    damaged = _truth_file(truth, "damaged", folders)
    if isinstance(damaged, Problem):
        return damaged
    flaw = _flaw(truth, image, original, damaged)
    best = flaw or _best_bytes(truth, image, folders, damaged)
    if isinstance(best, Problem):
        return best
    aligned = listed(image, "aligned")
    coefficients = best if aligned is None else read_listed(folders.run, aligned, "output")
    if isinstance(coefficients, Problem):
        return coefficients
    return _Material(original, damaged, best, coefficients)


def _flaw(truth: TrueImage, image: Image, original: Bytes, damaged: Bytes) -> Problem | None:
    """Why the truth or the report cannot be trusted."""
    flaw = flaw_of_truth(truth, original, damaged)
    if flaw is not None:
        return Problem("truth_invalid", "error", f"truth.json does not fit the files of the set: {flaw}")
    flaw = flaw_of_image(image)
    if flaw is not None:
        return Problem("report_invalid", "error", f"report.json contradicts itself: {flaw}")
    return None


def _truth_file(truth: TrueImage, kind: str, folders: Folders) -> Bytes | Problem:
    output = listed(truth, kind)
    if output is None:
        return Problem("truth_missing", "error", f"truth.json lists no {kind} file")
    return read_listed(folders.truth, output, "truth")


def _best_bytes(truth: TrueImage, image: Image, folders: Folders, damaged: Bytes) -> Bytes | Problem:
    """The repaired file, else the carved one, else the damaged file of the truth if that is what the run read."""
    output = listed(image, "repaired") or listed(image, "carved")
    if output is not None:
        return read_listed(folders.run, output, "output")
    known = listed(truth, "damaged")
    if known is not None and image.evidence is not None and image.evidence.hashes.sha256 == known.sha256:
        return damaged
    detail = f"the run neither wrote the bytes of {image.name} nor read those of {truth.name} as they decrypt"
    return Problem("output_missing", "error", detail)


def _slack_cut(truth: TrueImage, material: _Material) -> tuple[Problem, ...]:
    """Said where the run has the damaged file without bytes that follow its EOI: it may, and is not identical then."""
    best, damaged = material.best, material.damaged
    if not truth.scan.end <= best.size < damaged.size or not np.array_equal(best, damaged[: best.size]):
        return ()
    detail = f"the run left out {damaged.size - best.size} bytes that follow the picture"
    return (Problem("slack_cut", "info", detail, best.size),)


def _judge_mcus(original: DecodedFile, material: _Material, image: Image, touched: NDArray[np.bool_]) -> _McuScore:
    problems: list[Problem] = []
    frame = original.frame
    decoded = decode_file(material.coefficients)
    blocks = None
    if isinstance(decoded, Problem):
        problems.append(Problem("undecodable", "warning", f"what the run has does not decode: {decoded.detail}"))
    elif not same_geometry(frame, decoded.frame):
        detail = "what the run has is of another size or sampling than the original, so no MCU of it counts as exact"
        problems.append(Problem("geometry_differs", "warning", detail))
    else:
        blocks = agreement(original.outcome, decoded.outcome)
    claims, astray = _judge_segments(original, material, image.segments, blocks)
    return _McuScore(
        pixels=frame.width * frame.height,
        mcus=original.mcus,
        touched=int(np.count_nonzero(touched)),
        exact=0 if blocks is None else int(np.count_nonzero(exact_mcus(frame, blocks.exact))),
        claims=claims,
        problems=(*problems, *astray),
    )


def _judge_segments(
    original: DecodedFile, material: _Material, segments: Sequence[Segment], blocks: Agreement | None
) -> tuple[_ClaimScore, tuple[Problem, ...]]:
    """How true the segments' grades are, and what is odd; without `blocks` nothing is right."""
    placed = [segment for segment in segments if segment.grade in PLACED_GRADES]
    if not placed:
        return _ClaimScore(), ()
    parsed = (parse(material.best), parse(material.coefficients))  # an aligned file may have other scans
    scans = next(
        (one.scans for one in parsed if one.frame and same_geometry(picture_frame(one.frame), original.frame)), None
    )
    if scans is None:
        claimed = [segment for segment in placed if segment.grade in CLAIMED_GRADES]
        sizes = [min(_mcus_of(part), original.mcus) for part in (placed, claimed)]
        return _ClaimScore(sizes[0], sizes[0], sizes[1], sizes[1], 0), ()
    claims, astray = judge_claims(original.frame, scans, placed, blocks or Agreement.nowhere(original.outcome))
    counts = (claims.placed, claims.placed_wrong, claims.claimed, claims.wrong, claims.wrong & ~claims.far)
    return _ClaimScore(*(int(np.count_nonzero(mcus)) for mcus in counts)), astray


def _mcus_of(segments: Sequence[Segment]) -> int:
    return sum(max(segment.mcu_end - segment.mcu_start, 0) for segment in segments)


def _judge_pictures(
    original: DecodedFile, image: Image, folder: Path, touched: NDArray[np.bool_]
) -> tuple[tuple[PictureScore, ...], tuple[Problem, ...]]:
    """Scores of the image's pictures, and problems of those that have none."""
    scores, problems = [], []
    reference: NDArray[np.int32] | None = None
    holes = mcu_pixels(original.frame, touched) if touched.any() else None
    for output in image.outputs:
        if output.kind in NO_PICTURE or not output.path.lower().endswith(".png"):
            continue
        picture = _picture(folder, output, original.frame)
        if isinstance(picture, Problem):
            problems.append(picture)
            continue
        if reference is None:
            reference = luma(_samples(original))
        scores.append(PictureScore(output.kind, output.path, *likeness(reference, luma(picture), holes)))
    return tuple(scores), tuple(problems)


def _samples(original: DecodedFile) -> Bytes:
    structure, frame = original.structure, original.frame
    space = colour_space(frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    return to_picture(frame, original.outcome.planes, space).samples


def _picture(folder: Path, output: OutputFile, frame: Frame) -> Bytes | Problem:
    """Samples of a PNG file, grey or RGB, if it has the size of `frame`; no other size is ever decompressed."""
    data = read_listed(folder, output, "output")
    if isinstance(data, Problem):
        return data
    try:
        # not Image.open: it bounds pixels by a number of its own, which real photos exceed; here the frame is the bound
        with PngImageFile(io.BytesIO(data.tobytes())) as png:
            if png.size != (frame.width, frame.height):
                size = f"{png.width}×{png.height} pixels, the original {frame.width}×{frame.height}"
                return Problem("size_differs", "warning", f"{output.path} has {size}: it is not scored")
            if png.mode not in ("L", "RGB"):
                return Problem("picture_unreadable", "error", f"{output.path} is neither 8-bit grey nor 8-bit RGB")
            return np.asarray(png)
    except (SyntaxError, OSError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error) as error:
        return Problem("picture_unreadable", "error", f"{output.path} cannot be read as a PNG file: {error}")
