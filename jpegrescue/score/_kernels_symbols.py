"""Kernels that weigh Huffman symbols while they decode them: do they look like a photo, or like random bits?

Random bits decode to symbols whose probability is what their code's length says; the symbols of a photo depend on
where in its block each one stands, and on what came before. So every symbol adds the logarithm of what the model
expects of it there, and its code's length: log-odds, in 1/NAT nat, that the bits are those of a picture and not a
garbled cipher block. Bits of magnitudes say nothing here.
"""

import numpy as np

from jpegrescue.compiled import allocating, inlined
from jpegrescue.jpeg._kernels_entropy import AC_SIZE_MAX, DC_SIZE_MAX, FAST_BITS, load, long_code, top

LEVELS, SHAPES, DC_SIZES, SYMBOLS = 10, 5, 12, 256
FIRST_LEVEL = 4
FIRST_SIZE = DC_SIZES  # in place of the size before, where DC is no difference from a block before
DC_CONTEXTS = DC_SIZES + 1
END = 1 << 60  # behind any bit
FAILURE = 8 * 1024  # what a place counts where decoding fails, against a photo
LEVEL = np.searchsorted(np.array([1, 2, 3, 5, 8, 12, 18, 27, 40]), np.arange(65), side="right").astype(np.int64)
"""Of the number of non-zero AC coefficients in the component's block before: how busy the model takes it to be."""


@inlined
def symbol_at(bits, table, fast, code_max, code_delta, symbols):
    """The AC symbol that `bits` begin with: (symbol, bits of code and magnitude); a length of 0 if there is none.

    `bits`: as `load` gives them, 27 at least.
    """
    entry = np.int64(fast[table, top(bits, FAST_BITS)])
    symbol = (entry >> 5) & 255
    length = entry & 31
    if entry >> 16 == 0:
        if entry != 0:
            return symbol, length + (symbol & 15)
        symbol, length = long_code(bits, table, code_max, code_delta, symbols)
        if length > 16:
            return 0, 0
        return symbol, length + (symbol & 15)
    return symbol, length


@inlined
def shape(number, last, total):
    """How large the `number` non-zero coefficients of a block are so far: the `last` one's size, and all in `total`.

    0, which this never gives, stands for none.
    """
    return min(last, 3) + (1 if total > 2 * number else 0)


@inlined
def weigh_block(data, p, blocks, b, state, fast, code_max, code_delta, symbols, ac_odds, dc_odds):
    """Block `b` of an MCU: (whether it decodes, bit behind it, log-odds); see `jpeg._kernels_entropy` for the tables.

    Args:
        data: uint8, bytes without stuffing, then PADDING.
        p: bit address.
        blocks: int64 (blocks per MCU, 5): component, column, row, DC and AC table.
        state: int64 (2, components), level and size of the DC difference of the block before, see `forget`; updated.
        fast, code_max, code_delta, symbols: look-ups.
        ac_odds: int16 (components, LEVELS, 64, SHAPES, SYMBOLS).
        dc_odds: int16 (components, DC_CONTEXTS, DC_SIZES).
    """
    c = blocks[b, 0]
    ok, p, odds, number, size = weigh_upto(
        data, p, END, blocks, b, state[0, c], state[1, c], fast, code_max, code_delta, symbols, ac_odds, dc_odds
    )
    state[1, c] = size
    if ok:
        state[0, c] = LEVEL[number]
    return ok, p, odds


