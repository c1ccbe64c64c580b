"""Kernels of the thumbnail model: blur and decimation, as weights of picture samples per preview sample.

A blur is a table of its integral from −reach to +reach (float64, `STEPS` entries per preview sample, 0…1). Positions
are in samples of the plane at hand, sample x covers [x, x + 1); preview sample j lies at origin + pitch · (j + ½).
Beyond the picture its outermost samples go on.
"""

import numpy as np

from jpegrescue.compiled import allocating, inlined, kernel

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
def _slopes(table, reach, centre, pitch, length, probe, weight, slope):
    """As `_weights`, and by how much each weight grows when the blur moves on by one of its own samples."""
    margin = (reach + probe) * pitch
    first, end = int(np.floor(centre - margin)), int(np.ceil(centre + margin))
    begin = min(max(first, 0), length - 1)
    count, before, before_ahead, before_behind = 1, 0.0, 0.0, 0.0
    weight[0], slope[0] = 0, 0
    for x in range(first, end):
        at = (x + 1 - centre) / pitch
        upto = _integral(table, reach, at)
        ahead, behind = _integral(table, reach, at - probe), _integral(table, reach, at + probe)
        k = min(max(x, 0), length - 1) - begin
        if k >= count:
            weight[k], slope[k] = 0, 0
            count = k + 1
        weight[k] += upto - before
        slope[k] += ((ahead - before_ahead) - (behind - before_behind)) / (2 * probe)
        before, before_ahead, before_behind = upto, ahead, behind
    return begin, count


@allocating
def _axis(table, reach, origin, pitch, length, probe, wanted):
    """Along one axis, what the `wanted` preview samples take in and all that lie between them.

    Returns:
        The first preview sample; int64 (n, 2), for it and those that follow the first sample and how many; float32
        (2, n, room), weights and, if there is a `probe`, slopes.
    """
    first, last = 0, -1
    for k in range(wanted.size):
        first, last = wanted[k] if k == 0 else min(first, wanted[k]), max(last, wanted[k])
    room = _room(reach + probe, pitch)
    ranges, weights = np.empty((last + 1 - first, 2), np.int64), np.empty((2, last + 1 - first, room), np.float32)
    for j in range(last + 1 - first):
        centre = origin + pitch * (first + j + 0.5)
        if probe > 0:
            ranges[j] = _slopes(table, reach, centre, pitch, length, probe, weights[0, j], weights[1, j])
        else:
            ranges[j] = _weights(table, reach, centre, pitch, length, weights[0, j])
    return first, ranges, weights


@allocating
def shrink(samples, factor, out):
    """Means of factor × factor samples.

    Args:
        samples: uint8, any 2-D.
        factor: int.
        out: float32, out; its shape says how much of `samples` counts (the last sample of a row or column may be cut).
    """
    height, width = samples.shape
    sums = np.empty(min(out.shape[1] * factor, width), np.int32)
    for i in range(out.shape[0]):
        end = min((i + 1) * factor, height)
        sums[:] = 0
        for y in range(i * factor, end):
            row = samples[y]
            for x in range(sums.size):
                sums[x] += row[x]
        for j in range(out.shape[1]):
            last = min((j + 1) * factor, sums.size)
            total = 0
            for x in range(j * factor, last):
                total += sums[x]
            out[i, j] = np.float32(total) / np.float32((last - j * factor) * (end - i * factor))


@inlined
def _known(unknown, block, top, bottom, left, right):
    """Whether all samples in an area of the reduced plane are known."""
    height, width, factor = block
    upper, lower = top * factor // height, min((bottom * factor - 1) // height + 1, unknown.shape[0] - 1)
    first, end = left * factor // width, min((right * factor - 1) // width + 1, unknown.shape[1] - 1)
    missing = unknown[lower, end] - unknown[upper, end]
    return missing == unknown[lower, first] - unknown[upper, first]


@kernel
def usable(shape, unknown, block, cells, geometry, reach, good):
    """Which preview samples take in known samples only (`good`: bool (n,), out); the rest as in `predict`."""
    for k in range(cells.shape[0]):
        x, y = geometry[0] + geometry[1] * (cells[k, 1] + 0.5), geometry[2] + geometry[3] * (cells[k, 0] + 0.5)
        left = min(max(int(np.floor(x - reach * geometry[1])), 0), shape[1] - 1)
        right = min(max(int(np.ceil(x + reach * geometry[1])), left + 1), shape[1])
        top = min(max(int(np.floor(y - reach * geometry[3])), 0), shape[0] - 1)
        bottom = min(max(int(np.ceil(y + reach * geometry[3])), top + 1), shape[0])
        good[k] = _known(unknown, block, top, bottom, left, right)


