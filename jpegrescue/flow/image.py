"""One file through the stages: parse, decode, grade, align, fill, write."""

import zlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from jpegrescue.align.published import published_sca
from jpegrescue.flow.grade import cannot_decode, grade_aligned, grade_decoded
from jpegrescue.flow.mask import MASK_LABEL
from jpegrescue.flow.restoration import Restoration, attempted, put_together
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import ColourSpace, Picture, colour_space, to_picture, to_wide_samples
from jpegrescue.jpeg.reference import Reference, with_reference
from jpegrescue.jpeg.standard import with_standard_tables
from jpegrescue.model.align import ALIGNED, LOST, PLACED, UNCERTAIN, ScaPart, ScaRecord
from jpegrescue.model.decode import Decode
from jpegrescue.model.evidence import ByteRange, Evidence, Hashes
from jpegrescue.model.jpeg import Frame, JpegStructure
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Claim, FileGrade, Image, OutputFile
from jpegrescue.report.output import OutputFolder
from jpegrescue.resync.decode import decode, picture_frame
from jpegrescue.source.hashing import Hasher

PNG_OPTIONS = {"compress_level": 1, "compress_type": zlib.Z_RLE}  # a fifth faster than level 1 alone, and smaller
SCA_LABEL = "heuristic: every pixel was rewritten by the published self-compensation and alignment; no evidence"
RESTORED_LABEL = "pixels graded filled in the mask are invented and no evidence; uncertain ones may be misplaced"
_SAMPLINGS: dict[tuple[tuple[int, int], ...], str] = {
    ((1, 1), (1, 1), (1, 1)): "4:4:4",
    ((2, 1), (1, 1), (1, 1)): "4:2:2",
    ((1, 2), (1, 1), (1, 1)): "4:4:0",
    ((2, 2), (1, 1), (1, 1)): "4:2:0",
    ((4, 1), (1, 1), (1, 1)): "4:1:1",
}


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to go through the stages: its plaintext bytes and where they lie.

    `bad`: bytes of `data` that are known to be unreadable on the medium, or garbled by what is; sorted and merged;
    `encrypted`: whether they were decrypted.
    """

    name: str
    data: bytes
    runs: tuple[ByteRange, ...]
    end: str
    evidence: Evidence | None = None
    problems: tuple[Problem, ...] = ()
    bad: tuple[ByteRange, ...] = ()
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to make of a file: its carved bytes; its picture, for `damaged` files, `always`, or no decode at all.

    `align`: put a damaged file together, and write the aligned file, the restored picture and its mask. `sca`: parts of
    the published alignment to make another picture with, `None` for no such picture. `reference`: a photo of the same
    camera to take from what a file's header lacks.
    """

    carved: bool
    picture: Literal["never", "damaged", "always"]
    hashes: tuple[str, ...]
    align: bool = False
    sca: tuple[ScaPart, ...] | None = None
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class _Result:
    grade: FileGrade
    claim: Claim
    decode: Decode | None
    picture: Picture | None
    problems: tuple[Problem, ...]


def process(found: FoundFile, wanted: Wanted, folder: OutputFolder) -> Image:
    """Take one file through all stages and write its outputs.

    Raises:
        OutputError: an output cannot be written.
    """
    data = np.frombuffer(found.data, np.uint8)
    structure = _completed(data, parse(data), wanted)
    result = _examine(data, structure, found, wanted)
    outputs: list[OutputFile] = []
    if wanted.carved:
        outputs.append(folder.write(f"{found.name}.carved.jpg", found.data, "carved"))
    if result.picture is not None:
        outputs.append(_write_png(f"{found.name}.decoded.png", "decoded", result.picture.samples, folder))
    image = _image(found, structure, result, _hashes(found.data, wanted, outputs))
    if wanted.sca is None:
        result = _lightened(result)
    if wanted.align and result.decode is not None and result.grade in ("partly_restored", "fragment"):
        made = put_together(data, structure, result.decode, _space(structure), found.bad, encrypted=found.encrypted)
        outputs += _write_restoration(found.name, made, folder)
        image = _with_restoration(image, made)
    if wanted.sca is not None and result.picture is not None:
        parts = wanted.sca
        made_sca, problems = attempted("published alignment", lambda: _sca(structure, result, parts))
        image = replace(image, problems=(*image.problems, *problems))
        if made_sca is not None:
            outputs.append(_write_png(f"{found.name}.sca.png", "sca", made_sca[0], folder, label=SCA_LABEL))
            image = replace(image, sca=made_sca[1])
    return replace(image, outputs=tuple(outputs))


