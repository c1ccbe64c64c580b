"""What one file's structure and decode amount to, before anything is mended: grade, claim and report entry."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.flow.grade import cannot_decode, grade_decoded
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import ColourSpace, Picture, colour_space, to_picture
from jpegrescue.jpeg.reference import with_reference
from jpegrescue.jpeg.standard import with_standard_tables
from jpegrescue.model.decode import Decode
from jpegrescue.model.evidence import Hashes
from jpegrescue.model.jpeg import Frame, JpegStructure
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Claim, FileGrade, Image
from jpegrescue.resync.decode import decode, picture_frame

_SAMPLINGS: dict[tuple[tuple[int, int], ...], str] = {
    ((1, 1), (1, 1), (1, 1)): "4:4:4",
    ((2, 1), (1, 1), (1, 1)): "4:2:2",
    ((1, 2), (1, 1), (1, 1)): "4:4:0",
    ((2, 2), (1, 1), (1, 1)): "4:2:0",
    ((4, 1), (1, 1), (1, 1)): "4:1:1",
}


@dataclass(frozen=True, slots=True)
class Result:
    """Of one file; `decode` and `picture` are `None` where there is none, or none is wanted."""

    grade: FileGrade
    claim: Claim
    decode: Decode | None
    picture: Picture | None
    problems: tuple[Problem, ...]


def decoded_share(data: bytes) -> float:
    """Share of the picture's MCUs that decode from `data`, 0 where nothing can be decoded."""
    array = np.frombuffer(data, np.uint8)
    structure = parse(array)
    if cannot_decode(structure, len(data)) is not None or structure.frame is None:
        return 0.0
    outcome = decode(array, structure)
    return 0.0 if outcome is None else 1.0 - outcome.lost_mcus / mcus_of(structure.frame)


def completed(data: NDArray[np.uint8], structure: JpegStructure, wanted: Wanted) -> JpegStructure:
    """With what the header lacks: from the reference, if there is one, and typical tables as the last resort."""
    if wanted.picture == "never":
        return structure
    if wanted.reference is not None:
        structure = with_reference(data, structure, wanted.reference)
    return with_standard_tables(data, structure)


def examine(data: NDArray[np.uint8], structure: JpegStructure, found: FoundFile, wanted: Wanted) -> Result:
    """Decode `data`, uint8, the file's bytes, whose structure is given, and grade it."""
    problems = (*found.problems, *structure.problems)
    obstacle = cannot_decode(structure, data.size)
    complete = found.end != "unknown" and not any(p.severity != "info" for p in problems)
    if wanted.picture == "never":
        grade: FileGrade = "no_damage_found" if complete and structure.frame else "fragment"
        unseen = Problem("not_decoded", "info", "only the structure was looked at, as --no-restore asks for")
        return Result(grade, "none", None, None, (*problems, unseen))
    if obstacle is not None:
        return Result("undecodable", "none", None, None, (*problems, obstacle))
    assert structure.frame is not None  # noqa: S101  (`cannot_decode` has refused that)
    outcome = decode(data, structure)
    if outcome is None:
        missing = Problem("no_tables", "error", "a Huffman table that the scan needs is missing or damaged")
        return Result("undecodable", "none", None, None, (*problems, missing))
    scan_bits = 8 * sum(scan.end - scan.start for scan in structure.scans)
    problems = (*problems, *_missing_quantisation(structure))
    complete = complete and not any(p.severity != "info" for p in problems)
    grade, claim = grade_decoded(outcome, mcus=mcus_of(structure.frame), scan_bits=scan_bits, complete=complete)
    if grade != "no_damage_found":
        outcome = _doubted(outcome)
    picture = None
    if wanted.picture == "always" or grade != "no_damage_found":
        picture = to_picture(picture_frame(structure.frame), outcome.planes, space_of(structure))
    return Result(grade, claim, outcome, picture, problems)


def space_of(structure: JpegStructure) -> ColourSpace:
    """Colour space of a file with a frame."""
    assert structure.frame is not None  # noqa: S101  (`cannot_decode` has refused that)
    return colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)


def _missing_quantisation(structure: JpegStructure) -> tuple[Problem, ...]:
    used = {c.quantisation for c in structure.frame.components} if structure.frame else set()
    missing = sorted(table for table in used if structure.quantisation[table] is None)
    detail = "the quantisation table is missing: its steps were taken as 1, so brightness and contrast are wrong"
    return tuple(Problem("missing_quantisation_table", "error", f"{detail} (table {table})") for table in missing)


def _doubted(outcome: Decode) -> Decode:
    """The same with every segment uncertain: one sign of damage anywhere in a file, and nothing in it is sure."""
    scans = (
        replace(scan, segments=tuple(replace(segment, grade="uncertain") for segment in scan.segments))
        for scan in outcome.scans
    )
    return replace(outcome, scans=tuple(scans))


def failed(found: FoundFile, error: Exception) -> Image:
    """The report entry of a file that ran into a bug: the run goes on, and the report says so."""
    detail = f"{type(error).__name__}: {error}: this is a bug, please report it with this file"
    problem = Problem("internal_error", "error", detail)
    nothing = JpegStructure((), None, (None,) * 4, (), False, None, (), None, ())
    return described(found, nothing, Result("undecodable", "none", None, None, (problem,)), Hashes())


def described(found: FoundFile, structure: JpegStructure, result: Result, hashes: Hashes) -> Image:
    """The report's entry, without outputs."""
    frame, decoded = structure.frame, result.decode
    doubtful = decoded is not None and result.grade not in ("no_damage_found", "repaired")
    return Image(
        name=found.name,
        evidence=found.evidence,
        runs=found.runs,
        size=len(found.data),
        hashes=hashes,
        end=found.end,
        width=frame.width if frame else None,
        height=frame.height if frame else None,
        sampling=_sampling(frame) if frame else None,
        process=frame.process if frame else None,
        mcus=mcus_of(frame) if frame else None,
        thumbnail=structure.thumbnails[0] if structure.thumbnails else None,
        grade=result.grade,
        claim=result.claim,
        repairs=(),
        verified_ranges=(),
        resync_points=tuple(p for scan in decoded.scans for p in scan.resync_points) if decoded else (),
        segments=tuple(s for scan in decoded.scans for s in scan.segments) if decoded else (),
        lost_mcus=decoded.lost_mcus if decoded else None,
        uncertain_mcus=(mcus_of(frame) - decoded.lost_mcus if doubtful else 0) if decoded and frame else None,
        placed_mcus=None,
        aligned_mcus=None,
        thumbnail_match=None,
        fill=None,
        sca=None,
        outputs=(),
        problems=result.problems,
    )


def mcus_of(frame: Frame) -> int:
    """MCUs of the picture."""
    used = picture_frame(frame)
    return used.mcu_columns * used.mcu_rows


def _sampling(frame: Frame) -> str:
    """`4:2:0` and the like where there is such a word, otherwise the factors, `2x2,1x2,1x1`."""
    if len(frame.components) == 1:
        return "grey"
    factors = tuple((c.horizontal, c.vertical) for c in frame.components)
    return _SAMPLINGS.get(factors) or ",".join(f"{h}x{v}" for h, v in factors)
