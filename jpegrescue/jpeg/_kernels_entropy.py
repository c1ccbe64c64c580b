"""Kernels of Huffman entropy decoding (ITU-T T.81 annex F.2), made to survive damage.

They work on bytes without stuffing (see `destuff`). A bit address `p` counts from the first of these bytes, the most
significant bit first. The buffer must be followed by `PADDING` readable bytes: a block that runs off the end reads at
most 64 symbols of 27 bits before the end is checked.
"""

import numpy as np

from jpegrescue.compiled import allocating, inlined, kernel

PADDING = 256
FAST_BITS = 10
DC_SIZE_MAX = 11  # T.81 table F.1, 8-bit samples
AC_SIZE_MAX = 10  # T.81 table F.2, 8-bit samples

OK, INVALID_CODE, COEFFICIENT_OVERFLOW, OUT_OF_DATA = 0, 1, 2, 3
STUFFING, RESTART = 0, 1

ZIGZAG = np.array(
    [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
        12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
        35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
        58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ],
    dtype=np.uint8,
)  # fmt: skip


@kernel
def destuff(data, restarts, out, drop_at, drop_length, drop_kind):
    """Copy entropy-coded bytes without stuffing, fill bytes and (where `restarts`) RSTn markers.

    `drop_at[i]` is the position in `out` before which `drop_length[i]` bytes were dropped; `drop_kind[i]` is STUFFING
    or RESTART + n for RSTn. Returns (bytes written, drops). Any other FF xx is data, but a single set bit after FF is
    taken for a flipped stuffing byte: that is 30 times likelier than the same pattern from a flip that made the FF.
    """
    n = data.size
    written = 0
    drops = 0
    i = 0
    while i < n:
        byte = data[i]
        if byte != 0xFF or i + 1 == n:
            out[written] = byte
            written += 1
            i += 1
            continue
        follower = np.int64(data[i + 1])
        kind = STUFFING
        length = 1
        if follower == 0xFF:
            i += 1
        elif restarts and 0xD0 <= follower <= 0xD7:
            kind = RESTART + follower - 0xD0
            length = 2
            i += 2
        elif follower & (follower - 1) == 0:
            out[written] = byte
            written += 1
            i += 2
        else:
            out[written] = byte
            out[written + 1] = follower
            written += 2
            i += 2
            continue
        drop_at[drops] = written
        drop_length[drops] = length
        drop_kind[drops] = kind
        drops += 1
    return written, drops


@inlined
def load(data, p):
    """64 bits from bit address `p`, left-aligned; at least 57 of them are real."""
    i = p >> 3
    word = (
        (np.int64(data[i]) << 56)
        | (np.int64(data[i + 1]) << 48)
        | (np.int64(data[i + 2]) << 40)
        | (np.int64(data[i + 3]) << 32)
        | (np.int64(data[i + 4]) << 24)
        | (np.int64(data[i + 5]) << 16)
        | (np.int64(data[i + 6]) << 8)
        | np.int64(data[i + 7])
    )
    return word << (p & 7)


@inlined
def top(bits, count):
    return (bits >> (64 - count)) & ((1 << count) - 1)


@inlined
def _extend(value, size):
    """T.81 figure F.12."""
    if value < 1 << (size - 1):
        value -= (1 << size) - 1
    return value


@inlined
def long_code(bits, table, code_max, code_delta, symbols):
    """Symbol and length of a code longer than FAST_BITS (T.81 figure F.16); length 17 if there is none."""
    code = top(bits, 16)
    length = FAST_BITS + 1
    while length <= 16 and (code >> (16 - length)) > code_max[table, length]:
        length += 1
    if length > 16:
        return 0, 17
    return np.int64(symbols[table, (code >> (16 - length)) + code_delta[table, length]]), length


@inlined
def _decode_block(data, p, fast, code_max, code_delta, symbols, dc_table, ac_table, zigzag, out, base):
    """One block (T.81 F.2.2): AC coefficients into `out[base:base + 64]`; returns (status, p, DC difference)."""
    bits = load(data, p)
    left = 64 - (p & 7)
    entry = np.int64(fast[dc_table, top(bits, FAST_BITS)])
    length = entry & 31
    size = (entry >> 5) & 15
    if entry == 0:
        size, length = long_code(bits, dc_table, code_max, code_delta, symbols)
        if length > 16:
            return INVALID_CODE, p, 0
    if size > DC_SIZE_MAX:
        return INVALID_CODE, p, 0
    bits <<= length
    difference = 0
    if size > 0:
        difference = _extend(top(bits, size), size)
        bits <<= size
    p += length + size
    left -= length + size
    k = 1
    while k < 64:
        if left < 27:
            bits = load(data, p)
            left = 64 - (p & 7)
        entry = np.int64(fast[ac_table, top(bits, FAST_BITS)])
        value = entry >> 16
        length = entry & 31
        if value != 0:
            k += (entry >> 9) & 15
            if k > 63:
                return COEFFICIENT_OVERFLOW, p, 0
            out[base + zigzag[k]] = value
            k += 1
        else:
            size = (entry >> 5) & 15
            run = (entry >> 9) & 15
            if entry == 0:
                symbol, length = long_code(bits, ac_table, code_max, code_delta, symbols)
                if length > 16:
                    return INVALID_CODE, p, 0
                size = symbol & 15
                run = symbol >> 4
            if size == 0:
                if run == 0:
                    return OK, p + length, difference
                if run != 15:
                    return INVALID_CODE, p, 0
                k += 16
                if k > 64:
                    return COEFFICIENT_OVERFLOW, p, 0
            else:
                k += run
                if k > 63:
                    return COEFFICIENT_OVERFLOW, p, 0
                if size > AC_SIZE_MAX:
                    return INVALID_CODE, p, 0
                bits <<= length
                left -= length
                p += length
                out[base + zigzag[k]] = _extend(top(bits, size), size)
                length = size
                k += 1
        bits <<= length
        left -= length
        p += length
    return OK, p, difference


