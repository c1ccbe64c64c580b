"""Kernels that weigh how a placement would fare if some of its runs were moved."""

import numpy as np

from jpegrescue.align._kernels_path import (
    STRANGERS,
    begin,
    density,
    expected_lost,
    hole_cost,
    strange,
    tempered,
)
from jpegrescue.compiled import allocating, inlined, kernel
from jpegrescue.score._kernels_evidence import STATE, compare, follow, meet, previewed

SLACK = 64.0  # (1/16 level)²: offsets of different runs are not known better
FALLEN_OFF = 4 * 1024
LOOKED_AT = 4  # MCUs of garbage, at least, for which it matters what lies above
BLURRED = 2  # previews do not tell places that are so near


@allocating
def walk(
    lines, activity, columns, kinds, shape, scatter, contents, table, levels, expected, near, far, at, owner, width,
    offsets, n, start, stop, shift, state, said,
):  # fmt: skip
    """Odds of the borders to other runs above MCUs `[start, stop)` of run `n`, were they at this `shift`.

    Returned are those of the preview. `state`: (components, STATE), as the MCUs begin; `said`: int64 (MCUs,), output.
    """
    seen, variance = np.zeros((kinds.size, 3)), np.full(kinds.size, SLACK)
    over, guided = -1, 0
    for t in range(start, stop):
        place = t + shift
        up = place - width
        said[t - start] = 0
        if 0 <= up < at.size and at[up] >= 0 and owner[up] != n:
            if over != owner[up]:
                over = owner[up]
                meet(state, offsets[over], variance)
            said[t - start] = compare(
                lines, activity, columns, kinds, shape, scatter, contents, table, at[up], t, seen
            ) + follow(seen, state, False)
        if 0 <= place < expected.shape[0]:
            guided += previewed(levels, expected, near, far, place, t, state)
    return guided


@inlined
def start_anew(state, known, offset):
    """As a run begins, its offset `known` to be 0 or likely near `offset`."""
    if known:
        state[:] = 0.0
    else:
        begin(state, offset)


@allocating
def borders(
    lines, activity, columns, kinds, shape, scatter, contents, table, _left, _bit_start, _bit_end, _bits_per_mcu,
    levels, expected, near, far, forced, width, path, offsets, at, owner, moves, pairs, together, alone,
):  # fmt: skip
    """What is lost if runs are moved against those that lie above them.

    Args (others as in `path_odds`):
        at, owner: int64 (places,), stream index and run of what lies there, or -1.
        moves: int64 (moves,).
        pairs: int64 (pairs,), sorted: lower run · runs + upper run, for all that meet.
        together: int64 (pairs, moves), output: loss if the lower one is moved and the upper one is not.
        alone: int64 (runs, moves), output: loss whatever the others do.
    """
    count = path.shape[0]
    longest = 0
    for n in range(count):
        longest = max(longest, path[n, 1] - path[n, 0])
    kept, said = np.zeros(longest, np.int64), np.zeros(longest, np.int64)
    state = np.zeros((kinds.size, STATE))
    for n in range(count):
        start, stop, shift = path[n, 0], path[n, 1], path[n, 2]
        known, offset = forced[start] == start + shift, offsets[max(n - 1, 0)]
        start_anew(state, known, offset)
        usual = walk(
            lines, activity, columns, kinds, shape, scatter, contents, table, levels, expected, near, far, at, owner,
            width, offsets, n, start, stop, shift, state, kept,
        )  # fmt: skip
        for m in range(moves.size):
            start_anew(state, known, offset)
            guided = walk(
                lines, activity, columns, kinds, shape, scatter, contents, table, levels, expected, near, far, at,
                owner, width, offsets, n, start, stop, shift + moves[m], state, said,
            )  # fmt: skip
            if abs(moves[m]) > BLURRED:
                alone[n, m] += tempered(usual - guided)
            upper, pair, sum_of = -1, -1, 0
            rest = 0
            for t in range(start, stop):
                up = t + shift - width
                k = owner[up] if up >= 0 else -1
                loss = kept[t - start] - said[t - start]
                if loss == 0 or k == n:
                    continue
                if k < 0 and up + moves[m] >= 0:
                    k = owner[up + moves[m]]
                if k < 0:
                    rest += loss
                    continue
                if k != upper:
                    if pair >= 0:
                        together[pair, m] += tempered(sum_of)
                    upper, sum_of = k, 0
                    pair = np.searchsorted(pairs, n * count + k)
                sum_of += loss
            if pair >= 0:
                together[pair, m] += tempered(sum_of)
            alone[n, m] += tempered(rest)


