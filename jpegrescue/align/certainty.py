"""How sure it is that an MCU lies where it was put, and that damage left it alone.

Two things can be wrong: the place of a whole run, and single MCUs in it, most of them at its ends. A run counts as
placed if the search from the other end, a restart marker or the preview put it at the same place, and its borders speak
against every place nearby. An MCU's odds come from a logistic model of what its four sides say and of how far it is
from the ends of its run (`lab.train_certainty`, fitted on training photos only).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_sides as kernels
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import AGREED, Placement, Run
from jpegrescue.score.plausibility import NAT

REACH = 8
PREVIEW_REACH, PREVIEW_ROWS = 64, 4
MARGIN_SURE, MARGIN_ENOUGH, PREVIEW_MARGIN = 40 * NAT, 10 * NAT, 40 * NAT
LONG_ROWS = 4
RUN_SURE, RUN_LIKELY, RUN_DOUBTFUL = 0.9998, 0.99, 0.5
WEIGHTS = np.array([
    -2.482, 1.214, 0.549,
    -3.627, -1.087, 0.568, 1.350, 2.376, 3.152,
    1.566, 1.532, 0.513, 0.258, -0.013, -0.090,
    1.171, -1.590, 2.732, 0.417,
])  # fmt: skip
NEAR = 17
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


def judge(evidence: Evidence, placement: Placement, offsets: NDArray[np.float64]) -> Certainty:
    """Judge the runs of a placement; `offsets`: float64 (runs, components), 1/16 level."""
    runs = placement.path.runs
    certain = _runs_sure(evidence, placement, offsets)
    mcus, sound = np.zeros((2, evidence.count))
    described = describe(evidence, runs, offsets)
    for run, features, sure in zip(runs, described, certain.tolist(), strict=True):
        sound[run.start : run.stop] = 1 / (1 + np.exp(-features @ WEIGHTS))
        mcus[run.start : run.stop] = sure * sound[run.start : run.stop]
    return Certainty(certain, mcus, sound)


def describe(evidence: Evidence, runs: Sequence[Run], offsets: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Features of the MCUs of every run, float64 (MCUs of the run, features)."""
    at, owner = _taken(evidence, runs)
    odds = np.zeros(evidence.places, np.int64)
    kernels.odds_above(*_arrays(evidence), at, owner, offsets, evidence.width, odds)
    under = np.concatenate((odds[evidence.width :], np.zeros(evidence.width, np.int64)))
    errors = sum(not fixed(evidence, run) for run in runs)
    density = np.log((1 + errors) / evidence.places)
    described = []
    for number, run in enumerate(runs):
        rival = _rival(evidence, runs, number, at, owner, offsets)
        described.append(_features(evidence, run, odds, under, rival, density))
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
                *_arrays(evidence),
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
    density: float,
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
    if _complete(evidence, run):
        to_stop += NEAR
    nearest = np.minimum(from_start, to_stop)
    near = [(nearest >= low) & (nearest < high) for low, high in _NEARNESS]
    ends = [(to_stop >= low) & (to_stop < high) for low, high in _NEARNESS]
    quiet = np.where(nearest >= NEAR, density, 0.0)
    features = [np.ones(stream.size), total, least, *near, *ends, heard.sum(axis=1) < 3, quiet, nearest < NEAR]
    return np.stack([*features, np.where(nearest < NEAR, lead, 0.0)], axis=1).astype(np.float64)


def margins(evidence: Evidence, runs: Sequence[Run], offsets: NDArray[np.float64]) -> NDArray[np.int64]:
    """By how much the borders of every run speak for its place against those up to `REACH` MCUs away, 1/NAT nat."""
    at, owner = _taken(evidence, runs)
    out = np.zeros(len(runs), np.int64)
    kernels.margins(*_arrays(evidence), at, owner, offsets, evidence.width, _as_array(runs), REACH, out)
    return out


def _as_array(runs: Sequence[Run]) -> NDArray[np.int64]:
    return np.array([(run.start, run.stop, run.shift) for run in runs], np.int64).reshape(-1, 3)


def _runs_sure(evidence: Evidence, placement: Placement, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    runs = placement.path.runs
    margin = margins(evidence, runs, offsets)
    confirmed = np.array([_confirmed(placement, run) for run in runs], np.bool_)
    begun = np.array([fixed(evidence, run) for run in runs], np.bool_)
    ended = np.array([_complete(evidence, run) for run in runs], np.bool_)
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
            _as_array(runs),
            offsets,
            evidence.width,
            PREVIEW_REACH,
            PREVIEW_ROWS,
            by_preview,
        )
        confirmed |= by_preview >= PREVIEW_MARGIN
    if placement.contested:
        begun &= confirmed
    long = np.array([run.stop - run.start >= LONG_ROWS * evidence.width for run in runs], np.bool_)
    begun |= ended & (long | (margin >= MARGIN_SURE))
    sure = np.where(margin >= MARGIN_SURE, RUN_SURE, np.where(margin >= MARGIN_ENOUGH, RUN_LIKELY, RUN_DOUBTFUL))
    return np.where(begun, RUN_SURE, np.where(confirmed, sure, RUN_DOUBTFUL))


def _confirmed(placement: Placement, run: Run) -> bool:
    return float(np.median(placement.lead[run.start : run.stop])) >= AGREED


def fixed(evidence: Evidence, run: Run) -> bool:
    """Whether a run begins where the scan or a restart marker fixes its place."""
    return bool(evidence.certain[run.start] and evidence.forced[run.start] == run.start + run.shift)


def _complete(evidence: Evidence, run: Run) -> bool:
    """Whether a run ends with the last MCU that its interval decodes to, at the last place that the interval has."""
    last = run.stop - 1
    behind = last + 1
    if behind == evidence.count:
        closes = evidence.ends and evidence.certain[last]
    else:
        closes = evidence.forced[behind] >= 0 and evidence.certain[behind]
    return bool(closes and last + run.shift + 1 == evidence.limit[last])


def _taken(evidence: Evidence, runs: Sequence[Run]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    at, owner = np.full((2, evidence.places), -1, np.int64)
    for index, run in enumerate(runs):
        at[run.start + run.shift : run.stop + run.shift] = np.arange(run.start, run.stop)
        owner[run.start + run.shift : run.stop + run.shift] = index
    return at, owner


def _arrays(evidence: Evidence) -> tuple[NDArray[np.generic], ...]:
    borders, above = evidence.borders, evidence.above
    return (
        borders.horizontal,
        borders.activity,
        borders.columns,
        borders.kinds,
        above.shape,
        above.scatter,
        borders.contents,
        above.contents,
    )
