"""Kernels that place the MCUs of a stream: what runs are, and the odds of a given path.

A path cuts the stream into runs. All MCUs of a run lie at stream index + shift and have the same DC offsets; between
two runs there is garbage.
"""

import numpy as np

from jpegrescue.compiled import allocating, inlined
from jpegrescue.score._kernels_evidence import (
    BIAS,
    BIAS_SCATTER,
    BIAS_VARIANCE,
    COVARIANCE,
    HELD,
    HELD_VARIANCE,
    STATE,
    compare,
    follow,
    logarithm,
    meet,
    previewed,
    resolved,
)

NOTHING = -(1 << 60)
NOWHERE = 1 << 40
LONG_HOLE, SHORT_HOLE = 12.0, 6.0
NEIGHBOURS = 4
LAW, COUNT_KEPT = 0.37, 0.07
STRANGERS = 20 * 1024  # what a stretch of another picture costs
SEAM_ALIKE, SEAM_LEAST, SEAM_MOST, SEAM_FLOOR = 8 * 1024, -4 * 1024, 8 * 1024, -32 * 1024
OFFSET_UNKNOWN = 640.0 * 640.0
START, STOP, SHIFT, PARENT = 0, 1, 2, 3


@inlined
def tempered(odds):
    """Neighbouring MCUs are alike, so their odds are worth less than those of strangers."""
    return 7 * odds // 10


@inlined
def jump_cost(missing, garbage, lost):
    """What it costs that `missing` MCUs of the picture lie between two runs, `garbage` MCUs of the stream apart.

    `lost` are expected there by the bits between the runs, give or take a fifth; and besides, an error may leave the
    count alone. Laws and figures: errors in training photos.
    """
    spread = 0.05 + 0.21 * lost
    off = (missing - lost) / spread
    likely = LAW / (spread * (1.0 + off * off / 2.5) ** 1.75 + LAW)
    return -logarithm(likely + COUNT_KEPT) if missing == garbage else -logarithm(likely)


@inlined
def hole_cost(missing, garbage, lost, shift, final):
    """Like `jump_cost`, also for long holes.

    Bits say little of these; a shift near the `final` one, with which the scan would end at the last place, is as
    likely there (`final` NOWHERE: the end is not known).
    """
    cost = jump_cost(missing, garbage, lost)
    if final != NOWHERE and max(lost, garbage * 1.0) > LONG_HOLE:
        cost = min(cost, 256 * abs(shift - final) + logarithm(8.0)) + 710
    return cost


@inlined
def density(bit_start, bit_end, before, after):
    """Bits per MCU in the few MCUs up to each one, and from each one on."""
    count = bit_start.size
    for t in range(count):
        first, last = max(0, t - NEIGHBOURS + 1), min(count, t + NEIGHBOURS) - 1
        before[t] = (bit_end[t] - bit_start[first]) / (t - first + 1.0)
        after[t] = (bit_end[last] - bit_start[t]) / (last - t + 1.0)


@inlined
def expected_lost(bit_start, bit_end, before, after, bits_per_mcu, last, t):
    """MCUs that should lie between MCU `last` of a stream and MCU `t`, by the bits between them.

    Short gaps are as dense as what surrounds them, long ones like the whole scan.
    """
    if last < 0:
        return bit_start[t] / bits_per_mcu
    bits = bit_start[t] - bit_end[last]
    near = 0.46 * bits * (1.0 / before[last] + 1.0 / after[t])
    if near <= SHORT_HOLE:
        return near
    weight = SHORT_HOLE / near
    return weight * near + (1.0 - weight) * bits / bits_per_mcu


@inlined
def seam_gain(alike, odds):
    """What one more pair of MCUs at both margins of the picture adds; `alike`: what such pairs have said so far.

    Margins are strangers to each other, unless both are of the same frame, wall or sky. So they may be as alike as
    neighbours at the price of `SEAM_ALIKE`, once for the whole picture: without this a picture whose margins are alike
    would rather be torn in its midst, where neighbours differ more than its margins do.
    """
    now = max(alike + min(max(odds, SEAM_LEAST), SEAM_MOST), SEAM_FLOOR)
    return now, max(0, now - SEAM_ALIKE) - max(0, alike - SEAM_ALIKE)