def _lightened(result: _Result) -> _Result:
    """The same without pixels and coefficients: alignment reads the scan anew, and large pictures need the room."""
    if result.decode is None:
        return result
    nothing = np.zeros((), np.int16)
    planes = (replace(plane, blocks=np.broadcast_to(nothing, plane.blocks.shape)) for plane in result.decode.planes)
    return replace(result, decode=replace(result.decode, planes=tuple(planes)), picture=None)


def _write_restoration(name: str, made: Restoration, folder: OutputFolder) -> list[OutputFile]:
    outputs = []
    if made.jpeg is not None:
        outputs.append(folder.write(f"{name}.aligned.jpg", made.jpeg, "aligned"))
    if made.picture is not None:
        samples, mask = made.picture.samples, made.picture.mask
        outputs.append(_write_png(f"{name}.restored.png", "restored", samples, folder, label=RESTORED_LABEL))
        outputs.append(_write_png(f"{name}.mask.png", "mask", mask, folder, label=MASK_LABEL))
    return outputs


def _with_restoration(image: Image, made: Restoration) -> Image:
    image = replace(image, problems=(*image.problems, *made.problems))
    if made.alignment is None:
        return image
    counts = np.bincount(made.alignment.certainty.ravel(), minlength=4).tolist()
    return replace(
        image,
        grade=grade_aligned(image.grade, mcus=sum(counts), placed=counts[PLACED] + counts[ALIGNED]),
        segments=made.alignment.segments,
        lost_mcus=counts[LOST],
        uncertain_mcus=counts[UNCERTAIN],
        placed_mcus=counts[PLACED],
        aligned_mcus=counts[ALIGNED],
        thumbnail_match=made.alignment.thumbnail,
        fill=made.picture.record if made.picture is not None else None,
    )


def failed(found: FoundFile, error: Exception) -> Image:
    """The report entry of a file that ran into a bug: the run goes on, and the report says so."""
    detail = f"{type(error).__name__}: {error}: this is a bug, please report it with this file"
    problem = Problem("internal_error", "error", detail)
    nothing = JpegStructure((), None, (None,) * 4, (), False, None, (), None, ())
    return _image(found, nothing, _Result("undecodable", "none", None, None, (problem,)), Hashes())


def decoded_share(data: bytes) -> float:
    """Share of the picture's MCUs that decode from `data`, 0 where nothing can be decoded."""
    array = np.frombuffer(data, np.uint8)
    structure = parse(array)
    if cannot_decode(structure, len(data)) is not None or structure.frame is None:
        return 0.0
    outcome = decode(array, structure)
    return 0.0 if outcome is None else 1.0 - outcome.lost_mcus / _mcus(structure.frame)


def _completed(data: NDArray[np.uint8], structure: JpegStructure, wanted: Wanted) -> JpegStructure:
    """With what the header lacks: from the reference, if there is one, and typical tables as the last resort."""
    if wanted.picture == "never":
        return structure
    if wanted.reference is not None:
        structure = with_reference(data, structure, wanted.reference)
    return with_standard_tables(data, structure)


