"""The search for the likeliest path.

Hypotheses are kept for each shift; each carries its history as a chain of runs, so that what lies above an MCU depends
on what the hypothesis itself has placed there. Where borders break, new runs begin at every likely shift behind the
ends of the best histories so far.
"""

import numpy as np

from jpegrescue.align._kernels_path import (
    ERROR,
    LONG_HOLE,
    NOTHING,
    NOWHERE,
    PARENT,
    SHIFT,
    START,
    STOP,
    begin,
    expected_lost,
    find,
    jump_cost,
    tempered,
)
from jpegrescue.compiled import inlined, kernel
from jpegrescue.score._kernels_evidence import BIAS, BIAS_VARIANCE, COVARIANCE, OFFSET, STATE, below, previewed

KEPT = 150 * 1024  # hypotheses so far behind the best are dropped
FERTILE = 60 * 1024  # histories so far behind the best begin no new runs
PATIENCE = 512  # solid ones may be so much farther behind for every MCU of garbage
SOLID = 48  # MCUs of a run that no garbage pretends to be
HOPELESS = 10 * 1024  # a new run that has lost so much is one
GROWN = 40 * 1024
CLOSED = 3 * 1024  # no run begins where left borders are better than this
SLOTS, POOL, SOURCES = 4, 32, 2
NEARBY = 8
REACH = 12
BUDGET, BUDGET_EACH = 10_000_000, 200  # shifts looked at, in all and for each MCU; from then on only the nearest are


@kernel
def compact(runs, offsets, count, parent, score, pool_run, pool_parent):
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
                offsets[left, c] = offsets[n, c]
            left += 1
    for k in range(parent.shape[0]):
        for r in range(parent.shape[1]):
            if parent[k, r] >= 0:
                parent[k, r] = index[parent[k, r]]
    for old in range(2):
        for j in range(POOL):
            if pool_run[old, j] >= 0:
                pool_run[old, j] = index[pool_run[old, j]]
            if pool_parent[old, j] >= 0:
                pool_parent[old, j] = index[pool_parent[old, j]]
    return left