@inlined
def weigh_upto(data, p, limit, blocks, b, level, before, fast, code_max, code_delta, symbols, ac_odds, dc_odds):
    """Weigh the symbols of a block that begin before bit `limit`.

    `level`, `before`: the component's state; others as of `weigh_block`. Returns whether they decode, the bit behind
    them, their log-odds, how many AC coefficients are not zero, and the size of the DC difference.
    """
    c, dc_table, ac_table = blocks[b, 0], blocks[b, 3], blocks[b, 4]
    if p >= limit:
        return True, p, 0, 0, before
    bits = load(data, p)
    entry = np.int64(fast[dc_table, top(bits, FAST_BITS)])
    length = entry & 31
    dc_size = (entry >> 5) & 15
    if entry == 0:
        dc_size, length = long_code(bits, dc_table, code_max, code_delta, symbols)
        if length > 16:
            return False, p, 0, 0, before
    if dc_size > DC_SIZE_MAX:
        return False, p, 0, 0, before
    odds = np.int64(dc_odds[c, before, dc_size])
    p += length + dc_size
    bits = load(data, p)
    left = 64 - (p & 7)
    number, total = 0, 0
    at = ac_odds[c, level]
    k, look = 1, 0
    while k < 64 and p < limit:
        if left < 27:
            bits = load(data, p)
            left = 64 - (p & 7)
        symbol, length = symbol_at(bits, ac_table, fast, code_max, code_delta, symbols)
        if length == 0:
            return False, p, odds, number, dc_size
        odds += at[k, look, symbol]
        p += length
        bits <<= length
        left -= length
        size = symbol & 15
        if size == 0:
            if symbol == 0:
                break
            k += 16
            if symbol != 240 or k > 64:
                return False, p, odds, number, dc_size
        else:
            k += (symbol >> 4) + 1
            if k > 64 or size > AC_SIZE_MAX:
                return False, p, odds, number, dc_size
            number += 1
            total += size
            look = shape(number, size, total)
    return True, p, odds, number, dc_size


@inlined
def forget(state):
    """As at the start of a scan, and behind a restart marker."""
    for c in range(state.shape[1]):
        state[0, c] = FIRST_LEVEL
        state[1, c] = FIRST_SIZE


@inlined
def padded(data, p, end):
    """Whether nothing but padding, at most seven bits that are ones, lies between `p` and `end` (T.81 F.1.2.3)."""
    if p > end or end - p > 7:
        return False
    while p < end:
        if not (data[p >> 3] >> (7 - (p & 7))) & 1:
            return False
        p += 1
    return True


@allocating
def weigh_stream(
    data,
    intervals,
    blocks,
    fast,
    code_max,
    code_delta,
    symbols,
    ac_odds,
    dc_odds,
    resumed,
    start,
    odds,
    failed,
    states,
    first,
    bins,
):
    """Decode every interval to its last bit by the robust rule, and weigh its MCUs.

    Args:
        data: uint8, bytes without stuffing, then PADDING.
        intervals: int64 (n, 2), first bit and end bit of every interval.
        blocks, fast, code_max, code_delta, symbols, ac_odds, dc_odds: see `weigh_block`.
        resumed: int64 (room,), output: bit behind the MCU before, where each MCU should have begun.
        start: int64 (room,), output: bit where it did begin, in ascending order.
        odds: int64 (room,), output: its log-odds.
        failed: bool (room,), output: whether decoding failed between the MCU before and this one.
        states: int8 (room, 2, components), output: state of `weigh_block` at its start.
        first: int64 (n + 1,), output: first MCU of every interval, and their number.
        bins: int64, output, zeroed: log-odds of every 64 bits.

    Returns:
        MCUs decoded, fewer than `room` - 1. `resumed`, `start`, `failed` and `states` have one entry more.
    """
    components = ac_odds.shape[0]
    state = np.empty((2, components), np.int64)
    ends, weights = np.empty((2, blocks.shape[0]), np.int64)
    room = start.size - 1
    m = 0
    failed[0] = False
    for interval in range(intervals.shape[0]):
        p, end = intervals[interval, 0], intervals[interval, 1]
        first[interval] = m
        forget(state)
        resumed[m] = p
        while m < room and p < end and not padded(data, p, end):
            for c in range(components):
                states[m, 0, c], states[m, 1, c] = state[0, c], state[1, c]
            q = p
            ok = True
            for b in range(blocks.shape[0]):
                ok, q, weights[b] = weigh_block(
                    data, q, blocks, b, state, fast, code_max, code_delta, symbols, ac_odds, dc_odds
                )
                ends[b] = q
                if not ok or q > end:
                    ok = False
                    break
            if ok:
                start[m], odds[m] = p, 0
                for b in range(blocks.shape[0]):
                    odds[m] += weights[b]
                    _spread(bins, p, ends[b], weights[b])
                    p = ends[b]
                m += 1
                resumed[m], failed[m] = p, False
                continue
            for c in range(components):
                state[0, c], state[1, c] = states[m, 0, c], states[m, 1, c]
            if not failed[m]:
                failed[m] = True
                bins[p >> 6] -= FAILURE
            p += 1
        if not padded(data, p, end):
            failed[m] = True
    first[intervals.shape[0]] = m
    start[m] = intervals[intervals.shape[0] - 1, 1]
    return m


