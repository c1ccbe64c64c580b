"""The search for the likeliest path.

Hypotheses are kept for each shift; each carries its history as a chain of runs, so that what lies above an MCU depends
on what the hypothesis itself has placed there. Where borders break, new runs begin at every likely shift behind the
ends of the best histories so far.
"""

import numpy as np

from jpegrescue.align._kernels_path import (
    LONG_HOLE,
    NOTHING,
    NOWHERE,
    PARENT,
    SHIFT,
    START,
    STOP,
    STRANGERS,
    begin,
    density,
    expected_lost,
    find,
    hole_cost,
    seam_gain,
    strange,
    tempered,
)
from jpegrescue.align._kernels_pool import POOL, SOLID, SOURCES, age, compact, keep, offer, place_in_pool
from jpegrescue.compiled import allocating
from jpegrescue.score._kernels_evidence import (
    BIAS,
    BIAS_VARIANCE,
    COVARIANCE,
    STATE,
    compare,
    follow,
    meet,
    previewed,
    resolved,
)

KEPT, KEPT_LEAST = 150 * 1024, 40 * 1024  # hypotheses so far behind the best are dropped, the less far
CROWD, TIGHTER = 400, 2 * 1024  # the more there are
FERTILE = 60 * 1024  # histories so far behind the best begin no new runs
PATIENCE = 512  # solid ones may be so much farther behind for every MCU of garbage
HOPELESS = 10 * 1024  # a new run that has lost so much is one
GROWN = 40 * 1024  # and one that has gained so much is none
FALLING = 60 * 1024  # by so much a new run may fall back at first
SLOTS = 8
HASH = 1_000_003  # of the shifts of a history
REACH = 12
BUDGET, BUDGET_EACH = 10_000_000, 200  # shifts looked at, in all and for each MCU; from then on only the nearest are


