"""Media appended behind the picture that its XMP announces (Android: Motion Photo format 1.0, Ultra HDR 1.0)."""

import re
from collections.abc import Iterator

from jpegrescue.jpeg.markers import APP1
from jpegrescue.jpeg.view import View, read
from jpegrescue.model.jpeg import JpegStructure

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MICRO_VIDEO = re.compile(rb"""\bMicroVideoOffset\s*(?:=\s*["']|>)\s*(\d{1,10})""")
_ITEM = re.compile(rb"<[\w:]*Item\b[^>]*>")
_MIME = re.compile(rb"""\bMime\s*=\s*["']([\w/+.-]+)""")
_LENGTH = re.compile(rb"""\bLength\s*=\s*["']\s*(\d{1,10})""")


def find_motion_photo(view: View, structure: JpegStructure, start: int) -> int | None:
    """End of the MP4 that begins at `start` (its first box is `ftyp`), by the length that the XMP gives it."""
    if read(view, start + 4, 4) != b"ftyp":
        return None
    for xmp in _packets(view, structure):
        lengths = [int(match[1]) for match in _MICRO_VIDEO.finditer(xmp)]
        lengths += [length for mime, length in _items(xmp) if mime.startswith(b"video/")]
        if lengths and lengths[0]:
            return start + lengths[0]
    return None


def find_image(view: View, structure: JpegStructure, start: int) -> int | None:
    """End of the JPEG that begins at `start`, if the XMP's directory lists one whose length leads to an EOI."""
    if read(view, start, 3) != b"\xff\xd8\xff":
        return None
    for xmp in _packets(view, structure):
        for mime, length in _items(xmp):
            if mime == b"image/jpeg" and length > 4 and read(view, start + length - 2, 2) == b"\xff\xd9":
                return start + length
    return None


def _packets(view: View, structure: JpegStructure) -> Iterator[bytes]:
    for segment in structure.segments:
        if segment.marker == APP1:
            payload = read(view, segment.offset + 4, segment.end - segment.offset - 4)
            if payload.startswith(_XMP):
                yield payload


def _items(xmp: bytes) -> Iterator[tuple[bytes, int]]:
    """MIME type and length of the items of a container directory."""
    for item in _ITEM.finditer(xmp):
        mime, length = _MIME.search(item[0]), _LENGTH.search(item[0])
        if mime and length:
            yield mime[1], int(length[1])
