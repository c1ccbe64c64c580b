"""Images behind the EOI to which the header points: the MPF index, Exif and MakerNote previews."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from jpegrescue.carve.follow import ScanFollower
from jpegrescue.jpeg.believe import begins_file
from jpegrescue.jpeg.markers import APP1, APP2
from jpegrescue.jpeg.view import Slice, View, read
from jpegrescue.jpeg.walk import walk
from jpegrescue.model.jpeg import JpegStructure

_MP_ENTRY = 0xB002
_PREVIEW_REACH = 16 << 20
_PREVIEW_SIZE = 8 << 20
_PADDING = 4096
_NEAR = 64
_REACH = 128 << 10
_SOI = b"\xff\xd8\xff"
_TIFF = re.compile(rb"II\*\0|MM\0\*")
_LITTLE_LONG = re.compile(rb"(?=\x04\0\x01\0\0\0(....))", re.DOTALL)  # rest of an IFD entry: type 4, count 1, value
_BIG_LONG = re.compile(rb"(?=\0\x04\0\0\0\x01(....))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PointedImage:
    """Bytes `[start, end)` of the file that the header says are an image.

    `found`: whether one begins there; if it does and breaks off, `end` is where, and `whole` is false.
    """

    kind: str
    start: int
    end: int
    found: bool
    whole: bool


def pointed_images(view: View, structure: JpegStructure, eoi_end: int) -> Iterator[PointedImage]:
    """Images that begin at or behind `eoi_end`: kinds `mpf` (CIPA DC-007 §5.2.3.3) and `preview`."""
    for segment in structure.segments:
        if segment.marker not in (APP1, APP2):
            continue
        payload = read(view, segment.offset + 4, segment.end - segment.offset - 4)
        if segment.marker == APP2 and payload.startswith(b"MPF\0"):
            base = segment.offset + 8
            for offset, size in _mp_entries(payload[4:]):
                if offset and base + offset >= eoi_end:
                    yield _indexed(view, base + offset, size)
        elif segment.marker == APP1 and payload.startswith(b"Exif\0\0"):
            yield from _previews(view, payload, segment.offset + 4, eoi_end)


def _indexed(view: View, start: int, size: int) -> PointedImage:
    if read(view, start, 3) != _SOI:
        return PointedImage("mpf", start, start, found=False, whole=False)
    if b"\xff\xd9" in read(view, max(start + size - _PADDING, start), min(size, _PADDING)):
        return PointedImage("mpf", start, min(start + size, view.size), found=True, whole=True)
    end, _ = _followed(view, start, size)
    return PointedImage("mpf", start, end, found=True, whole=False)


def _followed(view: View, start: int, size: int) -> tuple[int, bool]:
    """Where the JPEG at `start` ends, and whether with an EOI."""
    structure = walk(Slice(view, start, size), ScanFollower(), _REACH)
    if structure.eoi is not None:
        return start + structure.eoi + 2, True
    return start + (structure.scans[-1].end if structure.scans else 0), False


def _mp_entries(tiff: bytes) -> Iterator[tuple[int, int]]:
    """Offset (from the MPF's TIFF head, 0 for the primary image) and size of every image of an MP index IFD."""
    if not _TIFF.match(tiff):
        return

    def number(offset: int, size: int) -> int:
        return int.from_bytes(tiff[offset : offset + size], "little" if tiff[:1] == b"I" else "big")

    first = number(4, 4)
    for entry in range(first + 2, first + 2 + 12 * min(number(first, 2), 64), 12):
        if number(entry, 2) == _MP_ENTRY:
            count, table = number(entry + 4, 4) // 16, number(entry + 8, 4)
            for at in range(table, table + 16 * min(count, 1000), 16):
                if at + 16 <= len(tiff):
                    yield number(at + 8, 4), number(at + 4, 4)


def _previews(view: View, payload: bytes, origin: int, eoi_end: int) -> Iterator[PointedImage]:
    """Previews to which any LONG in the Exif data points, counted from any TIFF head in them.

    MakerNotes keep such offsets in a hundred private IFDs; that one points at a SOI that begins a file says enough.
    """
    pointers: dict[int, int] = {}
    limit = min(eoi_end + _PREVIEW_REACH, view.size)
    heads = [origin + head.start() for head in islice(_TIFF.finditer(payload), 8)]
    for at, value in _longs(payload):
        for head in heads:
            if eoi_end <= head + value < limit:
                pointers.setdefault(head + value, at)
    for start, pointer in sorted(pointers.items()):
        if read(view, start, 3) == _SOI and begins_file(view, start):
            end, whole = _followed(view, start, _PREVIEW_SIZE)
            if whole:
                yield PointedImage("preview", start, _padded(payload, pointer, start, end), found=True, whole=True)


def _longs(payload: bytes) -> Iterator[tuple[int, int]]:
    """Position and value of what looks like the value field of an IFD entry with one LONG."""
    for match in _LITTLE_LONG.finditer(payload):
        yield match.start(1), int.from_bytes(match[1], "little")
    for match in _BIG_LONG.finditer(payload):
        yield match.start(1), int.from_bytes(match[1], "big")


def _padded(payload: bytes, pointer: int, start: int, end: int) -> int:
    """End of a preview by the length that stands near its pointer, if that is a little more than the image needs."""
    near = payload[max(pointer - _NEAR, 0) : pointer + _NEAR]
    for _, length in _longs(near):
        if end - start <= length <= end - start + _PADDING:
            return start + length
    return end
