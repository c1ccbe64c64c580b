"""Kernels from coefficients to pixels, bit for bit those of libjpeg's slow integer path.

Inverse DCT: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications" (ICASSP
1989), in 13-bit fixed point with two extra bits after the first pass. Upsampling: triangle filter for 2:1 ratios.
Colour: ITU-R BT.601 full range as in JFIF 1.02, in 16-bit fixed point.
"""

import numpy as np

from jpegrescue.compiled import allocating, inlined, int32, kernel

LANES = 16
CLAMPED = np.array([22, 0, 255], np.int32)
WIDE = np.array([0, -32768, 32767], np.int32)
"""How samples end: bits shifted out and back to make them wrap, as libjpeg's range table does, and their bounds."""

REPLICATE, FANCY_H2V1, FANCY_H1V2, FANCY_H2V2 = 0, 1, 2, 3


@inlined
def _butterfly(work, at, step, rounding, shift):
    """Eight-point inverse DCT in place, on `work[at + i * step]`, rounded and shifted right.

    Numba widens every operation to 64 bits; casting each result back lets the compiler use 32-bit lanes.
    """
    d0, d1, d2, d3 = work[at], work[at + step], work[at + 2 * step], work[at + 3 * step]
    d4, d5, d6, d7 = work[at + 4 * step], work[at + 5 * step], work[at + 6 * step], work[at + 7 * step]
    z1 = int32((d2 + d6) * 4433)
    even2 = int32(z1 - d6 * 15137)
    even3 = int32(z1 + d2 * 6270)
    even0 = int32((d0 + d4) << 13)
    even1 = int32((d0 - d4) << 13)
    a0 = int32(even0 + even3 + rounding)
    a3 = int32(even0 - even3 + rounding)
    a1 = int32(even1 + even2 + rounding)
    a2 = int32(even1 - even2 + rounding)
    z5 = int32((d7 + d3 + d5 + d1) * 9633)
    z1 = int32((d7 + d1) * -7373)
    z2 = int32((d5 + d3) * -20995)
    z3 = int32((d7 + d3) * -16069 + z5)
    z4 = int32((d5 + d1) * -3196 + z5)
    b0 = int32(d7 * 2446 + z1 + z3)
    b1 = int32(d5 * 16819 + z2 + z4)
    b2 = int32(d3 * 25172 + z2 + z3)
    b3 = int32(d1 * 12299 + z1 + z4)
    work[at] = int32(a0 + b3) >> shift
    work[at + step] = int32(a1 + b2) >> shift
    work[at + 2 * step] = int32(a2 + b1) >> shift
    work[at + 3 * step] = int32(a3 + b0) >> shift
    work[at + 4 * step] = int32(a3 - b0) >> shift
    work[at + 5 * step] = int32(a2 - b1) >> shift
    work[at + 6 * step] = int32(a1 - b2) >> shift
    work[at + 7 * step] = int32(a0 - b3) >> shift


@allocating
def inverse_dct(blocks, quantisation, ending, plane):
    """Dequantise and transform: int16 (rows, columns, 64) and int32 (64,) to samples (8·rows, 8·columns).

    `ending`: CLAMPED, for a uint8 `plane`, or WIDE, for an int16 one that keeps what lies beyond 0…255.

    `LANES` neighbouring blocks go through together, coefficient by coefficient, so that the compiler can vectorise
    across them. 32 bits suffice for what 8-bit samples can have; beyond that results wrap, where libjpeg's may differ.
    """
    wrap, low, high = ending[0], ending[1], ending[2]
    work = np.zeros(64 * LANES, np.int32)
    eight = work.size // (8 * LANES)  # a count that the compiler does not see: it would unroll, to no good
    for row in range(blocks.shape[0]):
        for first in range(0, blocks.shape[1], LANES):
            lanes = min(LANES, blocks.shape[1] - first)
            for lane in range(lanes):
                block = blocks[row, first + lane]
                for k in range(64):
                    work[k * LANES + lane] = block[k] * quantisation[k]
            for column in range(eight):
                for lane in range(LANES):
                    _butterfly(work, column * LANES + lane, 8 * LANES, 1 << 10, 11)
            for y in range(eight):
                for lane in range(LANES):
                    _butterfly(work, y * 8 * LANES + lane, LANES, 1 << 17, 18)
            for i in range(64 * LANES):
                value = int32((int32(work[i] << wrap) >> wrap) + 128)
                work[i] = min(max(value, low), high)
            for y in range(8):
                line = plane[8 * row + y]
                for lane in range(lanes):
                    for x in range(8):
                        line[8 * (first + lane) + x] = work[(y * 8 + x) * LANES + lane]


