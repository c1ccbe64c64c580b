"""Where the MCUs of a stream belong: the likeliest path from the start, from the end, and the best of both.

Seen from its start, everything behind a wrong decision lies wrong by the same shift; seen from its end, everything
before one. Both paths cross where either is still right, so the path that goes over from one to the other at the right
place is right throughout, and where they agree without need they confirm each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import _kernels_path as kernels
from jpegrescue.align import _kernels_search
from jpegrescue.align.evidence import Evidence

AT_END = 20 * 1024
MARGIN = 64
HALF_MAX = 8192
RUNS_MIN, RUNS_MAX = 1 << 16, 1 << 19
CANDIDATES = 6
ROUNDS = 4
BRIDGED = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """MCUs `[start, stop)` of the stream, at stream index + `shift`."""

    start: int
    stop: int
    shift: int


@dataclass(frozen=True, slots=True)
class Path:
    """Runs in stream order; `odds` in 1/NAT nat; `offsets`: float64 (runs, components), estimates, 1/16 level."""

    runs: tuple[Run, ...]
    odds: int
    offsets: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Placement:
    """The best path.

    `lead`: int64 (MCUs,), 1/NAT nat, by how much it is better than with the stretch around this MCU as far away as the
    path from the other end has it; `AGREED` where both ends put it at the same place, 0 where there is one path only;
    `contested`: there are two, so that what only one of them says is in doubt.
    """

    path: Path
    lead: NDArray[np.int64]
    contested: bool = False


AGREED = 1 << 40


def from_start(evidence: Evidence) -> Path:
    """The best path as seen from the start alone.

    In a plain picture borders are too weak a ground to move anything that the number of MCUs does not ask to be moved.
    """
    if evidence.plain and evidence.count == evidence.places and not (evidence.forced[1:] >= 0).any():
        return rated(evidence, [Run(0, evidence.count, 0)])
    return rated(evidence, _search(evidence))


def place(evidence: Evidence, forward: Path | None = None) -> Placement:
    """Find the best path through `evidence`; `forward`: what `from_start` found, if that is known."""
    forward = forward or from_start(evidence)
    settled = forward.runs == (Run(0, evidence.places, 0),) and evidence.plain
    fixed = (evidence.forced[1:] >= 0).any() or evidence.limit.min() < evidence.places
    if not evidence.ends or fixed or settled:
        return Placement(forward, np.zeros(evidence.count, np.int64))
    backward = rated(evidence, _turned(_search(evidence.mirrored()), evidence))
    if not forward.runs or not backward.runs:
        return Placement(max(forward, backward, key=lambda path: path.odds), np.zeros(evidence.count, np.int64))
    promise = _promise(evidence, forward, backward)
    best = max([forward, backward, *_crossings(evidence, forward, backward, promise)], key=lambda path: path.odds)
    for _ in range(ROUNDS):
        moved = [path for other in (forward, backward) for path, _ in _moved(evidence, best, other)]
        better = max(moved, key=lambda path: path.odds, default=best)
        if better.odds <= best.odds:
            break
        best = better
    return Placement(best, _lead(evidence, best, forward, backward), contested=True)


def rated(evidence: Evidence, runs: Sequence[Run]) -> Path:
    """The path with its odds, impossible ones among them with none worth having."""
    gained, offsets = gains(evidence, runs)
    odds = int(gained.sum()) if runs else kernels.NOTHING
    if runs and evidence.ends and runs[-1].stop == evidence.count and runs[-1].stop + runs[-1].shift == evidence.places:
        odds += AT_END
    return Path(tuple(runs), odds, offsets)


def gains(evidence: Evidence, runs: Sequence[Run]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Odds that each MCU of the stream adds, int64 (MCUs,), 1/NAT nat; offsets as in `Path`."""
    gained = np.zeros(evidence.count, np.int64)
    offsets = np.zeros((len(runs), evidence.borders.kinds.size))
    kernels.path_odds(
        *evidence.for_paths(),
        evidence.width,
        evidence.places,
        _final(evidence),
        evidence.error,
        np.array([(run.start, run.stop, run.shift) for run in runs], np.int64).reshape(-1, 3),
        gained,
        offsets,
    )
    return gained, offsets


