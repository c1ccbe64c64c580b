"""What follows the EOI and still belongs to the file, named by an index in the header or by a structure of its own.

Nothing is believed for its magic alone: an index must point at a SOI, a length must lead to where another field says.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from jpegrescue.carve.containers import find_image, find_motion_photo
from jpegrescue.carve.pointers import pointed_images
from jpegrescue.jpeg.view import View, read
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.model.problem import Problem

_FOOT_REACH = 64 << 10  # IPTC records, edit settings, small previews
_SAMSUNG_REACH = 256 << 20
_SAMSUNG_STEP = 1 << 20
_VRD = b"CANON OPTIONAL DATA\0"


@dataclass(frozen=True, slots=True)
class Extension:
    """`end` of the file behind its trailers, their `kinds` in file order, and what was wrong with them."""

    end: int
    kinds: tuple[str, ...]
    problems: tuple[Problem, ...]


def follow_trailers(view: View, structure: JpegStructure, end: int) -> Extension:
    """Extend a file that ends at `end`, right behind its primary EOI, by the trailers that can be named.

    Kinds: `mpf` (CIPA DC-007), `preview` (Exif or MakerNote pointer), `motion_photo`, `gain_map` (Google container
    items), `samsung` (SEFT), `canon_vrd`, `afcp`, `photo_mechanic`, `foto_station`, `mie`.
    """
    kinds: list[str] = []
    problems: list[Problem] = []
    for image in pointed_images(view, structure, end):
        if image.found:
            end = max(end, image.end)
            kinds.append(image.kind)
        else:
            detail = "The header announces another image there, but none begins there."
            problems.append(Problem("trailer_missing", "warning", detail, image.start))
        if image.found and not image.whole:
            detail = "A further image of the file breaks off."
            problems.append(Problem("trailer_damaged", "warning", detail, image.end))
    while (named := _next(view, structure, end)) is not None:
        kind, end = named
        kinds.append(kind)
    return Extension(end, tuple(dict.fromkeys(kinds)), tuple(problems))


def _next(view: View, structure: JpegStructure, end: int) -> tuple[str, int] | None:
    if not read(view, end, 16).strip(b"\0"):
        return None
    for kind, find in _SELF_DESCRIBED.items():
        length = find(view, end)
        if length is not None and end + length <= view.size:
            return kind, end + length
    for kind, find_item in (("motion_photo", find_motion_photo), ("gain_map", find_image)):
        stop = find_item(view, structure, end)
        if stop is not None and stop <= view.size:
            return kind, stop
    return None


def _samsung(view: View, start: int) -> int | None:
    """Samsung: blocks of 0, type, name length, name, data; a directory SEFH of distances back; its length; SEFT."""
    head = read(view, start, 8)
    if len(head) < 8 or head[:2] != b"\0\0" or not 0 < (name_length := int.from_bytes(head[4:], "little")) <= 64:
        return None
    name = read(view, start + 8, name_length)
    if not (name.isascii() and name.decode().isprintable()):
        return None
    for position in _occurrences(view, b"SEFH", start, _SAMSUNG_REACH):
        length = _samsung_directory(view, position, start)
        if length is not None:
            return position + length - start
    return None


def _occurrences(view: View, magic: bytes, start: int, reach: int) -> Iterator[int]:
    for begin in range(start, min(view.size, start + reach), _SAMSUNG_STEP):
        piece = read(view, begin, _SAMSUNG_STEP + len(magic) - 1)
        found = piece.find(magic)
        while found >= 0:
            yield begin + found
            found = piece.find(magic, found + 1)


def _samsung_directory(view: View, position: int, start: int) -> int | None:
    """Length of the directory at `position` with its foot, if its farthest block begins at `start`."""
    count = int.from_bytes(read(view, position + 8, 4), "little")
    if not 0 < count <= 1000:
        return None
    length = 12 + 12 * count
    entries = read(view, position + 12, 12 * count)
    foot = read(view, position + length, 8)
    farthest = max(int.from_bytes(entries[i + 4 : i + 8], "little") for i in range(0, len(entries), 12))
    fits = foot == length.to_bytes(4, "little") + b"SEFT" and position - farthest == start
    return length + 8 if fits else None


def _canon_vrd(view: View, start: int) -> int | None:
    """Canon DPP recipe: head of 28 bytes with the length at 24, body, foot of 64 bytes with the same magic."""
    head = read(view, start, 28)
    if not head.startswith(_VRD) or len(head) < 28:
        return None
    length = 28 + int.from_bytes(head[24:28]) + 64
    return length if read(view, start + length - 64, len(_VRD)) == _VRD else None


def _afcp(view: View, start: int) -> int | None:
    """AXS File Concatenation Protocol: directory, data, and a foot that repeats the magic and the start."""
    head = read(view, start, 12)
    magic = head[:4]
    if magic not in (b"AXS!", b"AXS*"):
        return None
    order: Literal["big", "little"] = "big" if magic == b"AXS!" else "little"
    count = int.from_bytes(head[6:8], order)
    directory = read(view, start + 12, 12 * count)
    data = sum(int.from_bytes(directory[i + 4 : i + 8], order) for i in range(0, len(directory), 12))
    length = 12 + 12 * count + data + 12
    return length if read(view, start + length - 12, 4) == magic else None


def _photo_mechanic(view: View, start: int) -> int | None:
    return _by_foot(view, start, b"cbipcbbl", lambda data, at: int.from_bytes(data[max(at - 4, 0) : at]) + 12)


def _foto_station(view: View, start: int) -> int | None:
    return _by_foot(view, start, b"\xa1\xb2\xc3\xd4", lambda data, at: int.from_bytes(data[max(at - 4, 0) : at]))


def _mie(view: View, start: int) -> int | None:
    """Meta Information Encapsulation: an element `0MIE`, closed by one that holds the length back to its first byte."""
    head = read(view, start, 8)
    if head[:3] not in (b"~\x10\x04", b"~\x18\x04") or head[4:] != b"0MIE":
        return None
    magic = b"~\0\x04\0zmie~\0\0\x06"
    tail = 6  # length, byte order, size of the length

    def length(data: bytes, at: int) -> int:
        field = data[at + len(magic) : at + len(magic) + 4]
        order = data[at + len(magic) + 4 : at + len(magic) + 5]
        return int.from_bytes(field, "little" if order == b"\x18" else "big")

    return _by_foot(view, start, magic, length, tail)


def _by_foot(view: View, start: int, magic: bytes, length_at: Callable[[bytes, int], int], tail: int = 0) -> int | None:
    """Length of a trailer whose foot holds `magic`, and a length that leads back exactly to `start`."""
    data = read(view, start, _FOOT_REACH)
    found = data.find(magic)
    while found >= 0:
        length = found + len(magic) + tail
        if length_at(data, found) == length:
            return length
        found = data.find(magic, found + 1)
    return None


_SELF_DESCRIBED: dict[str, Callable[[View, int], int | None]] = {
    "samsung": _samsung,
    "canon_vrd": _canon_vrd,
    "afcp": _afcp,
    "photo_mechanic": _photo_mechanic,
    "foto_station": _foto_station,
    "mie": _mie,
}
