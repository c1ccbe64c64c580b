"""The walk from marker to marker (ITU-T T.81 annex B) over bytes in memory or streamed, damaged or not."""

import re
from dataclasses import replace

from jpegrescue.jpeg import segments as read_segments
from jpegrescue.jpeg.believe import Marker, begins_file, believed, embedded_end, marker_at, reaches_past
from jpegrescue.jpeg.markers import (
    APP0,
    APP14,
    DHP,
    DHT,
    DNL,
    DQT,
    DRI,
    EOI,
    PROCESS,
    SOI,
    SOS,
    STRUCTURE,
    TEM,
    segment_plausible,
)
from jpegrescue.jpeg.scans import ScanContext, ScanEnd
from jpegrescue.jpeg.view import View, find_marker, read
from jpegrescue.model.jpeg import Frame, HuffmanTable, JpegStructure, MarkerSegment, Scan, ScanComponent
from jpegrescue.model.problem import Problem, Severity

_MAX_SCANS = 1000
_MAX_SEGMENTS = 10_000
_MAX_PROBLEMS = 1000
_MAX_CANDIDATES = 200_000
_MAX_CANDIDATES_OPEN = 1024  # 128 KiB of random bytes hold 500 that look like markers
_MAX_EMBEDDED = 64
_NATURAL = 4096  # more than all tables that one DQT or DHT can usefully define
_SOI = re.compile(rb"\xff\xd8\xff")
_LONGEST = 0xFFFF - 2  # parameters that a length field can announce


def walk(view: View, scan_end: ScanEnd, reach: int | None = None) -> JpegStructure:
    """Follow the markers of the file at the start of `view`; thumbnails are not looked for.

    `scan_end` judges where scans end. `reach`: where the file's end is not known either, bytes that a damaged header
    may be skipped over, and never past another file's beginning; `None`: unlimited.
    Time is linear in the size, memory bounded; nothing in the content raises.
    """
    return _Walk(view, scan_end, reach).run()


