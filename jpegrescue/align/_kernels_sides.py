"""Kernels that look at placed MCUs from all sides."""

import numpy as np

from jpegrescue.compiled import allocating, inlined, kernel
from jpegrescue.score._kernels_borders import ACTIVITY_BIN, SPREAD_BIN, difference
from jpegrescue.score._kernels_evidence import contents_odds, odds_of_mean

SLACK = 64.0  # (1/16 level)²: offsets of different runs are not known better


@inlined
def _border(lines, activity, columns, kinds, shape, scatter, contents, table, i, j, offsets, upper, lower):
    """MCU `j` of run `lower` below `i` of run `upper`."""
    total = contents_odds(contents, table, i, j)
    for c in range(kinds.size):
        mean, spread = difference(lines[1], i, lines[0], j, columns[c], columns[c + 1] - columns[c])
        mean += offsets[lower, c] - offsets[upper, c]
        active = ACTIVITY_BIN[min(4095, activity[c, 1, i] + activity[c, 0, j])]
        kind = kinds[c]
        total += shape[kind, active, SPREAD_BIN[min(8191, spread)]]
        total += odds_of_mean(mean, scatter[0, kind, active] + SLACK, scatter[1, kind, active] + SLACK)
    return total


@kernel
def odds_above(lines, activity, columns, kinds, shape, scatter, contents, table, at, owner, offsets, width, out):
    """For every place, that what lies there belongs below what lies above it; 0 where either is unknown.

    `at`, `owner`: int64 (places,), stream index and run of what lies there, or -1; `offsets`: float64 (runs,
    components), 1/16 level; `out`: int64 (places,), output, 1/NAT nat.
    """
    for place in range(width, at.size):
        i, j = at[place - width], at[place]
        if i >= 0 and j >= 0:
            out[place] = _border(
                lines, activity, columns, kinds, shape, scatter, contents, table,
                i, j, offsets, owner[place - width], owner[place],
            )  # fmt: skip


@kernel
def odds_beside(lines, activity, columns, kinds, shape, scatter, contents, table, at, owner, offsets, width, path, out):
    """What placed MCUs say of what lies above them, and to the left and to the right of that.

    `path`: int64 (runs, 3), start, stop, shift; `out`: int64 (3, MCUs), output, zeroed, 1/NAT nat; all 0 where one of
    the three is unknown.
    """
    for run in range(path.shape[0]):
        for t in range(path[run, 0], path[run, 1]):
            up = t + path[run, 2] - width
            if up < 1 or at[up - 1] < 0 or at[up] < 0 or at[up + 1] < 0:
                continue
            for k in range(3):
                above = up + (0 if k == 0 else 2 * k - 3)
                out[k, t] = _border(
                    lines, activity, columns, kinds, shape, scatter, contents, table,
                    at[above], t, offsets, owner[above], run,
                )  # fmt: skip


@kernel
def margins(
    lines, activity, columns, kinds, shape, scatter, contents, table, at, owner, offsets, width, path, reach, out
):
    """For every run, by how much its borders to other runs speak for its shift against every other one up to `reach`.

    `path`: int64 (runs, 3), start, stop, shift; `out`: int64 (runs,), output, 1/NAT nat.
    """
    for run in range(path.shape[0]):
        best, own = -(1 << 60), 0
        for move in range(-reach, reach + 1):
            total = 0
            for t in range(path[run, 0], path[run, 1]):
                place = t + path[run, 2] + move
                up, down = place - width, place + width
                if 0 <= up < at.size and at[up] >= 0 and owner[up] != run:
                    total += _border(
                        lines, activity, columns, kinds, shape, scatter, contents, table,
                        at[up], t, offsets, owner[up], run,
                    )  # fmt: skip
                if 0 <= down < at.size and at[down] >= 0 and owner[down] != run:
                    total += _border(
                        lines, activity, columns, kinds, shape, scatter, contents, table,
                        t, at[down], offsets, run, owner[down],
                    )  # fmt: skip
            if move == 0:
                own = total
            else:
                best = max(best, total)
        out[run] = own - best


