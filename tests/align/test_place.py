"""Protects places: found from either end, kept where markers give them, and in bounded time whatever the scan holds."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jpegrescue.align import place as module
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Path, Run, from_start, place, rated
from tests.align.readings import places_of, reading, true_path
from tests.resync.damaged import (
    NAMES,
    damaged,
    encoded,
    garbage,
    opened,
    saved,
    screenshot,
    spliced,
    true_places,
)

KINDS = [(2, "RGB"), (1, "RGB"), (0, "RGB"), (0, "L")]
SECONDS = 20.0  # some hundred times what is needed


def share_placed(jpeg: bytes, intact: bytes, *, grey: bool = False) -> float:
    """Of the MCUs that damage left alone, those at their places."""
    truth = true_places(opened(jpeg), opened(intact))
    found = places_of(place(reading(jpeg, grey=grey).evidence).path.runs, truth.size)
    sound = truth >= 0
    return float(np.mean(found[sound] == truth[sound]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("subsampling", "mode"), KINDS)
def test_an_intact_scan_is_one_run(name: str, subsampling: int, mode: str) -> None:
    evidence = reading(encoded(name, subsampling, mode), grey=mode == "L").evidence
    placement = place(evidence)

    assert placement.path.runs == (Run(0, evidence.places, 0),)
    assert placement.path.odds > 0
    assert np.all(placement.lead > 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("subsampling", "mode"), KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_behind_an_error_everything_lies_where_it_belongs(name: str, subsampling: int, mode: str, seed: int) -> None:
    intact = encoded(name, subsampling, mode)
    jpeg = damaged(intact, [0.45], seed)
    grey = mode == "L"
    truth, found = true_path(jpeg, intact, grey=grey).runs, place(reading(jpeg, grey=grey).evidence).path.runs

    assert (found[0].start, found[0].shift) == (0, 0)
    assert found[-1].shift == truth[-1].shift
    assert found[-1].stop == reading(jpeg, grey=grey).evidence.count
    assert share_placed(jpeg, intact, grey=grey) > 0.98


@pytest.mark.parametrize("seed", range(6))
def test_several_errors_are_bridged(seed: int) -> None:
    intact = encoded(NAMES[seed % 3], seed % 3)
    at = (np.arange(4) / 4 + np.random.default_rng(seed).uniform(0.05, 0.2, 4)).tolist()

    assert share_placed(damaged(intact, at, seed), intact) > 0.95


@pytest.mark.parametrize("seed", range(6))
def test_what_is_found_is_not_less_likely_than_the_truth(seed: int) -> None:
    intact = encoded(NAMES[seed % 4], seed % 3)
    jpeg = damaged(intact, [0.2, 0.5, 0.75], seed)
    truth, found = true_path(jpeg, intact), place(reading(jpeg).evidence).path

    assert found.odds >= truth.odds - 0.03 * abs(truth.odds)


def test_the_search_rates_paths_as_rating_does() -> None:
    """From both ends the best path is at least as good as from the start alone."""
    for seed in range(4):
        evidence = reading(damaged(encoded("chelsea"), [0.3, 0.6], seed)).evidence
        assert place(evidence).path.odds >= from_start(evidence).odds


def test_runs_lie_in_order_and_in_the_picture() -> None:
    for seed in range(6):
        evidence = reading(damaged(encoded(NAMES[seed % 4]), [0.1, 0.15, 0.4, 0.5, 0.8], seed)).evidence
        runs = place(evidence).path.runs
        bounds = [(run.start, run.stop, run.start + run.shift, run.stop + run.shift) for run in runs]
        assert all(start < stop for start, stop, _, _ in bounds)
        assert all(a[1] <= b[0] and a[3] <= b[2] for a, b in itertools.pairwise(bounds))
        assert bounds[0][2] >= 0
        assert bounds[-1][3] <= evidence.places
        assert bounds[-1][1] <= evidence.count


def test_a_wrong_shift_costs() -> None:
    evidence = reading(encoded("coffee")).evidence
    right = rated(evidence, [Run(0, 200, 0), Run(200, evidence.places, 0)])
    wrong = rated(evidence, [Run(0, 200, 0), Run(200, evidence.places - 5, 5)])

    assert rated(evidence, [Run(0, evidence.places, 0)]).odds > right.odds > wrong.odds
    assert rated(evidence, []).odds < wrong.odds


@pytest.mark.parametrize("restart", [5, 24, 40])
def test_markers_give_places_that_are_kept(restart: int) -> None:
    intact = encoded("coffee", restart=restart)
    jpeg = damaged(intact, [0.3, 0.6], seed=2)
    evidence = reading(jpeg).evidence
    found = places_of(place(evidence).path.runs, evidence.count)
    fixed = np.flatnonzero(evidence.forced >= 0)
    kept = found[fixed]

    assert np.all((kept == evidence.forced[fixed]) | (kept < 0))
    assert np.mean(kept == evidence.forced[fixed]) > 0.9
    assert share_placed(jpeg, intact) > 0.95


def test_a_first_interval_that_is_lost_moves_nothing_into_its_place() -> None:
    intact = encoded("coffee", restart=24)
    scan = opened(intact).structure.scans[0]
    marker = intact.index(b"\xff\xd0", scan.start)
    jpeg = intact[: scan.start] + b"\xfe" * (marker - scan.start) + intact[marker:]
    runs = place(reading(jpeg).evidence).path.runs

    assert runs[0].start + runs[0].shift == 24
    assert runs[-1].stop + runs[-1].shift == 384


def test_a_cut_scan_is_placed_from_its_start() -> None:
    intact = encoded("coffee")
    scan = opened(intact).structure.scans[0]
    jpeg = intact[: (scan.start + scan.end) // 2]
    evidence = reading(jpeg).evidence

    assert not evidence.ends
    assert 100 < evidence.count < 300
    assert place(evidence).path.runs == (Run(0, evidence.count, 0),)


@pytest.mark.parametrize("size", [(16, 400), (400, 16), (16, 16), (17, 33)])
def test_narrow_pictures(size: tuple[int, int]) -> None:
    intact = encoded("coffee", size=size)
    evidence = reading(intact).evidence

    assert place(evidence).path.runs == (Run(0, evidence.places, 0),)
    if evidence.places > 10:
        broken = reading(damaged(intact, [0.4])).evidence
        runs = place(broken).path.runs
        assert runs[0].start + runs[0].shift == 0
        assert runs[-1].stop + runs[-1].shift <= broken.places


def test_a_flat_picture_stays_where_it_is() -> None:
    jpeg = saved(Image.fromarray(np.full((256, 384, 3), 90, np.uint8)))
    evidence = reading(jpeg).evidence

    assert place(evidence).path.runs == (Run(0, evidence.places, 0),)


@pytest.mark.parametrize("restart", [0, 7])
@pytest.mark.parametrize("seed", range(3))
def test_garbage_takes_no_longer_than_it_may(restart: int, seed: int) -> None:
    evidence = reading(garbage(encoded("astronaut", size=(768, 512), restart=restart), seed)).evidence
    begun = time.perf_counter()
    placement = place(evidence)

    assert time.perf_counter() - begun < SECONDS
    assert placement.lead.shape == (evidence.count,)


def test_the_end_is_used_only_where_it_is_known() -> None:
    evidence = reading(damaged(encoded("coffee"), [0.4])).evidence

    assert place(evidence).lead.any()
    assert not place(replace(evidence, ends=False)).lead.any()


def sides_placed(path: Path, truth: np.ndarray) -> tuple[float, float]:
    """Shares of the MCUs before and behind the widest gap that lie where they belong."""
    found, sound = places_of(path.runs, truth.size), np.flatnonzero(truth >= 0)
    gap = int(np.argmax(np.diff(sound))) + 1
    before, behind = (float(np.mean(found[part] == truth[part])) for part in (sound[:gap], sound[gap:]))
    return before, behind


@pytest.mark.parametrize(
    ("name", "other", "start", "stop"),
    [("coffee", "chelsea", 0.3, 0.4), ("chelsea", "rocket", 0.45, 0.55), ("astronaut", "coffee", 0.45, 0.55)],
)
def test_a_stretch_of_another_picture_is_left_out(
    name: str, other: str, start: float, stop: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It decodes to more MCUs than are missing, so that neither search gets past it, nor can go over to the other."""
    intact = encoded(name, size=(512, 384))
    jpeg = spliced(intact, encoded(other, size=(512, 384)), start, stop)
    evidence, truth = reading(jpeg).evidence, true_places(opened(jpeg), opened(intact))
    forward = from_start(evidence)
    backward = rated(evidence, module._turned(module._search(evidence.mirrored()), evidence))
    found = place(evidence, forward).path

    assert min(sides_placed(found, truth)) > 0.98
    assert np.count_nonzero(places_of(found.runs, truth.size)[truth < 0] >= 0) < 0.2 * np.count_nonzero(truth < 0)
    assert max(min(sides_placed(path, truth)) for path in (forward, backward)) < 0.9
    monkeypatch.setattr(module, "_bridges", lambda *_: [])
    assert min(sides_placed(place(evidence, forward).path, truth)) < 0.9


