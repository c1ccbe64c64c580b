"""A valid JPEG file from quantised coefficients and the damaged file they were read from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import _kernels_write as kernels
from jpegrescue.jpeg._kernels_entropy import ZIGZAG
from jpegrescue.jpeg.codes import code_arrays, extended, keeps_codes
from jpegrescue.jpeg.entropy import component_blocks, component_size
from jpegrescue.jpeg.markers import APP2
from jpegrescue.jpeg.pieces import CodedScan, Piece, Pieces, cut, table_bytes
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.jpeg import Frame, JpegStructure
from jpegrescue.model.problem import Problem

_PLANES = 4  # kernels take as many, so that they are compiled once
_SLACK = 64
_EOI = 2  # bytes


@dataclass(frozen=True, slots=True)
class ExtendedTable:
    """A Huffman table that is not the file's own.

    `scan`: number of the first scan that uses it; `symbols`: how many got a code that had none; `change`: `appended`,
    all other codes are as before; `rebuilt`, some are longer; `inserted`, the file had no such table.
    """

    kind: Literal["dc", "ac"]
    destination: int
    scan: int
    symbols: int
    change: Literal["appended", "rebuilt", "inserted"]


@dataclass(frozen=True, slots=True)
class Written:
    """The new file, and what in it is not as in the old one besides the scans."""

    data: bytes
    extended_tables: tuple[ExtendedTable, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a scan's MCUs map to blocks: `blocks` as the kernels take them, `tables` the definitions they number."""

    columns: int
    rows: int
    blocks: NDArray[np.int64]
    tables: tuple[int, ...]
    intervals: int


def write_jpeg(
    data: NDArray[np.uint8], structure: JpegStructure, planes: Sequence[ComponentPlane]
) -> Written | Problem:
    """Code `planes` into the scans of the file `data`, and keep everything else of it (T.81 annex B and F.1).

    Args:
        data: uint8, the whole file, damaged or not.
        structure: what `parse` made of it, headers from elsewhere included; sequential Huffman, 8 bit.
        planes: one per component of the frame, as `resync.decode.decode` yields them.

    Returns:
        The file, which holds exactly `planes`, but for values out of the range of 8-bit samples (`coefficient_clamped`)
        and blocks that are padding in a scan of one component. Strict decoders take it without a warning, unless its
        metadata are garbled. Bytes outside scans are those of `data`; what had to change for the file to be valid is in
        `problems`. A Huffman table is changed only if it lacks a symbol that is needed or no strict decoder takes it.
        An intact file comes back byte for byte if its encoder coded as T.81 describes; padding bits are kept in scans
        of which nothing else changes. A `Problem` instead, if no such file exists.
    """
    frame = _used_frame(structure, planes)
    if isinstance(frame, Problem):
        return frame
    pieces = cut(data, structure, planes, frame)
    blocks = tuple(np.require(plane.blocks, np.int16, ["C", "W"]) for plane in planes)
    coder = _Coder((blocks * _PLANES)[:_PLANES], frame, pieces)
    parts = [_rendered(piece, coder) for piece in pieces.pieces]
    return Written(
        data=b"".join((*parts, pieces.tail)),
        extended_tables=tuple(coder.changes()),
        problems=(*pieces.problems, *coder.problems(), *_moved(data, structure, pieces, sum(map(len, parts)))),
    )


def _used_frame(structure: JpegStructure, planes: Sequence[ComponentPlane]) -> Frame | Problem:
    """The frame with the factors of `planes`: a lone component is never interleaved (T.81 A.2.2)."""
    frame = structure.frame
    if frame is None or frame.process not in ("baseline", "extended") or frame.precision != 8:
        return _refused("it has no frame header of a sequential Huffman process with 8-bit samples")
    if not frame.width or not frame.height or not 1 <= len(frame.components) <= _PLANES:
        return _refused("its frame header gives no size, or more than four components")
    if len(frame.components) == len(planes):
        parts = zip(frame.components, planes, strict=True)
        factors = tuple(replace(c, horizontal=p.horizontal, vertical=p.vertical) for c, p in parts)
        frame = replace(frame, components=factors)
    if [plane.blocks.shape for plane in planes] != [(*shape, 64) for shape in component_blocks(frame)]:
        return _refused("the coefficients do not fit the frame header")
    return frame


def _refused(reason: str) -> Problem:
    return Problem("not_written", "error", f"No JPEG file can be made of the coefficients: {reason}.")


