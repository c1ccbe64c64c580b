"""Kernels of evidence: log-odds, in 1/NAT nat, that an MCU of a stream lies beside or below another one.

A border's mean tells how well the DC offsets of both agree, besides whether they are neighbours. The offset of the run
at hand against that of the run above it is carried as a normal distribution and so is a bias that neighbouring borders
share (shading that both sides flatten); each border's mean is predicted from both, scored by a Student distribution
with three degrees of freedom against that of unrelated MCUs, and then used to correct them (a Kalman filter of two
states for each component). What is above may itself be unsure of its offset, as runs of the first row are, that have
nothing above them: so what is known of a run's own offset is held apart, and learns from the difference to a run above
only as far as it is the less sure of both.
"""

import math

import numpy as np

from jpegrescue.compiled import allocating, inlined, kernel
from jpegrescue.score._kernels_borders import ACTIVITY_BIN, SPREAD_BIN, difference

OFFSET, BIAS, OFFSET_VARIANCE, COVARIANCE, BIAS_VARIANCE = 0, 1, 2, 3, 4  # against the run above, as it is now
HELD, HELD_VARIANCE = 5, 6  # of the run itself, before the run that is above now
FIRST, FIRST_VARIANCE = 7, 8  # OFFSET as it was then
STATE = 9
PERSISTENCE = 0.9  # of the bias, from one MCU to the next
BIAS_SCATTER = 256.0  # (1/16 level)²
OFFSET_SCATTER_MIN = 4.0
MEAN_MIN = -4096  # the least that one border's mean may say
_STEPS = 4096
_LN2 = 710  # ln 2 · 1024
LOGARITHMS = np.rint(1024 * np.log(0.5 + (np.arange(_STEPS) + 0.5) / (2 * _STEPS))).astype(np.int32)


@inlined
def logarithm(x):
    """Natural logarithm of x in 1/1024, rounded the same way everywhere."""
    fraction, exponent = math.frexp(x)
    index = np.int64((fraction - 0.5) * (2 * _STEPS))
    return LOGARITHMS[min(max(index, 0), _STEPS - 1)] + exponent * _LN2


@inlined
def odds_of_mean(x, near, far):
    """Of a mean `x` with variance `near` between neighbours, `far` between others."""
    odds = 2 * (logarithm(1.0 + x * x / (3.0 * far)) - logarithm(1.0 + x * x / (3.0 * near)))
    return max(MEAN_MIN, odds + (logarithm(far / near) >> 1))


@kernel
def beside(lines, activity, rows, kinds, shape, scatter, i, j):
    """MCU `j` right of `i`, both of one run of the stream, so that their offsets are the same."""
    total = 0
    for c in range(kinds.size):
        mean, spread = difference(lines[1], i, lines[0], j, rows[c], rows[c + 1] - rows[c])
        active = ACTIVITY_BIN[min(4095, activity[c, 3, i] + activity[c, 2, j])]
        kind = kinds[c]
        total += shape[kind, active, SPREAD_BIN[min(8191, spread)]]
        total += odds_of_mean(mean, scatter[0, kind, active], scatter[1, kind, active])
    return total


@inlined
def contents_odds(contents, table, i, j):
    """From what MCU `i` and its neighbour `j` hold."""
    return (
        table[0, contents[0, i], contents[0, j]]
        + table[1, contents[1, i], contents[1, j]]
        + table[2, contents[2, i], contents[2, j]]
    )


@kernel
def compare(lines, activity, columns, kinds, shape, scatter, contents, table, i, j, seen):
    """What does not depend on offsets of MCU `j` below `i`; the odds of that.

    `seen`: float64 (components, 3), output: mean of the border, its variance between neighbours and between others.
    """
    total = contents_odds(contents, table, i, j)
    for c in range(kinds.size):
        mean, spread = difference(lines[1], i, lines[0], j, columns[c], columns[c + 1] - columns[c])
        active = ACTIVITY_BIN[min(4095, activity[c, 1, i] + activity[c, 0, j])]
        kind = kinds[c]
        total += shape[kind, active, SPREAD_BIN[min(8191, spread)]]
        seen[c, 0], seen[c, 1], seen[c, 2] = mean, scatter[0, kind, active], scatter[1, kind, active]
    return total


@kernel
def follow(seen, state, known):
    """Odds of what `compare` has seen, for MCUs whose run has `state` (components, STATE), which is updated.

    Where both MCUs are `known` to have the same offset, only the bias is followed.
    """
    total = 0
    for c in range(seen.shape[0]):
        mean, near, far = seen[c, 0], seen[c, 1], seen[c, 2]
        drift = min(BIAS_SCATTER, 0.5 * near)
        noise = near - drift
        s = state[c]
        s[BIAS] *= PERSISTENCE
        s[COVARIANCE] *= PERSISTENCE
        s[BIAS_VARIANCE] = PERSISTENCE * PERSISTENCE * s[BIAS_VARIANCE] + (1 - PERSISTENCE * PERSISTENCE) * drift
        if known:
            surprise = -mean - s[BIAS]
            spreading = s[BIAS_VARIANCE]
        else:
            surprise = -mean - s[OFFSET] - s[BIAS]
            spreading = s[OFFSET_VARIANCE] + 2 * s[COVARIANCE] + s[BIAS_VARIANCE]
        total += odds_of_mean(surprise, noise + spreading, far + spreading)
        robust = noise * (3.0 + surprise * surprise / (noise + spreading)) / 4.0 + spreading
        _correct(s, surprise, robust, known)
    return total