def three_runs() -> tuple[Evidence, list[Run]]:
    """A photo, and its runs as if there were errors between them."""
    evidence = reading(encoded("coffee", size=(512, 384))).evidence
    runs = [Run(0, 200, 0), Run(210, 500, 0), Run(510, evidence.count, 0)]
    return evidence, runs


@pytest.mark.parametrize("off", [-4, 3, 6])
def test_a_stretch_that_is_off_is_moved_to_where_the_other_path_has_it(off: int) -> None:
    evidence, right = three_runs()
    wrong = rated(evidence, module._shifted(right, 1, 1, off, evidence.places))
    other = rated(evidence, [Run(30, 200, -20), right[1], Run(510, evidence.count - 9, 9)])
    moved = [path for path, stretch in module._moved(evidence, wrong, other) if stretch == slice(210, 500)]

    assert wrong.runs[1].shift == off
    assert [path.runs for path in moved] == [tuple(right)]
    assert moved[0].odds > max(wrong.odds, other.odds)


def test_what_each_end_has_right_is_put_together_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """No path that goes over from one to the other is right throughout here: the distance has to be taken over."""
    evidence, right = three_runs()
    forward = rated(evidence, module._shifted(right, 1, 1, 4, evidence.places))
    backward = [Run(30, 200, -20), right[1], Run(510, evidence.count - 9, 9)]
    monkeypatch.setattr(module, "_turned", lambda *_: backward)

    assert {run.shift for run in place(evidence, forward).path.runs} == {0}
    monkeypatch.setattr(module, "ROUNDS", 0)
    assert {run.shift for run in place(evidence, forward).path.runs} != {0}