@inlined
def _block_base(geometry, component, mcu_x, mcu_y, column, row):
    """Index of a block's first coefficient in the flat output."""
    block_x = mcu_x * geometry[component, 2] + column
    block_y = mcu_y * geometry[component, 3] + row
    return geometry[component, 0] + (block_y * geometry[component, 1] + block_x) * 64


@allocating
def decode_intervals(
    data,
    interval_bits,
    interval_mcu,
    interval_count,
    columns,
    blocks,
    geometry,
    fast,
    code_max,
    code_delta,
    symbols,
    zigzag,
    out,
    mcu_bit,
    mcu_end,
    placed,
    interval_done,
    interval_end,
    events,
):
    """Decode restart intervals by the robust rule: a failing MCU is dropped and retried one bit later.

    Args:
        data: uint8, bytes without stuffing, then PADDING.
        interval_bits: int64 (n, 2), first bit and end bit of every interval.
        interval_mcu: int64 (n,), raster index of its first MCU.
        interval_count: int64 (n,), MCUs that it should hold.
        columns: MCUs per row of the scan.
        blocks: int64 (blocks per MCU, 5): component of the scan, column and row in the MCU, DC and AC table.
        geometry: int64 (components, 4): offset into `out`, blocks per row, blocks across and down in an MCU.
        fast: int32 (tables, 2**FAST_BITS), see `tables`.
        code_max: int64 (tables, 18), greatest code of each length, or -1.
        code_delta: int64 (tables, 18), what to add to a code for its symbol's index.
        symbols: uint8 (tables, 256).
        zigzag: uint8 (64,), ZIGZAG.
        out: int16, zeroed; coefficients in natural order, DC undifferenced.
        mcu_bit, mcu_end: int64 (MCUs,), half-open bit range of every decoded MCU in stream order.
        placed: int64 (MCUs,), raster index of every decoded MCU.
        interval_done: int64 (n,), MCUs decoded of each interval.
        interval_end: int64 (n,), bit address where decoding of it ended.
        events: int64 (MCUs + n, 5): interval, stream index, bit, skipped bits, status. Skipped bits are those up to
            the next MCU that decoded, or to the end of the interval. Every event but an interval's last is followed
            by a decoded MCU, which bounds their number.

    Returns:
        (MCUs decoded, events)
    """
    components = geometry.shape[0]
    predictors = np.empty(components, np.int64)
    kept = np.empty(components, np.int64)
    stream = 0
    event_count = 0
    for interval in range(interval_mcu.size):
        p = interval_bits[interval, 0]
        end = interval_bits[interval, 1]
        done = 0
        failing = False
        for c in range(components):  # assigning slices would compile ten times as long
            predictors[c] = 0
        while done < interval_count[interval]:
            raster = interval_mcu[interval] + done
            mcu_y = raster // columns
            mcu_x = raster - mcu_y * columns
            for c in range(components):
                kept[c] = predictors[c]
            status = OK
            q = p
            for b in range(blocks.shape[0]):
                c = blocks[b, 0]
                base = _block_base(geometry, c, mcu_x, mcu_y, blocks[b, 1], blocks[b, 2])
                status, q, difference = _decode_block(
                    data, q, fast, code_max, code_delta, symbols, blocks[b, 3], blocks[b, 4], zigzag, out, base
                )
                if q > end or (status == INVALID_CODE and q + 16 > end):
                    status = OUT_OF_DATA
                if status != OK:
                    break
                predictors[c] += difference
                out[base] = predictors[c]
            if status == OK:
                if failing:
                    events[event_count, 3] = p - events[event_count, 2]
                    event_count += 1
                    failing = False
                mcu_bit[stream] = p
                mcu_end[stream] = q
                placed[stream] = raster
                stream += 1
                done += 1
                p = q
                continue
            for c in range(components):
                predictors[c] = kept[c]
            for b in range(blocks.shape[0]):
                base = _block_base(geometry, blocks[b, 0], mcu_x, mcu_y, blocks[b, 1], blocks[b, 2])
                for k in range(64):
                    out[base + k] = 0
            if not failing:
                failing = True
                events[event_count, 0] = interval
                events[event_count, 1] = stream
                events[event_count, 2] = p
                events[event_count, 4] = status
            if status == OUT_OF_DATA or p + 1 >= end:
                break
            p += 1
        if failing:
            events[event_count, 3] = max(end - events[event_count, 2], 0)
            event_count += 1
        interval_done[interval] = done
        interval_end[interval] = p
    return stream, event_count
