"""How sure it is that an MCU lies where it was put, and that damage left it alone.

Two things can be wrong: the place of a whole run, and single MCUs in it, most of them at its ends. Where restart
markers fix places, a run counts as placed if one of them put it there. Where both ends of the scan were searched
from, a logistic model weighs what it costs to move the run with all that goes with it (`align.slips`), whether the
other end put it at the same place, how much less likely it is elsewhere, and what its borders say against places
nearby. An MCU's odds come from a logistic model, too, of what its four sides and its symbols say (`score.soundness`),
and of how far it is from the ends of its run and from garbage (`lab.train_certainty`, both fitted on training photos
only).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_sides as kernels
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import AGREED, Placement, Run
from jpegrescue.align.slips import slips
from jpegrescue.align.tails import unseen_slips
from jpegrescue.score.plausibility import NAT
from jpegrescue.score.soundness import GARBLED

REACH = 8
PREVIEW_REACH, PREVIEW_ROWS = 64, 4
MARGIN_SURE, MARGIN_ENOUGH, PREVIEW_MARGIN = 40 * NAT, 10 * NAT, 40 * NAT
LEAD_SURE = 160 * NAT
SMALL, LARGE = 13, 40
LONG_ROWS, VOUCHED, SECTOR_BITS = 4, 10 * NAT, 3500
RUN_SURE, RUN_LIKELY, RUN_DOUBTFUL = 0.9998, 0.99, 0.5
SLIP_MIN, SLIP_KNEE, SLIP_AGREED, SLIP_MAX, LEAD_MAX, MARGIN_MIN, MARGIN_MAX = -20, 20, 40, 100, 400, -10, 40
SLIP_FIRM, MOST = 60, 0.5
RUN_WEIGHTS = np.array([-1.763, 1.377, 0.890, 2.567, 1.836, 0.298, 0.643, 1.098])
"""Of runs where both ends of the scan were searched from; the others bound what is weighed, in nats."""
WEIGHTS = np.array([
    [
        -1.226, 0.213, 0.238,
        -1.879, 0.191, -0.041, 0.081, 0.466, 0.505,
        0.908, -0.014, 0.177, 0.149, -0.207, -0.130,
        0.580,
        -0.849, -1.054, 0.128, -0.706, -0.677, 0.685,
        0.527, 1.405, 1.018, 0.438, 0.401, 0.501,
        0.759, 0.501, 0.158, 0.351,
        -0.124, -0.175, -0.312, -0.280,
    ],
    [
        -0.516, 0.933, 0.347,
        -2.095, -0.277, -0.154, -0.063, 0.119, 0.126,
        1.391, -0.114, -0.074, 0.288, 0.075, 0.351,
        0.372,
        -0.686, -0.620, 0.189, -1.314, -2.343, 0.777,
        0.712, 1.621, 2.687, 1.077, 1.036, -0.556,
        -1.369, -1.174, -0.932, -0.556,
        -0.608, -2.053, -1.653, -0.820,
    ],
])  # fmt: skip
"""Of files that lie as they are, and of those that were decrypted."""
NEAR = 17
DIPS = (-20, -8, -2, 2, 6, 12)
PIECES = (0, 3, 8, 17, 40)
BLOCK_BITS, GAP_MIN, FEW_BITS = 128, 64, 100_000
NO_RIVAL = -(1 << 30)
_NEARNESS = ((0, 1), (1, 2), (2, 3), (3, 5), (5, 9), (9, 17))


@dataclass(frozen=True, slots=True)
class Certainty:
    """Probabilities.

    `runs`: float64 (runs,), that a run lies at its place; `mcus`: float64 (MCUs,), that an MCU that the path places is
    undamaged and lies at its place, 0 for others; `sound`: the same, given that its run lies at its place.
    """

    runs: NDArray[np.float64]
    mcus: NDArray[np.float64]
    sound: NDArray[np.float64]


def judge(
    evidence: Evidence, placement: Placement, offsets: NDArray[np.float64], *, encrypted: bool = False
) -> Certainty:
    """Judge the runs of a placement.

    `offsets`: float64 (runs, components), 1/16 level; `encrypted`: whether the file was decrypted, so that errors come
    as whole cipher blocks, and seldom leave no trace.
    """
    runs = placement.path.runs
    certain = _runs_sure(evidence, placement, offsets)
    mcus, sound = np.zeros((2, evidence.count))
    described = describe(evidence, runs, offsets)
    slipped = unseen_slips(
        evidence, runs, owners(evidence, runs), offsets, errors_per_bit(evidence, runs), encrypted=encrypted
    )
    weights = WEIGHTS[int(encrypted)]
    for run, features, sure, slip in zip(runs, described, certain.tolist(), slipped, strict=True):
        sound[run.start : run.stop] = 1 / (1 + np.exp(-features @ weights))
        closed = complete(evidence, run)
        mcus[run.start : run.stop] = sure * sound[run.start : run.stop] * (1 if closed else 1 - slip)
    return Certainty(certain, mcus, sound)


def describe(evidence: Evidence, runs: Sequence[Run], offsets: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Features of the MCUs of every run, float64 (MCUs of the run, features)."""
    at, owner = owners(evidence, runs)
    odds = np.zeros(evidence.places, np.int64)
    kernels.odds_above(*evidence.for_borders(), at, owner, offsets, evidence.width, odds)
    under = np.concatenate((odds[evidence.width :], np.zeros(evidence.width, np.int64)))
    chances = hit_chances(evidence, runs)
    described = []
    for number, run in enumerate(runs):
        rival = _rival(evidence, runs, number, at, owner, offsets)
        described.append(_features(evidence, run, odds, under, rival, chances))
    return described


