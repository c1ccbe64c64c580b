"""Fit the certainty model: `python -m jpegrescue.lab.train_certainty DIR… [--pictures N]`.

Pictures are made as for the plausibility model, damaged as by flipped bits without a cipher and under CBC and XTS, with
error rates from 5e-6 to 1e-4, placed, and compared with the truth. Printed are, without and with a cipher, the weights
for `align.certainty` and for `align.changes`, fitted on all pictures; what thresholds keep and how right that is, on
halves that the weights were not fitted on; and how runs fare by what speaks for their places. Changes are told by what
the model of certainty says, so that its weights must be in place before those of changes count. The weights of runs'
places come last, from pictures with so many errors that places are in doubt.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import certainty, changes
from jpegrescue.align.place import AGREED, Run, place
from jpegrescue.align.reading import Reading, read_scan
from jpegrescue.align.settle import settled
from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.train_plausibility import damaged, encoded

Kind = Literal["cbc", "xts", "plain"]
SEED = 11
PICTURES = 240
QUALITIES = (60, 75, 75, 85, 90, 95, 97)
RATES = (5e-6, 1e-5, 1e-5, 3e-5, 5e-5, 1e-4, 1e-4)
KINDS: tuple[tuple[Kind, ...], ...] = (("plain",), ("cbc", "cbc", "xts"))
THRESHOLDS = (0.98, 0.99, 0.994, 0.996, 0.9975, 0.998, 0.999)
RELIABILITY = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0001)
RESTARTS = (0, 0, 0, 0, 0, 0, 8, 16, 40)
RIDGE = 0.3
ASTRAY_P, ASTRAY_MCUS = 0.998, 12
MANY_ERRORS = (3e-5, 1e-4, 1e-4, 2e-4)
RUN_MCUS = 30  # what a run of so many counts
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Material:
    """MCUs of one picture.

    `features`, float64 (MCUs, features); `right`, `trusted`: bool (MCUs,), whether an MCU is
    undamaged and in its place, and whether its run is sure of its own; `runs`: float64 (runs, 4), MCUs, share right,
    margin in nats, whether both ends agree; `changes`: float64 (MCUs, features of changes), `changed`: bool (MCUs,),
    whether DC offsets change there; `starts`: bool (MCUs,), whether a run starts.
    """

    features: NDArray[np.float64]
    right: NDArray[np.bool_]
    trusted: NDArray[np.bool_]
    runs: NDArray[np.float64]
    changes: NDArray[np.float64]
    changed: NDArray[np.bool_]
    starts: NDArray[np.bool_]


def examine(jpeg: bytes, kind: Kind, rate: float, rng: np.random.Generator) -> Material | None:
    """Damage a picture, place what is left, and see what is right."""
    data = np.frombuffer(jpeg, np.uint8)
    hurt = _hurt(data, kind, rate, rng)
    sound, reading = read_scan(data, parse(data)), read_scan(hurt, parse(hurt))
    if sound is None or reading is None:
        return None
    evidence, encrypted = reading.evidence, kind != "plain"
    placement = settled(evidence, place(evidence))
    true = _true_places(sound, reading)
    runs, offsets = placement.path.runs, placement.path.offsets
    described = certainty.describe(evidence, runs, offsets)
    judged = certainty.judge(evidence, placement, offsets, encrypted=encrypted).sound
    about_changes = changes.describe(evidence, runs, judged)
    margins = certainty.margins(evidence, runs, offsets)
    rights, trusted, table, changed, starts = [], [], [], [], []
    for run, margin in zip(runs, margins.tolist(), strict=True):
        stream = np.arange(run.start, run.stop)
        right = true[stream] == stream + run.shift
        agreed = float(np.median(placement.lead[stream])) >= AGREED
        sure = certainty.fixed(evidence, run) or (agreed and margin >= certainty.MARGIN_SURE)
        rights.append(right)
        trusted.append(np.full(right.size, sure and right.mean() > 0.5))
        table.append((right.size, right.mean(), margin / 1024, agreed))
        changed.append(_changed(sound, reading, run, right))
        starts.append(stream == run.start)
    return Material(
        features=np.concatenate(described),
        right=np.concatenate(rights),
        trusted=np.concatenate(trusted),
        runs=np.array(table),
        changes=np.concatenate(about_changes),
        changed=np.concatenate(changed),
        starts=np.concatenate(starts),
    )


def examine_runs(
    jpeg: bytes, kind: Kind, rate: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Features of runs' places, and how many of each run's MCUs lie right and wrong, int64 (runs, 2); see `examine`.

    `None` where places are not a question of both ends, or borders tell too little.
    """
    data = np.frombuffer(jpeg, np.uint8)
    hurt = _hurt(data, kind, rate, rng)
    sound, reading = read_scan(data, parse(data)), read_scan(hurt, parse(hurt))
    if sound is None or reading is None or reading.evidence.plain:
        return None
    placement = settled(reading.evidence, place(reading.evidence))
    if not placement.contested:
        return None
    true, counts = _true_places(sound, reading), []
    for run in placement.path.runs:
        ours = true[run.start : run.stop]
        right = np.count_nonzero(ours == np.arange(run.start, run.stop) + run.shift)
        counts.append((right, np.count_nonzero(ours >= 0) - right))
    return certainty.describe_runs(reading.evidence, placement, placement.path.offsets), np.array(counts, np.int64)


