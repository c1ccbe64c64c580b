"""A file cut into its scans and what surrounds them, which is kept byte for byte where valid, else made valid."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import segments as read_segments
from jpegrescue.jpeg._kernels_entropy import ZIGZAG
from jpegrescue.jpeg.markers import (
    APP0,
    APP2,
    APP14,
    DHP,
    DHT,
    DNL,
    DQT,
    DRI,
    EOI,
    EXP,
    PROCESS,
    SOI,
    SOS,
    segment_plausible,
)
from jpegrescue.jpeg.standard import STANDARD_TABLES
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.jpeg import Frame, HuffmanTable, JpegStructure, MarkerSegment, Scan, ScanComponent
from jpegrescue.model.problem import Problem, Severity

_FILL = re.compile(rb"(?:\xff+\x01)*\xff*")  # what may stand between segments: TEM, fill bytes (T.81 B.1.1.2)
_LONGEST = 0xFFFF - 2
_MAX_PROBLEMS = 1000
_SOF = {"baseline": 0xC0, "extended": 0xC1}
_MOST_BLOCKS = 10  # per interleaved MCU (T.81 B.2.3)
_JFIF = b"JFIF\0\1\1\0\0\1\0\1\0\0"
_OUT_OF_PLACE = frozenset({SOI, EOI, SOS, DHP, EXP, DNL})  # the frame header has the height that a DNL gave
_LEAST = ((APP0, b"JFIF", 14), (APP2, b"ICC_PROFILE\0", 14), (APP14, b"Adobe", 12))
"""Markers and beginnings of segments that decoders read without looking whether they are as long as they must be."""
_REWRITTEN = "The segment was rewritten, or strict decoders would not take it."
_ADOBE = b"Adobe\0\x64\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Definition:
    """A Huffman table as one DHT entry of the new file defines it; `kind` 0 is DC, 1 AC.

    `inserted`: the file had no such entry.
    """

    kind: int
    destination: int
    table: HuffmanTable
    inserted: bool


@dataclass(frozen=True, slots=True)
class TableSegment:
    """A DHT segment: definitions with their numbers, and its bytes, which hold as long as no table changes."""

    definitions: tuple[tuple[int, Definition], ...]
    original: bytes


@dataclass(frozen=True, slots=True)
class CodedScan:
    """A scan to be coded: `tables` are the numbers of DC and AC definition per component of `scan`.

    `original`: the bytes it replaces; `number`: which scan of the structure it is, those that were added last.
    """

    number: int
    scan: Scan
    tables: tuple[tuple[int, int], ...]
    original: NDArray[np.uint8]


_Place = tuple[int, HuffmanTable]  # destination, and the table it must hold
Piece = bytes | TableSegment | CodedScan


@dataclass(frozen=True, slots=True)
class Pieces:
    """The new file in order; `tail` is what follows from EOI on; `tail_at`: where it stood, `None` if it is new."""

    pieces: tuple[Piece, ...]
    definitions: tuple[Definition, ...]
    tail: bytes
    tail_at: int | None
    problems: tuple[Problem, ...]


def cut(data: NDArray[np.uint8], structure: JpegStructure, planes: Sequence[ComponentPlane], frame: Frame) -> Pieces:
    """Pieces of the file `data` (uint8) of which every scan can be coded, whatever the headers in `data` say.

    Args:
        data: the file, which may be damaged.
        structure: its structure, where headers may have come from elsewhere than `data`; it wins over `data`.
        planes: their quantisation is taken where `structure` has none.
        frame: that of `structure`, as its scans use it.

    Tables, frame headers and restart intervals that `data` lacks or has otherwise are put before the scan that needs
    them. Left out: what stands between segments and is not fill bytes, a segment that cannot be made valid, a scan
    that adds no component. Components without a scan get one. `problems` say what was done.
    """
    return _Cutter(data, structure, planes, frame).run()


def segment_bytes(marker: int, payload: bytes) -> bytes:
    """A marker segment with its length field (T.81 B.1.1.4)."""
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload


def table_bytes(definitions: Sequence[tuple[int, int, HuffmanTable]]) -> bytes:
    """DHT with tables of the given (kind, destination); nothing at all without tables."""
    entries = (bytes((kind << 4 | at, *table.counts, *table.symbols)) for kind, at, table in definitions)
    return segment_bytes(DHT, b"".join(entries)) if definitions else b""


class _Cutter:
    def __init__(
        self, data: NDArray[np.uint8], structure: JpegStructure, planes: Sequence[ComponentPlane], frame: Frame
    ) -> None:
        assert structure.frame is not None  # noqa: S101  (`frame` is made of it)
        self._data = data
        self._structure = structure
        self._planes = planes
        self._used = frame
        self._frame = structure.frame
        self._frame_written = False
        self._frame_at = self._place_of_frame()
        self._waiting = list(reversed(structure.segments))
        self._cursor = 0
        self._pieces: list[Piece] = [b"\xff\xd8"]
        self._definitions: list[Definition] = []
        self._huffman: dict[tuple[int, int], int] = {}
        self._steps: dict[int, tuple[int, ...]] = {}
        self._overruled = self._overruled_steps()
        self._interval = 0
        self._covered: set[int] = set()
        self._dropped: list[tuple[int, int]] = []
        self._problems: list[Problem] = []

    def run(self) -> Pieces:
        self._add_colour_markers()
        headers = {segment.end: segment for segment in self._structure.segments if segment.marker == SOS}
        for number, scan in sorted(enumerate(self._structure.scans), key=lambda pair: pair[1].start):
            header = headers.get(scan.start)
            self._segments_until(scan.start if header is None else header.offset)
            self._cursor = max(self._cursor, scan.start)
            self._scan(number, scan, header)
            self._cursor = max(self._cursor, scan.end)
        eoi = self._structure.eoi
        found = eoi is not None and eoi >= self._cursor
        self._segments_until(eoi if eoi is not None and found else self._data.size)
        self._add_scans()
        if not found:
            self._report("eoi_added", "info", "The end-of-image marker was added.")
        if self._dropped:
            count = sum(end - start for start, end in self._dropped)
            detail = f"{count} bytes have no place in a valid file and were left out; the first stand here."
            self._report("bytes_left_out", "warning", detail, self._dropped[0][0])
        return Pieces(
            pieces=tuple(self._pieces),
            definitions=tuple(self._definitions),
            tail=self._data[eoi:].tobytes() if found else b"\xff\xd9",
            tail_at=eoi if found else None,
            problems=tuple(self._problems),
        )

    def _report(self, kind: str, severity: Severity, detail: str, offset: int | None = None) -> None:
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(Problem(kind, severity, detail, offset))

    def _payload(self, segment: MarkerSegment) -> bytes:
        return self._data[segment.offset + 4 : segment.end].tobytes()

    def _place_of_frame(self) -> int | None:
        """Offset of the frame header that the structure has, if it stands before the first scan."""
        first = min((scan.start for scan in self._structure.scans), default=self._data.size)
        for segment in self._structure.segments:
            if segment.marker not in _SOF.values() or segment.end > first:
                continue
            payload = self._payload(segment)
            if segment_plausible(segment.marker, payload):
                found = read_segments.frame_header(segment.marker, payload)
                if replace(found, height=found.height or self._frame.height) == self._frame:
                    return segment.offset
        return None

    def _overruled_steps(self) -> dict[int, tuple[int, ...]]:
        """Quantisation tables of the structure that are not those which the file's segments end with."""
        last: dict[int, tuple[int, ...]] = {}
        for segment in self._structure.segments:
            if segment.marker == DQT:
                last.update(read_segments.quantisation_tables(self._payload(segment))[0])
        known = enumerate(self._structure.quantisation)
        return {at: steps for at, steps in known if steps is not None and steps != last.get(at)}

    def _add_colour_markers(self) -> None:
        """JFIF and Adobe markers that only the structure has: without them colours would be read differently."""
        found = ((s.marker, self._payload(s)) for s in self._structure.segments if s.marker in (APP0, APP14))
        payloads = [(marker, payload) for marker, payload in found if _long_enough(marker, payload)]
        if self._structure.jfif and not any(m == APP0 and p.startswith(b"JFIF\0") for m, p in payloads):
            self._pieces.append(segment_bytes(APP0, _JFIF))
            self._report("segment_added", "warning", "A JFIF segment was added.")
        transform = self._structure.adobe_transform
        if transform is not None and not any(m == APP14 and p.startswith(b"Adobe") for m, p in payloads):
            self._pieces.append(segment_bytes(APP14, _ADOBE + bytes((transform,))))
            self._report("segment_added", "warning", "An Adobe segment was added.")

    def _segments_until(self, limit: int) -> None:
        """Take over what lies between the cursor and `limit`; segments that begin before the cursor are past."""
        while self._waiting and self._waiting[-1].offset < limit:
            segment = self._waiting.pop()
            if segment.offset < self._cursor or segment.end > limit:
                continue
            self._gap(segment.offset)
            self._segment(segment)
            self._cursor = segment.end
        self._gap(limit)
        self._cursor = max(self._cursor, limit)

    def _gap(self, end: int) -> None:
        if end <= self._cursor:
            return
        between = self._data[self._cursor : end].tobytes()
        if _FILL.fullmatch(between):
            self._pieces.append(between)
        else:
            self._dropped.append((self._cursor, end))

    def _segment(self, segment: MarkerSegment) -> None:
        if segment.marker == SOI and segment.offset == 0:
            return
        original = self._data[segment.offset : segment.end].tobytes()
        if segment.marker == DHT:
            self._huffman_segment(segment, original)
            return
        piece = self._renewed(segment, original[4:])
        if piece is None:
            self._dropped.append((segment.offset, segment.end))
            return
        self._pieces.append(piece)
        if piece != original:
            self._report("segment_rewritten", "warning", _REWRITTEN, segment.offset)

    def _renewed(self, segment: MarkerSegment, payload: bytes) -> bytes | None:
        """The segment as a strict decoder takes it, `None` if it has no place in the file."""
        marker = segment.marker
        if marker in PROCESS:
            if segment.offset != self._frame_at:
                return None
            self._frame_written = True
            return self._frame_segment(marker)
        if marker in _OUT_OF_PLACE or len(payload) > _LONGEST:
            return None
        if marker == DQT:
            return self._quantisation_segment(payload)
        if marker == DRI:
            self._interval = int.from_bytes(payload[:2]) if len(payload) >= 2 else 0
            return segment_bytes(DRI, self._interval.to_bytes(2))
        keep = segment_plausible(marker, payload) and _long_enough(marker, payload)
        return segment_bytes(marker, payload) if keep else None

    def _frame_segment(self, marker: int) -> bytes:
        frame = self._frame
        size = frame.height.to_bytes(2) + frame.width.to_bytes(2)
        components = (bytes((c.identifier, c.horizontal << 4 | c.vertical, c.quantisation)) for c in frame.components)
        head = bytes((frame.precision,)) + size + bytes((len(frame.components),))
        return segment_bytes(marker, head + b"".join(components))

    def _quantisation_segment(self, payload: bytes) -> bytes | None:
        tables, _ = read_segments.quantisation_tables(payload)
        self._steps.update(tables)
        if segment_plausible(DQT, payload):
            return segment_bytes(DQT, payload)
        return segment_bytes(DQT, b"".join(map(_steps_entry, tables, tables.values()))) if tables else None

    def _huffman_segment(self, segment: MarkerSegment, original: bytes) -> None:
        tables, sound = read_segments.huffman_tables(original[4:])
        defined = []
        for (kind, destination), table in tables.items():
            self._huffman.pop((kind, destination), None)
            if table is not None:
                defined.append(self._define(Definition(kind, destination, table, inserted=False)))
        whole = sound and original == segment_bytes(DHT, original[4:])
        entries = [(d.kind, d.destination, d.table) for _, d in defined]
        self._pieces.append(TableSegment(tuple(defined), original if whole else table_bytes(entries)))
        if not whole:
            self._report("segment_rewritten", "warning", _REWRITTEN, segment.offset)

    def _define(self, definition: Definition) -> tuple[int, Definition]:
        number = len(self._definitions)
        self._definitions.append(definition)
        self._huffman[definition.kind, definition.destination] = number
        return number, definition

    def _scan(self, number: int, scan: Scan, header: MarkerSegment | None) -> None:
        indexes = [part.index for part in scan.components]
        if not self._codable(indexes) or self._covered.issuperset(indexes):
            self._dropped.append((scan.start if header is None else header.offset, scan.end))
            return
        self._covered.update(indexes)
        payload = b"" if header is None else self._payload(header)
        parsed = read_segments.scan_header(payload)
        selectors = [pair[1:] for pair in parsed.components] if parsed is not None else []
        sos, tables = self._prepare(scan, selectors)
        self._pieces.append(sos)
        if header is None:
            self._report("segment_added", "warning", "The scan header was added.", scan.start)
        elif sos != self._data[header.offset : header.end].tobytes():
            self._report("segment_rewritten", "warning", _REWRITTEN, header.offset)
        self._pieces.append(CodedScan(number, scan, tables, self._data[scan.start : scan.end]))

    def _codable(self, indexes: list[int]) -> bool:
        components = self._used.components
        if not indexes or len(set(indexes)) != len(indexes) or max(indexes) >= len(components):
            return False
        blocks = sum(components[i].horizontal * components[i].vertical for i in indexes)
        return len(indexes) == 1 or blocks <= _MOST_BLOCKS

    def _add_scans(self) -> None:
        """A scan for every component that has none: a picture without it would not be whole (T.81 B.2.3)."""
        for index in range(len(self._used.components)):
            if index in self._covered:
                continue
            scan = Scan((ScanComponent(index, None, None),), 0, 63, 0, 0, self._interval, 0, 0)
            sos, tables = self._prepare(scan, [])
            number = len(self._structure.scans) + index
            self._pieces += [sos, CodedScan(number, scan, tables, self._data[:0])]
            self._report("scan_added", "warning", f"Component {index + 1} had no scan; one was added.")

    def _prepare(self, scan: Scan, selectors: list[tuple[int, int]]) -> tuple[bytes, tuple[tuple[int, int], ...]]:
        """See to it that all the scan needs is defined before it; its header, and its tables by number."""
        if not self._frame_written:
            self._pieces.append(self._frame_segment(_SOF[self._frame.process]))
            self._report("segment_added", "warning", "The frame header was added.")
            self._frame_written = True
        for part in scan.components:
            self._require_steps(part.index)
        if self._interval != scan.restart_interval:
            self._interval = scan.restart_interval
            self._pieces.append(segment_bytes(DRI, self._interval.to_bytes(2)))
            self._report("segment_added", "warning", "A restart interval was added.")
        places = _destinations(scan, selectors)
        self._require_tables(places)
        tables = tuple((self._huffman[0, dc], self._huffman[1, ac]) for (dc, _), (ac, _) in places)
        parts = zip(scan.components, places, strict=True)
        named = (bytes((self._frame.components[p.index].identifier, dc << 4 | ac)) for p, ((dc, _), (ac, _)) in parts)
        return segment_bytes(SOS, bytes((len(places),)) + b"".join(named) + b"\0\x3f\0"), tables

    def _require_tables(self, places: list[tuple[_Place, _Place]]) -> None:
        missing: dict[tuple[int, int], HuffmanTable] = {}
        for pair in places:
            for kind, (at, table) in enumerate(pair):
                number = self._huffman.get((kind, at))
                if number is None or self._definitions[number].table != table:
                    missing[kind, at] = table
        if missing:
            entries = [(kind, at, table) for (kind, at), table in missing.items()]
            added = tuple(self._define(Definition(*entry, inserted=True)) for entry in entries)
            self._pieces.append(TableSegment(added, table_bytes(entries)))

    def _require_steps(self, index: int) -> None:
        at = self._frame.components[index].quantisation
        wanted = self._overruled.get(at, self._steps.get(at))
        if wanted is None:
            wanted = self._structure.quantisation[at]
        if wanted is None:
            wanted = tuple(self._planes[index].quantisation[ZIGZAG].tolist())
            detail = f"Quantisation table {at} is missing: brightness and contrast are not the photo's."
            self._report("quantisation_missing", "error", detail)
        if wanted != self._steps.get(at):
            self._steps[at] = wanted
            self._pieces.append(segment_bytes(DQT, _steps_entry(at, wanted)))
            self._report("segment_added", "warning", f"Quantisation table {at} was added.")