def _rival(
    evidence: Evidence,
    runs: Sequence[Run],
    number: int,
    at: NDArray[np.int64],
    owner: NDArray[np.int64],
    offsets: NDArray[np.float64],
) -> NDArray[np.int64]:
    """What would be said of the first and last MCUs of a run, were they part of the run before or behind it."""
    run = runs[number]
    out = np.full(run.stop - run.start, NO_RIVAL, np.int64)
    head = min(run.start + NEAR, run.stop)
    parts = [(run.start, head, number - 1), (max(run.stop - NEAR, head), run.stop, number + 1)]
    for start, stop, other in parts:
        if 0 <= other < len(runs) and start < stop and runs[other].shift != run.shift:
            kernels.odds_elsewhere(
                *evidence.for_borders(),
                at,
                owner,
                offsets,
                evidence.width,
                start,
                stop,
                runs[other].shift,
                number,
                out[start - run.start : stop - run.start],
            )
    return out


def _features(
    evidence: Evidence,
    run: Run,
    above: NDArray[np.int64],
    below: NDArray[np.int64],
    rival: NDArray[np.int64],
    chances: NDArray[np.float64],
) -> NDArray[np.float64]:
    stream = np.arange(run.start, run.stop)
    place = stream + run.shift
    inner = (place % evidence.width > 0) & (stream > run.start)
    left = np.where(inner, evidence.left[stream], 0)
    right = np.concatenate((left[1:], np.zeros(1, np.int64)))
    sides = np.stack((left, right, above[place], below[place]), axis=1) / NAT
    heard = sides != 0
    total = np.clip(sides.sum(axis=1), -20, 40) / 10
    least = np.clip(np.where(heard, sides, 9).min(axis=1), -8, 8) / 4
    lead = np.clip((above[place] + below[place] - rival) / NAT, -8, 8) / 4
    from_start, to_stop = stream - run.start, run.stop - 1 - stream
    if fixed(evidence, run):
        from_start += NEAR
    if complete(evidence, run):
        to_stop += NEAR
    nearest = np.minimum(from_start, to_stop)
    near = [(nearest >= low) & (nearest < high) for low, high in _NEARNESS]
    ends = [(to_stop >= low) & (to_stop < high) for low, high in _NEARNESS]
    quiet = np.where(nearest >= NEAR, chances[stream].T, 0.0)
    features = [np.ones(stream.size), total, least, *near, *ends, heard.sum(axis=1) < 3, *quiet, nearest < NEAR]
    features += [np.where(nearest < NEAR, lead, 0.0), *_about_symbols(evidence, run)]
    return np.stack(features, axis=1).astype(np.float64)