@inlined
def strange(waited, odds):
    """One more MCU that is not placed, `odds` that it goes with the one before it: how much its stretch is worth.

    What fits together but not to this picture is of another one; it must not be worth more for being placed.
    """
    return max(0, waited + 9 * tempered(odds) // 10)


@inlined
def find(run, runs, place):
    """Stream index of the MCU that a chain of runs has at `place`, and the run; -1 twice for none."""
    while run >= 0 and runs[run, START] + runs[run, SHIFT] > place:
        run = runs[run, PARENT]
    if run >= 0 and place < runs[run, STOP] + runs[run, SHIFT]:
        return place - runs[run, SHIFT], run
    return -1, -1


@inlined
def begin(state, offset):
    """A run with an unknown offset, likely near that of the run before."""
    for c in range(offset.size):
        for q in range(STATE):
            state[c, q] = 0.0
        state[c, HELD], state[c, HELD_VARIANCE] = offset[c], OFFSET_UNKNOWN
        state[c, BIAS_VARIANCE] = BIAS_SCATTER


@allocating
def path_odds(
    lines, activity, columns, kinds, shape, scatter, contents, table, left, bit_start, bit_end, bits_per_mcu,
    levels, expected, near, far, forced, width, places, final, error, path, gains, offsets,
):  # fmt: skip
    """Odds of a given path, by the same rules as `search`.

    Args (others as in `search`):
        path: int64 (runs, 3), START, STOP, SHIFT in stream order, not overlapping in places.
        gains: int64 (MCUs,), output: odds that each MCU adds; what a run costs is with its first one.
        offsets: float64 (runs, components), output, 1/16 level.

    Returns:
        the sum of the gains
    """
    components = kinds.size
    state = np.zeros((components, STATE))
    own_state, seen = np.zeros((components, STATE)), np.zeros((components, 3))
    above = np.zeros(components)
    owner = np.full(places, -1, np.int64)
    before, after = np.empty(left.size), np.empty(left.size)
    density(bit_start, bit_end, before, after)
    variances = np.zeros_like(offsets)
    total, alike = 0, 0
    for n in range(path.shape[0]):
        start, stop, shift = path[n, 0], path[n, 1], path[n, 2]
        cost = 0
        if forced[start] == start + shift:
            for c in range(components):
                for q in range(STATE):
                    state[c, q] = 0.0
        elif n > 0 or start + shift != 0 or start != 0:
            last = path[n - 1, 1] - 1 if n > 0 else -1
            garbage = start - last - 1
            lost = expected_lost(bit_start, bit_end, before, after, bits_per_mcu, last, start)
            missing = shift - (path[n - 1, 2] if n > 0 else 0) + garbage
            cost = error + hole_cost(missing, garbage, lost, shift, final)
            waited, most = 0, 0
            for t in range(last + 1, start):
                waited = strange(waited, left[t])
                most = max(most, waited)
            cost -= max(0, most - STRANGERS)
            for c in range(components):
                above[c] = offsets[n - 1, c] if n > 0 else 0.0
            begin(state, above)
        over = -1
        for t in range(start, stop):
            place = t + shift
            up = place - width
            odds = 0
            if t > start:
                if place % width != 0:
                    odds += left[t]
                else:
                    alike, gain = seam_gain(alike, left[t])
                    odds += gain
            if up >= 0 and owner[up] == n:
                odds += compare(
                    lines, activity, columns, kinds, shape, scatter, contents, table, t - width, t, seen
                ) + follow(seen, own_state, True)
                for c in range(components):
                    state[c, BIAS], state[c, COVARIANCE] = own_state[c, BIAS], 0.0
                    state[c, BIAS_VARIANCE] = own_state[c, BIAS_VARIANCE]
            elif up >= 0 and owner[up] >= 0:
                if over != owner[up]:
                    over = owner[up]
                    meet(state, offsets[over], variances[over])
                odds += compare(
                    lines, activity, columns, kinds, shape, scatter, contents, table, up - path[over, 2], t, seen
                ) + follow(seen, state, False)
            if expected.shape[0] > 0:
                odds += previewed(levels, expected, near, far, place, t, state)
            owner[place] = n
            gains[t] = tempered(odds) - cost
            cost = 0
            total += gains[t]
        for c in range(components):
            offsets[n, c], variances[n, c] = resolved(state[c])
    return total
