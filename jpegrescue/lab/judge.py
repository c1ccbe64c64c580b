"""One file of the truth against what a run made of it."""

import hashlib
import io
import stat
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import colour_space, to_picture
from jpegrescue.lab.coefficients import (
    CLAIMED_GRADES,
    DecodedFile,
    altered_bits,
    decode_file,
    exact_blocks,
    exact_mcus,
    judge_claims,
    mcu_pixels,
    same_geometry,
    touched_mcus,
)
from jpegrescue.lab.likeness import likeness, luma
from jpegrescue.lab.match import Match
from jpegrescue.lab.tally import Tally, tally
from jpegrescue.model.decode import Segment
from jpegrescue.model.evaluation import FileScore, PictureScore
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image, OutputFile
from jpegrescue.model.truth import TrueImage
from jpegrescue.report.names import is_safe
from jpegrescue.resync.decode import picture_frame
from jpegrescue.source.crypt.sector import SECTOR_SIZES
from jpegrescue.source.crypt.spec import SPECS

NO_PICTURE = frozenset({"mask"})
"""Kinds of PNG files that show something else than the picture."""

Bytes = NDArray[np.uint8]

_FAR = 1 << 53  # no address lies beyond it


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the files lie that a report and a truth list."""

    run: Path
    truth: Path


@dataclass(frozen=True, slots=True)
class _Material:
    """All bytes that a judgement rests on, each as its SHA-256 says; `best`, `coefficients`: what the run has."""

    original: Bytes
    damaged: Bytes
    best: Bytes
    coefficients: Bytes


@dataclass(frozen=True, slots=True)
class _McuScore:
    """See `FileScore`."""

    pixels: int = 0
    mcus: int = 0
    touched: int = 0
    exact: int = 0
    claimed: int = 0
    claimed_wrong: int = 0
    problems: tuple[Problem, ...] = ()


def judge(match: Match, folders: Folders) -> FileScore:
    """Judge one file; whatever keeps it from being judged, wholly or in part, is among its `problems`."""
    if match.image is None:
        return _score(match, match.problems)
    material = _load(match.truth, match.image, folders)
    if isinstance(material, Problem):
        return _score(match, (*match.problems, material))
    counted = tally(match.truth, material.original, material.damaged, material.best)
    original = decode_file(material.original)
    if isinstance(original, Problem):
        detail = f"only bytes were compared, as the original cannot be decoded: {original.detail}"
        problem = Problem("original_undecodable", "warning", detail)
        return _score(match, (*match.problems, problem), material, counted)
    touched = touched_mcus(original, material.original, altered_bits(material.original, material.damaged))
    mcus = _judge_mcus(original, material, match.image, touched)
    pictures, refused = _judge_pictures(original, match.image, folders.run, touched)
    problems = (*match.problems, *_original_damage(original), *mcus.problems, *refused)
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
        mcus_exact=mcus.exact,
        mcus_claimed=mcus.claimed,
        mcus_claimed_wrong=mcus.claimed_wrong,
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
    contradiction = _contradiction(truth, original, damaged)
    if contradiction is not None:
        return Problem("truth_invalid", "error", f"truth.json does not fit the files of the set: {contradiction}")
    best = _best_bytes(truth, image, folders, original, damaged)
    if isinstance(best, Problem):
        return best
    aligned = _output(image, "aligned")
    coefficients = best if aligned is None else _run_file(folders.run, aligned)
    if isinstance(coefficients, Problem):
        return coefficients
    return _Material(original, damaged, best, coefficients)


def _truth_file(truth: TrueImage, kind: str, folders: Folders) -> Bytes | Problem:
    output = _output(truth, kind)
    if output is None:
        return Problem("truth_missing", "error", f"truth.json lists no {kind} file")
    return _read(folders.truth, output, "truth", "changed after the set was made")


def _run_file(folder: Path, output: OutputFile) -> Bytes | Problem:
    return _read(folder, output, "output", "changed after the run")


def _read(folder: Path, output: OutputFile, whose: str, changed: str) -> Bytes | Problem:
    """The bytes of a listed file, if they are those that were listed."""
    if not is_safe(output.path):
        return Problem(f"{whose}_unsafe", "error", f"{output.path} is no name of a file in its folder: not read")
    path = folder / output.path
    try:
        status = path.stat()
        regular = stat.S_ISREG(status.st_mode)  # a pipe in its place would keep us waiting
        data = path.read_bytes() if regular and status.st_size == output.size else b""
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Problem(f"{whose}_missing", "error", f"{output.path} cannot be read: {reason}")
    if not regular or len(data) != output.size or hashlib.sha256(data).hexdigest() != output.sha256:
        return Problem(f"{whose}_edited", "error", f"{output.path} was {changed}: its SHA-256 is another")
    return np.frombuffer(data, np.uint8)


def _contradiction(truth: TrueImage, original: Bytes, damaged: Bytes) -> str | None:
    """What in the truth cannot be, given the files themselves; whoever edits it must not get a score."""
    recipe = truth.recipe
    altered = np.ones(original.size, np.bool_)
    shared = min(original.size, damaged.size)
    altered[:shared] = original[:shared] != damaged[:shared]
    checks = (
        (any(o.kind == "original" and o.sha256 == truth.sha256 for o in truth.outputs), "the SHA-256 of the original"),
        (original.size == truth.size, "the size of the original"),
        (recipe.cipher is None or recipe.cipher in SPECS, f"the cipher {recipe.cipher}"),
        (recipe.cipher is None or recipe.sector_size in SECTOR_SIZES, f"sectors of {recipe.sector_size} bytes"),
        (0 <= truth.scan.start < truth.scan.end <= original.size, "the range of the scan"),
        (all(0 <= bit < _FAR for bit in truth.flipped_bits), "the flipped bits"),
        (all(0 <= r.start <= r.end < _FAR for r in (*truth.overwritten, *truth.changed)), "a range of bytes"),
        (np.array_equal(_mask(truth.changed, original.size), altered), "the bytes that changed"),
    )
    return next((what for fits, what in checks if not fits), None)


def _mask(ranges: Iterable[ByteRange], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, np.bool_)
    for part in ranges:
        mask[max(part.start, 0) : max(part.end, 0)] = True
    return mask


def _best_bytes(truth: TrueImage, image: Image, folders: Folders, original: Bytes, damaged: Bytes) -> Bytes | Problem:
    """The repaired file, else the carved one, else what the run read, which the truth has."""
    output = _output(image, "repaired") or _output(image, "carved")
    if output is not None:
        return _run_file(folders.run, output)
    for kind, data in (("damaged", damaged), ("original", original)):
        known = _output(truth, kind)
        if known is not None and known.sha256 == image.hashes.sha256:
            return data
    detail = f"the run neither wrote the bytes of {image.name} nor are they those that {truth.name} has"
    return Problem("output_missing", "error", detail)


def _output(image: Image | TrueImage, kind: str) -> OutputFile | None:
    return next((output for output in image.outputs if output.kind == kind), None)


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
        blocks = exact_blocks(original.outcome, decoded.outcome)
    claimed, wrong, astray = _judge_segments(original, material, image.segments, blocks)
    return _McuScore(
        pixels=frame.width * frame.height,
        mcus=original.mcus,
        touched=int(np.count_nonzero(touched)),
        exact=0 if blocks is None else int(np.count_nonzero(exact_mcus(frame, blocks))),
        claimed=claimed,
        claimed_wrong=wrong,
        problems=(*problems, *astray),
    )


def _judge_segments(
    original: DecodedFile, material: _Material, segments: Sequence[Segment], blocks: Sequence[NDArray[np.bool_]] | None
) -> tuple[int, int, tuple[Problem, ...]]:
    """MCUs claimed, those of them that are wrong, and what is odd; without `blocks` nothing is right."""
    claimed = [segment for segment in segments if segment.grade in CLAIMED_GRADES]
    if not claimed:
        return 0, 0, ()
    parsed = (parse(material.best), parse(material.coefficients))  # an aligned file may have other scans
    scans = next(
        (one.scans for one in parsed if one.frame and same_geometry(picture_frame(one.frame), original.frame)), None
    )
    if scans is None:
        mcus = min(sum(max(segment.mcu_end - segment.mcu_start, 0) for segment in claimed), original.mcus)
        return mcus, mcus, ()
    if blocks is None:
        blocks = tuple(np.zeros(plane.blocks.shape[:2], np.bool_) for plane in original.outcome.planes)
    claims, astray = judge_claims(original.frame, scans, claimed, blocks)
    return int(np.count_nonzero(claims.claimed)), int(np.count_nonzero(claims.wrong)), astray


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
    data = _run_file(folder, output)
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
