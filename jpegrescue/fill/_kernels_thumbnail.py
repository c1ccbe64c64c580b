"""Kernels of the thumbnail model: blur and decimation, as weights of picture samples per preview sample.

A blur is a table of its integral from −reach to +reach (float64, `STEPS` entries per preview sample, 0…1). Positions
are in samples of the plane at hand, sample x covers [x, x + 1); preview sample j lies at origin + pitch · (j + ½).
Beyond the picture its outermost samples go on.
"""

import numpy as np

from jpegrescue.compiled import inlined, kernel

STEPS = 64


@inlined
def _integral(table, reach, at):
    position = (at + reach) * STEPS
    if position <= 0:
        return 0.0
    if position >= table.size - 1:
        return 1.0
    index = int(position)
    return table[index] + (position - index) * (table[index + 1] - table[index])


@kernel
def _weights(table, reach, centre, pitch, length, weight):
    """First sample that the blur at `centre` takes in, how many it does, and their weights."""
    first, end = int(np.floor(centre - reach * pitch)), int(np.ceil(centre + reach * pitch))
    begin = min(max(first, 0), length - 1)
    count, before = 1, 0.0
    weight[0] = 0
    for x in range(first, end):
        upto = _integral(table, reach, (x + 1 - centre) / pitch)
        at = min(max(x, 0), length - 1) - begin
        if at >= count:
            weight[at] = 0
            count = at + 1
        weight[at] += upto - before
        before = upto
    return begin, count


@inlined
def _room(reach, pitch):
    return int(2 * reach * pitch) + 4