def _examine(data: NDArray[np.uint8], structure: JpegStructure, found: FoundFile, wanted: Wanted) -> _Result:
    problems = (*found.problems, *structure.problems)
    obstacle = cannot_decode(structure, data.size)
    complete = found.end != "unknown" and not any(p.severity != "info" for p in problems)
    if wanted.picture == "never":
        grade: FileGrade = "no_damage_found" if complete and structure.frame else "fragment"
        unseen = Problem("not_decoded", "info", "only the structure was looked at, as --no-restore asks for")
        return _Result(grade, "none", None, None, (*problems, unseen))
    if obstacle is not None:
        return _Result("undecodable", "none", None, None, (*problems, obstacle))
    assert structure.frame is not None  # noqa: S101  (`cannot_decode` has refused that)
    outcome = decode(data, structure)
    if outcome is None:
        missing = Problem("no_tables", "error", "a Huffman table that the scan needs is missing or damaged")
        return _Result("undecodable", "none", None, None, (*problems, missing))
    scan_bits = 8 * sum(scan.end - scan.start for scan in structure.scans)
    problems = (*problems, *_missing_quantisation(structure))
    complete = complete and not any(p.severity != "info" for p in problems)
    grade, claim = grade_decoded(outcome, mcus=_mcus(structure.frame), scan_bits=scan_bits, complete=complete)
    if grade != "no_damage_found":
        outcome = _doubted(outcome)
    picture = None
    if wanted.picture == "always" or grade != "no_damage_found":
        picture = to_picture(picture_frame(structure.frame), outcome.planes, _space(structure))
    return _Result(grade, claim, outcome, picture, problems)


def _space(structure: JpegStructure) -> ColourSpace:
    assert structure.frame is not None  # noqa: S101  (`cannot_decode` has refused that)
    return colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)


def _sca(structure: JpegStructure, result: _Result, parts: tuple[ScaPart, ...]) -> tuple[NDArray[np.uint8], ScaRecord]:
    assert structure.frame is not None  # noqa: S101  (there is a picture)
    assert result.decode is not None  # noqa: S101
    frame = picture_frame(structure.frame)
    samples = to_wide_samples(frame, result.decode.planes, _space(structure))
    mcu = (8 * frame.vertical_max, 8 * frame.horizontal_max)
    return published_sca(samples, mcu, (frame.height, frame.width), parts)


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


def _hashes(data: bytes, wanted: Wanted, outputs: list[OutputFile]) -> Hashes:
    """Digests of the file's bytes; the one that was made while writing them is not made again."""
    known = outputs[0].sha256 if wanted.carved and "sha256" in wanted.hashes else None
    hasher = Hasher([name for name in wanted.hashes if known is None or name != "sha256"])
    hasher.update(data)
    return replace(hasher.result(), sha256=known) if known else hasher.result()


def _write_png(
    name: str, kind: str, samples: NDArray[np.uint8], folder: OutputFolder, label: str | None = None
) -> OutputFile:
    image = PillowImage.fromarray(samples)
    info = PngInfo()
    if label is not None:
        info.add_text("Description", label)
    return folder.write_with(name, kind, lambda file: image.save(file, "PNG", pnginfo=info, **PNG_OPTIONS))


def _image(found: FoundFile, structure: JpegStructure, result: _Result, hashes: Hashes) -> Image:
    frame, decoded = structure.frame, result.decode
    doubtful = decoded is not None and result.grade != "no_damage_found"
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
        mcus=_mcus(frame) if frame else None,
        thumbnail=structure.thumbnails[0] if structure.thumbnails else None,
        grade=result.grade,
        claim=result.claim,
        resync_points=tuple(p for scan in decoded.scans for p in scan.resync_points) if decoded else (),
        segments=tuple(s for scan in decoded.scans for s in scan.segments) if decoded else (),
        lost_mcus=decoded.lost_mcus if decoded else None,
        uncertain_mcus=(_mcus(frame) - decoded.lost_mcus if doubtful else 0) if decoded and frame else None,
        placed_mcus=None,
        aligned_mcus=None,
        thumbnail_match=None,
        fill=None,
        sca=None,
        outputs=(),
        problems=result.problems,
    )


def _mcus(frame: Frame) -> int:
    used = picture_frame(frame)
    return used.mcu_columns * used.mcu_rows


def _sampling(frame: Frame) -> str:
    """`4:2:0` and the like where there is such a word, otherwise the factors, `2x2,1x2,1x1`."""
    if len(frame.components) == 1:
        return "grey"
    factors = tuple((c.horizontal, c.vertical) for c in frame.components)
    return _SAMPLINGS.get(factors) or ",".join(f"{h}x{v}" for h, v in factors)