@kernel
def odds_elsewhere(
    lines,
    activity,
    columns,
    kinds,
    shape,
    scatter,
    contents,
    table,
    at,
    owner,
    offsets,
    width,
    start,
    stop,
    shift,
    run,
    out,
):
    """What the borders above and below would say of each MCU in `[start, stop)` of `run` at another `shift`."""
    for t in range(start, stop):
        place = t + shift
        up, down = place - width, place + width
        total = 0
        if 0 <= up < at.size and at[up] >= 0:
            total += _border(
                lines, activity, columns, kinds, shape, scatter, contents, table,
                at[up], t, offsets, owner[up], run,
            )  # fmt: skip
        if 0 <= down < at.size and at[down] >= 0:
            total += _border(
                lines, activity, columns, kinds, shape, scatter, contents, table,
                t, at[down], offsets, run, owner[down],
            )  # fmt: skip
        out[t - start] = total


@kernel
def preview_margins(levels, expected, near, far, path, offsets, width, reach, rows, out):
    """The same by the preview, also against places some rows away; the runs' offsets are those of `offsets`."""
    for run in range(path.shape[0]):
        best, own = -(1 << 60), 0
        for number in range((2 * rows + 1) * (2 * reach + 1)):
            row, column = number // (2 * reach + 1) - rows, number % (2 * reach + 1) - reach
            if row != 0 and abs(column) > 2:
                continue
            move = row * width + column
            total = 0
            for t in range(path[run, 0], path[run, 1]):
                place = t + path[run, 2] + move
                if not 0 <= place < expected.shape[0]:
                    continue
                for c in range(near.size):
                    x = expected[place, c] - levels[t, c] - offsets[run, c]
                    if not np.isnan(x):
                        total += odds_of_mean(x, near[c], far[c])
            if move == 0:
                own = total
            elif abs(move) > 2:
                best = max(best, total)
        out[run] = own - best


@allocating
def vouch(odds, owner, width, seamless, whole, open_to, enough, trusted):
    """Spread trust over runs: along the stream where there is no break, and over borders that speak for a run.

    Args:
        odds: int64 (places,), of what lies there to what lies above it, 1/NAT nat.
        owner: int64 (places,), run of what lies there, or -1.
        width: MCUs in a row.
        seamless: bool (runs,), whether a run follows the one before it without a break.
        whole: bool (runs,), whether it is one interval from end to end: only those pass trust along the stream.
        open_to: bool (runs,), whether a run can come to be trusted.
        enough: what borders must say, 1/NAT nat.
        trusted: bool (runs,), input and output.
    """
    count = trusted.size
    above, below = np.empty(count, np.int64), np.empty(count, np.int64)
    grown = True
    while grown:
        grown = False
        above[:] = 0
        below[:] = 0
        for place in range(width, owner.size):
            upper, lower = owner[place - width], owner[place]
            if upper >= 0 and lower >= 0 and upper != lower:
                if trusted[upper]:
                    above[lower] += odds[place]
                    if (
                        open_to[lower]
                        and not trusted[lower]
                        and above[lower] >= enough
                        and (place + 1 == owner.size or owner[place + 1] != lower)
                    ):
                        trusted[lower] = True
                        grown = True
                if trusted[lower]:
                    below[upper] += odds[place]
        for number in range(2 * count):  # forth and back
            run = number if number < count else 2 * count - 1 - number
            near = (run > 0 and seamless[run] and trusted[run - 1] and whole[run - 1]) or (
                run + 1 < count and seamless[run + 1] and trusted[run + 1] and whole[run + 1]
            )
            if open_to[run] and not trusted[run] and (near or above[run] + below[run] >= enough):
                trusted[run] = True
                grown = True