@inlined
def inner(values, weights):
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


@allocating
def predict(plane, unknown, block, cells, geometry, table, reach, probe, out, slopes, good):
    """What the blur gives at preview samples, before gain and offset.

    Args:
        plane: float32 (height, width), the picture's, reduced.
        unknown: int64 (MCU rows + 1, MCU columns + 1), how many MCUs above and left of each are not known.
        block: height and width of an MCU in samples of the picture, and how many of these make one of `plane`.
        cells: int64 (n, 2), row and column of preview samples.
        geometry: float64 (4,), origin and pitch across, origin and pitch down.
        table, reach: the blur.
        probe: float, how far `slopes` look ahead and behind, in preview samples; 0 if they are not wanted.
        out: float64 (n,), out.
        slopes: float64 (2, n), out: change of `out` per preview sample across and down.
        good: bool (n,), out: whether all samples it took in are known.
    """
    height, width = plane.shape
    across = _axis(table, reach, geometry[0], geometry[1], width, probe, cells[:, 1])
    down = _axis(table, reach, geometry[2], geometry[3], height, probe, cells[:, 0])
    for k in range(cells.shape[0]):
        j, i = cells[k, 1] - across[0], cells[k, 0] - down[0]
        left, wide, top, high = across[1][j, 0], across[1][j, 1], down[1][i, 0], down[1][i, 1]
        value, slope_across, slope_down = 0.0, 0.0, 0.0
        for a in range(high):
            row = plane[top + a, left : left + wide]
            part = inner(row, across[2][0, j, :wide])
            value += down[2][0, i, a] * part
            if probe > 0:
                slope_across += down[2][0, i, a] * inner(row, across[2][1, j, :wide])
                slope_down += down[2][1, i, a] * part
        out[k], slopes[0, k], slopes[1, k] = value, slope_across, slope_down
        good[k] = _known(unknown, block, top, top + high, left, left + wide)


@kernel
def noise_around(residual, checked, top, bottom, left, right, ring, prior, usual):
    """Mean squared residual of the preview samples around an area, which is itself left out.

    Args:
        residual: float32, squared residuals of preview samples; checked: bool, those for which there is one.
        top, bottom, left, right: int, the area.
        ring: int, how many preview samples around it count.
        prior, usual: float, `usual` counts like so many of them.
    """
    total, count = prior * usual, prior
    for i in range(max(top - ring, 0), min(bottom + ring, residual.shape[0])):
        for j in range(max(left - ring, 0), min(right + ring, residual.shape[1])):
            if checked[i, j] and not (top <= i < bottom and left <= j < right):
                total += residual[i, j]
                count += 1
    return total / count


@allocating
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


@allocating
def outside(samples, size, geometry, table, reach, first, window, out):
    """What samples outside a window contribute to preview samples.

    Args:
        samples: uint8 plane; size: (height, width) of it that belongs to the picture.
        geometry, table, reach: as in `predict`.
        first: (row, column) of the first preview sample.
        window: top, bottom, left, right.
        out: float32 (preview rows, preview columns), out.
    """
    rows = np.arange(first[0], first[0] + out.shape[0])
    columns = np.arange(first[1], first[1] + out.shape[1])
    _, down_at, down = _axis(table, reach, geometry[2], geometry[3], size[0], 0.0, rows)
    _, across_at, across = _axis(table, reach, geometry[0], geometry[1], size[1], 0.0, columns)
    out[:] = 0
    for i in range(out.shape[0]):
        top, high = down_at[i]
        for y in range(top, top + high):
            within = window[0] <= y < window[1]
            row, weight = samples[y], down[0, i, y - top]
            for j in range(out.shape[1]):
                left, end = across_at[j, 0], across_at[j, 0] + across_at[j, 1]
                before = max(min(window[2], end), left) if within else end
                after = max(min(window[3], end), left) if within else end
                weights, total = across[0, j], np.float32(0)
                for x in range(left, before):
                    total += weights[x - left] * row[x]
                for x in range(after, end):
                    total += weights[x - left] * row[x]
                out[i, j] += weight * total


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