@inlined
def strangeness(left, start, stop):
    """What it is worth to take MCUs that are not placed for those of another picture, as in `path_odds`."""
    waited, most = 0, 0
    for t in range(start, stop):
        waited = strange(waited, left[t])
        most = max(most, waited)
    return max(0, most - STRANGERS)


@allocating
def junction(
    lines, activity, columns, kinds, shape, scatter, contents, table, left, bit_start, bit_end, bits_per_mcu,
    levels, expected, near, far, before, after, error, final, at, owner, width, offsets, n, last, start, missing, shift,
    said,
):  # fmt: skip
    """What it costs that run `n` begins at MCU `start`, `missing` places behind the one that ends with MCU `last`.

    What lies between is garbage, or belongs in part to the run before or to that behind, whatever is cheapest.
    """
    garbage, room = start - last - 1, max(missing, 0)
    cut = max(-missing, 0) * FALLEN_OFF
    lost = expected_lost(bit_start, bit_end, before, after, bits_per_mcu, last, start)
    best = error + hole_cost(room, garbage, lost, shift, final) - strangeness(left, last + 1, start)
    if last < 0:
        return best + cut
    if garbage == 0 and missing == 0:  # only offsets change
        return min(best, -tempered(left[start]))
    total, gained, more = 0, 0, 0
    for k in range(1, min(garbage, room) + 1):
        total += tempered(left[start - k + 1])
        if total > gained:
            gained, more = total, k
    if more >= LOOKED_AT:
        state = np.zeros((kinds.size, STATE))
        begin(state, offsets[n - 1])
        walk(
            lines, activity, columns, kinds, shape, scatter, contents, table, levels, expected[:0], near, far, at,
            owner, width, offsets, n, start - more, start, shift, state, said,
        )  # fmt: skip
        for k in range(more):
            gained += tempered(said[k])
    if more > 0 and more == garbage and more == room:
        best = min(best, -gained - tempered(left[last + 1]))
    elif more > 0:
        lost = expected_lost(bit_start, bit_end, before, after, bits_per_mcu, last, start - more)
        value = error + hole_cost(room - more, garbage - more, lost, shift, final)
        best = min(best, value - gained - strangeness(left, last + 1, start - more))
    total, gained, more = 0, 0, 0
    for k in range(1, min(garbage, room) + 1):
        total += tempered(left[last + k])
        if total > gained:
            gained, more = total, k
    if 0 < more < garbage:
        lost = expected_lost(bit_start, bit_end, before, after, bits_per_mcu, last + more, start)
        value = error + hole_cost(room - more, garbage - more, lost, shift, final)
        best = min(best, value - gained - strangeness(left, last + 1 + more, start))
    return best + cut


