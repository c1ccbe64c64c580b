"""Kernels of the pool: ends of histories, behind which new runs may begin."""

import numpy as np

from jpegrescue.align._kernels_path import NOTHING, PARENT, SHIFT, START, STOP, STRANGERS
from jpegrescue.compiled import allocating, inlined

POOL, SOURCES = 64, 6  # ends that are kept, and those that may go on at one shift
SOLID = 48  # MCUs of a run that no garbage pretends to be
RIVAL = 6 * 1024  # by so much a history must be better than one with the same shifts to take its place


@allocating
def compact(runs, offsets, variances, count, parent, over, score, pool_run, pool_parent):
    """Drop runs that no hypothesis descends from; returns how many are left."""
    used = np.zeros(count, np.bool_)
    for k in range(parent.shape[0]):
        for r in range(parent.shape[1]):
            if score[k, r] > NOTHING and parent[k, r] >= 0:
                used[parent[k, r]] = True
    for old in range(2):
        for j in range(POOL):
            if pool_run[old, j] >= 0:
                used[pool_run[old, j]] = True
            if pool_parent[old, j] >= 0:
                used[pool_parent[old, j]] = True
    for n in range(count - 1, -1, -1):
        if used[n] and runs[n, PARENT] >= 0:
            used[runs[n, PARENT]] = True
    index = np.full(count, -1, np.int64)
    left = 0
    for n in range(count):
        if used[n]:
            index[n] = left
            for q in range(4):
                runs[left, q] = runs[n, q]
            if runs[left, PARENT] >= 0:
                runs[left, PARENT] = index[runs[left, PARENT]]
            for c in range(offsets.shape[1]):
                offsets[left, c], variances[left, c] = offsets[n, c], variances[n, c]
            left += 1
    for k in range(parent.shape[0]):
        for r in range(parent.shape[1]):
            if parent[k, r] >= 0:
                parent[k, r] = index[parent[k, r]]
            if over[k, r] >= 0:
                over[k, r] = index[over[k, r]]
    for old in range(2):
        for j in range(POOL):
            if pool_run[old, j] >= 0:
                pool_run[old, j] = index[pool_run[old, j]]
            if pool_parent[old, j] >= 0:
                pool_parent[old, j] = index[pool_parent[old, j]]
    return left


@inlined
def offer(source, source_score, slot, j, value, pool_shift, pool_past):
    """History `j` may go on at `slot`, for what it is worth then; of those with the same shifts only the best."""
    z = SOURCES - 1
    for q in range(SOURCES):
        other = source[slot, q]
        if other >= 0 and pool_shift[1, other] == pool_shift[1, j] and pool_past[other] == pool_past[j]:
            z = q
    if value <= source_score[slot, z]:
        return
    while z > 0 and value > source_score[slot, z - 1]:
        source_score[slot, z], source[slot, z] = source_score[slot, z - 1], source[slot, z - 1]
        z -= 1
    source_score[slot, z], source[slot, z] = value, j


@inlined
def place_in_pool(pool_score, pool_start, pool_stop, pool_shift, pool_past, most, value, shift, past):
    """Which history gives way to one at `shift` that is worth `value`, -1 for none.

    Half of the pool is kept for solid ones; of histories with the same shifts there is one.
    """
    solid = 0
    weak, firm = -1, -1
    least, least_firm = value, value
    for q in range(POOL):
        worth = pool_score[0, q] + max(0, most[q] - STRANGERS)
        if pool_score[0, q] > NOTHING and pool_shift[0, q] == shift and pool_past[q] == past:
            return q if value > worth + RIVAL else -1
        if pool_score[0, q] > NOTHING and pool_stop[0, q] - pool_start[0, q] >= SOLID:
            solid += 1
            if worth < least_firm:
                firm, least_firm = q, worth
        elif worth < least:
            weak, least = q, worth
    return firm if weak < 0 or (solid > POOL // 2 and firm >= 0) else weak


@inlined
def age(ends, j):
    """What is now becomes what was."""
    score, start, stop, shift, parent, run, offset, variance, alike = ends
    score[1, j], start[1, j], stop[1, j] = score[0, j], start[0, j], stop[0, j]
    shift[1, j], parent[1, j], run[1, j], alike[1, j] = shift[0, j], parent[0, j], -1, alike[0, j]
    for c in range(offset.shape[2]):
        offset[1, j, c], variance[1, j, c] = offset[0, j, c], variance[0, j, c]


@inlined
def keep(runs, offsets, variances, made, ends, old, j):
    """Write the run that history `j` ends with, now or one MCU ago (`old`), as number `made`."""
    _, start, stop, shift, parent, _, offset, variance, _ = ends
    runs[made, START], runs[made, STOP] = start[old, j], stop[old, j]
    runs[made, SHIFT], runs[made, PARENT] = shift[old, j], parent[old, j]
    for c in range(offset.shape[2]):
        offsets[made, c], variances[made, c] = offset[old, j, c], variance[old, j, c]
