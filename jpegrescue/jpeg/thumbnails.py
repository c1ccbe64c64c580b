"""Embedded previews: where they lie in the parent file (Exif 2.32 §4.5.8, JFIF 1.02, JFXX)."""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.believe import embedded_end, marker_at
from jpegrescue.jpeg.markers import APP0, APP1, PROCESS, SOI, SOS, TEM, segment_plausible
from jpegrescue.jpeg.view import Memory, read
from jpegrescue.model.jpeg import MarkerSegment, Thumbnail

_JPEG_OFFSET, _JPEG_LENGTH = 0x0201, 0x0202
_MAX_SEGMENTS = 100
_MAX_SEARCHED = 16


def find_thumbnails(
    data: bytes | bytearray | memoryview | NDArray[np.uint8], segments: tuple[MarkerSegment, ...]
) -> tuple[Thumbnail, ...]:
    """Previews in the APP0 and APP1 `segments` of the file `data`, in file order; width and height where known.

    Exif: the JPEG that IFD1 points to, or where its pointers are damaged the first SOI in the segment. A JPEG
    preview's size is read from its own frame header. Never raises on content.
    """
    whole = Memory(data)
    found: list[Thumbnail] = []
    for segment in segments:
        start, end = segment.offset + 4, min(segment.end, whole.size)
        if segment.marker == APP0:
            thumbnail = _jfif_or_jfxx(read(whole, start, end - start), start)
        elif segment.marker == APP1:
            thumbnail = _exif(read(whole, start, end - start), start)
        else:
            continue
        if thumbnail is not None:
            found.append(thumbnail)
    return tuple(found)


def jpeg_size(data: bytes) -> tuple[int, int] | tuple[None, None]:
    """Width and height from the first frame header of a JPEG, `None` twice if it has none."""
    view = Memory(data)
    position = 2
    for _ in range(_MAX_SEGMENTS):
        marker = marker_at(view, position)
        if marker is None or marker.code == SOS:
            break
        end = marker.offset + 2 if marker.code in (SOI, TEM) else marker.end
        if end is None:
            break
        payload = data[marker.offset + 4 : end]
        if marker.code in PROCESS and segment_plausible(marker.code, payload):
            return int.from_bytes(payload[3:5]), int.from_bytes(payload[1:3])
        position = end
    return None, None


def _jfif_or_jfxx(payload: bytes, start: int) -> Thumbnail | None:
    if payload.startswith(b"JFIF\0") and len(payload) >= 14:
        return _raster("jfif", payload, start, 0, 3)
    if not payload.startswith(b"JFXX\0") or len(payload) < 8:
        return None
    if payload[5] == 0x10:
        return _jpeg("jfxx", payload, 6, len(payload), start)
    if payload[5] == 0x11:
        return _raster("jfxx", payload, start, 768, 1)
    return _raster("jfxx", payload, start, 0, 3) if payload[5] == 0x13 else None


def _raster(kind: str, payload: bytes, start: int, palette: int, depth: int) -> Thumbnail | None:
    size_at = 12 if kind == "jfif" else 6
    width, height = payload[size_at : size_at + 2]
    begin = size_at + 2
    length = palette + width * height * depth
    if not width or not height or begin + length > len(payload):
        return None
    return Thumbnail(kind, start + begin, start + begin + length, width, height)


def _jpeg(kind: str, payload: bytes, begin: int, end: int, start: int) -> Thumbnail | None:
    if payload[begin : begin + 2] != b"\xff\xd8":
        return None
    width, height = jpeg_size(payload[begin:end])
    return Thumbnail(kind, start + begin, start + end, width, height)


def _exif(payload: bytes, start: int) -> Thumbnail | None:
    if not payload.startswith(b"Exif\0"):
        return None
    for begin, length in _pointed(payload[6:]):
        end = min(6 + begin + length, len(payload))
        thumbnail = _jpeg("exif", payload, 6 + begin, end, start) if _closed(payload, 6 + begin, end) else None
        if thumbnail is not None:
            return thumbnail
    return _searched(payload, start)


def _closed(payload: bytes, begin: int, end: int) -> bool:
    """Whether a pointed-to preview is whole: cameras pad the length with zeros or stray bytes after its EOI."""
    return b"\xff\xd9" in payload[max(begin, end - 4096) : end]


def _searched(payload: bytes, start: int) -> Thumbnail | None:
    begin = -2
    for _ in range(_MAX_SEARCHED):
        begin = payload.find(b"\xff\xd8\xff", begin + 2)
        if begin < 0:
            break
        end = embedded_end(Memory(payload[begin:]), 0)
        end = len(payload) if end is None else begin + end
        thumbnail = _jpeg("exif", payload, begin, end, start)
        if thumbnail is not None and thumbnail.width is not None:
            return thumbnail
    return None


def _pointed(tiff: bytes) -> Iterator[tuple[int, int]]:
    """Offset and length of the JPEG that IFD1 of a TIFF structure points to, in either byte order if it is damaged."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    for sign in [order] if order else ["<", ">"]:
        first = _long(tiff, 4, sign)
        count = _short(tiff, first, sign)
        second = _long(tiff, first + 2 + 12 * count, sign) if count else 0
        entries = dict(_entries(tiff, second, sign)) if second else {}
        if entries.get(_JPEG_OFFSET) and entries.get(_JPEG_LENGTH):
            yield entries[_JPEG_OFFSET], entries[_JPEG_LENGTH]


def _entries(tiff: bytes, offset: int, sign: str) -> Iterator[tuple[int, int]]:
    for index in range(min(_short(tiff, offset, sign), 512)):
        entry = offset + 2 + 12 * index
        yield _short(tiff, entry, sign), _long(tiff, entry + 8, sign)


def _short(tiff: bytes, offset: int, sign: str) -> int:
    return int(struct.unpack_from(sign + "H", tiff, offset)[0]) if 0 <= offset <= len(tiff) - 2 else 0


def _long(tiff: bytes, offset: int, sign: str) -> int:
    return int(struct.unpack_from(sign + "I", tiff, offset)[0]) if 0 <= offset <= len(tiff) - 4 else 0
