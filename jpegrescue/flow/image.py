"""One file through the stages: parse, decode, grade, align, fill, write."""

import zlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from jpegrescue.align.published import published_sca
from jpegrescue.flow.examine import Result, completed, described, examine, mcus_of, space_of
from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.flow.grade import grade_aligned, looks_foreign
from jpegrescue.flow.mask import LEVELS, MASK_LABEL
from jpegrescue.flow.mending import Mended, mend
from jpegrescue.flow.options import EffortName
from jpegrescue.flow.restoration import Restoration, attempted, put_together, stays_put
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import to_wide_samples
from jpegrescue.jpeg.usual import usual_quantisation
from jpegrescue.model.align import ALIGNED, LOST, PLACED, UNCERTAIN, ScaPart, ScaRecord
from jpegrescue.model.decode import Grade
from jpegrescue.model.evidence import Hashes
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image, OutputFile
from jpegrescue.report.output import OutputFolder
from jpegrescue.resync.decode import picture_frame
from jpegrescue.source.hashing import Hasher

PNG_OPTIONS = {"compress_level": 1, "compress_type": zlib.Z_RLE}  # a fifth faster than level 1 alone, and smaller
SCA_LABEL = "heuristic: every pixel was rewritten by the published self-compensation and alignment; no evidence"
REPAIRED_LABEL = "decoded from the repaired file; what it may be called is in the report and the mask"
_UNEXPLAINED = Problem(
    "sector_base_suspect",
    "warning",
    "several places look garbled, and no flipped bit explains one of them: sectors may be numbered otherwise, or what "
    "lay there is lost",
)
RESTORED_LABEL = "pixels graded filled in the mask are invented and no evidence; uncertain ones may be misplaced"


def process(found: FoundFile, wanted: Wanted, folder: OutputFolder) -> Image:
    """Take one file through all stages and write its outputs.

    Raises:
        OutputError: an output cannot be written.
    """
    data = np.frombuffer(found.data, np.uint8)
    structure = completed(data, parse(data), wanted)
    result = examine(data, structure, found, wanted)
    outputs: list[OutputFile] = []
    if wanted.carved:
        outputs.append(folder.write(f"{found.name}.carved.jpg", found.data, "carved"))
    if result.picture is not None:
        outputs.append(_write_png(f"{found.name}.decoded.png", "decoded", result.picture.samples, folder))
    image = replace(described(found, structure, result, _hashes(found.data, wanted, outputs)), outputs=tuple(outputs))
    if wanted.sca is not None and result.picture is not None:
        image = _with_sca(image, structure, result, wanted.sca, folder)
    result = _lightened(result)
    mended: Mended | None = None
    if wanted.repair is not None:
        mended, image = _mended(image, found, structure, result, wanted, wanted.repair)
        if mended is not None:
            data, structure = mended.data, mended.structure
            result = _examined_again(mended, found, wanted)
            image = _with_repair(image, found, mended, result, folder)
            if mended.unexplained and found.encrypted:
                image = replace(image, problems=(*image.problems, _UNEXPLAINED))
            result = _lightened(result)
    if wanted.align and result.decode is not None and result.grade in ("partly_restored", "fragment"):
        made = put_together(
            data,
            structure,
            result.decode,
            space_of(structure),
            found.bad,
            encrypted=found.encrypted,
            repaired=mended is not None and bool(mended.repairs),
        )
        image = _with_restoration(image, made, _write_restoration(found.name, made, folder))
    return image


def _mended(
    image: Image, found: FoundFile, structure: JpegStructure, result: Result, wanted: Wanted, effort: EffortName
) -> tuple[Mended | None, Image]:
    """The file with flipped bits undone, if there is anything to say, and the report's entry with what went wrong."""
    if found.encrypted and found.stored is None:
        return None, image
    decoded, frame = result.decode, structure.frame
    unreadable = decoded is None or frame is None
    if found.stored is None and (decoded is None or frame is None or looks_foreign(decoded, mcus=mcus_of(frame))):
        return None, image
    mended, problems = attempted(
        "repair",
        lambda: mend(
            found,
            lambda data: completed(data, parse(data), wanted),
            effort=effort,
            jobs=wanted.jobs,
            header_only=unreadable,
        ),
    )
    return mended, replace(image, problems=(*image.problems, *problems))


