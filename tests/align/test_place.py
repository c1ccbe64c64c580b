"""Protects places: found from either end, kept where markers give them, and in bounded time whatever the scan holds."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jpegrescue.align.place import Run, from_start, place, rated
from tests.align.readings import places_of, reading, true_path
from tests.resync.damaged import NAMES, damaged, encoded, garbage, opened, saved, true_places

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
