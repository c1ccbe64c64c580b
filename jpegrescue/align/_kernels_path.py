"""Kernels that place the MCUs of a stream: what runs are, and the odds of a given path.

A path cuts the stream into runs. All MCUs of a run lie at stream index + shift and have the same DC offsets; between
two runs there is garbage.
"""

import numpy as np

from jpegrescue.compiled import inlined, kernel
from jpegrescue.score._kernels_evidence import (
    BIAS,
    BIAS_SCATTER,
    BIAS_VARIANCE,
    COVARIANCE,
    OFFSET,
    OFFSET_VARIANCE,
    STATE,
    below,
    logarithm,
    previewed,
)

NOTHING = -(1 << 60)
ERROR = 12 * 1024  # what a new run costs
NOWHERE = 1 << 40
LONG_HOLE = 12.0
OFFSET_UNKNOWN = 640.0 * 640.0
START, STOP, SHIFT, PARENT = 0, 1, 2, 3


@inlined
def tempered(odds):
    """Neighbouring MCUs are alike, so their odds are worth less than those of strangers."""
    return 7 * odds // 10


@inlined
def jump_cost(shift, centre, lost, final):
    """What it costs that a run has `shift` where `centre` is expected, by the bits of `lost` missing MCUs.

    Behind a long hole bits say little; there, a shift near the `final` one, with which the scan would end at the last
    place, is as likely (`final` NOWHERE: the end is not known).
    """
    scale = 1.5 + 0.3 * lost
    cost = np.int64(1024 * abs(shift - centre) / scale) + logarithm(2.0 * scale)
    if final != NOWHERE and lost > LONG_HOLE:
        cost = min(cost, 256 * abs(shift - final) + logarithm(8.0)) + 710
    return cost


@inlined
def expected_lost(bit_start, bit_end, bits_per_mcu, last, t):
    """MCUs that should lie between MCU `last` of a stream and MCU `t`, by the bits between them."""
    if last < 0:
        return bit_start[t] / bits_per_mcu
    return (bit_start[t] - bit_end[last]) / bits_per_mcu


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
        state[c, OFFSET] = offset[c]
        state[c, BIAS] = 0.0
        state[c, OFFSET_VARIANCE] = OFFSET_UNKNOWN
        state[c, COVARIANCE] = 0.0
        state[c, BIAS_VARIANCE] = BIAS_SCATTER


@kernel
def path_odds(
    lines, activity, columns, kinds, shape, scatter, contents, table, left, bit_start, bit_end, bits_per_mcu,
    levels, expected, near, far, forced, width, places, final, path, gains, offsets,
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
    own_state = np.zeros((components, STATE))
    above = np.zeros(components)
    owner = np.full(places, -1, np.int64)
    total = 0
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
            lost = expected_lost(bit_start, bit_end, bits_per_mcu, last, start)
            centre = np.int64(lost + 0.5) - garbage
            if abs(centre) <= 2:
                centre = 0
            before = path[n - 1, 2] if n > 0 else 0
            cost = ERROR + jump_cost(shift, before + centre, max(lost, garbage * 1.0), final)
            for c in range(components):
                above[c] = offsets[n - 1, c] if n > 0 else 0.0
            begin(state, above)
        for t in range(start, stop):
            place = t + shift
            up = place - width
            odds = 0
            if place % width != 0 and t > start:
                odds += left[t]
            if up >= 0 and owner[up] == n:
                odds += below(
                    lines, activity, columns, kinds, shape, scatter, contents, table,
                    t - width, t, above, own_state, True,
                )  # fmt: skip
                for c in range(components):
                    state[c, BIAS], state[c, COVARIANCE] = own_state[c, BIAS], 0.0
                    state[c, BIAS_VARIANCE] = own_state[c, BIAS_VARIANCE]
            elif up >= 0 and owner[up] >= 0:
                for c in range(components):
                    above[c] = offsets[owner[up], c]
                odds += below(
                    lines, activity, columns, kinds, shape, scatter, contents, table,
                    up - path[owner[up], 2], t, above, state, False,
                )  # fmt: skip
            if expected.shape[0] > 0:
                odds += previewed(levels, expected, near, far, place, t, state)
            owner[place] = n
            gains[t] = tempered(odds) - cost
            cost = 0
            total += gains[t]
        for c in range(components):
            offsets[n, c] = state[c, OFFSET]
    return total