def _about_symbols(evidence: Evidence, run: Run) -> list[NDArray[np.float64] | NDArray[np.bool_]]:
    """What the MCUs' own bits say, and how far it is to garbled ones.

    Behind these another bit is likely flipped; and a few MCUs between them may be of a run of their own.
    """
    part, symbols = slice(run.start, run.stop), evidence.soundness
    odds, dip = symbols.odds[part] / NAT, symbols.dip[part] / NAT
    since, until = symbols.since[part], symbols.until[part]
    garbled = symbols.dip[part] < GARBLED
    number = np.cumsum(garbled)
    piece = np.bincount(number, ~garbled)[number] if garbled.any() else np.full(garbled.size, np.inf)
    return [
        np.clip(odds, -10, 10) / 10,
        *(np.clip(dip - low, 0, high - low) / (high - low) for low, high in pairwise(DIPS)),
        (since >= 0) & (since < BLOCK_BITS),
        (since >= BLOCK_BITS) & (since < 2 * BLOCK_BITS),
        (since >= 2 * BLOCK_BITS) & (since < 4 * BLOCK_BITS),
        (until >= 0) & (until < BLOCK_BITS),
        *((piece >= low) & (piece < high) for low, high in pairwise(PIECES)),
    ]


def hit_chances(evidence: Evidence, runs: Sequence[Run]) -> NDArray[np.float64]:
    """What decides how often errors hit an MCU unseen, float64 (MCUs, 4).

    Logs of: errors seen per bit, with one more and some more bits, as a few of them tell little; the MCU's bits; bits
    that an error takes; mean bits of an MCU.
    """
    bits = np.maximum(evidence.bit_end - evidence.bit_start, 1).astype(np.float64)
    _, gap = errors_seen(evidence, runs)
    out = np.zeros((evidence.count, 4))
    out[:, 0] = np.log(errors_per_bit(evidence, runs)) + 8
    out[:, 1] = np.log(bits) - 5
    out[:, 2] = np.log(max(gap, GAP_MIN) / BLOCK_BITS)
    out[:, 3] = np.log(bits.mean() / BLOCK_BITS)
    return out


def errors_per_bit(evidence: Evidence, runs: Sequence[Run]) -> float:
    """Errors seen per bit, with one more and some more bits, as a few of them tell little."""
    bits = np.maximum(evidence.bit_end - evidence.bit_start, 1).sum()
    return (1 + errors_seen(evidence, runs)[0]) / (float(bits) + FEW_BITS)


def margins(evidence: Evidence, runs: Sequence[Run], offsets: NDArray[np.float64]) -> NDArray[np.int64]:
    """By how much the borders of every run speak for its place against those up to `REACH` MCUs away, 1/NAT nat."""
    at, owner = owners(evidence, runs)
    out = np.zeros(len(runs), np.int64)
    kernels.margins(*evidence.for_borders(), at, owner, offsets, evidence.width, runs_as_array(runs), REACH, out)
    return out