def _examined_again(mended: Mended, found: FoundFile, wanted: Wanted) -> Result:
    """Of the repaired file: what is wrong with it still, and what may be claimed."""
    kept = tuple(problem for problem in found.problems if problem.severity == "info")
    again = replace(found, data=mended.data.tobytes(), end=mended.end, problems=kept)
    result = examine(mended.data, mended.structure, again, replace(wanted, picture="always"))
    if result.grade != "no_damage_found" or not mended.repairs:
        return result
    if not mended.verified:  # bits of a preview only
        return replace(result, grade="repaired")
    if mended.contradicted or (found.stored is None and not _stays(mended, result)):
        # it decodes, and is wrong somewhere: what follows has to be put back in place
        return replace(result, grade="partly_restored", claim="none")
    return replace(result, grade="repaired", claim="exact_scan" if mended.exact else "consistent")


def _stays(mended: Mended, result: Result) -> bool:
    """Whether alignment leaves all of a file that was never encrypted where it is: most errors do not show in those."""
    decoded = result.decode
    return decoded is not None and stays_put(mended.data, mended.structure, decoded, space_of(mended.structure))


def _with_repair(image: Image, found: FoundFile, mended: Mended, result: Result, folder: OutputFolder) -> Image:
    """The report's entry with what became of the file; its size and hashes stay those of the bytes as they were."""
    after = described(found, mended.structure, result, image.hashes)
    outputs = list(image.outputs)
    if mended.repairs:
        outputs.append(folder.write(f"{found.name}.repaired.jpg", mended.data.tobytes(), "repaired"))
    if result.grade == "repaired" and result.picture is not None:
        # a garbled quantisation table changes every pixel and nothing that could be checked
        sound = result.claim == "exact_scan" and usual_quantisation(mended.structure)
        grade: Grade = "exact" if result.claim == "exact_scan" else "consistent"
        after = replace(after, segments=tuple(replace(segment, grade=grade) for segment in after.segments))
        samples = result.picture.samples
        mask = np.full(samples.shape[:2], LEVELS["exact" if sound else "consistent"], np.uint8)
        outputs.append(_write_png(f"{found.name}.restored.png", "restored", samples, folder, label=REPAIRED_LABEL))
        outputs.append(_write_png(f"{found.name}.mask.png", "mask", mask, folder, label=MASK_LABEL))
    return replace(
        after,
        problems=(*image.problems, *(problem for problem in after.problems if problem not in image.problems)),
        repairs=mended.repairs,
        verified_ranges=mended.verified,
        sca=image.sca,
        outputs=tuple(outputs),
    )


def _with_sca(
    image: Image, structure: JpegStructure, result: Result, parts: tuple[ScaPart, ...], folder: OutputFolder
) -> Image:
    made, problems = attempted("published alignment", lambda: _sca(structure, result, parts))
    image = replace(image, problems=(*image.problems, *problems))
    if made is None:
        return image
    written = _write_png(f"{image.name}.sca.png", "sca", made[0], folder, label=SCA_LABEL)
    return replace(image, sca=made[1], outputs=(*image.outputs, written))


def _lightened(result: Result) -> Result:
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


def _with_restoration(image: Image, made: Restoration, outputs: list[OutputFile]) -> Image:
    image = replace(image, problems=(*image.problems, *made.problems), outputs=(*image.outputs, *outputs))
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


def _sca(structure: JpegStructure, result: Result, parts: tuple[ScaPart, ...]) -> tuple[NDArray[np.uint8], ScaRecord]:
    assert structure.frame is not None  # noqa: S101  (there is a picture)
    assert result.decode is not None  # noqa: S101
    frame = picture_frame(structure.frame)
    samples = to_wide_samples(frame, result.decode.planes, space_of(structure))
    mcu = (8 * frame.vertical_max, 8 * frame.horizontal_max)
    return published_sca(samples, mcu, (frame.height, frame.width), parts)


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