def _long_enough(marker: int, payload: bytes) -> bool:
    return not any(marker == m and payload.startswith(start) and len(payload) < n for m, start, n in _LEAST)


def _steps_entry(destination: int, steps: tuple[int, ...]) -> bytes:
    wide = max(steps) > 0xFF
    return bytes((wide << 4 | destination,)) + b"".join(step.to_bytes(1 + wide) for step in steps)


def _destinations(scan: Scan, selectors: list[tuple[int, int]]) -> list[tuple[_Place, _Place]]:
    """(destination, table) for DC and AC of every component: as the header selects, if that makes sense.

    A table that is missing is the typical one (T.81 K.3) for luminance or chrominance.
    """
    columns: list[list[_Place]] = []
    for kind in (0, 1):
        chosen = [pair[kind] for pair in selectors]
        fits = len(chosen) == len(scan.components) and max(chosen) <= 3
        places = chosen if fits else [min(part.index, 1) for part in scan.components]
        own = [part.ac_table if kind else part.dc_table for part in scan.components]
        tables = [t or STANDARD_TABLES[kind, min(at, 1)] for at, t in zip(places, own, strict=True)]
        if any(table != tables[places.index(at)] for at, table in zip(places, tables, strict=True)):
            distinct = list(dict.fromkeys(tables))
            places = [distinct.index(table) for table in tables]
        columns.append(list(zip(places, tables, strict=True)))
    return list(zip(*columns, strict=True))
