"""A benchmark of false claims must see one, and must not count what it did not try."""

import json
import math
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks import false_exact
from benchmarks.false_exact import Flaw, Task, Trial
from benchmarks.restoration.modes import Mode
from benchmarks.restoration.photos import Photo
from jpegrescue.lab.original import Original, make_original
from jpegrescue.repair.repair import EFFORTS

RIGHT = Trial(
    photo="one",
    kind="flat",
    mode="cbc 1e-05",
    seed=1,
    code="c0de",
    outcome="searched",
    header=False,
    errors=3,
    found=3,
    accepted=3,
    false=0,
    identical=True,
    complete=True,
    declared=True,
    risk=1e-3,
    doubtful=0,
    seconds=0.5,
)
FLAW = Flaw((7, 9), 30.0, 12.5, 1.0, 20.0, 25.0, 4)
WRONG = replace(RIGHT, photo="two", found=2, false=2, accepted=4, identical=False, missed=(5,), flaws=(FLAW,))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Photo]]:
    return false_exact.photos_by_class(None, tmp_path_factory.mktemp("drawn"))


def test_a_false_claim_is_counted_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    undeclared = replace(RIGHT, photo="three", declared=False, risk=0.2)
    quiet = replace(RIGHT, photo="four", outcome="quiet", declared=False, complete=False, accepted=0, found=0)
    false_exact.print_tables([RIGHT, WRONG, undeclared, quiet])
    lines = capsys.readouterr().out.splitlines()

    bound = f"{false_exact.upper_bound(1, 2):.2%}"
    row = f"4 | 0 | 1 | 9 | 88.89% | 10 | 2 (20.00%) | 2 | 2 | 50.00% | 1 | {bound} | 0.50 |"
    assert f"| flat | cbc 1e-05 | {row}" in lines
    assert f"| all | all | {row}" in lines
    assert "- two, cbc 1e-05, seed 1: risk 0.001, missed [5], false 2" in lines
    assert any(line.startswith("- two, cbc 1e-05, seed 1: [7, 9], gain 30.0, margin 12.5") for line in lines)
    assert "| 0.3 | 2 | 100.00% | 1 | " + f"{false_exact.upper_bound(1, 3):.2%} |" in lines
    assert "| 0.001 | 0 | 0.00% | 0 | 100.00% |" in lines


def test_none_in_three_thousand_bounds_the_rate_by_one_in_a_thousand() -> None:
    assert false_exact.upper_bound(0, 3000) == pytest.approx(1 - 0.05 ** (1 / 3000))
    assert false_exact.upper_bound(0, 0) == 1.0
    assert false_exact.upper_bound(4, 4) == 1.0
    rate = false_exact.upper_bound(2, 50)
    chance = sum(math.comb(50, k) * rate**k * (1 - rate) ** (50 - k) for k in range(3))
    assert chance == pytest.approx(0.05)


def test_trials_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    assert list(false_exact.read_trials(path)) == []
    for trial in (RIGHT, WRONG):
        false_exact.append_trial(path, trial)
    assert list(false_exact.read_trials(path)) == [RIGHT, WRONG]


def test_a_record_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    trials = [replace(RIGHT, seed=seed) for seed in (3, 1, 2)]
    first, second = tmp_path / "a.jsonl.xz", tmp_path / "b.jsonl.xz"
    assert list(false_exact.read_trials(first)) == []
    false_exact.write_record(first, trials)
    false_exact.write_record(second, reversed(trials))

    assert first.read_bytes() == second.read_bytes()
    assert sorted(trial.seed for trial in false_exact.read_trials(first)) == [1, 2, 3]


def test_a_line_cut_short_costs_nothing_but_itself(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_text(json.dumps(asdict(RIGHT)) + "\n" + json.dumps(asdict(WRONG))[:50], encoding="utf-8")
    false_exact.append_trial(path, WRONG)
    assert list(false_exact.read_trials(path)) == [RIGHT, WRONG]


def test_classes_photos_and_modes_take_turns(photos: dict[str, list[Photo]]) -> None:
    assert {"kodak", "night", "screenshot", "document", "flat"} <= set(photos)
    chosen = {kind: photos[kind] for kind in ("night", "flat")}
    sizes = {kind: len(group) for kind, group in chosen.items()}
    rounds = len(false_exact.MODES) * max(sizes.values())
    tasks = list(islice(false_exact.tasks_of(chosen, range(1, 100)), 2 * rounds))

    assert [task.kind for task in tasks[:4]] == ["night", "flat", "night", "flat"]
    assert len({(task.photo.name, task.mode.name, task.seed) for task in tasks}) == len(tasks)
    for photo in (photo for group in chosen.values() for photo in group):
        assert {task.mode for task in tasks if task.photo == photo} == set(false_exact.MODES)
    assert len(list(false_exact.tasks_of(chosen, range(1, 3)))) <= 2 * 2 * max(sizes.values())


def test_flipped_bits_are_those_that_are_named(photos: dict[str, list[Photo]]) -> None:
    original = _original(photos["flat"][0])
    file, flipped = false_exact.damaged(original, Mode("xts", "flips", 1e-5), 1)
    assert file.plain.tobytes() != original
    for bit in flipped:
        file.flip(bit)
    assert file.plain.tobytes() == original
    assert false_exact.damaged(original, Mode("xts", "flips", 1e-5), 1)[1] == flipped
    assert false_exact.damaged(original, Mode("xts", "flips", 1e-5), 2)[1] != flipped
    assert len(false_exact.damaged(original, Mode("cbc", "flips", 1e-12), 1)[1]) == 1


def test_a_trial_is_carried_out_and_held_against_the_original(
    photos: dict[str, list[Photo]], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task("kodak", photos["kodak"][0], Mode("cbc", "flips", 1e-5), 1)
    trial = false_exact.tried(task)
    assert trial is not None
    assert trial.outcome == "searched"
    assert trial.errors > 0
    assert trial.found + len(trial.missed) == trial.errors
    assert trial.accepted >= trial.false + trial.found > trial.false
    assert not (trial.identical and trial.missed)

    monkeypatch.setitem(EFFORTS, "normal", replace(EFFORTS["normal"], passes=0))
    nothing = false_exact.tried(task)
    assert nothing is not None
    assert (nothing.found, nothing.accepted, nothing.identical) == (0, 0, False)
    assert len(nothing.missed) == trial.errors


def test_flat_pictures_are_flat_and_the_same_every_time() -> None:
    for first, second in zip(false_exact.flat_pictures(), false_exact.flat_pictures(), strict=True):
        samples = np.asarray(first).astype(int)
        assert np.array_equal(samples, np.asarray(second))
        assert samples.std() > 0
        assert np.median(np.abs(np.diff(samples, axis=1))) <= 3


def _original(photo: Photo) -> bytes:
    made = make_original(photo.path.read_bytes(), false_exact.wish_of(photo))
    assert isinstance(made, Original)
    return made.data