def _hurt(data: NDArray[np.uint8], kind: Kind, rate: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The file with the scan damaged as by flipped bits, at this bit error rate."""
    if kind == "cbc":
        return damaged(data, rate, rng)
    scan = parse(data).scans[0]
    out = data.copy()
    if kind == "xts":
        for block in np.flatnonzero(rng.random((scan.end - scan.start) // 16 - 1) < 128 * rate):
            at = scan.start + 16 * int(block)
            out[at : at + 16] = rng.integers(0, 256, 16)
        return out
    bits = np.flatnonzero(rng.random(8 * (scan.end - scan.start)) < rate)
    np.bitwise_xor.at(out, scan.start + bits // 8, np.uint8(1) << (bits % 8).astype(np.uint8))
    return out


def _changed(sound: Reading, reading: Reading, run: Run, right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Behind which MCUs that are right DC offsets are other ones than before; bool (MCUs of the run,)."""
    out = np.zeros(right.size, np.bool_)
    known = np.flatnonzero(right)
    for whole, own, layout in zip(sound.stream.coefficients, reading.stream.coefficients, reading.layouts, strict=True):
        stream = run.start + known
        true, ours = (each[..., 0].reshape(layout.down, -1, layout.across) for each in (whole, own))
        offset = true[:, stream + run.shift].astype(np.int64) - ours[:, stream]
        first, last = offset[0, :, 0], offset[-1, :, -1]
        out[known] |= first != last
        out[known[:-1] + 1] |= last[:-1] != first[1:]
    return out


def _true_places(sound: Reading, reading: Reading) -> NDArray[np.int64]:
    """Where MCUs belong, by the bits they are made of; -1 for those that are none of the picture's."""
    places = sound.evidence.places
    index = np.minimum(np.searchsorted(sound.bit_start[:places], reading.bit_start), places - 1)
    same = (sound.bit_start[index] == reading.bit_start) & (sound.bit_end[index] == reading.bit_end)
    for blocks, own, layout in zip(
        sound.stream.coefficients, reading.stream.coefficients, reading.layouts, strict=True
    ):
        whole = blocks.reshape(layout.down, -1, layout.across, 64)[:, index, :, 1:]
        same &= (whole == own.reshape(layout.down, -1, layout.across, 64)[..., 1:]).all(axis=(0, 2, 3))
    return np.where(same, index, -1)


def fit(
    features: NDArray[np.float64],
    right: NDArray[np.bool_],
    counts: NDArray[np.float64] | float = 1.0,
    known: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """Weights of a logistic model, by Newton's method with a slight ridge.

    `counts`: float64 (n,), of each example; `known`: float64 (n,), log-odds that are added to what is fitted.
    """
    weights = np.zeros(features.shape[1])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(features @ weights + known, -30, 30)))
        slope = features.T @ (counts * (right - p)) - RIDGE * weights
        curve = (features * (counts * p * (1 - p))[:, None]).T @ features + RIDGE * np.eye(weights.size)
        weights += np.linalg.solve(curve, slope)
    return weights


def _made(folders: list[Path], kinds: tuple[Kind, ...], pictures: int) -> Iterator[Material]:
    found = sorted(path for folder in folders for path in folder.rglob("*.jpg"))
    rng = np.random.default_rng(SEED)
    for index in rng.permutation(len(found))[:pictures]:
        jpeg = encoded(found[index], rng, QUALITIES, int(rng.choice(RESTARTS)))
        material = examine(jpeg, kinds[int(rng.integers(len(kinds)))], float(rng.choice(RATES)), rng)
        if material is not None:
            yield material