@st.composite
def shifts(draw: st.DrawFn) -> tuple[list[Run], int, int, int, int]:
    """Runs that lie in order and in the picture, and what `_shifted` is to do with them."""
    steps = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20), st.integers(0, 9)), min_size=1, max_size=8))
    runs, stream, at = list[Run](), 0, 0
    for garbage_before, size, missing in steps:
        stream, at = stream + garbage_before, at + missing
        runs.append(Run(stream, stream + size, at - stream))
        stream, at = stream + size, at + size
    first = draw(st.integers(0, len(runs) - 1))
    last = draw(st.integers(first, len(runs) - 1))
    return runs, first, last, draw(st.integers(-120, 120)), at + draw(st.integers(0, 30))


@given(shifts())
def test_what_is_moved_stays_in_order_and_in_the_picture(case: tuple[list[Run], int, int, int, int]) -> None:
    runs, first, last, distance, places = case
    moved = module._shifted(runs, first, last, distance, places)
    bounds = [(run.start, run.stop, run.start + run.shift, run.stop + run.shift) for run in moved]

    assert all(start < stop for start, stop, _, _ in bounds)
    assert all(a[1] <= b[0] and a[3] <= b[2] for a, b in itertools.pairwise(bounds))
    assert all(low >= 0 and high <= places for _, _, low, high in bounds)
    for run in moved:
        (number,) = [n for n, each in enumerate(runs) if each.start <= run.start and run.stop <= each.stop]
        assert run.shift == runs[number].shift + (distance if first <= number <= last else 0)


@given(shifts())
def test_what_is_not_moved_stays_as_it_is(case: tuple[list[Run], int, int, int, int]) -> None:
    runs, first, last, _, places = case

    assert module._shifted(runs, first, last, 0, places) == runs


@given(shifts())
def test_what_is_moved_has_priority_over_what_lies_there(case: tuple[list[Run], int, int, int, int]) -> None:
    """All of it keeps its place unless that is outside of the picture."""
    runs, first, last, distance, places = case
    moved = module._shifted(runs, first, last, distance, places)
    found = {at + run.shift for run in moved for at in range(run.start, run.stop)}
    wanted = {at + run.shift + distance for run in runs[first : last + 1] for at in range(run.start, run.stop)}

    assert {at for at in wanted if 0 <= at < places} <= found


def test_in_a_plain_picture_nothing_is_moved_that_need_not_be() -> None:
    intact = screenshot()
    evidence = reading(intact).evidence
    torn = evidence.left.copy()
    torn[100:110] = -40 * 1024  # what would part any photo

    assert evidence.plain
    assert evidence.count == evidence.places
    assert place(replace(evidence, left=torn)).path.runs == (Run(0, evidence.places, 0),)
    assert len(place(replace(evidence, left=torn, plain=False)).path.runs) > 1


def test_a_tie_with_one_end_is_no_lead_however_far_behind_the_other_is(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = reading(encoded("coffee")).evidence
    paths = [rated(evidence, [Run(0, 200, 0), Run(200, evidence.places - shift, shift)]) for shift in (0, 1, 2)]
    best, near, far = (replace(path, odds=odds) for path, odds in zip(paths, (900, 900, 100), strict=True))
    rivals = {id(near): near, id(far): far}
    monkeypatch.setattr(module, "_moved", lambda _evidence, _path, other: [(rivals[id(other)], slice(200, 300))])
    lead = module._lead(evidence, best, near, far)
    assert not lead[200:300].any()
