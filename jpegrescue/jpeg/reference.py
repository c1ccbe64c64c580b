"""What a damaged file lacks, taken from a sound photo of the same camera."""

from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import segments as read_segments
from jpegrescue.jpeg.believe import embedded_end
from jpegrescue.jpeg.headers import Headers, choose_interval, choose_quantisation, choose_size, choose_tables
from jpegrescue.jpeg.markers import DHT, DRI, EOI, PROCESS, SOI, SOS
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.scan_start import TAIL, find_scan_start
from jpegrescue.jpeg.scans import ScanContext, scan_end
from jpegrescue.jpeg.thumbnails import jpeg_size
from jpegrescue.jpeg.view import Memory
from jpegrescue.model.jpeg import HuffmanTable, JpegStructure, MarkerSegment, Scan, ScanComponent, Thumbnail
from jpegrescue.model.problem import Problem

_SEQUENTIAL = ("baseline", "extended")
_THUMBNAIL_REACH = 1 << 16
_THUMBNAILS_TRIED = 64


@dataclass(frozen=True, slots=True)
class Reference:
    """A sound photo of the same camera: `data` (uint8) and `structure`; `name` is what reports call it."""

    name: str
    data: NDArray[np.uint8]
    structure: JpegStructure


def unfit(structure: JpegStructure) -> str | None:
    """Why a photo cannot serve as reference, `None` if it can."""
    frame = structure.frame
    if frame is None or not structure.scans or not frame.height:
        return "it has no frame header or no scan"
    if frame.process not in _SEQUENTIAL or frame.precision != 8 or len(frame.components) > 4:
        return "it is no sequential 8-bit Huffman file"
    if len(structure.scans) > 1 or len(structure.scans[0].components) != len(frame.components):
        return "it has more than one scan"
    if any(structure.quantisation[c.quantisation] is None for c in frame.components):
        return "it lacks a quantisation table"
    if any(c.dc_table is None or c.ac_table is None for c in structure.scans[0].components):
        return "it lacks a Huffman table"
    return None


def with_reference(data: NDArray[np.uint8], structure: JpegStructure, reference: Reference) -> JpegStructure:
    """`structure` of the file `data` (uint8) with what it lacks taken from `reference` (which must not be `unfit`).

    What can be read and fits is kept; a table or header that is missing, or so damaged that it cannot be right, is
    taken. All addresses stay those of `data`: no byte moves, only their description changes. A problem
    (`header_from_reference`, `warning`) names what was taken. A preview that passes for the picture, as the picture's
    own header is damaged, is left out. Where nothing has to be taken, or no scan can be found, nothing is.
    """
    if _progressive(structure):
        return structure
    data, structure = _without_previews(data, structure, reference.structure)
    taken: list[str] = []
    whole = _with_scan(data, structure, reference, taken)
    if whole is None:
        return structure
    headers = _headers(data, whole, reference, taken)
    thumbnail = None if structure.thumbnails else _thumbnail(data, whole.scans[0].start, reference)
    if thumbnail is not None:
        taken.append("place of the thumbnail")
    if not taken:
        return structure
    detail = f"not the file's own, but taken from {reference.name}: {', '.join(taken)}"
    return replace(
        whole,
        frame=headers.frame,
        quantisation=headers.quantisation,
        scans=headers.scans,
        thumbnails=structure.thumbnails if thumbnail is None else (thumbnail,),
        problems=(*structure.problems, Problem("header_from_reference", "warning", detail)),
    )


def _headers(data: NDArray[np.uint8], structure: JpegStructure, reference: Reference, taken: list[str]) -> Headers:
    """Frame, tables and restart interval, each the file's own or the reference's."""
    theirs = _as_headers(reference.structure)
    own = _as_headers(structure)
    for choose in (choose_interval, choose_tables, choose_size, choose_quantisation):
        own, names = choose(data, own, theirs)
        taken += names
    return own


def _as_headers(structure: JpegStructure) -> Headers:
    assert structure.frame is not None  # noqa: S101  (`_with_scan` or `unfit` has seen to that)
    return Headers(structure.frame, structure.quantisation, structure.scans)


def _with_scan(
    data: NDArray[np.uint8], structure: JpegStructure, reference: Reference, taken: list[str]
) -> JpegStructure | None:
    """The structure with a frame and a scan, which the reference describes where the file's own headers do not."""
    known = _scan_header_fits(structure, reference.structure)
    if known and structure.frame is not None:
        return structure
    start = structure.scans[0].start if known else _find_start(data, structure.segments, reference)
    if start is None:
        return None
    scan = structure.scans[0] if known else _described_scan(data, structure.segments, reference)
    if not known:
        taken.append("scan header")
    if structure.frame is None:
        taken.append("frame header")
        structure = _of_the_same_colours(structure, reference.structure)
    stop = scan_end(Memory(data), start, ScanContext(structure.frame, more_scans=False, zeros_decode=False))
    ends = stop.marker is not None and int(data[stop.marker + 1]) == EOI
    return replace(
        structure,
        scans=(replace(scan, start=start, end=stop.end),),
        eoi=stop.marker if ends else structure.eoi,
    )


