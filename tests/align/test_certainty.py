"""Protects what is claimed: MCUs that damage left alone are sure, those it garbled are not."""

from dataclasses import replace

import numpy as np
import pytest

from jpegrescue.align import certainty, integer
from jpegrescue.align.place import AGREED, Path, Placement, Run, place, rated
from tests.align.readings import places_of, reading, with_offsets
from tests.resync.damaged import NAMES, damaged, encoded, garbage, opened, true_places

CLAIM = integer.CLAIM[1]


def judged(jpeg: bytes) -> tuple[Placement, certainty.Certainty]:
    evidence = reading(jpeg).evidence
    placement = place(evidence)
    return placement, certainty.judge(evidence, placement, placement.path.offsets, encrypted=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("subsampling", [0, 2])
def test_an_intact_scan_is_sure(name: str, subsampling: int) -> None:
    placement, sure = judged(encoded(name, subsampling))

    assert sure.runs.shape == (len(placement.path.runs),)
    assert np.all(sure.runs > 0.99)
    assert np.median(sure.mcus) > CLAIM
    assert np.all((sure.mcus >= 0) & (sure.mcus <= 1))


@pytest.mark.parametrize("seed", range(8))
def test_what_damage_garbled_is_not_claimed(seed: int) -> None:
    intact = encoded(NAMES[seed % 4], seed % 3)
    jpeg = damaged(intact, [0.2, 0.4, 0.7], seed)
    _, sure = judged(jpeg)
    truth = true_places(opened(jpeg), opened(intact))
    garbled = truth < 0

    assert np.mean(sure.mcus[~garbled] >= CLAIM) > 0.5
    assert np.count_nonzero(sure.mcus[garbled] >= CLAIM) <= 2
    assert np.median(sure.mcus[garbled]) < 0.9


def test_the_end_of_a_run_is_less_sure_than_its_middle() -> None:
    ends, middles = [], []
    for seed in range(6):
        placement, sure = judged(damaged(encoded(NAMES[seed % 4], 0), [0.3, 0.6], seed))
        for run in placement.path.runs:
            if run.stop - run.start > 60 and run.stop < sure.mcus.size:
                ends.append(sure.mcus[run.stop - 1])
                middles.append(np.median(sure.mcus[run.start : run.stop]))

    assert len(ends) >= 6
    assert np.median(ends) < CLAIM < np.median(middles)


def test_an_mcu_that_is_not_placed_has_no_certainty() -> None:
    for seed in range(4):
        placement, sure = judged(damaged(encoded(NAMES[seed]), [0.3, 0.6], seed))
        off = places_of(placement.path.runs, sure.mcus.size) < 0
        assert not sure.mcus[off].any()


def test_a_garbled_mcu_in_the_middle_of_a_run_stands_out() -> None:
    """As after an error that costs no MCU: nothing but its borders speaks."""
    read = reading(encoded("coffee"))
    evidence = with_offsets(read, {200: (120, -40, 40), 201: (0, 0, 0)})
    whole = rated(evidence, [Run(0, evidence.places, 0)])
    placement = Placement(whole, np.full(evidence.count, AGREED))
    sure = certainty.judge(evidence, placement, np.zeros((1, 3)), encrypted=True).mcus

    assert sure[200] < CLAIM
    assert sure[200] < np.quantile(sure, 0.05)


def test_a_run_at_a_wrong_place_is_doubted() -> None:
    evidence = reading(encoded("coffee")).evidence
    runs = [Run(0, 150, 0), Run(150, evidence.places - 5, 5)]
    path = rated(evidence, runs)
    doubted = certainty.judge(evidence, Placement(path, np.zeros(evidence.count, np.int64)), path.offsets)

    assert doubted.runs[0] > 0.99
    assert np.all(doubted.mcus[150:] < CLAIM)


def test_garbage_is_hardly_ever_sure() -> None:
    for seed in range(3):
        _, sure = judged(garbage(encoded("astronaut", size=(768, 512)), seed))
        assert np.mean(sure.mcus >= CLAIM) < 0.03


def test_nothing_placed_nothing_sure() -> None:
    evidence = reading(encoded("coffee")).evidence
    nothing = Placement(Path((), 0, np.zeros((0, 3))), np.zeros(evidence.count, np.int64))
    sure = certainty.judge(evidence, nothing, np.zeros((0, 3)))

    assert sure.runs.size == 0
    assert not sure.mcus.any()


def test_every_mcu_of_a_run_is_described() -> None:
    evidence = reading(damaged(encoded("coffee"), [0.4])).evidence
    path = place(evidence).path
    described = certainty.describe(evidence, path.runs, path.offsets)

    assert [features.shape for features in described] == [
        (run.stop - run.start, certainty.WEIGHTS.shape[1]) for run in path.runs
    ]
    assert all(np.isfinite(features).all() for features in described)


def test_a_run_that_only_one_end_has_placed_is_doubted() -> None:
    evidence = reading(encoded("coffee")).evidence
    path = rated(evidence, [Run(0, 150, 0), Run(150, 250, 0)])
    alone, both = (
        certainty.judge(evidence, Placement(path, np.full(evidence.count, lead)), np.zeros((2, 3)))
        for lead in (0, AGREED)
    )

    assert alone.runs[1] < 0.9 < both.runs[1]
    assert alone.runs[0] == both.runs[0] > 0.99


def test_agreement_that_hangs_in_the_air_is_none() -> None:
    """In a screenshot, both ends agreed on a pattern that repeats, far from either."""
    evidence = reading(damaged(encoded(NAMES[0]), [0.3, 0.6])).evidence
    agreed = replace(place(evidence), lead=np.full(evidence.count, AGREED))
    adrift = replace(evidence, forced=np.full_like(evidence.forced, -1), ends=False)

    assert certainty.judge(evidence, agreed, agreed.path.offsets).runs.max() > 0.99
    assert certainty.judge(adrift, agreed, agreed.path.offsets).runs.max() <= certainty.RUN_DOUBTFUL


def test_intervals_that_fit_nothing_around_them_are_doubted() -> None:
    """Their markers have the right numbers, and inside they fit together: another photo's cluster."""
    read = reading(encoded("coffee", restart=8))
    foreign = reading(encoded("astronaut", restart=8)).evidence.borders
    borders = replace(
        read.evidence.borders,
        horizontal=read.evidence.borders.horizontal.copy(),
        activity=read.evidence.borders.activity.copy(),
    )
    part = slice(148, 212)
    borders.horizontal[:, part] = foreign.horizontal[:, part]
    borders.activity[:, :, part] = foreign.activity[:, :, part]
    evidence = replace(read.evidence, borders=borders)
    runs = [Run(start, start + 8, 0) for start in range(0, evidence.places, 8)]
    runs[18:27] = [Run(144, 146, 0), *runs[19:26], Run(208, 210, 0)]  # both ends of the cluster break an interval
    path = rated(evidence, runs)
    alone = Placement(path, np.zeros(evidence.count, np.int64))
    sure = certainty.judge(evidence, alone, np.zeros((len(runs), 3)), encrypted=True).runs

    assert np.all(sure[19:26] <= certainty.RUN_DOUBTFUL)
    assert np.all(np.delete(sure, np.arange(18, 27)) > 0.99)


def test_in_a_plain_picture_borders_confirm_nothing() -> None:
    """What both searches agree on, in the midst of the scan, is not sure there."""
    evidence = reading(encoded("coffee")).evidence
    path = rated(evidence, [Run(0, 120, 0), Run(130, 250, 0), Run(260, evidence.count, 0)])
    placement = Placement(path, np.full(evidence.count, AGREED))
    photo, plain = (
        certainty.judge(each, placement, path.offsets, encrypted=True).runs
        for each in (evidence, replace(evidence, plain=True))
    )

    assert photo[1] > plain[1] == certainty.RUN_DOUBTFUL