def _final(evidence: Evidence) -> int:
    """The shift of the last run, if nothing is wrong with it; in scans with restart markers these fix it anyway."""
    ends = evidence.ends and not (evidence.forced[1:] >= 0).any()
    return evidence.places - evidence.count if ends else kernels.NOWHERE


def _search(evidence: Evidence) -> list[Run]:
    components = evidence.borders.kinds.size
    half = min(abs(evidence.count - evidence.places) + evidence.places // 16 + MARGIN, evidence.places, HALF_MAX)
    fixed = np.flatnonzero(evidence.forced >= 0)
    half = max(half, int(np.abs(evidence.forced[fixed] - fixed).max(initial=0)))
    room = min(max(RUNS_MIN, 4 * evidence.count), RUNS_MAX)
    runs, offsets = np.empty((room, 4), np.int64), np.empty((room, components))
    last, _ = _kernels_search.search(
        *evidence.for_paths(),
        evidence.limit,
        evidence.width,
        evidence.places,
        half,
        _final(evidence),
        evidence.error,
        evidence.closed,
        AT_END if evidence.ends else 0,
        evidence.anchored,
        runs,
        offsets,
    )
    found = []
    while last >= 0:
        found.append(Run(*runs[last, :3].tolist()))
        last = int(runs[last, kernels.PARENT])
    return found[::-1]


def _turned(runs: Sequence[Run], evidence: Evidence) -> list[Run]:
    """Runs of the mirrored stream as they are in the stream; what lies before the first place is left out."""
    count, places = evidence.count, evidence.places
    turned = [Run(count - run.stop, count - run.start, places - count - run.shift) for run in reversed(runs)]
    cut = [Run(max(run.start, -run.shift), run.stop, run.shift) for run in turned]
    return [run for run in cut if run.start < run.stop]


def _promise(evidence: Evidence, forward: Path, backward: Path) -> NDArray[np.int64]:
    """Rough odds of the path that follows `forward` before stream index i and `backward` from there on, for every i."""
    before = np.concatenate(([0], np.cumsum(gains(evidence, forward.runs)[0])))
    after = np.concatenate(([0], np.cumsum(gains(evidence, backward.runs)[0])))
    promise: NDArray[np.int64] = before + after[-1] - after
    return promise


def _crossings(evidence: Evidence, forward: Path, backward: Path, promise: NDArray[np.int64]) -> list[Path]:
    """The likeliest paths that follow `forward` first and `backward` then."""
    cuts = np.unique([run.start for run in backward.runs] + [run.stop for run in forward.runs])
    tried: list[list[Run]] = []
    for cut in cuts[np.argsort(-promise[cuts], kind="stable")].tolist():
        runs = _joined(forward.runs, backward.runs, cut)
        if runs is not None and runs not in tried:
            tried.append(runs)
        if len(tried) == CANDIDATES:
            break
    tried += [runs for runs in _bridges(evidence, forward, backward) if runs not in tried]
    return [rated(evidence, runs) for runs in tried]


def _bridges(evidence: Evidence, forward: Path, backward: Path) -> list[list[Run]]:
    """Whole runs of `forward`, whole runs of `backward`, and what lies between left out: a hole, or another picture."""
    begun, ended = forward.runs[:BRIDGED], backward.runs[-BRIDGED:]
    before = np.concatenate(([0], np.cumsum(gains(evidence, forward.runs)[0])))[[run.stop for run in begun]]
    after = np.cumsum(gains(evidence, backward.runs)[0][::-1])[::-1][[run.start for run in ended]]
    fits = np.array([run.stop for run in begun])[:, None] <= np.array([run.start for run in ended])
    room = np.array([run.stop + run.shift for run in begun])[:, None]
    fits &= room <= np.array([run.start + run.shift for run in ended])
    promise = np.where(fits, before[:, None] + after, kernels.NOTHING)
    best = np.argsort(-promise, axis=None, kind="stable")[:CANDIDATES]
    pairs = [divmod(int(each), len(ended)) for each in best if promise.flat[each] > kernels.NOTHING]
    return [[*begun[: first + 1], *ended[second:]] for first, second in pairs]


def _lead(evidence: Evidence, best: Path, forward: Path, backward: Path) -> NDArray[np.int64]:
    """See `Placement`."""
    chosen, first, second = (_places(path, evidence) for path in (best, forward, backward))
    agreed = (first == second) & (chosen == first)
    lead = np.full(evidence.count, AGREED)
    rivalled = np.zeros(evidence.count, np.bool_)
    for other in (forward, backward):
        for path, stretch in _moved(evidence, best, other):
            lead[stretch] = np.minimum(lead[stretch], max(best.odds - path.odds, 0))
            rivalled[stretch] = True
    return np.where(agreed, AGREED, np.where(rivalled, lead, 0))


def _moved(evidence: Evidence, path: Path, other: Path) -> list[tuple[Path, slice]]:
    """`path` with stretches of it as far away as `other` has them, and the stretches, as stream indices.

    Both paths may be wrong in details anywhere; what is moved takes its details along, so that nothing but the place of
    the stretch is compared.
    """
    away = _places(other, evidence) - _places(path, evidence)
    placed = _places(other, evidence) >= 0
    stretches: list[tuple[int, int, int]] = []
    for number, run in enumerate(path.runs):
        known = away[run.start : run.stop][placed[run.start : run.stop]]
        if not known.size:
            continue
        distance = int(np.median(known))
        if stretches and stretches[-1][2] == distance:
            stretches[-1] = (stretches[-1][0], number, distance)
        else:
            stretches.append((number, number, distance))
    moved = []
    for first, last, distance in stretches:
        if distance:
            stretch = slice(path.runs[first].start, path.runs[last].stop)
            moved.append((stretch, _shifted(path.runs, first, last, distance, evidence.places)))
    moved.sort(key=lambda each: each[0].start - each[0].stop)
    return [(rated(evidence, runs), stretch) for stretch, runs in moved[:CANDIDATES]]


def _shifted(runs: Sequence[Run], first: int, last: int, distance: int, places: int) -> list[Run]:
    """Runs `first` to `last` (inclusive) moved by `distance` places; what has no room then is cut off."""
    moved: list[Run] = []
    for number, run in enumerate(runs):
        inside = first <= number <= last
        shift = run.shift + (distance if inside else 0)
        floor = moved[-1].stop + moved[-1].shift if moved else 0
        start, stop = max(run.start, floor - shift), min(run.stop, places - shift)
        if inside and moved and number == first:
            # what was there before gives way to what is moved
            while moved and moved[-1].stop + moved[-1].shift > run.start + shift:
                before = moved.pop()
                cut = run.start + shift - before.shift
                if cut > before.start:
                    moved.append(Run(before.start, cut, before.shift))
            floor = moved[-1].stop + moved[-1].shift if moved else 0
            start = max(run.start, floor - shift)
        if start < stop:
            moved.append(Run(start, stop, shift))
    return moved


def _joined(first: Sequence[Run], second: Sequence[Run], cut: int) -> list[Run] | None:
    """`first` up to stream index `cut`, `second` from there on; `None` if places would overlap."""
    runs = [Run(run.start, min(run.stop, cut), run.shift) for run in first if run.start < cut]
    for run in second:
        if run.stop <= cut:
            continue
        start = max(run.start, cut)
        if runs and runs[-1].stop == start and runs[-1].shift == run.shift:
            runs[-1] = Run(runs[-1].start, run.stop, run.shift)
        elif runs and runs[-1].stop + runs[-1].shift > start + run.shift:
            return None
        else:
            runs.append(Run(start, run.stop, run.shift))
    return runs


def _places(path: Path, evidence: Evidence) -> NDArray[np.int64]:
    """Where a path puts every MCU, -1 where it does not."""
    places = np.full(evidence.count, -1, np.int64)
    for run in path.runs:
        places[run.start : run.stop] = np.arange(run.start, run.stop) + run.shift
    return places