@kernel
def search(
    lines, activity, columns, kinds, shape, scatter, contents, table, left, bit_start, bit_end, bits_per_mcu,
    levels, expected, near, far, forced, limit, width, places, half, final, at_end, anchored, runs, offsets,
):  # fmt: skip
    """Find the likeliest path.

    Args:
        lines, activity, columns, kinds, contents: of `score.borders.Borders`; the lines are its `horizontal` ones.
        shape, scatter, table: the `BorderModel` for neighbours above each other.
        left: int64 (MCUs,), log-odds that the MCU before is the left neighbour.
        bit_start, bit_end: int64 (MCUs,); `bits_per_mcu`: the mean of the scan.
        levels, expected, near, far: of the preview, see `previewed`; `expected` has no rows if there is none.
        forced: int64 (MCUs,), places of MCUs that a restart marker fixes, with a DC predictor of 0; else -1.
        limit: int64 (MCUs,), the place that an MCU's interval ends before.
        width, places: MCUs per row and in the picture; `half`: shifts go from -half to half.
        anchored: whether the first MCU's DC predictor is known to be 0.
        final: shift with which the scan ends at the last place, NOWHERE if that is not known.
        at_end: odds for a path that ends at the last place with the last MCU.
        runs: int64 (n, 4), output: START, STOP (half-open stream indices), SHIFT, PARENT; n bounds what is kept.
        offsets: float64 (n, components), output, 1/16 level.

    Returns:
        (last run of the path or -1, its odds)
    """
    count, components = left.size, kinds.size
    slots = 2 * half + 1
    score = np.full((slots, SLOTS), NOTHING)
    floor = np.full((slots, SLOTS), NOTHING)
    entry = np.zeros((slots, SLOTS), np.int64)
    parent = np.full((slots, SLOTS), -1, np.int64)
    member = np.full((slots, SLOTS), -1, np.int64)
    identity = np.zeros((slots, SLOTS), np.int64)
    state = np.zeros((slots, SLOTS, components, STATE))
    fresh_state = np.zeros((components, STATE))
    own_state = np.zeros((components, STATE))
    above = np.zeros(components)
    # ends of histories: as they are now, and as they were one MCU before: garbage takes at least one
    pool_score = np.full((2, POOL), NOTHING)
    pool_start, pool_stop = np.zeros((2, POOL), np.int64), np.zeros((2, POOL), np.int64)
    pool_shift = np.zeros((2, POOL), np.int64)
    pool_parent, pool_run = np.full((2, POOL), -1, np.int64), np.full((2, POOL), -1, np.int64)
    pool_offset = np.zeros((2, POOL, components))
    pool_identity = np.full(POOL, -1, np.int64)
    source = np.full((slots, SOURCES), -1, np.int64)
    source_score = np.full((slots, SOURCES), NOTHING)
    made, identities, spent = 0, 1, 0
    best_ever = 0
    low = half + max(forced[0], 0)
    if low >= slots:
        return -1, 0
    high = low
    score[low, 0] = 0
    if not anchored:
        begin(state[low, 0], above)
    has_preview = expected.shape[0] > 0
    for t in range(count):
        first, last = slots, -1
        if forced[t] >= 0:
            # only histories that end before the marker's place go on, there
            for k in range(low, high + 1):
                for r in range(SLOTS):
                    score[k, r] = NOTHING if t > 0 else score[k, r]
            slot = forced[t] - t + half
            if t > 0 and 0 <= slot < slots:
                low, high = slot, slot
                for r in range(SLOTS):
                    chosen = -1
                    for j in range(POOL):
                        fits = pool_score[0, j] > NOTHING and pool_stop[0, j] + pool_shift[0, j] <= forced[t]
                        if fits and (chosen < 0 or pool_score[0, j] > pool_score[0, chosen]):
                            chosen = j
                    if chosen < 0:
                        break
                    if made >= runs.shape[0] - 1:
                        made = compact(runs, offsets, made, parent, score, pool_run, pool_parent)
                        if made >= runs.shape[0] - 1:
                            return -1, 0
                    runs[made, START], runs[made, STOP] = pool_start[0, chosen], pool_stop[0, chosen]
                    runs[made, SHIFT], runs[made, PARENT] = pool_shift[0, chosen], pool_parent[0, chosen]
                    for c in range(components):
                        offsets[made, c] = pool_offset[0, chosen, c]
                        for q in range(STATE):
                            state[slot, r, c, q] = 0.0
                    score[slot, r] = pool_score[0, chosen] + ERROR
                    floor[slot, r] = NOTHING
                    entry[slot, r], parent[slot, r], member[slot, r] = t, made, -1
                    identity[slot, r] = identities
                    identities += 1
                    made += 1
                    pool_score[0, chosen] = NOTHING
                for j in range(POOL):
                    pool_score[0, j] = NOTHING
                    pool_score[1, j] = NOTHING
                    pool_run[0, j], pool_run[1, j], pool_parent[0, j], pool_parent[1, j] = -1, -1, -1, -1
                    pool_identity[j] = -1
        elif left[t] < CLOSED or (t > 0 and left[t - 1] < CLOSED):
            for j in range(POOL):
                if pool_score[0, j] == NOTHING:
                    continue
                if pool_stop[0, j] < t and pool_stop[1, j] != pool_stop[0, j]:
                    _age(pool_score, pool_start, pool_stop, pool_shift, pool_parent, pool_run, pool_offset, j)
                garbage = t - pool_stop[1, j]
                patience = PATIENCE * garbage if pool_stop[1, j] - pool_start[1, j] >= SOLID else 0
                if pool_score[1, j] < best_ever - FERTILE - patience or pool_stop[1, j] >= t:
                    continue
                lost = expected_lost(bit_start, bit_end, bits_per_mcu, pool_stop[1, j] - 1, t)
                centre = np.int64(lost + 0.5) - garbage
                if abs(centre) <= 2:
                    centre = 0
                far_lost = max(lost, garbage * 1.0)
                wide = REACH + np.int64(far_lost / 2)
                k = pool_shift[1, j] + half
                if spent > BUDGET + BUDGET_EACH * count:
                    wide = min(wide, REACH)
                lowest, highest = k + centre - wide, k + centre + wide
                spent += highest - lowest
                if final != NOWHERE and far_lost > LONG_HOLE:
                    lowest, highest = min(lowest, final + half - REACH), max(highest, final + half + REACH)
                for slot in range(max(0, k - garbage, lowest), min(slots - 1, highest) + 1):
                    value = pool_score[1, j] - jump_cost(slot - half, k + centre - half, far_lost, final)
                    first, last = min(first, slot), max(last, slot)
                    if value > source_score[slot, SOURCES - 1]:
                        z = SOURCES - 1
                        while z > 0 and value > source_score[slot, z - 1]:
                            source_score[slot, z], source[slot, z] = source_score[slot, z - 1], source[slot, z - 1]
                            z -= 1
                        source_score[slot, z], source[slot, z] = value, j
        best = NOTHING
        new_low, new_high = slots, -1
        own, own_known = 0, False
        for k in range(min(low, first), max(high, last) + 1):
            shift = k - half
            place = t + shift
            up = place - width
            if place < 0 or place >= limit[t]:
                for r in range(SLOTS):
                    score[k, r] = NOTHING
                for z in range(SOURCES):
                    source[k, z], source_score[k, z] = -1, NOTHING
                continue
            for r in range(SLOTS):
                if score[k, r] == NOTHING:
                    continue
                if score[k, r] < best_ever - KEPT or score[k, r] < floor[k, r]:
                    score[k, r] = NOTHING
                    continue
                odds = 0
                if place % width != 0 and t > entry[k, r]:
                    odds += left[t]
                if up >= 0 and up - shift >= entry[k, r]:
                    if not own_known:
                        own = below(
                            lines, activity, columns, kinds, shape, scatter, contents, table,
                            t - width, t, above, own_state, True,
                        )  # fmt: skip
                        own_known = True
                    odds += own
                    for c in range(components):
                        state[k, r, c, BIAS] = own_state[c, BIAS]
                        state[k, r, c, COVARIANCE] = 0.0
                        state[k, r, c, BIAS_VARIANCE] = own_state[c, BIAS_VARIANCE]
                elif up >= 0:
                    i, run = find(parent[k, r], runs, up)
                    if i >= 0:
                        for c in range(components):
                            above[c] = offsets[run, c]
                        odds += below(
                            lines, activity, columns, kinds, shape, scatter, contents, table,
                            i, t, above, state[k, r], False,
                        )  # fmt: skip
                if has_preview:
                    odds += previewed(levels, expected, near, far, place, t, state[k, r])
                score[k, r] += tempered(odds)
            for z in range(SOURCES):
                j = source[k, z]
                if j < 0:
                    break
                value = source_score[k, z]
                source[k, z], source_score[k, z] = -1, NOTHING
                target = -1
                worst = 0
                for r in range(SLOTS):
                    if score[k, r] > NOTHING and parent[k, r] >= 0 and t - entry[k, r] <= NEARBY:
                        x = parent[k, r]
                        same = runs[x, START] == pool_start[1, j] and runs[x, SHIFT] == pool_shift[1, j]
                        if same and runs[x, PARENT] == pool_parent[1, j]:
                            target = r
                    if score[k, r] < score[k, worst]:
                        worst = r
                if target < 0:
                    target = worst
                if value + 6144 < score[k, target]:
                    continue
                begin(fresh_state, pool_offset[1, j])
                odds = 0
                if up >= 0:
                    i, run = -1, -1
                    if up >= pool_start[1, j] + pool_shift[1, j]:
                        if up < pool_stop[1, j] + pool_shift[1, j]:
                            i = up - pool_shift[1, j]
                            for c in range(components):
                                above[c] = pool_offset[1, j, c]
                    else:
                        i, run = find(pool_parent[1, j], runs, up)
                        if i >= 0:
                            for c in range(components):
                                above[c] = offsets[run, c]
                    if i >= 0:
                        odds += below(
                            lines, activity, columns, kinds, shape, scatter, contents, table,
                            i, t, above, fresh_state, False,
                        )  # fmt: skip
                if has_preview:
                    odds += previewed(levels, expected, near, far, place, t, fresh_state)
                total = value + tempered(odds)
                if total <= score[k, target]:
                    continue
                if pool_run[1, j] < 0:
                    if made >= runs.shape[0] - 1:
                        made = compact(runs, offsets, made, parent, score, pool_run, pool_parent)
                        if made >= runs.shape[0] - 1:
                            return -1, 0
                    runs[made, START], runs[made, STOP] = pool_start[1, j], pool_stop[1, j]
                    runs[made, SHIFT], runs[made, PARENT] = pool_shift[1, j], pool_parent[1, j]
                    for c in range(components):
                        offsets[made, c] = pool_offset[1, j, c]
                    pool_run[1, j] = made
                    made += 1
                score[k, target], floor[k, target] = total, value - HOPELESS
                entry[k, target], parent[k, target], member[k, target] = t, pool_run[1, j], -1
                identity[k, target] = identities
                identities += 1
                for c in range(components):
                    for q in range(STATE):
                        state[k, target, c, q] = fresh_state[c, q]
            for r in range(SLOTS):
                if score[k, r] > NOTHING:
                    new_low, new_high = min(new_low, k), max(new_high, k)
                    best = max(best, score[k, r])
        low, high = new_low, new_high
        best_ever = best
        for j in range(POOL):
            best_ever = max(best_ever, pool_score[0, j])
        for k in range(low, high + 1):
            for r in range(SLOTS):
                if score[k, r] == NOTHING:
                    continue
                value = score[k, r] - ERROR
                if value < best_ever - KEPT:
                    continue
                if score[k, r] > floor[k, r] + GROWN:
                    floor[k, r] = NOTHING
                j = member[k, r]
                if j >= 0 and pool_identity[j] != identity[k, r]:
                    j = -1
                if j < 0:
                    j = _place_in_pool(pool_score, pool_start, pool_stop, value)
                    if j < 0:
                        continue
                    pool_score[0, j], pool_score[1, j] = NOTHING, NOTHING
                    pool_stop[0, j], pool_stop[1, j] = -1, -1
                    pool_run[0, j], pool_run[1, j], pool_parent[0, j], pool_parent[1, j] = -1, -1, -1, -1
                    pool_identity[j], member[k, r] = identity[k, r], j
                if value > pool_score[0, j]:
                    if pool_score[0, j] > NOTHING:
                        _age(pool_score, pool_start, pool_stop, pool_shift, pool_parent, pool_run, pool_offset, j)
                    pool_score[0, j], pool_start[0, j], pool_stop[0, j] = value, entry[k, r], t + 1
                    pool_shift[0, j], pool_parent[0, j], pool_run[0, j] = k - half, parent[k, r], -1
                    for c in range(components):
                        pool_offset[0, j, c] = state[k, r, c, OFFSET]
    best, chosen, rank = NOTHING, -1, 0
    for k in range(slots):
        for r in range(SLOTS):
            if score[k, r] > NOTHING:
                value = score[k, r] + (at_end if count + k - half == places else 0)
                if value > best:
                    best, chosen, rank = value, k, r
    ended = 0
    for j in range(POOL):
        if pool_score[0, j] > pool_score[0, ended]:
            ended = j
    if made >= runs.shape[0] - 1:
        made = compact(runs, offsets, made, parent, score, pool_run, pool_parent)
    if chosen >= 0 and best > pool_score[0, ended]:
        runs[made, START], runs[made, STOP] = entry[chosen, rank], count
        runs[made, SHIFT], runs[made, PARENT] = chosen - half, parent[chosen, rank]
        for c in range(components):
            offsets[made, c] = state[chosen, rank, c, OFFSET]
        return made, best
    if pool_score[0, ended] == NOTHING:
        return -1, 0
    runs[made, START], runs[made, STOP] = pool_start[0, ended], pool_stop[0, ended]
    runs[made, SHIFT], runs[made, PARENT] = pool_shift[0, ended], pool_parent[0, ended]
    for c in range(components):
        offsets[made, c] = pool_offset[0, ended, c]
    return made, pool_score[0, ended]


@inlined
def _place_in_pool(pool_score, pool_start, pool_stop, value):
    """Which history gives way to one that is worth `value`, -1 for none; half of the pool is kept for solid ones."""
    solid = 0
    weak, firm = -1, -1
    for q in range(POOL):
        if pool_score[0, q] > NOTHING and pool_stop[0, q] - pool_start[0, q] >= SOLID:
            solid += 1
            if firm < 0 or pool_score[0, q] < pool_score[0, firm]:
                firm = q
        elif weak < 0 or pool_score[0, q] < pool_score[0, weak]:
            weak = q
    worst = firm if weak < 0 or solid > POOL // 2 else weak
    return worst if value > pool_score[0, worst] else -1


@inlined
def _age(pool_score, pool_start, pool_stop, pool_shift, pool_parent, pool_run, pool_offset, j):
    """What is now becomes what was."""
    pool_score[1, j], pool_start[1, j], pool_stop[1, j] = pool_score[0, j], pool_start[0, j], pool_stop[0, j]
    pool_shift[1, j], pool_parent[1, j], pool_run[1, j] = pool_shift[0, j], pool_parent[0, j], -1
    for c in range(pool_offset.shape[2]):
        pool_offset[1, j, c] = pool_offset[0, j, c]