def _without_previews(
    data: NDArray[np.uint8], structure: JpegStructure, theirs: JpegStructure
) -> tuple[NDArray[np.uint8], JpegStructure]:
    """The file with a preview read as zeros that only passes for the picture, as the picture's own header is damaged.

    That is one behind the picture's scan, or what the file begins with is the rest of one.
    """
    before_scan = takewhile(lambda segment: segment.marker != SOS, structure.segments)
    behind = next((s.offset - 2 for s in before_scan if s.offset > data.size // 2 and _follows_soi(data, s)), None)
    if behind is not None:
        alone = data.copy()
        alone[behind:] = 0
        return alone, parse(alone)
    if not structure.scans or not _begins_with_preview(structure, theirs):
        return data, structure
    end = _preview_end(data, structure)
    if end is None or end > data.size // 2:
        return data, structure
    alone = data.copy()
    alone[:end] = 0
    parsed = parse(alone)
    return (alone, parsed) if parsed.frame is not None or parsed.scans else (data, structure)


def _follows_soi(data: NDArray[np.uint8], segment: MarkerSegment) -> bool:
    return segment.marker != SOI and data[segment.offset - 2 : segment.offset].tobytes() == b"\xff\xd8"


def _preview_end(data: NDArray[np.uint8], structure: JpegStructure) -> int | None:
    """Where the first scan ends if a preview's: at the first EOI, or where segments go on."""
    start = structure.scans[0].start
    eoi = data[start : start + _THUMBNAIL_REACH].tobytes().find(b"\xff\xd9")
    following = [s.offset for s in structure.segments if s.offset >= start]
    ends = [start + eoi + 2] if eoi >= 0 else []
    return min([*ends, *following], default=None)


def _begins_with_preview(structure: JpegStructure, theirs: JpegStructure) -> bool:
    """Whether the first scan may be that of a preview: no frame header comes before it, or one of a preview's size."""
    frame = structure.frame
    first = next((s.marker for s in structure.segments if s.marker == SOS or s.marker in PROCESS), SOS)
    sizes = {(thumbnail.width, thumbnail.height) for thumbnail in theirs.thumbnails}
    return frame is None or first == SOS or (frame.width, frame.height) in sizes


def _progressive(structure: JpegStructure) -> bool:
    """Whether the scans, too, are those of another process than the reference's."""
    frame = structure.frame
    parts = any(scan.spectral_end != 63 for scan in structure.scans)
    return parts and frame is not None and frame.process not in _SEQUENTIAL


def _scan_header_fits(structure: JpegStructure, theirs: JpegStructure) -> bool:
    """Whether there is one; a lone scan of fewer components than the frame has is damage, as its sibling shows."""
    frame = structure.frame or theirs.frame
    if not structure.scans or frame is None:
        return False
    count = len(structure.scans[0].components)
    return len(structure.scans) > 1 or count == len(frame.components)


def _of_the_same_colours(structure: JpegStructure, theirs: JpegStructure) -> JpegStructure:
    """With the reference's frame; what its components mean is its own markers' to say, if the file has none."""
    if structure.jfif or structure.adobe_transform is not None:
        return replace(structure, frame=theirs.frame)
    return replace(structure, frame=theirs.frame, jfif=theirs.jfif, adobe_transform=theirs.adobe_transform)


def _scan_header(reference: Reference) -> MarkerSegment:
    return next(segment for segment in reference.structure.segments if segment.marker == SOS)


def _find_start(data: NDArray[np.uint8], segments: tuple[MarkerSegment, ...], reference: Reference) -> int | None:
    start = reference.structure.scans[0].start
    header = _scan_header(reference)
    tail = reference.data[max(0, start - TAIL) : start].tobytes()
    before = tuple(segment for segment in segments if segment.marker not in (SOS, EOI))
    return find_scan_start(data, before, tail, header.end - header.offset)


def _described_scan(data: NDArray[np.uint8], segments: tuple[MarkerSegment, ...], reference: Reference) -> Scan:
    """A scan as the reference's header describes it, with the file's own tables, `None` where it lacks them."""
    tables: dict[tuple[int, int], HuffmanTable | None] = {}
    interval = 0
    for segment in segments:
        payload = data[segment.offset + 4 : segment.end].tobytes()
        if segment.marker == DHT:
            tables.update(read_segments.huffman_tables(payload)[0])
        elif segment.marker == DRI and len(payload) == 2:
            interval = int.from_bytes(payload)
    header = _scan_header(reference)
    parsed = read_segments.scan_header(reference.data[header.offset + 4 : header.end].tobytes())
    assert parsed is not None  # noqa: S101  (it was read before)
    theirs = reference.structure.scans[0]
    components = tuple(
        ScanComponent(part.index, tables.get((0, dc)), tables.get((1, ac)))
        for part, (_, dc, ac) in zip(theirs.components, parsed.components, strict=True)
    )
    return replace(theirs, components=components, restart_interval=interval)


def _thumbnail(data: NDArray[np.uint8], end: int, reference: Reference) -> Thumbnail | None:
    """An embedded JPEG before `end` within 64 KiB of where the reference has its Exif preview, the nearest of them."""
    theirs = next((t for t in reference.structure.thumbnails if t.kind == "exif"), None)
    if theirs is None:
        return None
    low, high = max(1, theirs.start - _THUMBNAIL_REACH), min(end, theirs.start + _THUMBNAIL_REACH)
    head = data[:high].tobytes()
    places: list[int] = []
    at = head.find(b"\xff\xd8\xff", low)
    while at >= 0 and len(places) < _THUMBNAILS_TRIED:
        places.append(at)
        at = head.find(b"\xff\xd8\xff", at + 2)
    for place in sorted(places, key=lambda place: abs(place - theirs.start)):
        stop = embedded_end(Memory(data), place)
        width, height = jpeg_size(data[place:stop].tobytes()) if stop is not None else (None, None)
        if stop is not None and stop <= end and width is not None:
            return Thumbnail("exif", place, stop, width, height)
    return None