@kernel
def shrink(samples, known, mcu_height, mcu_width, factor, out, out_known):
    """Means of factor × factor samples.

    Args:
        samples: uint8, any 2-D.
        known: bool (MCU rows, MCU columns).
        mcu_height, mcu_width: samples of an MCU.
        factor: int.
        out: float32, out; its shape says how much of `samples` counts (the last sample of a row or column may be cut).
        out_known: bool, same shape, out: whether all that went in is known.
    """
    height, width = samples.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total, count, all_known = 0, 0, True
            for y in range(i * factor, min((i + 1) * factor, height)):
                for x in range(j * factor, min((j + 1) * factor, width)):
                    total += samples[y, x]
                    count += 1
                    if not known[y // mcu_height, x // mcu_width]:
                        all_known = False
            out[i, j], out_known[i, j] = np.float32(total) / np.float32(count), all_known


@kernel
def count_unknown(known, sums):
    """Unknown samples above and left of each: `known` bool (height, width), `sums` int64 (height + 1, width + 1)."""
    sums[0] = 0
    for y in range(known.shape[0]):
        sums[y + 1, 0], row = 0, 0
        for x in range(known.shape[1]):
            row += not known[y, x]
            sums[y + 1, x + 1] = sums[y, x + 1] + row


@inlined
def _inner(values, weights):
    """Inner product, four running sums in a fixed order."""
    s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    whole = values.size - values.size % 4
    for x in range(0, whole, 4):
        s0 += values[x] * weights[x]
        s1 += values[x + 1] * weights[x + 1]
        s2 += values[x + 2] * weights[x + 2]
        s3 += values[x + 3] * weights[x + 3]
    for x in range(whole, values.size):
        s0 += values[x] * weights[x]
    return (s0 + s2) + (s1 + s3)


@kernel
def predict(plane, unknown, cells, geometry, table, reach, out, good):
    """What the blur gives at preview samples, before gain and offset.

    Args:
        plane: float32 (height, width).
        unknown: int64 (height + 1, width + 1), as `count_unknown` counts.
        cells: int64 (n, 2), row and column of preview samples.
        geometry: float64 (4,), origin and pitch across, origin and pitch down.
        table, reach: the blur.
        out: float64 (n,), out.
        good: bool (n,), out: whether all samples it took in are known.
    """
    height, width = plane.shape
    room = _room(reach, max(geometry[1], geometry[3]))
    across, down = np.empty(room, np.float32), np.empty(room, np.float32)
    for k in range(cells.shape[0]):
        centre = geometry[0] + geometry[1] * (cells[k, 1] + 0.5)
        left, wide = _weights(table, reach, centre, geometry[1], width, across)
        centre = geometry[2] + geometry[3] * (cells[k, 0] + 0.5)
        top, high = _weights(table, reach, centre, geometry[3], height, down)
        total = 0.0
        for a in range(high):
            total += down[a] * _inner(plane[top + a, left : left + wide], across[:wide])
        missing = unknown[top + high, left + wide] - unknown[top, left + wide]
        missing -= unknown[top + high, left] - unknown[top, left]
        out[k], good[k] = total, missing == 0


@kernel
def axis_weights(table, reach, origin, pitch, first, low, high, length, at, weights):
    """Along one axis: weights of the samples [low, high) in preview samples from `first` on.

    `at`: int64 (n,), out, where each begins, counted from `low`; `weights`: float32 (n, taps), out.
    """
    weight = np.empty(_room(reach, pitch), np.float32)
    weights[:] = 0
    for j in range(at.size):
        begin, count = _weights(table, reach, origin + pitch * (first + j + 0.5), pitch, length, weight)
        at[j] = min(max(begin - low, 0), high - low)
        for k in range(max(begin, low), min(begin + count, high)):
            weights[j, k - low - at[j]] = weight[k - begin]


@kernel
def outside(samples, size, geometry, table, reach, first, window, out):
    """What samples outside a window contribute to preview samples.

    Args:
        samples: uint8 plane; size: (height, width) of it that belongs to the picture.
        geometry, table, reach: as in `predict`.
        first: (row, column) of the first preview sample.
        window: top, bottom, left, right.
        out: float32 (preview rows, preview columns), out.
    """
    room = _room(reach, max(geometry[1], geometry[3]))
    across, down = np.empty(room, np.float32), np.empty(room, np.float32)
    for i in range(out.shape[0]):
        centre = geometry[2] + geometry[3] * (first[0] + i + 0.5)
        top, high = _weights(table, reach, centre, geometry[3], size[0], down)
        for j in range(out.shape[1]):
            centre = geometry[0] + geometry[1] * (first[1] + j + 0.5)
            left, wide = _weights(table, reach, centre, geometry[1], size[1], across)
            total = 0.0
            for y in range(top, top + high):
                part = 0.0
                within = window[0] <= y < window[1]
                for x in range(left, left + wide):
                    if not (within and window[2] <= x < window[3]):
                        part += across[x - left] * samples[y, x]
                total += down[y - top] * part
            out[i, j] = total


@kernel
def enlarge(preview, geometry, gain, offset, mcus, top, left, mcu_height, mcu_width, samples):
    """Set the MCUs of a hole to (preview − offset) / gain, bilinear.

    Args:
        preview: uint8, 2-D.
        geometry: as in `predict`.
        gain, offset: float.
        mcus: bool (rows, columns), the hole; top, left: its first MCU.
        mcu_height, mcu_width: samples of an MCU.
        samples: uint8 plane, in and out.
    """
    rows, columns = preview.shape
    for y in range(top * mcu_height, (top + mcus.shape[0]) * mcu_height):
        v = min(max((y + 0.5 - geometry[2]) / geometry[3] - 0.5, 0.0), rows - 1.0)
        y0 = int(v)
        y1, fy = min(y0 + 1, rows - 1), v - y0
        for x in range(left * mcu_width, (left + mcus.shape[1]) * mcu_width):
            if not mcus[y // mcu_height - top, x // mcu_width - left]:
                continue
            u = min(max((x + 0.5 - geometry[0]) / geometry[1] - 0.5, 0.0), columns - 1.0)
            x0 = int(u)
            x1, fx = min(x0 + 1, columns - 1), u - x0
            upper = preview[y0, x0] * (1 - fx) + preview[y0, x1] * fx
            lower = preview[y1, x0] * (1 - fx) + preview[y1, x1] * fx
            value = (upper * (1 - fy) + lower * fy - offset) / gain
            samples[y, x] = np.uint8(min(max(value + 0.5, 0.0), 255.0))
