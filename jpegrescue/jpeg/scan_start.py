"""Where the entropy-coded data begin in a file whose scan header is damaged or gone."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.believe import continues_as_entropy
from jpegrescue.jpeg.markers import ANY_MARKER, EOI, SOI
from jpegrescue.jpeg.view import Memory, find_marker
from jpegrescue.model.jpeg import MarkerSegment

TAIL = 64
_ALIKE = 32
_CUT = 3  # bytes: that many alike at the file's start are no chance
_TAIL_REACH = 1 << 17  # farther off lie headers of files that follow
_HEAD = 1 << 20
_STEP = 512
_CLEAN = 2048  # random bytes of that length hold 8 stray markers
_RUN = 16
_STRAY = ANY_MARKER.copy()
_STRAY[EOI] = False


def find_scan_start(
    data: NDArray[np.uint8], segments: tuple[MarkerSegment, ...], tail: bytes, scan_header: int
) -> int | None:
    """Offset at which the scan of the file `data` (uint8) begins, `None` where nothing looks like one.

    Args:
        data: the file, which has no scan header that can be read.
        segments: its segments that could be read.
        tail: the last `TAIL` bytes (or fewer) of header before the scan of another photo of the same camera.
        scan_header: length of its SOS segment, marker included.

    In this order: behind what equals `tail` in half of its bytes or more; at the start of the file, if that is the end
    of `tail`; a scan header's length behind the last segment; where FF bytes begin to be stuffed as in a scan. The
    first 128 KiB and 1 MiB are searched. What a garbage page covers of the scan's beginning is left out.
    """
    last = max((segment.end for segment in segments if segment.marker != SOI), default=None)
    begin = _behind_tail(data, tail, 0 if last is None else max(0, last - TAIL))
    if begin is not None:
        return begin
    return _first_entropy(data, 0 if last is None else min(last + scan_header, data.size))


def _behind_tail(data: NDArray[np.uint8], tail: bytes, low: int) -> int | None:
    """`low`: what lies before may be the header of a preview, which often has the same tables."""
    places = min(data.size, low + _TAIL_REACH) - len(tail) + 1
    if places > low and len(tail) == TAIL:
        alike = np.zeros(places - low, np.uint8)
        for at, byte in enumerate(tail):
            alike += data[low + at : places + at] == byte
        hits = np.flatnonzero(alike >= _ALIKE)[:1]
        if hits.size:  # the first, not the best: that could be another file's
            near = int(hits[0])
            return low + near + int(alike[near : near + TAIL].argmax()) + TAIL
    head = data[: len(tail)].tobytes()
    return next((kept for kept in range(len(tail) - 1, _CUT - 1, -1) if head.startswith(tail[-kept:])), None)


def _first_entropy(data: NDArray[np.uint8], start: int) -> int | None:
    """First offset from `start` on from which bytes look like the middle of a scan, found to the last stray FF."""
    view = Memory(data)
    begin = start
    for position in range(start, min(data.size, start + _HEAD), _STEP):
        stray = find_marker(view, max(begin, position), position + _CLEAN, _STRAY)
        while stray is not None and stray < position + _STEP:
            begin = stray + 2
            stray = find_marker(view, begin, position + _CLEAN, _STRAY)
        if stray is None and begin <= position and continues_as_entropy(view, position):
            return _behind_run(data, begin)
    return None


def _behind_run(data: NDArray[np.uint8], begin: int) -> int:
    """`begin`, or the end of the run of equal bytes there, which is what was read in place of an unreadable sector."""
    differs = np.flatnonzero(data[begin:] != data[begin])
    run = int(differs[0]) if differs.size else 0
    return begin + run if run >= _RUN else begin