@inlined
def _correct(s, surprise, variance, known):
    if known:
        gain = s[BIAS_VARIANCE] / variance
        s[BIAS] += gain * surprise
        s[BIAS_VARIANCE] *= 1 - gain
        return
    p, q, r = s[OFFSET_VARIANCE], s[COVARIANCE], s[BIAS_VARIANCE]
    gain, second = (p + q) / variance, (q + r) / variance
    s[OFFSET] += gain * surprise
    s[BIAS] += second * surprise
    s[OFFSET_VARIANCE] = max(p - gain * (p + q), OFFSET_SCATTER_MIN)
    s[COVARIANCE] = q - gain * (q + r)
    s[BIAS_VARIANCE] = r - second * (q + r)


@inlined
def resolved(s):
    """A run's own offset, 1/16 level, and its variance, by all that is in the state of one component."""
    if s[FIRST_VARIANCE] <= 0.0:
        return s[HELD], s[HELD_VARIANCE]
    share = s[HELD_VARIANCE] / s[FIRST_VARIANCE]
    offset = s[HELD] + share * (s[OFFSET] - s[FIRST])
    return offset, max(s[HELD_VARIANCE] - share * share * (s[FIRST_VARIANCE] - s[OFFSET_VARIANCE]), 0.0)


@inlined
def meet(state, offset, variance):
    """Another run is above from now on; `offset`, `variance`: float64 (components,), its own."""
    for c in range(offset.size):
        s = state[c]
        s[HELD], s[HELD_VARIANCE] = resolved(s)
        s[OFFSET], s[OFFSET_VARIANCE] = s[HELD] - offset[c], s[HELD_VARIANCE] + variance[c]
        s[FIRST], s[FIRST_VARIANCE] = s[OFFSET], s[OFFSET_VARIANCE]
        s[COVARIANCE] = 0.0


@kernel
def previewed(levels, expected, near, far, place, j, state):
    """MCU `j` at `place`, by the preview; `state` is updated.

    Args:
        levels: float64 (MCUs, components), means of the stream's MCUs, 1/16 level.
        expected: float64 (places, components), means by the preview, NaN where it says nothing.
        near, far: float64 (components,), variances of their difference at the right place and elsewhere.
    """
    total = 0
    for c in range(near.size):
        if math.isnan(expected[place, c]):
            continue
        s = state[c]
        offset, spreading = resolved(s)
        seen = expected[place, c] - levels[j, c]
        surprise = seen - offset
        total += odds_of_mean(surprise, near[c] + spreading, far[c] + spreading)
        _hold(s, seen, near[c] * (3.0 + surprise * surprise / (near[c] + spreading)) / 4.0)
    return total


@inlined
def _hold(s, seen, variance):
    """A run's own offset has been `seen`: as if that had been before the run above came."""
    gain = s[HELD_VARIANCE] / (s[HELD_VARIANCE] + variance)
    moved, shrunk = gain * (seen - s[HELD]), gain * s[HELD_VARIANCE]
    s[HELD] += moved
    s[HELD_VARIANCE] -= shrunk
    p, first = s[OFFSET_VARIANCE], s[FIRST_VARIANCE]
    if first <= 0.0 or p <= 0.0:
        return
    told = max(1.0 / p - 1.0 / first, 0.0)
    heard = s[OFFSET] / p - s[FIRST] / first
    s[FIRST] += moved
    s[FIRST_VARIANCE] = max(first - shrunk, OFFSET_SCATTER_MIN)
    s[OFFSET_VARIANCE] = 1.0 / (1.0 / s[FIRST_VARIANCE] + told)
    s[OFFSET] = s[OFFSET_VARIANCE] * (s[FIRST] / s[FIRST_VARIANCE] + heard)
    s[COVARIANCE] *= min(s[OFFSET_VARIANCE] / p, 1.0)


@kernel
def stream_odds(lines, activity, rows, kinds, shape, scatter, contents, table, fresh, out):
    """For every MCU of a stream, that the one before it is its left neighbour; 0 where decoding began anew."""
    for t in range(1, out.size):
        if not fresh[t]:
            odds = beside(lines, activity, rows, kinds, shape, scatter, t - 1, t)
            out[t] = odds + contents_odds(contents, table, t - 1, t)


@allocating
def stacked_odds(lines, activity, columns, kinds, shape, scatter, contents, table, width, out):
    """For every MCU of a stream, that the one `width` before lies above it and has the same offsets."""
    seen, state = np.empty((kinds.size, 3)), np.zeros((kinds.size, STATE))
    for t in range(width, out.size):
        odds = compare(lines, activity, columns, kinds, shape, scatter, contents, table, t - width, t, seen)
        out[t] = odds + follow(seen, state, True)
