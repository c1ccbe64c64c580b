"""The extent of one JPEG file in evidence, by its structure alone."""

from dataclasses import dataclass

from jpegrescue.carve.evidence import could_be_entropy
from jpegrescue.carve.follow import CountMcus, ScanFollower
from jpegrescue.carve.trailers import follow_trailers
from jpegrescue.carve.window import SourceView, Workspace
from jpegrescue.jpeg.view import View, read
from jpegrescue.jpeg.walk import walk
from jpegrescue.model.carve import CarvedFile
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.jpeg import Frame, JpegStructure
from jpegrescue.model.problem import Problem
from jpegrescue.source.base import ByteSource

FILE_BYTES_MAX = 256 << 20  # trailers included; whoever decodes a file holds it in memory
_REACH = 128 << 10  # one damaged APPn segment, and what else of the header a garbage page may hit
_FRAGMENT = 1024
_REASONS = {
    "next_file": "another JPEG begins there",
    "foreign_data": "96 KiB follow that cannot be entropy-coded data",
    "end_of_evidence": "the evidence ends there",
    "frame_exhausted": "the frame cannot need more bytes",
    None: "the structure is lost there",
}


@dataclass(frozen=True, slots=True)
class Extent:
    """A file and the pixels its frame header promises."""

    file: CarvedFile
    pixels: int


def measure(
    source: ByteSource, start: int, limit: int, *, min_pixels: int = 0, count_mcus: CountMcus | None = None
) -> CarvedFile | None:
    """The file whose SOI lies at evidence offset `start`, looked for in `[start, limit)`; `None` if there is none.

    A file needs a frame header and a scan that holds believable data. It ends at its EOI (`eoi`), behind trailers that
    belong to it (`trailer:KIND`, several joined with `+`), or at the last believable byte of its last scan
    (`unknown`). `min_pixels`: smaller pictures are refused; `count_mcus`: see `follow.ScanFollower`. The source is
    read in pieces of about 1 MiB, except that `count_mcus` gets the file from its start.
    """
    extent = find_extent(source, start, limit, count_mcus)
    return extent.file if extent is not None and extent.pixels >= min_pixels else None


def find_extent(
    source: ByteSource,
    start: int,
    limit: int,
    count_mcus: CountMcus | None = None,
    workspace: Workspace | None = None,
) -> Extent | None:
    """What `measure` finds, of any number of pixels; `workspace`: see `window.Workspace`."""
    view = SourceView(source, start, min(limit, start + FILE_BYTES_MAX), workspace)
    if read(view, 0, 3) != b"\xff\xd8\xff":
        return None
    follower = ScanFollower(count_mcus)
    structure = walk(view, follower, _REACH)
    if structure.frame is None or not structure.scans:
        return None
    if structure.eoi is not None:
        file = _terminated(view, start, structure, structure.eoi, follower)
    elif _worth_keeping(view, structure, structure.frame, believed=follower.believed):
        file = _unterminated(start, structure, follower)
    else:
        return None
    return Extent(file, structure.frame.width * (structure.frame.height or 0xFFFF))


def _terminated(view: View, start: int, structure: JpegStructure, eoi: int, follower: ScanFollower) -> CarvedFile:
    extension = follow_trailers(view, structure, eoi + 2)
    return CarvedFile(
        runs=(ByteRange(start, start + extension.end),),
        end=f"trailer:{'+'.join(extension.kinds)}" if extension.kinds else "eoi",
        entropy_end=eoi,
        problems=(*follower.problems, *extension.problems),
    )


def _unterminated(start: int, structure: JpegStructure, follower: ScanFollower) -> CarvedFile:
    end = structure.scans[-1].end
    detail = f"The last scan ends without EOI: {_REASONS[follower.stopped_by]}."
    problem = Problem("unterminated", "warning", detail, end)
    return CarvedFile((ByteRange(start, start + end),), "unknown", end, (*follower.problems, problem))


def _worth_keeping(view: View, structure: JpegStructure, frame: Frame, *, believed: bool) -> bool:
    """Whether an unterminated file holds more than a header, or its picture is so small that little is all of it."""
    first = structure.scans[0]
    total = sum(scan.end - scan.start for scan in structure.scans)
    blocks = sum(c.horizontal * c.vertical for c in frame.components) * frame.mcu_columns * max(frame.mcu_rows, 1)
    enough = total >= _FRAGMENT or 0 < blocks <= 16 * total
    return enough and (believed or could_be_entropy(view, first.start, first.end))