@kernel
def _blend_rows(plane, y, rows, near, columns):
    """3:1 mix of the two nearest rows into `near` (int32), for output row `y` of a 2:1 vertical ratio."""
    here = y >> 1
    other = min(max(here - 1 + 2 * (y & 1), 0), rows - 1)
    for x in range(columns):
        near[x] = np.int64(plane[here, x]) * 3 + np.int64(plane[other, x])


@kernel
def _double_row(near, columns, scale, out):
    """Triangle filter along a row: `near` holds samples times 2**`scale` / 4, `out` gets twice as many."""
    before, after = (8, 7) if scale == 4 else (1, 2)
    keep = int(scale == 4)  # without a mix of rows the outermost samples are copied: nothing to round
    for x in range(1, columns - 1):
        mid = near[x] * 3
        out[2 * x] = (mid + near[x - 1] + before) >> scale
        out[2 * x + 1] = (mid + near[x + 1] + after) >> scale
    last = columns - 1
    out[0] = (near[0] * 4 + keep * before) >> scale
    out[1] = (near[0] * 3 + near[1] + after) >> scale
    out[2 * last] = (near[last] * 3 + near[last - 1] + before) >> scale
    out[2 * last + 1] = (near[last] * 4 + keep * after) >> scale


@kernel
def _upsample_row(plane, geometry, y, width, near, out):
    """Row `y` of the picture from one component; `geometry` as in `upsample`."""
    columns, rows, mode = geometry[0], geometry[1], geometry[2]
    across, down, across_max, down_max = geometry[3], geometry[4], geometry[5], geometry[6]
    if mode in (FANCY_H2V1, FANCY_H2V2):
        scale = 2
        if mode == FANCY_H2V2:
            scale = 4
            _blend_rows(plane, y, rows, near, columns)
        else:
            for x in range(columns):
                near[x] = plane[y, x]
        _double_row(near, columns, scale, out)
    elif mode == FANCY_H1V2:
        _blend_rows(plane, y, rows, near, columns)
        bias = 1 + (y & 1)
        for x in range(width):
            out[x] = (near[x] + bias) >> 2
    elif across == across_max:
        source = y * down // down_max
        for x in range(width):
            out[x] = plane[source, x]
    else:
        source = y * down // down_max
        for x in range(width):
            out[x] = plane[source, x * across // across_max]


@allocating
def upsample(plane, geometry, out):
    """Bring one component to the picture's size.

    Args:
        plane: uint8 or int16 (rows, columns), padded to whole blocks.
        geometry: int64 (7,): samples across, samples down, mode, H, V of the component, H and V maxima of the frame.
        out: (height, width), of the plane's type.
    """
    height, width = out.shape
    near = np.empty(geometry[0] + 1, np.int32)
    line = np.empty(max(width, 2 * geometry[0]) + 2, plane.dtype)
    for y in range(height):
        _upsample_row(plane, geometry, y, width, near, line)
        for x in range(width):
            out[y, x] = line[x]


@allocating
def ycc_to_rgb(luma, blue, red, geometry, ending, out):
    """Upsample two chroma planes and convert, row by row.

    Args:
        luma, blue, red: uint8 or int16 planes, padded to whole blocks.
        geometry: int64 (3, 7), a row of `upsample`'s geometry for each.
        ending: as for `inverse_dct`.
        out: (height, width, 3), of the planes' type.
    """
    height, width = out.shape[0], out.shape[1]
    low, high = np.int64(ending[1]), np.int64(ending[2])
    room = width + 2
    for c in range(3):
        room = max(room, 2 * geometry[c, 0] + 2)
    near = np.empty(room, np.int32)
    y_line = np.empty(room, luma.dtype)
    b_line = np.empty(room, luma.dtype)
    r_line = np.empty(room, luma.dtype)
    half = 1 << 15
    for y in range(height):
        _upsample_row(luma, geometry[0], y, width, near, y_line)
        _upsample_row(blue, geometry[1], y, width, near, b_line)
        _upsample_row(red, geometry[2], y, width, near, r_line)
        for x in range(width):
            light = np.int64(y_line[x])
            cb = np.int64(b_line[x]) - 128
            cr = np.int64(r_line[x]) - 128
            r = light + ((91881 * cr + half) >> 16)
            g = light + ((-22554 * cb - 46802 * cr + half) >> 16)
            b = light + ((116130 * cb + half) >> 16)
            out[y, x, 0] = min(max(r, low), high)
            out[y, x, 1] = min(max(g, low), high)
            out[y, x, 2] = min(max(b, low), high)