@allocating
def junctions(
    lines, activity, columns, kinds, shape, scatter, contents, table, left, bit_start, bit_end, bits_per_mcu,
    levels, expected, near, far, _forced, error, final, at, owner, width, offsets, path, moves,
    usual, behind, ahead, both,
):  # fmt: skip
    """What junctions of runs cost as they are, and with the run behind, the one before, or both moved.

    `usual`: int64 (runs,), output, the first run's that to the start of the scan; others: int64 (runs, moves), output.
    """
    before, after = np.empty(left.size), np.empty(left.size)
    density(bit_start, bit_end, before, after)
    said = np.zeros(left.size, np.int64)
    for n in range(path.shape[0]):
        start, shift = path[n, 0], path[n, 2]
        last = path[n - 1, 1] - 1 if n > 0 else -1
        missing = shift - (path[n - 1, 2] if n > 0 else 0) + start - last - 1
        for m in range(-1, 3 * moves.size):
            move, what = (moves[m // 3], m % 3) if m >= 0 else (0, 0)
            if n == 0 and what > 0:
                continue
            cost = junction(
                lines, activity, columns, kinds, shape, scatter, contents, table, left, bit_start, bit_end,
                bits_per_mcu, levels, expected, near, far, before, after, error, final, at, owner, width, offsets, n,
                last, start, missing + (move, -move, 0)[what], shift + (move, 0, move)[what], said,
            )  # fmt: skip
            if m < 0:
                usual[n] = cost
            else:
                (behind, ahead, both)[what][n, m // 3] = cost


@kernel
def augment(first, arc, head, turned, room, source, target, enough, parent, queue, left):
    """Push flow from `source` to `target` until no more fits or `enough` flows; how much that is.

    Args:
        first, arc: int64 (nodes + 1,), (arcs,); arcs of node v are `arc[first[v]:first[v + 1]]`.
        head, turned: int64 (arcs,), where an arc leads; the same arc backwards.
        room: int64 (arcs,), what still fits, updated.
        parent: int64 (nodes,), output, the arc by which a node is reached in the end, -1 if it is not.
        queue: int64 (nodes,), scratch.
        left: int64 (1,), arcs that may still be looked at, updated; below 0 the answer is worth nothing.
    """
    total = 0
    while True:
        parent[:] = -1
        parent[source] = arc.size
        queue[0] = source
        begun, ended = 0, 1
        while begun < ended and parent[target] < 0:
            v = queue[begun]
            begun += 1
            left[0] -= first[v + 1] - first[v]
            for a in range(first[v], first[v + 1]):
                e = arc[a]
                if room[e] > 0 and parent[head[e]] < 0:
                    parent[head[e]] = e
                    queue[ended] = head[e]
                    ended += 1
        if parent[target] < 0 or total >= enough or left[0] < 0:
            return total
        most, v = 1 << 60, target
        while v != source:
            most = min(most, room[parent[v]])
            v = head[turned[parent[v]]]
        v = target
        while v != source:
            e = parent[v]
            room[e] -= most
            room[turned[e]] += most
            v = head[turned[e]]
        total += most


@inlined
def leader(group, v):
    """The node that stands for the group of `v`."""
    while group[v] != v:
        group[v] = group[group[v]]
        v = group[v]
    return v


@allocating
def cuts(first, arc, head, turned, room, least, ceiling, odds, each, moved, left):
    """The set of runs that is best moved, and what it costs at least to move each run with whatever goes with it.

    Args (others as in `augment`):
        room: nodes are the runs, what is never moved, and what always is.
        least: what would be gained by moving all that gain by it alone, 0 or less.
        ceiling: cost above which none is told from another.
        odds: int64 (runs,), lowered to the cost where that is less; to 0 where there is no time to tell.
        each: whether to look at each run.
        moved: bool (runs,), output: the best set.

    Returns:
        what the best set costs, 0 or less
    """
    count = odds.size
    parent, queue = np.empty(count + 2, np.int64), np.empty(count + 2, np.int64)
    group = np.arange(count + 2)
    for e in range(arc.size):
        v, w = head[turned[e]], head[e]
        if room[e] >= ceiling and (v == count or room[turned[e]] >= ceiling):  # no cut between them counts
            v, w = leader(group, v), leader(group, w)
            group[max(v, w)], group[min(v, w)] = max(v, w), max(v, w)
    cost = least + augment(first, arc, head, turned, room, count, count + 1, 1 << 60, parent, queue, left)
    moved[:] = parent[:count] < 0
    if left[0] < 0:
        moved[:] = False
        odds[:] = np.minimum(odds, 0)
        return 0
    rest = np.empty_like(room)
    added, enough = np.full(count + 2, -1, np.int64), np.zeros(count + 2, np.int64)
    for v in range(count):
        of = leader(group, v)
        enough[of] = max(enough[of], min(odds[v], ceiling))
    added[leader(group, count)] = ceiling
    for v in range(count):
        if moved[v]:
            odds[v] = min(odds[v], cost)
        elif each and odds[v] > 0:
            of = leader(group, v)
            if added[of] < 0:
                rest[:] = room
                most = augment(first, arc, head, turned, rest, count, v, enough[of], parent, queue, left)
                added[of] = most if left[0] >= 0 else 0
            odds[v] = min(odds[v], added[of])
    return cost
