"""Kernels of Huffman entropy coding (ITU-T T.81 annex F.1)."""

import numpy as np

from jpegrescue.compiled import allocating, inlined
from jpegrescue.jpeg._kernels_entropy import AC_SIZE_MAX, DC_SIZE_MAX

DC_MAX = (1 << DC_SIZE_MAX) - 1
AC_MAX = (1 << AC_SIZE_MAX) - 1
MEMBER, PLANE, ACROSS, DOWN, COLUMN, ROW, DC_TABLE, AC_TABLE = range(8)
"""Columns of `blocks`, one row per block of an MCU.

Number of the component in the scan, index of its plane, its blocks across and down in an MCU, column and row of the
block in the MCU, and its two tables.
"""

SIZES = np.array([value.bit_length() for value in range(DC_MAX + 1)], np.uint8)
"""Magnitude category (T.81 tables F.1 and F.2) by absolute value."""


@inlined
def _clamp(value, limit):
    return min(max(value, -limit), limit)


@inlined
def _magnitude(value, size):
    """T.81 F.1.2.1: negative values less one, in ones' complement."""
    return value if value >= 0 else value + (1 << size) - 1


@allocating
def count_symbols(planes, blocks, columns, rows, restart, zigzag, sizes, counts, clamped):
    """Count the symbols that a scan needs, as `encode_scan` writes them.

    Args:
        planes: four int16 arrays (block rows, block columns, 64), natural order.
        blocks: int64 (blocks per MCU, 8), see the columns above.
        columns: MCUs per row of the scan.
        rows: rows of MCUs of the scan.
        restart: MCUs per restart interval, 0 for none.
        zigzag: uint8 (64,), ZIGZAG.
        sizes: uint8, SIZES.
        counts: int64 (tables, 256), added to.
        clamped: int64 (2,), added to: DC differences and AC coefficients that are out of range.
    """
    predictors = np.zeros(4, np.int64)
    for raster in range(columns * rows):
        if restart > 0 and raster % restart == 0:
            for c in range(4):
                predictors[c] = 0
        mcu_y = raster // columns
        mcu_x = raster - mcu_y * columns
        for b in range(blocks.shape[0]):
            plane = planes[blocks[b, PLANE]]
            row = mcu_y * blocks[b, DOWN] + blocks[b, ROW]
            column = mcu_x * blocks[b, ACROSS] + blocks[b, COLUMN]
            ac = blocks[b, AC_TABLE]
            wanted = np.int64(plane[row, column, 0]) - predictors[blocks[b, MEMBER]]
            difference = _clamp(wanted, DC_MAX)
            clamped[0] += difference != wanted
            predictors[blocks[b, MEMBER]] += difference
            counts[blocks[b, DC_TABLE], sizes[abs(difference)]] += 1
            run = 0
            for k in range(1, 64):
                wanted = np.int64(plane[row, column, zigzag[k]])
                if wanted == 0:
                    run += 1
                    continue
                value = _clamp(wanted, AC_MAX)
                clamped[1] += value != wanted
                if run > 15:
                    counts[ac, 0xF0] += run >> 4
                counts[ac, (run & 15) << 4 | sizes[abs(value)]] += 1
                run = 0
            if run > 0:
                counts[ac, 0] += 1


@inlined
def _put(out, written, byte):
    """One byte, and the stuffed zero after FF (T.81 B.1.1.5)."""
    out[written] = byte
    written += 1
    if byte == 0xFF:
        out[written] = 0
        written += 1
    return written


@inlined
def _append(out, written, bits, filled, entry, magnitude):
    """A symbol with its magnitude behind the `filled` bits, of which 32 are written as soon as there are as many."""
    length = entry & 31
    bits = (bits << length) | (entry >> 5) | magnitude
    filled += length
    if filled >= 32:
        filled -= 32
        word = bits >> filled
        bits &= (1 << filled) - 1
        if ((word & ~(word + 0x01010101)) & 0x80808080) == 0:  # no byte of it is FF
            out[written] = word >> 24
            out[written + 1] = (word >> 16) & 0xFF
            out[written + 2] = (word >> 8) & 0xFF
            out[written + 3] = word & 0xFF
            written += 4
        else:
            written = _put(out, written, word >> 24)
            written = _put(out, written, (word >> 16) & 0xFF)
            written = _put(out, written, (word >> 8) & 0xFF)
            written = _put(out, written, word & 0xFF)
    return written, bits, filled


@allocating
def encode_scan(planes, blocks, columns, rows, restart, zigzag, sizes, entries, out, last_at, padding):
    """Code a scan; the arguments that `count_symbols` also has are as there.

    A value out of range is clamped; the DC values after it are coded against what was written.

    Args:
        planes, blocks, columns, rows, restart, zigzag, sizes: see `count_symbols`.
        entries: int64 (tables, 256), by symbol: its code before as many zeros as its magnitude has bits, shifted by 5,
            and the length of it all. Every symbol needed has a code.
        out: uint8, room for twice the bytes without stuffing.
        last_at: int64 (restart intervals,), index in `out` of the last byte of each interval.
        padding: uint8 (restart intervals,), the bits set in what pads that byte.

    Returns:
        Bytes written.
    """
    predictors = np.zeros(4, np.int64)
    written = 0
    bits = 0
    filled = 0
    interval = 0
    last = columns * rows - 1
    for raster in range(columns * rows):
        mcu_y = raster // columns
        mcu_x = raster - mcu_y * columns
        for b in range(blocks.shape[0]):
            plane = planes[blocks[b, PLANE]]
            row = mcu_y * blocks[b, DOWN] + blocks[b, ROW]
            column = mcu_x * blocks[b, ACROSS] + blocks[b, COLUMN]
            dc = blocks[b, DC_TABLE]
            ac = blocks[b, AC_TABLE]
            value = _clamp(np.int64(plane[row, column, 0]) - predictors[blocks[b, MEMBER]], DC_MAX)
            predictors[blocks[b, MEMBER]] += value
            size = np.int64(sizes[abs(value)])
            written, bits, filled = _append(out, written, bits, filled, entries[dc, size], _magnitude(value, size))
            run = 0
            for k in range(1, 64):
                value = np.int64(plane[row, column, zigzag[k]])
                if value == 0:
                    run += 1
                    continue
                while run > 15:
                    written, bits, filled = _append(out, written, bits, filled, entries[ac, 0xF0], 0)
                    run -= 16
                value = _clamp(value, AC_MAX)
                size = np.int64(sizes[abs(value)])
                entry = entries[ac, run << 4 | size]
                written, bits, filled = _append(out, written, bits, filled, entry, _magnitude(value, size))
                run = 0
            if run > 0:
                written, bits, filled = _append(out, written, bits, filled, entries[ac, 0], 0)
        if raster == last or (restart > 0 and (raster + 1) % restart == 0):
            spare = -filled & 7
            padding[interval] = (1 << spare) - 1
            bits = (bits << spare) | ((1 << spare) - 1)
            filled += spare
            while filled > 0:
                filled -= 8
                last_at[interval] = written
                written = _put(out, written, (bits >> filled) & 0xFF)
            bits = 0
            for c in range(4):
                predictors[c] = 0
            if raster != last:
                out[written] = 0xFF
                out[written + 1] = 0xD0 + (interval & 7)
                written += 2
            interval += 1
    return written