class _Coder:
    """Codes the scans of `pieces`, all of which share `tables`: those of the definitions, extended where needed."""

    def __init__(self, blocks: tuple[NDArray[np.int16], ...], frame: Frame, pieces: Pieces) -> None:
        self._blocks = blocks
        self._definitions = pieces.definitions
        self._scans = [piece for piece in pieces.pieces if isinstance(piece, CodedScan)]
        self._layouts = {scan.number: _layout(frame, scan) for scan in self._scans}
        self._clamped = np.zeros(2, np.int64)
        self._counts = {scan.number: self._count(scan) for scan in self._scans}
        needed: dict[int, set[int]] = {}
        for number, counts in self._counts.items():
            for table, row in zip(self._layouts[number].tables, counts, strict=True):
                needed.setdefault(table, set()).update(np.flatnonzero(row).tolist())
        self.tables = tuple(
            extended(d.table, needed[n], is_ac=d.kind == 1) if n in needed else d.table
            for n, d in enumerate(pieces.definitions)
        )

    def _count(self, coded: CodedScan) -> NDArray[np.int64]:
        layout = self._layouts[coded.number]
        counts = np.zeros((len(layout.tables), 256), np.int64)
        kernels.count_symbols(
            self._blocks,
            layout.blocks,
            layout.columns,
            layout.rows,
            coded.scan.restart_interval,
            ZIGZAG,
            kernels.SIZES,
            counts,
            self._clamped,
        )
        return counts

    def encode(self, coded: CodedScan) -> bytes:
        """The scan's bytes; those it replaces if they differ in padding bits only."""
        layout = self._layouts[coded.number]
        arrays = [code_arrays(self.tables[number]) for number in layout.tables]
        codes, lengths = (np.stack(column) for column in zip(*arrays, strict=True))
        sizes = np.arange(256) & 15
        bits = int((self._counts[coded.number] * (lengths + sizes)).sum())
        room = 2 * (bits // 8 + 2 * layout.intervals) + _SLACK
        out = np.empty(room, np.uint8)  # pages that stuffing does not reach are never touched
        last_at, padding = np.zeros(layout.intervals, np.int64), np.zeros(layout.intervals, np.uint8)
        size = kernels.encode_scan(
            self._blocks,
            layout.blocks,
            layout.columns,
            layout.rows,
            coded.scan.restart_interval,
            ZIGZAG,
            kernels.SIZES,
            (codes << sizes << 5) | (lengths + sizes),
            out,
            last_at,
            padding,
        )
        return _as_before(out[:size], coded.original, last_at, padding).tobytes()

    def changes(self) -> Iterator[ExtendedTable]:
        """What became of the tables that scans use."""
        for number, (definition, table) in enumerate(zip(self._definitions, self.tables, strict=True)):
            if not definition.inserted and table is definition.table:
                continue
            kept = keeps_codes(definition.table, table)
            first = next(scan.number for scan in self._scans if number in self._layouts[scan.number].tables)
            yield ExtendedTable(
                kind="ac" if definition.kind else "dc",
                destination=definition.destination,
                scan=first,
                symbols=len(set(table.symbols) - set(definition.table.symbols)),
                change="inserted" if definition.inserted else "appended" if kept else "rebuilt",
            )

    def problems(self) -> Iterator[Problem]:
        """Values that no code can express."""
        differences, coefficients = self._clamped.tolist()
        if differences or coefficients:
            detail = (
                f"{differences} DC differences and {coefficients} AC coefficients are out of the range of 8-bit "
                "samples and were written as the greatest value there is."
            )
            yield Problem("coefficient_clamped", "warning", detail)


def _layout(frame: Frame, coded: CodedScan) -> _Layout:
    """MCUs of a scan (T.81 A.2); a scan of one component has its blocks within the picture for MCUs."""
    columns, rows = frame.mcu_columns, frame.mcu_rows
    lone = len(coded.tables) == 1
    if lone:
        columns, rows = (-(-size // 8) for size in component_size(frame, coded.scan.components[0].index))
    tables = tuple(dict.fromkeys(number for pair in coded.tables for number in pair))
    blocks = []
    for member, (part, (dc, ac)) in enumerate(zip(coded.scan.components, coded.tables, strict=True)):
        component = frame.components[part.index]
        across, down = (1, 1) if lone else (component.horizontal, component.vertical)
        head = (member, part.index, across, down)
        tail = (tables.index(dc), tables.index(ac))
        blocks += [(*head, x, y, *tail) for y in range(down) for x in range(across)]
    interval = coded.scan.restart_interval or columns * rows
    return _Layout(columns, rows, np.array(blocks, np.int64), tables, -(-columns * rows // interval))


def _as_before(
    new: NDArray[np.uint8], old: NDArray[np.uint8], last_at: NDArray[np.int64], padding: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """`old` if it differs from `new` in nothing but padding bits, which T.81 F.1.2.3 wants set; else `new`."""
    if old.size != new.size:
        return new
    fixed = np.full(new.size, 0xFF, np.uint8)
    fixed[last_at] ^= padding
    return new if np.any((new ^ old) & fixed) else old


def _rendered(piece: Piece, coder: _Coder) -> bytes:
    if isinstance(piece, CodedScan):
        return coder.encode(piece)
    if isinstance(piece, bytes):
        return piece
    tables = coder.tables
    if all(tables[number] is definition.table for number, definition in piece.definitions):
        return piece.original
    return table_bytes([(d.kind, d.destination, tables[number]) for number, d in piece.definitions])


def _moved(data: NDArray[np.uint8], structure: JpegStructure, pieces: Pieces, tail_at: int) -> Iterator[Problem]:
    """A word on pictures behind EOI, if their addresses in an MPF segment (CIPA DC-007) do not hold any longer."""
    listed = any(
        segment.marker == APP2 and data[segment.offset + 4 : segment.offset + 8].tobytes() == b"MPF\0"
        for segment in structure.segments
    )
    if listed and pieces.tail_at not in (None, tail_at) and len(pieces.tail) > _EOI:
        yield Problem("trailer_moved", "info", "The addresses of further pictures in the MPF segment are not adapted.")