def _report_runs(folders: list[Path], pictures: int) -> None:
    found = sorted(path for folder in folders for path in folder.rglob("*.jpg"))
    rng = np.random.default_rng(SEED)
    examined = []
    for index in rng.permutation(len(found))[:pictures]:
        jpeg = encoded(found[index], rng, QUALITIES)
        kind: Kind = KINDS[1][int(rng.integers(len(KINDS[1])))]
        runs = examine_runs(jpeg, kind, float(rng.choice(MANY_ERRORS)), rng)
        if runs is not None:
            examined.append(runs)
    for half in range(2):
        fitted, held = ([runs for n, runs in enumerate(examined) if (n % 2 == half) == own] for own in (True, False))
        weights = _fit_runs(fitted)
        features, counts = (np.concatenate(parts) for parts in zip(*held, strict=True))
        p, mcus = 1 / (1 + np.exp(-features @ weights)), counts.sum(axis=1)
        for low, high in pairwise(RELIABILITY):
            inside = (p >= low) & (p < high) & (mcus > 0)
            if not inside.any():
                continue
            told, right = np.average(p[inside], weights=mcus[inside]), counts[inside, 0].sum() / mcus[inside].sum()
            print(f"{low}–{high}: {mcus[inside].sum()} MCUs, p {told:.4f}, right {right:.4f}")  # noqa: T201
    print("weights of runs", np.round(_fit_runs(examined), 3).tolist())  # noqa: T201


def _fit_runs(examined: list[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> NDArray[np.float64]:
    features, counts = (np.concatenate(parts) for parts in zip(*examined, strict=True))
    return fit(features, counts[:, 0] > counts[:, 1], counts.sum(axis=1) / RUN_MCUS)


def _placed_right(made: list[Material]) -> list[Material]:
    """The pictures without those of which a part lies wrong: its MCUs are as sound as any, and would spoil the fit."""
    weights = fit(*_joined(made))
    kept = []
    for m in made:
        sure = 1 / (1 + np.exp(-m.features[m.trusted] @ weights)) > ASTRAY_P
        if np.count_nonzero(sure & ~m.right[m.trusted]) <= ASTRAY_MCUS:
            kept.append(m)
    print(f"{len(made) - len(kept)} of {len(made)} pictures lie wrong in part")  # noqa: T201
    return kept


def _report(made: list[Material]) -> None:
    made = _placed_right(made)
    for half in range(2):
        fitted, held = ([m for n, m in enumerate(made) if (n % 2 == half) == own] for own in (True, False))
        weights = fit(*_joined(fitted))
        features, right = _joined(held)
        _print_halves(1 / (1 + np.exp(-features @ weights)), right)
        print("DC offsets unchanged:")  # noqa: T201
        _print_halves(*_unchanged(held, fit(*_about_changes(fitted))))
    runs = np.concatenate([m.runs for m in made])
    for agreed in (True, False):
        for low, high in ((-np.inf, 10), (10, 40), (40, np.inf)):
            inside = (runs[:, 3] == agreed) & (runs[:, 2] >= low) & (runs[:, 2] < high)
            mcus, wrong = runs[inside, 0].sum(), runs[inside & (runs[:, 1] <= 0.5), 0].sum()
            print(f"agreed {agreed}, margin {low} to {high}: {inside.sum()} runs, {mcus:.0f} MCUs, {wrong:.0f} astray")  # noqa: T201
    print("weights of certainty", np.round(fit(*_joined(made)), 3).tolist())  # noqa: T201
    print("weights of changes", np.round(fit(*_about_changes(made)), 3).tolist())  # noqa: T201


def _print_halves(p: NDArray[np.float64], right: NDArray[np.bool_]) -> None:
    for threshold in THRESHOLDS:
        kept = p >= threshold
        print(f"p ≥ {threshold}: {kept.mean():.4f} kept, {1 - right[kept].mean():.5f} of them wrong")  # noqa: T201
    for low, high in pairwise(RELIABILITY):
        inside = (p >= low) & (p < high)
        print(f"{low}–{high}: {inside.sum()} MCUs, p {p[inside].mean():.4f}, right {right[inside].mean():.4f}")  # noqa: T201


def _joined(made: list[Material]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.concatenate([m.features[m.trusted] for m in made]), np.concatenate([m.right[m.trusted] for m in made])


def _about_changes(made: list[Material]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.concatenate([m.changes[m.trusted] for m in made]), np.concatenate([m.changed[m.trusted] for m in made])


def _unchanged(made: list[Material], weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For MCUs that are right, in runs that are: how likely no offset has changed in the run so far, and whether."""
    odds, whole = [], []
    for m in made:
        stays = np.log1p(-1 / (1 + np.exp(-m.changes @ weights)))
        start = np.maximum.accumulate(np.where(m.starts, np.arange(m.starts.size), 0))
        before = np.concatenate(([0.0], np.cumsum(stays)))
        happened = np.concatenate(([0], np.cumsum(m.changed)))
        used = m.trusted & m.right
        odds.append(np.exp(before[1:] - before[start])[used])
        whole.append((happened[1:] == happened[start])[used])
    return np.concatenate(odds), np.concatenate(whole)


def main() -> None:
    """Fit and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    given = parser.parse_args()
    for kinds in KINDS:
        print(*kinds)  # noqa: T201
        _report(list(_made(given.folders, kinds, given.pictures)))
    _report_runs(given.folders, given.pictures)


if __name__ == "__main__":
    main()