class _Walk:
    def __init__(self, view: View, scan_end: ScanEnd, reach: int | None) -> None:
        self._view = view
        self._scan_end = scan_end
        self._reach = view.size if reach is None else reach
        self._open_ended = reach is not None
        self._segments: list[MarkerSegment] = []
        self._problems: list[Problem] = []
        self._scans: list[Scan] = []
        self._frame: Frame | None = None
        self._hierarchical = False
        self._covered: set[int] = set()
        self._quantisation: list[tuple[int, ...] | None] = [None] * 4
        self._huffman: dict[tuple[int, int], HuffmanTable | None] = {}
        self._restart_interval = 0
        self._jfif = False
        self._adobe: int | None = None
        self._eoi: int | None = None
        self._candidates = _MAX_CANDIDATES_OPEN if self._open_ended else _MAX_CANDIDATES
        self._embedded = 0
        self._last: tuple[int, Marker | None] = (-1, None)

    def run(self) -> JpegStructure:
        position: int | None = self._begin()
        while position is not None:
            if len(self._segments) >= _MAX_SEGMENTS or len(self._scans) >= _MAX_SCANS:
                self._report(
                    "too_many_segments", "error", "More segments or scans than a picture has: gave up.", position
                )
                break
            position = self._step(position)
        self._conclude()
        return JpegStructure(
            segments=tuple(self._segments),
            frame=self._frame,
            quantisation=tuple(self._quantisation),
            scans=tuple(self._scans),
            jfif=self._jfif,
            adobe_transform=self._adobe,
            thumbnails=(),
            eoi=self._eoi,
            problems=tuple(self._problems),
        )

    def _report(self, kind: str, severity: Severity, detail: str, offset: int | None = None) -> None:
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(Problem(kind, severity, detail, offset))

    def _begin(self) -> int:
        if read(self._view, 0, 2) == b"\xff\xd8":
            self._segments.append(MarkerSegment(SOI, 0, 2))
            return 2
        self._report("missing_soi", "error", "The file does not begin with SOI.", 0)
        return 0

    def _conclude(self) -> None:
        if self._frame is None:
            self._report("missing_frame", "error", "There is no frame header that can be read.")
        elif self._frame.height == 0:
            self._report("missing_height", "error", "The frame header leaves the height to a DNL that never comes.")
        if not self._scans:
            self._report("missing_scan", "error", "There is no scan.")
        if self._eoi is None:
            self._report("missing_eoi", "warning", "The data end without EOI.", self._view.size)

    def _step(self, position: int) -> int | None:
        """Read what stands at `position`, a place between segments; return the next such place."""
        marker = self._marker_at(position)
        if marker is None:
            return self._resynchronise(position) if position < self._view.size else None
        if marker.code == SOI:
            return self._second_soi(marker)
        if marker.code == EOI:
            return self._end_of_image(marker)
        if marker.code == TEM:
            return marker.offset + 2
        if marker.code == SOS:
            return self._scan(marker)
        return self._segment(marker)

    def _second_soi(self, marker: Marker) -> int | None:
        nothing_yet = all(segment.marker == SOI for segment in self._segments)
        end = None if nothing_yet else self._embedded_end(marker.offset)
        if end is not None:
            self._report("embedded_file", "warning", "A whole JPEG stands between segments; skipped.", marker.offset)
            return end
        kind = "duplicate_soi" if nothing_yet else "second_soi"
        self._report(kind, "warning", "SOI stands where the file has begun already.", marker.offset)
        if self._open_ended:
            return None
        self._segments.append(MarkerSegment(SOI, marker.offset, marker.offset + 2))
        return marker.offset + 2

    def _end_of_image(self, marker: Marker) -> int | None:
        self._eoi = marker.offset
        self._segments.append(MarkerSegment(EOI, marker.offset, marker.offset + 2))
        if self._scans:
            return None
        self._report("early_eoi", "error", "EOI stands before any scan.", marker.offset)
        following = self._resynchronise(marker.offset + 2)
        if following is not None:
            self._eoi = None
        return following

    def _segment(self, marker: Marker) -> int | None:
        start = marker.offset + 4
        declared = marker.end
        if declared is not None and self._boundary(declared):
            payload = read(self._view, start, declared - start)
            if not self._cuts_file(start, payload):
                self._apply(marker, payload, declared)
                return declared
        natural = self._natural_end(marker)
        if natural is None:
            return self._unbounded_segment(marker, start, declared)
        self._report("segment_length", "warning", "The segment's length is wrong.", marker.offset)
        self._apply(marker, read(self._view, start, natural - start), natural)
        return natural

    def _unbounded_segment(self, marker: Marker, start: int, declared: int | None) -> int | None:
        """Read a segment that no marker follows: its length is damaged, or garbage lies behind it."""
        following = self._resynchronise(start)
        end = min(x for x in (declared, following, self._view.size) if x is not None)
        if declared is None or declared > end:
            self._report("segment_length", "warning", "The segment's length is wrong.", marker.offset)
        self._apply(marker, read(self._view, start, min(end - start, _LONGEST)), end)
        return following

    def _boundary(self, position: int) -> bool:
        return position == self._view.size or self._marker_at(position) is not None

    def _marker_at(self, position: int) -> Marker | None:
        if self._last[0] != position:
            self._last = (position, marker_at(self._view, position))
        return self._last[1]

    def _cuts_file(self, start: int, payload: bytes) -> bool:
        """Whether what passes for a segment's `payload` holds the beginning of another file in the evidence, no more.

        The length of a decoy, or of garbage, leads there by chance.
        """
        for soi in _SOI.finditer(payload) if self._open_ended else ():
            self._embedded += 1
            if self._embedded > _MAX_EMBEDDED:
                return False
            if reaches_past(self._view, start + soi.start(), start + len(payload)):
                return True
        return False

    def _natural_end(self, marker: Marker) -> int | None:
        length = read_segments.natural_length(marker.code, read(self._view, marker.offset + 4, _NATURAL))
        if length is None or length < 4 or not self._boundary(marker.offset + 2 + length):
            return None
        return marker.offset + 2 + length

    def _resynchronise(self, start: int) -> int | None:
        """Offset of the next believable segment at or after `start`, files embedded in what is skipped stepped over."""
        position = start
        stop = min(self._view.size, start + self._reach)
        while self._candidates and (found := find_marker(self._view, position, stop, STRUCTURE)) is not None:
            self._candidates -= 1
            marker = marker_at(self._view, found)
            code = marker.code if marker is not None else None
            position = found + 1
            if code == SOI:
                end = self._embedded_end(found)
                if end is None and self._open_ended and begins_file(self._view, found):
                    break
                position = end or found + 2
            elif believed(self._view, marker, self._identifiers()) or (code == EOI and self._scans):
                detail = f"{found - start} bytes that belong to no segment were skipped."
                self._report("garbage_skipped", "warning", detail, start)
                return found
        self._report("structure_lost", "error", "No further segment can be found.", start)
        return None

    def _embedded_end(self, offset: int) -> int | None:
        self._embedded += 1
        return embedded_end(self._view, offset) if self._embedded <= _MAX_EMBEDDED else None

    def _identifiers(self) -> tuple[int, ...] | None:
        return tuple(c.identifier for c in self._frame.components) if self._frame else None

    def _apply(self, marker: Marker, payload: bytes, end: int) -> None:
        code, offset = marker.code, marker.offset
        self._segments.append(MarkerSegment(code, offset, end))
        if code in PROCESS or code == DHP:
            self._apply_frame(code, payload, offset)
        elif code == DQT:
            tables, sound = read_segments.quantisation_tables(payload)
            for destination, steps in tables.items():
                self._quantisation[destination] = steps
            self._check(sound, "bad_quantisation_table", offset)
        elif code == DHT:
            huffman, sound = read_segments.huffman_tables(payload)
            self._huffman.update(huffman)
            self._check(sound, "bad_huffman_table", offset)
        elif code == DRI:
            self._check(len(payload) == 2, "bad_restart_interval", offset)
            self._restart_interval = int.from_bytes(payload[:2]) if len(payload) >= 2 else 0
        elif code == DNL:
            self._apply_lines(payload, offset)
        elif code == APP0 and payload.startswith(b"JFIF\0"):
            self._jfif = True
        elif code == APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
            self._adobe = payload[11]

    def _check(self, sound: bool, kind: str, offset: int) -> None:
        if not sound:
            self._report(kind, "error", "The segment cannot be read as a whole.", offset)

    def _apply_frame(self, code: int, payload: bytes, offset: int) -> None:
        if not segment_plausible(code, payload):
            self._report("bad_frame", "error", "The frame header makes no sense and was left out.", offset)
            return
        if code == DHP:
            self._hierarchical = True
            return
        frame = read_segments.frame_header(code, payload)
        if self._hierarchical:
            frame = replace(frame, process="hierarchical")
        if self._frame is not None:
            self._report("repeated_frame", "warning", "There is more than one frame header.", offset)
            if self._scans or frame.width * frame.height <= self._frame.width * self._frame.height:
                return
        self._frame = frame

    def _apply_lines(self, payload: bytes, offset: int) -> None:
        lines = int.from_bytes(payload[:2])
        if self._frame is not None and self._frame.height == 0 and lines:
            self._frame = replace(self._frame, height=lines)
        elif self._frame is None or self._frame.height != lines:
            self._report("bad_line_count", "warning", "DNL contradicts the frame header.", offset)

    def _scan(self, marker: Marker) -> int | None:
        payload, end = self._scan_payload(marker)
        header = read_segments.scan_header(payload)
        if header is None:
            self._report("bad_scan_header", "error", "The scan header makes no sense.", marker.offset)
            return self._resynchronise(marker.offset + 4)
        self._segments.append(MarkerSegment(SOS, marker.offset, end))
        components = self._scan_components(header, marker.offset)
        self._covered.update(c.index for c in components)
        stop = self._scan_end(self._view, end, self._context(header, components))
        for problem in stop.problems:
            self._report(problem.kind, problem.severity, problem.detail, problem.offset)
        self._scans.append(
            Scan(
                components=components,
                spectral_start=header.spectral_start,
                spectral_end=header.spectral_end,
                approximation_high=header.approximation_high,
                approximation_low=header.approximation_low,
                restart_interval=self._restart_interval,
                start=end,
                end=stop.end,
            )
        )
        return stop.marker

    def _scan_payload(self, marker: Marker) -> tuple[bytes, int]:
        """Parameters of SOS and their end; of length and component count the one that makes sense wins."""
        start = marker.offset + 4
        declared = marker.end
        payload = read(self._view, start, 12)
        natural = start + 4 + 2 * payload[0] if payload and 1 <= payload[0] <= 4 else None
        if natural is not None and natural != declared:
            self._report("segment_length", "warning", "The length of the scan header is wrong.", marker.offset)
        elif natural is None and declared is not None and declared - start in (6, 8, 10, 12):
            self._report("bad_scan_header", "warning", "The component count of the scan is wrong.", marker.offset)
            payload = bytes([(declared - start - 4) // 2]) + payload[1:]
            natural = declared
        return payload, start if natural is None else natural

    def _scan_components(self, header: read_segments.ScanHeader, offset: int) -> tuple[ScanComponent, ...]:
        identifiers = self._identifiers() or ()
        indexes: list[int] = []
        for place, (identifier, _, _) in enumerate(header.components):
            named = [i for i, known in enumerate(identifiers) if known == identifier and i not in indexes]
            spare = [place, *(i for i in range(len(header.components)) if i != place)]
            if not named:
                self._report("unknown_component", "error", "The scan names a component the frame lacks.", offset)
            indexes.append(named[0] if named else next(i for i in spare if i not in indexes))
        return tuple(
            ScanComponent(index, self._huffman.get((0, dc)), self._huffman.get((1, ac)))
            for index, (_, dc, ac) in zip(indexes, header.components, strict=True)
        )

    def _context(self, header: read_segments.ScanHeader, components: tuple[ScanComponent, ...]) -> ScanContext:
        frame = self._frame
        if frame is None:
            return ScanContext(None, more_scans=True, zeros_decode=False)
        sequential = frame.process in ("baseline", "extended", "extended_arithmetic", "lossless", "lossless_arithmetic")
        whole = header.spectral_end == 63 or frame.process.startswith("lossless")
        complete = sequential and whole and len(self._covered) >= len(frame.components)
        zeros = sequential and all(_first_symbol(t) == 0 for c in components for t in (c.dc_table, c.ac_table))
        return ScanContext(frame, more_scans=not complete, zeros_decode=zeros)


def _first_symbol(table: HuffmanTable | None) -> int | None:
    return table.symbols[0] if table else None