def describe_runs(evidence: Evidence, placement: Placement, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of runs whose places both ends of the scan were asked for, float64 (runs, features)."""
    runs = placement.path.runs
    slip, margin = slips(evidence, runs) / NAT, margins(evidence, runs, offsets) / NAT
    lead = np.array([float(np.median(placement.lead[run.start : run.stop])) for run in runs])
    agreed = lead >= AGREED
    features = [
        np.ones(len(runs)),
        np.clip(slip, SLIP_MIN, SLIP_KNEE) / SLIP_KNEE,
        np.clip(slip - SLIP_KNEE, 0, SLIP_MAX - SLIP_KNEE) / SLIP_KNEE,
        agreed,
        np.where(agreed, 0.0, np.clip(lead / NAT, 0, LEAD_MAX) / LEAD_MAX),
        np.clip(margin, MARGIN_MIN, MARGIN_MAX) / MARGIN_MAX,
        np.log([run.stop - run.start for run in runs]) / 4,
        np.array([fixed(evidence, run) or complete(evidence, run) for run in runs]),
    ]
    return np.stack(features, axis=1).astype(np.float64)


def runs_as_array(runs: Sequence[Run]) -> NDArray[np.int64]:
    """Int64 (runs, 3), start, stop, shift, as kernels take them."""
    return np.array([(run.start, run.stop, run.shift) for run in runs], np.int64).reshape(-1, 3)


def _runs_sure(evidence: Evidence, placement: Placement, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    if placement.contested:
        return _runs_likely(evidence, placement, offsets)
    runs = placement.path.runs
    margin = margins(evidence, runs, offsets)
    confirmed = np.array([_confirmed(placement, run) for run in runs], np.bool_)
    begun = np.array([fixed(evidence, run) for run in runs], np.bool_)
    ended = np.array([complete(evidence, run) for run in runs], np.bool_)
    if not (confirmed & (begun | ended)).any():
        confirmed[:] = False  # both ends agree on something that hangs in the air: a pattern that repeats
    preview = evidence.preview
    if preview.expected.shape[0] and runs and fixed(evidence, runs[0]) and not confirmed.all():
        by_preview = np.zeros(len(runs), np.int64)
        kernels.preview_margins(
            preview.levels,
            preview.expected,
            preview.near,
            preview.far,
            runs_as_array(runs),
            offsets,
            evidence.width,
            PREVIEW_REACH,
            PREVIEW_ROWS,
            by_preview,
        )
        confirmed |= by_preview >= PREVIEW_MARGIN
    size = np.array([run.stop - run.start for run in runs])
    begun |= ended & ((size >= LONG_ROWS * evidence.width) | ((margin >= MARGIN_SURE) & (not evidence.plain)))
    if runs and (evidence.forced[1:] >= 0).any():
        begun &= _vouched(evidence, runs, offsets)
    clear = (margin >= np.where(size >= LARGE, MARGIN_ENOUGH, MARGIN_SURE)) & (size >= SMALL)
    sure = np.where(clear, RUN_SURE, np.where(margin >= MARGIN_ENOUGH, RUN_LIKELY, RUN_DOUBTFUL))
    if evidence.plain:
        confirmed[:] = False  # borders of such pictures fit in many places
    return np.where(begun, RUN_SURE, np.where(confirmed, sure, RUN_DOUBTFUL))


def _vouched(evidence: Evidence, runs: Sequence[Run], offsets: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which runs belong to this picture, as far as that can be told; another's clusters bring restart markers along.

    Trust begins at both ends of the scan, and where many MCUs follow each other; a foreign cluster breaks an interval
    at either end, and its borders fit nothing.
    """
    at, owner = owners(evidence, runs)
    odds = np.zeros(evidence.places, np.int64)
    kernels.odds_above(*evidence.for_borders(), at, owner, offsets, evidence.width, odds)
    begun = np.array([fixed(evidence, run) for run in runs], np.bool_)
    ended = np.array([complete(evidence, run) for run in runs], np.bool_)
    whole, seamless = begun & ended, np.zeros(len(runs), np.bool_)
    seamless[1:] = ended[:-1] & begun[1:]
    trusted = np.zeros(len(runs), np.bool_)
    trusted[0], trusted[-1] = begun[0], whole[-1] & evidence.ends
    spread = (odds, owner, evidence.width, seamless, whole, begun | ended, VOUCHED, trusted)
    kernels.vouch(*spread)
    chain = np.cumsum(~seamless)
    mcus = np.bincount(chain, [run.stop - run.start for run in runs])[chain]
    trusted |= whole & (mcus >= LONG_ROWS * evidence.width) & ~_heard(owner, evidence.width, trusted)
    kernels.vouch(*spread)
    return trusted | (_short_of_a_sector(evidence, runs, trusted) & ~_heard(owner, evidence.width, trusted))


def _heard(owner: NDArray[np.int64], width: int, trusted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which runs lie above or below trusted ones."""
    heard = np.zeros(trusted.size, np.bool_)
    upper, lower = owner[:-width], owner[width:]
    meet = (upper >= 0) & (lower >= 0) & (upper != lower)
    heard[upper[meet & trusted[lower]]] = True
    heard[lower[meet & trusted[upper]]] = True
    return heard


def _short_of_a_sector(evidence: Evidence, runs: Sequence[Run], trusted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which runs lie in stretches between trusted ones that are too short for anything foreign."""
    short = np.zeros(len(runs), np.bool_)
    known = np.flatnonzero(trusted).tolist()
    for before, behind in pairwise(known):
        bits = evidence.bit_start[runs[behind].start] - evidence.bit_end[runs[before].stop - 1]
        short[before + 1 : behind] = bits < SECTOR_BITS
    return short


def _confirmed(placement: Placement, run: Run) -> bool:
    return float(np.median(placement.lead[run.start : run.stop])) >= LEAD_SURE


def _runs_likely(evidence: Evidence, placement: Placement, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same where both ends of the scan were searched from."""
    runs = placement.path.runs
    described = describe_runs(evidence, placement, offsets)
    likely: NDArray[np.float64] = 1 / (1 + np.exp(-described @ RUN_WEIGHTS))
    confirmed = np.array([_confirmed(placement, run) for run in runs], np.bool_)
    held = np.array([fixed(evidence, run) or complete(evidence, run) for run in runs], np.bool_)
    slip = SLIP_KNEE * (described[:, 1] + described[:, 2])
    fast = slip >= np.where(described[:, 3] > 0, SLIP_AGREED, SLIP_MAX)
    whole = _most_of_it(runs, ~confirmed & (slip >= SLIP_FIRM))
    confirmed, fast = confirmed | whole, fast | whole
    likely = np.where(confirmed, likely, np.minimum(likely, RUN_DOUBTFUL))
    clear = held | (described[:, 5] >= MARGIN_ENOUGH / NAT / MARGIN_MAX)
    likely = np.where(confirmed & fast & clear, np.maximum(likely, RUN_SURE), likely)
    if not (held & (likely >= RUN_LIKELY)).any():  # all hangs in the air: a pattern that repeats
        likely = np.minimum(likely, RUN_DOUBTFUL)
    elif evidence.plain:  # borders of such pictures fit in many places
        likely = np.where(held & (likely >= RUN_LIKELY), RUN_SURE, RUN_DOUBTFUL)
    long = [complete(evidence, run) and run.stop - run.start >= LONG_ROWS * evidence.width for run in runs]
    return np.where(long, np.maximum(likely, RUN_SURE), likely)


def _most_of_it(runs: Sequence[Run], firm: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those of the `firm` runs, bool (runs,), if they are most of the picture, else none.

    One of both ends may have gone wrong early on, so that it says nothing; a stretch that only one of them has placed
    while they agree on all around it is another matter.
    """
    size = np.array([run.stop - run.start for run in runs])
    most: bool = size[firm].sum() >= MOST * size.sum()
    return firm if most else np.zeros_like(firm)


def fixed(evidence: Evidence, run: Run) -> bool:
    """Whether a run begins where the scan or a restart marker fixes its place."""
    return bool(evidence.certain[run.start] and evidence.forced[run.start] == run.start + run.shift)


def starts_anew(evidence: Evidence, run: Run) -> bool:
    """Whether a run's DC predictors began at 0, as they do at the start of a scan and after a restart marker."""
    return bool(evidence.forced[run.start] >= 0)


def errors_seen(evidence: Evidence, runs: Sequence[Run]) -> tuple[int, float]:
    """How many errors lie between runs, and how many bits each of them takes at the median, 0 without any."""
    gaps = [
        float(evidence.bit_start[behind.start] - evidence.bit_end[before.stop - 1])
        for before, behind in pairwise(runs)
        if not (complete(evidence, before) and fixed(evidence, behind))
    ]
    first = sum(not fixed(evidence, run) for run in runs[:1])
    return len(gaps) + first, float(np.median(gaps)) if gaps else 0.0


def complete(evidence: Evidence, run: Run) -> bool:
    """Whether a run ends with the last MCU that its interval decodes to, at the last place that the interval has."""
    last = run.stop - 1
    behind = last + 1
    if behind == evidence.count:
        closes = evidence.ends and evidence.certain[last]
    else:
        closes = evidence.forced[behind] >= 0 and evidence.certain[behind]
    return bool(closes and last + run.shift + 1 == evidence.limit[last])


def owners(evidence: Evidence, runs: Sequence[Run]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Stream index of what lies at every place, and number of its run, int64 (places,) each, -1 where nothing does."""
    at, owner = np.full((2, evidence.places), -1, np.int64)
    for index, run in enumerate(runs):
        at[run.start + run.shift : run.stop + run.shift] = np.arange(run.start, run.stop)
        owner[run.start + run.shift : run.stop + run.shift] = index
    return at, owner