@allocating
def search(
    lines, activity, columns, kinds, shape, scatter, contents, table, left, bit_start, bit_end, bits_per_mcu,
    levels, expected, near, far, forced, limit, width, places, half, final, error, closed, at_end, anchored,
    runs, offsets,
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
        error: what a new run costs; `closed`: odds of left borders from which on none begins.
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
    member, over = np.full((slots, SLOTS), -1, np.int64), np.full((slots, SLOTS), -1, np.int64)
    identity, past = np.zeros((slots, SLOTS), np.int64), np.zeros((slots, SLOTS), np.int64)
    alike, behind = np.zeros((slots, SLOTS), np.int64), np.zeros((slots, SLOTS), np.int64)
    state = np.zeros((slots, SLOTS, components, STATE))
    fresh_state = np.zeros((components, STATE))
    own_state, seen = np.zeros((components, STATE)), np.zeros((components, 3))
    above = np.zeros(components)
    # ends of histories: as they are now, and as they were one MCU before: garbage takes at least one
    pool_score = np.full((2, POOL), NOTHING)
    pool_start, pool_stop = np.zeros((2, POOL), np.int64), np.zeros((2, POOL), np.int64)
    pool_shift = np.zeros((2, POOL), np.int64)
    pool_parent, pool_run = np.full((2, POOL), -1, np.int64), np.full((2, POOL), -1, np.int64)
    pool_offset, pool_variance = np.zeros((2, POOL, components)), np.zeros((2, POOL, components))
    pool_alike, variances = np.zeros((2, POOL), np.int64), np.empty_like(offsets)
    pool_identity, pool_past = np.full(POOL, -1, np.int64), np.zeros(POOL, np.int64)
    ends = (
        pool_score, pool_start, pool_stop, pool_shift, pool_parent, pool_run, pool_offset, pool_variance, pool_alike,
    )  # fmt: skip
    waited, most = np.zeros(POOL, np.int64), np.zeros(POOL, np.int64)
    source = np.full((slots, SOURCES), -1, np.int64)
    source_score = np.full((slots, SOURCES), NOTHING)
    made, identities, spent = 0, 1, 0
    best_ever, kept = 0, KEPT
    low = half + max(forced[0], 0)
    if low >= slots:
        return -1, 0
    high = low
    score[low, 0] = 0
    if not anchored:
        begin(state[low, 0], above)
    has_preview = expected.shape[0] > 0
    before, after = np.empty(count), np.empty(count)
    density(bit_start, bit_end, before, after)
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
                        made = compact(runs, offsets, variances, made, parent, over, score, pool_run, pool_parent)
                        if made >= runs.shape[0] - 1:
                            return -1, 0
                    keep(runs, offsets, variances, made, ends, 0, chosen)
                    for c in range(components):
                        for q in range(STATE):
                            state[slot, r, c, q] = 0.0
                    score[slot, r] = pool_score[0, chosen] + error
                    floor[slot, r], alike[slot, r] = NOTHING, pool_alike[0, chosen]
                    entry[slot, r], parent[slot, r], member[slot, r], over[slot, r] = t, made, -1, -1
                    behind[slot, r] = KEPT
                    identity[slot, r], past[slot, r] = identities, identities
                    identities += 1
                    made += 1
                    pool_score[0, chosen] = NOTHING
                for j in range(POOL):
                    pool_score[0, j] = NOTHING
                    pool_score[1, j] = NOTHING
                    pool_run[0, j], pool_run[1, j], pool_parent[0, j], pool_parent[1, j] = -1, -1, -1, -1
                    pool_identity[j] = -1
        elif left[t] < closed or (t > 0 and left[t - 1] < closed):
            for j in range(POOL):
                if pool_score[0, j] == NOTHING:
                    continue
                if pool_stop[0, j] < t and pool_stop[1, j] != pool_stop[0, j]:
                    age(ends, j)
                garbage = t - pool_stop[1, j]
                patience = PATIENCE * garbage if pool_stop[1, j] - pool_start[1, j] >= SOLID else 0
                worth = pool_score[1, j] + max(0, most[j] - STRANGERS)
                if worth < best_ever - FERTILE - patience or pool_stop[1, j] >= t:
                    continue
                lost = expected_lost(bit_start, bit_end, before, after, bits_per_mcu, pool_stop[1, j] - 1, t)
                centre = np.int64(lost + 0.5) - garbage
                far_lost = max(lost, garbage * 1.0)
                wide = REACH + np.int64(far_lost / 2)
                k = pool_shift[1, j] + half
                if spent > BUDGET + BUDGET_EACH * count:
                    wide = min(wide, REACH)
                lowest, highest = k + centre - wide, k + centre + wide
                spent += highest - lowest
                # behind a long hole the final shift, too, is likely; what lies between is not looked at
                for window in range(2 if final != NOWHERE and far_lost > LONG_HOLE else 1):
                    begun, stops = (lowest, highest) if window == 0 else (final + half - REACH, final + half + REACH)
                    for slot in range(max(0, k - garbage, begun), min(slots - 1, stops) + 1):
                        if window == 1 and lowest <= slot <= highest:
                            continue
                        value = worth - hole_cost(slot - k + garbage, garbage, lost, slot - half, final)
                        first, last = min(first, slot), max(last, slot)
                        offer(source, source_score, slot, j, value, pool_shift, pool_past)
        best, live = NOTHING, 0
        new_low, new_high = slots, -1
        own, own_known = 0, False
        common, looked = 0, -1  # what is said of this MCU below MCU `looked`, whatever their offsets
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
                if score[k, r] < best_ever - min(kept, behind[k, r] + FALLING) or score[k, r] < floor[k, r]:
                    score[k, r] = NOTHING
                    continue
                odds = 0
                if t > entry[k, r]:
                    if place % width != 0:
                        odds += left[t]
                    else:
                        alike[k, r], gain = seam_gain(alike[k, r], left[t])
                        odds += gain
                if up >= 0 and up - shift >= entry[k, r]:
                    if not own_known:
                        own = compare(
                            lines, activity, columns, kinds, shape, scatter, contents, table, t - width, t, seen
                        ) + follow(seen, own_state, True)
                        own_known, looked = True, -1
                    odds += own
                    for c in range(components):
                        state[k, r, c, BIAS] = own_state[c, BIAS]
                        state[k, r, c, COVARIANCE] = 0.0
                        state[k, r, c, BIAS_VARIANCE] = own_state[c, BIAS_VARIANCE]
                elif up >= 0:
                    i, run = find(parent[k, r], runs, up)
                    if i >= 0:
                        if over[k, r] != run:
                            over[k, r] = run
                            meet(state[k, r], offsets[run], variances[run])
                        if looked != i:
                            common, looked = (
                                compare(lines, activity, columns, kinds, shape, scatter, contents, table, i, t, seen),
                                i,
                            )
                        odds += common + follow(seen, state[k, r], False)
                if has_preview:
                    odds += previewed(levels, expected, near, far, place, t, state[k, r])
                score[k, r] += tempered(odds)
            for z in range(SOURCES):
                j = source[k, z]
                if j < 0:
                    break
                value = source_score[k, z]
                source[k, z], source_score[k, z] = -1, NOTHING
                worst, target = 0, -1
                history = pool_past[j] * HASH + pool_shift[1, j]
                for r in range(SLOTS):
                    if score[k, r] > NOTHING and past[k, r] == history:
                        target = r
                    if score[k, r] < score[k, worst]:
                        worst = r
                if target < 0:
                    target = worst
                if value + 6144 < score[k, target]:
                    continue
                begin(fresh_state, pool_offset[1, j])
                odds = 0
                run = -1
                if up >= 0:
                    i = -1
                    if up >= pool_start[1, j] + pool_shift[1, j]:
                        if up < pool_stop[1, j] + pool_shift[1, j]:
                            i = up - pool_shift[1, j]
                            meet(fresh_state, pool_offset[1, j], pool_variance[1, j])
                    else:
                        i, run = find(pool_parent[1, j], runs, up)
                        if i >= 0:
                            meet(fresh_state, offsets[run], variances[run])
                    if i >= 0:
                        if looked != i:
                            common, looked = (
                                compare(lines, activity, columns, kinds, shape, scatter, contents, table, i, t, seen),
                                i,
                            )
                        odds += common + follow(seen, fresh_state, False)
                if has_preview:
                    odds += previewed(levels, expected, near, far, place, t, fresh_state)
                total = value + tempered(odds)
                if total <= score[k, target]:
                    continue
                over[k, target], behind[k, target] = run, max(best_ever - total, 0)
                if pool_run[1, j] < 0:
                    if made >= runs.shape[0] - 1:
                        made = compact(runs, offsets, variances, made, parent, over, score, pool_run, pool_parent)
                        if made >= runs.shape[0] - 1:
                            return -1, 0
                    keep(runs, offsets, variances, made, ends, 1, j)
                    pool_run[1, j] = made
                    made += 1
                if run < 0 and up >= 0 and i >= 0:
                    over[k, target] = pool_run[1, j]
                score[k, target], floor[k, target] = total, value - HOPELESS
                alike[k, target], past[k, target] = pool_alike[1, j], history
                entry[k, target], parent[k, target], member[k, target] = t, pool_run[1, j], -1
                identity[k, target] = identities
                identities += 1
                for c in range(components):
                    for q in range(STATE):
                        state[k, target, c, q] = fresh_state[c, q]
            for r in range(SLOTS):
                if score[k, r] > NOTHING:
                    new_low, new_high = min(new_low, k), max(new_high, k)
                    best, live = max(best, score[k, r]), live + 1
        kept = max(kept - TIGHTER, KEPT_LEAST) if live > CROWD else min(kept + TIGHTER, KEPT)
        low, high = new_low, new_high
        best_ever = best
        for j in range(POOL):
            if pool_score[0, j] > NOTHING:
                waited[j] = strange(waited[j], left[t])
                most[j] = max(most[j], waited[j])
                best_ever = max(best_ever, pool_score[0, j] + max(0, most[j] - STRANGERS))
        for k in range(low, high + 1):
            for r in range(SLOTS):
                if score[k, r] == NOTHING:
                    continue
                value = score[k, r] - error
                if value < best_ever - kept:
                    continue
                if score[k, r] > floor[k, r] + GROWN:
                    floor[k, r], behind[k, r] = NOTHING, KEPT
                j = member[k, r]
                if j >= 0 and pool_identity[j] != identity[k, r]:
                    j = -1
                if j < 0:
                    j = place_in_pool(
                        pool_score, pool_start, pool_stop, pool_shift, pool_past, most, value, k - half, past[k, r]
                    )
                    if j < 0:
                        continue
                    pool_score[0, j], pool_score[1, j], waited[j], most[j] = NOTHING, NOTHING, 0, 0
                    pool_stop[0, j], pool_stop[1, j] = -1, -1
                    pool_run[0, j], pool_run[1, j], pool_parent[0, j], pool_parent[1, j] = -1, -1, -1, -1
                    pool_identity[j], pool_past[j], member[k, r] = identity[k, r], past[k, r], j
                if value > pool_score[0, j] + max(0, most[j] - STRANGERS):
                    if pool_score[0, j] > NOTHING:
                        age(ends, j)
                    pool_score[0, j], pool_start[0, j], pool_stop[0, j] = value, entry[k, r], t + 1
                    waited[j], most[j] = 0, 0
                    pool_shift[0, j], pool_parent[0, j], pool_run[0, j] = k - half, parent[k, r], -1
                    pool_alike[0, j] = alike[k, r]
                    for c in range(components):
                        pool_offset[0, j, c], pool_variance[0, j, c] = resolved(state[k, r, c])
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
        made = compact(runs, offsets, variances, made, parent, over, score, pool_run, pool_parent)
    if chosen >= 0 and best > pool_score[0, ended]:
        runs[made, START], runs[made, STOP] = entry[chosen, rank], count
        runs[made, SHIFT], runs[made, PARENT] = chosen - half, parent[chosen, rank]
        for c in range(components):
            offsets[made, c], _ = resolved(state[chosen, rank, c])
        return made, best
    if pool_score[0, ended] == NOTHING:
        return -1, 0
    keep(runs, offsets, variances, made, ends, 0, ended)
    return made, pool_score[0, ended]
