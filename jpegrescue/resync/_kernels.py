"""Kernels of resynchronisation."""

import numpy as np

from jpegrescue.compiled import kernel

WINDOW = 24


@kernel
def anchor_restarts(position, number, mean_length, intervals, end, has_end, index):
    """Choose which RSTn markers of a damaged scan are real, and which interval each one opens.

    Dynamic programming over markers: dropping a marker costs 1, so does every interval that two kept markers skip.
    How many intervals lie between two markers is known modulo 8 from their numbers; the multiple is the one nearest to
    what their distance suggests.

    Args:
        position: int64 (n,), byte positions of the markers; `end` is that of the scan's end.
        number: int64 (n,), n of each RSTn.
        mean_length: bytes per interval, typical.
        intervals: intervals that the scan should hold; `has_end` tells whether `end` is known to close the last one.
        index: int64 (n,), output: the interval that each marker opens, or -1 for a marker that is not real.

    Returns:
        Nothing; `index` is filled. Ties go to the earlier marker.
    """
    count = position.size
    last = count + 1
    cost = np.full(count + 2, np.inf)
    opens = np.zeros(count + 2, np.int64)
    previous = np.full(count + 2, -1, np.int64)
    cost[0] = 0.0
    for j in range(1, count + 2):
        here = end if j == last else position[j - 1]
        for i in range(max(0, j - WINDOW), j):
            if cost[i] == np.inf:
                continue
            there = 0 if i == 0 else position[i - 1]
            expected = (here - there) / mean_length
            if j == last:
                step = intervals - opens[i]
                if step < 1:
                    continue
                miss = float(step - 1) if has_end else 0.0
            else:
                step = (number[j - 1] + 1 - opens[i]) & 7
                if step == 0:
                    step = 8
                if expected > step + 4:
                    step += 8 * np.int64((expected - step + 4) // 8)
                if opens[i] + step >= intervals:
                    continue
                miss = float(step - 1) + max(0.0, abs(expected - step) / 8 - 0.5)
            total = cost[i] + miss + (j - i - 1)
            if total < cost[j]:
                cost[j] = total
                opens[j] = opens[i] + step
                previous[j] = i
    index[:] = -1
    j = last
    while j > 0:
        j = previous[j]
        if j > 0:
            index[j - 1] = opens[j]
