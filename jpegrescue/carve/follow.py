"""Where a scan ends in evidence: at its EOI, at the next file, or where entropy-coded data give way to others."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jpegrescue.carve._kernels import run_over
from jpegrescue.carve.evidence import WINDOW, Kind, classify, ends_in_entropy, last_entropy_byte
from jpegrescue.jpeg._kernels_markers import list_markers
from jpegrescue.jpeg.believe import begins_file, entropy_follows
from jpegrescue.jpeg.markers import EOI, SCAN_LIMITS, SOI, STRUCTURE
from jpegrescue.jpeg.scans import ScanContext, ScanStop, before_fill, segment_ends_scan
from jpegrescue.jpeg.view import View, read
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.problem import Problem

CountMcus = Callable[[bytes], float]

_FIRST_CHUNK = 8 * WINDOW  # the scans of a progressive file are short, and what lies behind them is looked at in vain
_CHUNK = 64 * WINDOW
_CHUNK_GROWTH = 4
_FOREIGN_LIMIT = 24.0  # windows: 96 KiB, longer than a garbage page (16 KiB) or a foreign cluster (64 KiB)
_NEUTRAL_WEIGHT = 0.5  # undamaged scans have at most three neutral windows in a row
_COMPLETE = 0.95
_GROWTH = 0.02
_MAX_COUNTS = 4
_MAX_COUNTED = 512 << 20
_BYTES_PER_SAMPLE = 4  # T.81 F.1.2: at most 27 bits for a DC and 26 for an AC coefficient


@dataclass(slots=True)
class _Search:
    """State of the search in one scan."""

    start: int
    limit: int
    context: ScanContext
    believed: int
    chunk: int = _FIRST_CHUNK
    run: float = 0.0
    counted: int = 0
    fallback: ScanStop | None = None
    fallback_share: float = 0.0


@dataclass(slots=True)
class ScanFollower:
    """`jpegrescue.jpeg.scans.ScanEnd` for evidence, where nothing says how long the file is.

    An EOI ends the scan unless the bytes before it cannot be entropy-coded data. `count_mcus` (share of the picture's
    MCUs that decode from the file's bytes so far) is asked only where such data go on behind an EOI; without it the
    first EOI counts. A believable SOI ends the scan, and so do 96 KiB that cannot be entropy-coded data, or more bytes
    than the frame can need: then `stopped_by` says which, and `believed` whether any window was believable.
    """

    count_mcus: CountMcus | None = None
    stopped_by: str | None = None
    believed: bool = False
    problems: list[Problem] = field(default_factory=list)

    def __call__(self, view: View, start: int, context: ScanContext) -> ScanStop:
        """`ScanEnd`."""
        self.stopped_by = None
        search = _Search(start, min(view.size, start + _longest(context.frame)), context, believed=start)
        position = start
        while position < search.limit:
            stop, reason = self._advance(view, position, search)
            if isinstance(stop, ScanStop):
                return stop
            if reason is not None:
                return self._unterminated(view, stop, reason, search)
            position = stop
        reason = "end_of_evidence" if search.limit == view.size else "frame_exhausted"
        return self._unterminated(view, search.limit, reason, search)

    def _advance(self, view: View, position: int, search: _Search) -> tuple[ScanStop | int, str | None]:
        """Search one chunk: where markers go on, or where to look next, or where and why the scan breaks off."""
        length = min(search.chunk, search.limit - position)
        search.chunk = min(_CHUNK_GROWTH * search.chunk, _CHUNK)
        data = view.array(position, length + 1)
        kinds, strays = classify(data, length, zeros_decode=search.context.zeros_decode)
        wanted = STRUCTURE if search.context.more_scans else SCAN_LIMITS
        markers = _markers(data, strays, wanted) + position
        before = search.believed
        foreign_at = _run_over(kinds, search, position)
        end = position + length if foreign_at is None else foreign_at
        for marker in markers[markers < end].tolist():
            outcome = self._judge(view, marker, search)
            if isinstance(outcome, ScanStop):
                self.believed = self.believed or search.believed > search.start
                return outcome, None
            if outcome is not None:
                whole = np.flatnonzero(kinds[: (marker - position) // WINDOW] == Kind.ENTROPY)
                search.believed = position + (int(whole[-1]) + 1) * WINDOW if whole.size else before
                return marker, outcome
        return end, None if foreign_at is None else "foreign_data"

    def _judge(self, view: View, marker: int, search: _Search) -> ScanStop | str | None:
        code = int(view.array(marker + 1, 1)[0])
        if code == EOI:
            return self._judge_eoi(view, marker, search)
        if code == SOI:
            return "next_file" if begins_file(view, marker) else None
        if segment_ends_scan(view, marker, search.context):
            return ScanStop(before_fill(view, search.start, marker), marker)
        return None

    def _judge_eoi(self, view: View, marker: int, search: _Search) -> ScanStop | None:
        if not ends_in_entropy(view, search.start, marker, zeros_decode=search.context.zeros_decode):
            return None
        stop = ScanStop(before_fill(view, search.start, marker), marker)
        if self.count_mcus is None or search.counted == _MAX_COUNTS or marker > _MAX_COUNTED:
            return search.fallback or stop
        goes_on = entropy_follows(view, marker + 2)
        if search.fallback is None and not goes_on:
            return stop
        share = self.count_mcus(read(view, 0, marker + 2))
        search.counted += 1
        if share >= _COMPLETE or (not goes_on and share > search.fallback_share + _GROWTH):
            if search.fallback is not None:
                detail = "The first EOI stands in the middle of the picture; the file was followed past it."
                self.problems.append(Problem("false_eoi", "warning", detail, search.fallback.marker))
            return stop
        if search.fallback is None:
            search.fallback, search.fallback_share = stop, share
        return None if goes_on else search.fallback

    def _unterminated(self, view: View, stop: int, reason: str, search: _Search) -> ScanStop:
        if search.fallback is not None:
            return search.fallback
        self.believed = self.believed or search.believed > search.start
        self.stopped_by = reason
        low = max(search.start, search.believed - WINDOW)
        high = min(stop, search.believed + 2 * WINDOW)
        return ScanStop(last_entropy_byte(view, low, high), None)


def _longest(frame: Frame | None) -> int:
    """Bytes that no scan of this frame exceeds, with room for stuffing and garbage."""
    if frame is None:
        return 1 << 24
    lines = frame.height or 0xFFFF
    return (1 << 20) + (frame.width + 64) * (lines + 64) * len(frame.components) * _BYTES_PER_SAMPLE


def _markers(data: NDArray[np.uint8], strays: NDArray[np.int64], wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    found = np.empty(int(strays.sum()), np.int64)
    return found[: list_markers(data, strays, WINDOW, wanted, found)] if found.size else found


def _run_over(kinds: NDArray[np.int8], search: _Search, position: int) -> int | None:
    """Count windows without believable data; the offset behind the one that makes too many in a row."""
    neutral = _NEUTRAL_WEIGHT / 32 if search.context.zeros_decode else _NEUTRAL_WEIGHT
    search.run, believed, stop = run_over(kinds, search.run, neutral, _FOREIGN_LIMIT)
    if believed:
        search.believed = min(position + believed * WINDOW, search.limit)
    return None if stop < 0 else position + stop * WINDOW
