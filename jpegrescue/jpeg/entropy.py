"""Entropy decoding of one scan: the arrays around the kernels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import _kernels_entropy as kernels
from jpegrescue.jpeg.tables import LookupTables, build_lookups
from jpegrescue.model.jpeg import Frame, HuffmanTable, Scan


@dataclass(frozen=True, slots=True)
class ScanBytes:
    """Entropy-coded bytes without stuffing, and the way back to addresses in the file.

    `data`: uint8, `size` bytes and then padding; `drop_at`/`dropped`: int64, positions in `data` before which bytes
    were dropped, and how many in all up to there; `restart_at`, `restart_number`: positions and n of RSTn markers;
    `start`: file offset of the first byte.
    """

    data: NDArray[np.uint8]
    size: int
    start: int
    drop_at: NDArray[np.int64]
    dropped: NDArray[np.int64]
    restart_at: NDArray[np.int64]
    restart_number: NDArray[np.int64]

    def file_bits(self, bits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Absolute bit addresses in the file of bit addresses in `data`."""
        index = np.searchsorted(self.drop_at, bits >> 3, side="right")
        before = np.concatenate((np.zeros(1, np.int64), self.dropped))[index]
        return bits + 8 * (self.start + before)


@dataclass(frozen=True, slots=True)
class ScanLayout:
    """How a scan's MCUs map to blocks: `columns` × `rows` MCUs; `blocks` and `geometry` as the kernel takes them."""

    columns: int
    rows: int
    blocks: NDArray[np.int64]
    geometry: NDArray[np.int64]
    lookups: LookupTables

    @property
    def mcus(self) -> int:
        """MCUs that the scan holds."""
        return self.columns * self.rows


@dataclass(frozen=True, slots=True)
class RawDecode:
    """What the kernel recorded; addresses are bits in `ScanBytes.data`. See `_kernels_entropy.decode_intervals`."""

    mcu_bit: NDArray[np.int64]
    mcu_end: NDArray[np.int64]
    placed: NDArray[np.int64]
    interval_done: NDArray[np.int64]
    interval_end: NDArray[np.int64]
    events: NDArray[np.int64]


def scan_bytes(data: NDArray[np.uint8], scan: Scan) -> ScanBytes:
    """Remove stuffing from the entropy-coded bytes of `scan` (T.81 B.1.1.5); RSTn only where restarts are defined."""
    source = data[scan.start : scan.end]
    room = int(np.count_nonzero(source == 0xFF))
    out = np.empty(source.size + kernels.PADDING, np.uint8)
    drop_at, drop_length, drop_kind = (np.empty(room, np.int64) for _ in range(3))
    size, drops = kernels.destuff(source, scan.restart_interval > 0, out, drop_at, drop_length, drop_kind)
    out[size : size + kernels.PADDING] = 0
    is_restart = drop_kind[:drops] >= kernels.RESTART
    return ScanBytes(
        data=out[: size + kernels.PADDING],
        size=size,
        start=scan.start,
        drop_at=drop_at[:drops],
        dropped=np.cumsum(drop_length[:drops]),
        restart_at=drop_at[:drops][is_restart],
        restart_number=drop_kind[:drops][is_restart] - kernels.RESTART,
    )


def component_blocks(frame: Frame) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of blocks of every component, padded to whole MCUs."""
    return tuple(
        (frame.mcu_rows * component.vertical, frame.mcu_columns * component.horizontal)
        for component in frame.components
    )


def scan_layout(frame: Frame, scan: Scan) -> ScanLayout | None:
    """Layout of a sequential scan (T.81 A.2), or `None` when it lacks a Huffman table or the frame a component."""
    if not all(part.index < len(frame.components) for part in scan.components):
        return None
    offsets = np.concatenate(([0], np.cumsum([64 * rows * columns for rows, columns in component_blocks(frame)])))
    strides = [columns for _, columns in component_blocks(frame)]
    interleaved = len(scan.components) > 1
    tables: list[tuple[HuffmanTable, bool]] = []
    blocks: list[tuple[int, int, int, int, int]] = []
    geometry: list[tuple[int, int, int, int]] = []
    for position, part in enumerate(scan.components):
        if part.dc_table is None or part.ac_table is None:
            return None
        dc, ac = (_table_index(tables, pair) for pair in ((part.dc_table, False), (part.ac_table, True)))
        component = frame.components[part.index]
        across, down = (component.horizontal, component.vertical) if interleaved else (1, 1)
        geometry.append((int(offsets[part.index]), strides[part.index], across, down))
        blocks += [(position, x, y, dc, ac) for y in range(down) for x in range(across)]
    columns, rows = frame.mcu_columns, frame.mcu_rows
    if not interleaved:
        columns, rows = _component_size_in_blocks(frame, scan.components[0].index)
    return ScanLayout(
        columns=columns,
        rows=rows,
        blocks=np.array(blocks, np.int64).reshape(-1, 5),
        geometry=np.array(geometry, np.int64).reshape(-1, 4),
        lookups=build_lookups(tuple(tables)),
    )


def natural_steps(table: tuple[int, ...] | None) -> NDArray[np.int32]:
    """Quantiser steps in natural order, int32 (64,), of a table in zigzag order; ones where it is missing."""
    steps = np.empty(64, np.int32)
    steps[kernels.ZIGZAG] = table or (1,) * 64
    return steps


def _table_index(tables: list[tuple[HuffmanTable, bool]], wanted: tuple[HuffmanTable, bool]) -> int:
    if wanted not in tables:
        tables.append(wanted)
    return tables.index(wanted)


def component_size(frame: Frame, index: int) -> tuple[int, int]:
    """Samples (columns, rows) of a component (T.81 A.1.1)."""
    component = frame.components[index]
    return (
        -(-frame.width * component.horizontal // frame.horizontal_max),
        -(-frame.height * component.vertical // frame.vertical_max),
    )


def _component_size_in_blocks(frame: Frame, index: int) -> tuple[int, int]:
    columns, rows = component_size(frame, index)
    return -(-columns // 8), -(-rows // 8)


def decode_intervals(
    stripped: ScanBytes,
    layout: ScanLayout,
    interval_bits: NDArray[np.int64],
    interval_mcu: NDArray[np.int64],
    interval_count: NDArray[np.int64],
    coefficients: NDArray[np.int16],
) -> RawDecode:
    """Decode the intervals (as the kernel takes them) into `coefficients`, the flat int16 array of all components."""
    room = int(interval_count.sum())
    intervals = interval_mcu.size
    mcu_bit, mcu_end, placed = (np.empty(room, np.int64) for _ in range(3))
    interval_done, interval_end = np.empty(intervals, np.int64), np.empty(intervals, np.int64)
    events = np.empty((room + intervals, 5), np.int64)
    lookups = layout.lookups
    decoded, event_count = kernels.decode_intervals(
        stripped.data,
        interval_bits,
        interval_mcu,
        interval_count,
        layout.columns,
        layout.blocks,
        layout.geometry,
        lookups.fast,
        lookups.code_max,
        lookups.code_delta,
        lookups.symbols,
        kernels.ZIGZAG,
        coefficients,
        mcu_bit,
        mcu_end,
        placed,
        interval_done,
        interval_end,
        events,
    )
    return RawDecode(
        mcu_bit=mcu_bit[:decoded],
        mcu_end=mcu_end[:decoded],
        placed=placed[:decoded],
        interval_done=interval_done,
        interval_end=interval_end,
        events=events[:event_count],
    )
