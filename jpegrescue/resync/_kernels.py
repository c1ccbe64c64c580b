"""Kernels of resynchronisation."""

import numpy as np

from jpegrescue.compiled import allocating, kernel

WINDOW = 24
HYPOTHESES = 8
SKIPPED = 0.25
FAR_OFF = 1.0  # per octave that a jump is longer or shorter than its bytes suggest
FREE_OCTAVES = 1.5
REACH = 8  # a smooth area holds so many times more intervals than its bytes suggest


@allocating
def anchor_restarts(position, number, typical, intervals, end, has_end, index):
    """Choose which RSTn markers of a damaged scan are real, and which interval each one opens.

    Dynamic programming over markers: dropping a marker costs 1, an interval that two kept markers skip a quarter, and
    a jump over several of them what it is out of proportion to its bytes. How many intervals lie between two markers
    is known modulo 8 from their numbers. Every marker keeps its `HYPOTHESES` best indices, so that the scan's end,
    where the count has to come out even, can decide the multiple.

    Args:
        position: int64 (n,), byte positions of the markers; `end` is that of the scan's end.
        number: int64 (n,), n of each RSTn.
        typical: bytes per interval.
        intervals: intervals that the scan should hold; `has_end` tells whether `end` is known to close the last one.
        index: int64 (n,), output: the interval that each marker opens, or -1 for a marker that is not real.

    Returns:
        Nothing; `index` is filled. Ties go to the earlier marker and the smaller index.
    """
    count = position.size
    last = count + 1
    cost = np.full((count + 2, HYPOTHESES), np.inf)
    opens = np.zeros((count + 2, HYPOTHESES), np.int64)
    previous = np.full((count + 2, HYPOTHESES), -1, np.int64)
    cost[0, 0] = 0.0
    for j in range(1, count + 2):
        here = end if j == last else position[j - 1]
        for i in range(max(0, j - WINDOW), j):
            there = 0 if i == 0 else position[i - 1]
            expected = (here - there) / typical
            for h in range(HYPOTHESES):
                if cost[i, h] == np.inf:
                    continue
                dropped = cost[i, h] + (j - i - 1)
                if j == last:
                    step = intervals - opens[i, h]
                    miss = _jump(step, expected) if has_end else 0.0
                    if step >= 1:
                        _keep(cost[j], opens[j], previous[j], dropped + miss, intervals, i * HYPOTHESES + h)
                    continue
                first = (number[j - 1] + 1 - opens[i, h]) & 7
                if first == 0:
                    first = 8
                furthest = min(intervals - opens[i, h], max(first + 9, np.int64(REACH * expected)))
                for step in range(first, furthest, 8):
                    miss = _jump(step, expected)
                    _keep(cost[j], opens[j], previous[j], dropped + miss, opens[i, h] + step, i * HYPOTHESES + h)
    for j in range(count):
        index[j] = -1
    best = previous[last, 0]
    while best > 0:
        j, h = best // HYPOTHESES, best % HYPOTHESES
        if j > 0:
            index[j - 1] = opens[j, h]
        best = previous[j, h]


@kernel
def _jump(step, expected):
    """What it costs that `step` intervals lie where their bytes suggest `expected`."""
    if step <= 1:
        return 0.0
    octaves = abs(np.log2(max(expected, 1 / 16) / step))
    return SKIPPED * (step - 1) + FAR_OFF * max(octaves - FREE_OCTAVES, 0.0)


@kernel
def _keep(cost, opens, previous, total, opened, origin):
    """Enter a hypothesis into a marker's list, which is sorted by cost and holds every index once."""
    slot = HYPOTHESES - 1
    for h in range(HYPOTHESES):
        if cost[h] < np.inf and opens[h] == opened:
            slot = h
            break
    if total >= cost[slot]:
        return
    while slot > 0 and total < cost[slot - 1]:
        cost[slot] = cost[slot - 1]
        opens[slot] = opens[slot - 1]
        previous[slot] = previous[slot - 1]
        slot -= 1
    cost[slot] = total
    opens[slot] = opened
    previous[slot] = origin