@inlined
def _spread(bins, start, end, weight):
    for i in range(start >> 6, ((end - 1) >> 6) + 1):
        share = min(end, (i + 1) << 6) - max(start, i << 6)
        bins[i] += weight * share // (end - start)


@allocating
def sum_between(
    data,
    resumed,
    start,
    failed,
    states,
    edges,
    blocks,
    fast,
    code_max,
    code_delta,
    symbols,
    ac_odds,
    dc_odds,
    sums,
):
    """Add up the log-odds of the symbols that begin between successive `edges`.

    Args:
        data, resumed, start, failed, states: see `weigh_stream`.
        edges: int64 (n + 1,), bits, ascending.
        blocks, fast, code_max, code_delta, symbols, ac_odds, dc_odds: see `weigh_block`.
        sums: int64 (n,), output, zeroed.
    """
    state = np.empty((2, ac_odds.shape[0]), np.int64)
    e, f = 0, 0  # edges behind which lie p, and the last failure
    for m in range(start.size):
        if failed[m]:
            while f < edges.size and edges[f] <= resumed[m]:
                f += 1
            if 0 < f < edges.size:
                sums[f - 1] -= FAILURE
        if m == start.size - 1:
            break
        p = start[m]
        for c in range(state.shape[1]):
            state[0, c], state[1, c] = states[m, 0, c], states[m, 1, c]
        for b in range(blocks.shape[0]):
            c = blocks[b, 0]
            level, before, begun, done = state[0, c], state[1, c], p, 0
            _, p, weight = weigh_block(data, p, blocks, b, state, fast, code_max, code_delta, symbols, ac_odds, dc_odds)
            while e < edges.size and edges[e] < p:
                part = weigh_upto(
                    data,
                    begun,
                    edges[e],
                    blocks,
                    b,
                    level,
                    before,
                    fast,
                    code_max,
                    code_delta,
                    symbols,
                    ac_odds,
                    dc_odds,
                )[2]
                if e > 0:
                    sums[e - 1] += part - done
                done = part
                e += 1
            if 0 < e < edges.size:
                sums[e - 1] += weight - done


@allocating
def count_symbols(
    data, start, wanted, states, blocks, fast, code_max, code_delta, symbols, kinds, ac_counts, dc_counts
):
    """Add the symbols of MCUs that decode to the histograms.

    `start`, `states`: as `weigh_stream` gives them; `wanted`: bool (MCUs,); `kinds`: int64 (components,);
    `ac_counts`: int64 (kinds, LEVELS, 64, SHAPES, SYMBOLS); `dc_counts`: int64 (kinds, DC_CONTEXTS, DC_SIZES).
    """
    state = np.empty((2, kinds.size), np.int64)
    for m in range(wanted.size):
        if not wanted[m]:
            continue
        for c in range(kinds.size):
            state[0, c], state[1, c] = states[m, 0, c], states[m, 1, c]
        p = start[m]
        for b in range(blocks.shape[0]):
            c, dc_table, ac_table = blocks[b, 0], blocks[b, 3], blocks[b, 4]
            bits = load(data, p)
            entry = np.int64(fast[dc_table, top(bits, FAST_BITS)])
            length = entry & 31
            size = (entry >> 5) & 15
            if entry == 0:
                size, length = long_code(bits, dc_table, code_max, code_delta, symbols)
            dc_counts[kinds[c], state[1, c], size] += 1
            state[1, c] = size
            p += length + size
            number, total, look = 0, 0, 0
            k = 1
            while k < 64:
                symbol, length = symbol_at(load(data, p), ac_table, fast, code_max, code_delta, symbols)
                ac_counts[kinds[c], state[0, c], k, look, symbol] += 1
                p += length
                k += (symbol >> 4) + 1
                if symbol == 0:
                    break
                if symbol & 15:
                    number += 1
                    total += symbol & 15
                    look = shape(number, symbol & 15, total)
            state[0, c] = LEVEL[number]
