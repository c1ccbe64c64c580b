"""Which markers to believe: damage makes FF bytes too, and embedded files bring markers of their own.

A two-byte pattern proves little, a segment whose length, parameters and successor all fit proves a lot.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from jpegrescue.jpeg._kernels_markers import count_windows
from jpegrescue.jpeg.markers import (
    APP0,
    APP15,
    COM,
    DNL,
    DRI,
    EOI,
    EXP,
    PROCESS,
    SOI,
    SOS,
    STRUCTURE,
    TEM,
    is_segment_marker,
    segment_plausible,
)
from jpegrescue.jpeg.view import View, find_marker, read

_CHAIN = 4  # segments that say nothing by themselves are believed for what follows them, so far ahead
_EMBEDDED_LIMIT = 1 << 17  # a preview lies in one APPn segment of 64 KiB, or in a few of them
_EMBEDDED_SEGMENTS = 256
_AHEAD = 4096
_LONGEST_PARAMETERS = 4096  # more than all tables that one DQT or DHT can usefully define
_HEAD = 4  # marker and length field
_STUFFED_PER_STRAY = 8
_WINDOWS_AHEAD = 16
_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC3})


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker in place: `offset` of its FF (the last one where fill bytes precede it) and its code.

    `end`: that of its segment by the length field; `None` where that is cut or below 2, or the marker has none.
    """

    code: int
    offset: int
    end: int | None


def marker_at(view: View, position: int) -> Marker | None:
    """The marker that starts at `position`, after fill bytes FF (T.81 B.1.1.2), if it may stand between segments."""
    head = read(view, position, _HEAD)
    if len(head) < 2 or head[0] != 0xFF:
        return None
    if head[1] == 0xFF:
        position = _last_fill(view, position)
        head = read(view, position, _HEAD)
    if len(head) >= 2 and is_segment_marker(head[1]):
        length = int.from_bytes(head[2:]) if len(head) == _HEAD else 0
        return Marker(head[1], position, position + 2 + length if length >= 2 else None)
    return Marker(head[1], position, None) if len(head) >= 2 and head[1] in (SOI, EOI, TEM) else None


def _last_fill(view: View, position: int) -> int:
    """Offset of the last FF of those that begin at `position`; the end of the data if they reach it."""
    while (piece := view.array(position, _AHEAD)).size:
        rest = np.flatnonzero(piece != 0xFF)
        if rest.size:
            return position + int(rest[0]) - 1
        position += piece.size
    return position


def believable(view: View, offset: int, identifiers: Collection[int] | None = None) -> bool:
    """Whether a marker segment really starts at `offset`.

    Segments with free content (APPn, COM, DRI …) must lead to another believable one. `identifiers`: components of
    the frame, which a SOS has to name.
    """
    return believed(view, marker_at(view, offset), identifiers)


def believed(
    view: View, marker: Marker | None, identifiers: Collection[int] | None = None, depth: int = _CHAIN
) -> bool:
    """`believable` for a marker that has been read already."""
    if marker is None or marker.end is None or marker.end > view.size:
        return False
    code = marker.code
    free = code == COM or APP0 <= code <= APP15
    length = 0 if free else min(marker.end - marker.offset - 4, _LONGEST_PARAMETERS)
    payload = read(view, marker.offset + 4, length) if length else b""
    if not segment_plausible(code, payload):
        return False
    if code == SOS and identifiers is not None:
        return all(identifier in identifiers for identifier in payload[1 : 1 + 2 * payload[0] : 2])
    if not (free or code in (DRI, DNL, EXP)):
        return True
    following = marker_at(view, marker.end)
    if following is None or depth == 0:
        return False
    return following.code == EOI or believed(view, following, identifiers, depth - 1)


def embedded_end(view: View, offset: int) -> int | None:
    """End of a small JPEG file embedded at `offset` (its SOI), `None` if it cannot be followed.

    A preview that lost its EOI ends where the parent's segments go on.
    """
    limit = min(view.size, offset + _EMBEDDED_LIMIT)
    position = offset + 2
    sequential = False
    for _ in range(_EMBEDDED_SEGMENTS):
        marker = marker_at(view, position)
        if marker is None or marker.code == SOI:
            return None
        if marker.code == EOI:
            return marker.offset + 2
        end = marker.end if marker.code != TEM else marker.offset + 2
        if end is None or end > limit:
            return None
        position = end
        if marker.code in PROCESS:
            sequential = marker.code in _SEQUENTIAL
        if marker.code == SOS:
            found = _embedded_scan_end(view, end, limit)
            if found is None or found.code == EOI:
                return None if found is None else found.offset + 2
            if sequential:
                return found.offset
            position = found.offset
    return None


def _embedded_scan_end(view: View, start: int, limit: int) -> Marker | None:
    while (found := find_marker(view, start, limit, STRUCTURE)) is not None:
        marker = marker_at(view, found)
        if marker is None or (marker.code == SOI and begins_file(view, found)):
            return None
        if marker.code == EOI or believed(view, marker):
            return marker
        start = found + 2
    return None


def reaches_past(view: View, offset: int, end: int) -> bool:
    """Whether the file whose SOI is at `offset` goes on behind `end`, up to which a segment claims all bytes.

    A preview does not: its own EOI comes before `end`, or its parent's segments go on there. But the header segments of
    another file may lead to `end` exactly. (The Exif segment of some cameras ends right behind a SOI, that of the
    stream into which they put it: to them belongs what follows.)
    """
    if offset + 2 == end or not begins_file(view, offset):
        return False
    position = offset + 2
    while position < end:
        marker = marker_at(view, position)
        if marker is None or marker.end is None or marker.code == SOS:
            stop = embedded_end(view, offset)
            return stop is None or stop > end
        position = marker.end
    return True


def continues_as_entropy(view: View, offset: int) -> bool:
    """Whether the bytes from `offset` look like the middle of a scan.

    That is: FF bytes, nearly all of them stuffed or RSTn, in bytes that are no text, zeros or constant. Less than a
    few FF bytes suffice where the stretch leads without a stray FF to an EOI at which the data ends.
    """
    window = np.array(view.array(offset, _AHEAD))
    counts = np.empty((1, 5), np.int64)
    count_windows(window, 0, window.size, _AHEAD, counts)
    tolerated = int(counts[0, 2]) // _STUFFED_PER_STRAY
    stop = find_marker(view, offset, offset + window.size)
    while stop is not None and not _ends_stretch(view, stop):
        if tolerated == 0:
            return False
        tolerated -= 1
        stop = find_marker(view, stop + 2, offset + window.size)
    length = window.size if stop is None else stop - offset
    if length < 16:
        return False
    count_windows(window, 0, length, _AHEAD, counts)
    zeros, text, stuffed, strays, repeats = counts[0].tolist()
    if 2 * zeros > length or 2 * repeats > length or 10 * text > 9 * length:
        return False
    if stuffed >= 4 and strays * _STUFFED_PER_STRAY <= stuffed:
        return True
    if stop is None or strays:
        return False
    slack = view.array(stop + 2, _AHEAD)
    diverse = np.unique(window[:length]).size * 4 >= min(length, 512)
    return int.from_bytes(read(view, stop + 1, 1)) == EOI and not slack.any() and diverse


def entropy_follows(view: View, offset: int) -> bool:
    """Whether entropy-coded data follow within 64 KiB, before any other file begins, so that an EOI before is false.

    A garbage page may lie between; slack of one value does not occur in a scan.
    """
    slack = view.array(offset, 16)
    if not slack.size or bool((slack == slack[0]).all()):
        return False
    for position in range(offset, min(offset + _WINDOWS_AHEAD * _AHEAD, view.size), _AHEAD):
        if continues_as_entropy(view, position):
            return True
        if b"\xff\xd8\xff" in read(view, position, _AHEAD + 2):
            return False
    return False


def _ends_stretch(view: View, offset: int) -> bool:
    code = int.from_bytes(read(view, offset + 1, 1))
    return begins_file(view, offset) if code == SOI else code == EOI or believable(view, offset)


def begins_file(view: View, offset: int) -> bool:
    """Whether the SOI at `offset` is followed by a believable segment."""
    following = marker_at(view, offset + 2)
    return believed(view, following)
