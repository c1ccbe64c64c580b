"""Fit the certainty model: `python -m jpegrescue.lab.train_certainty DIR… [--pictures N]`.

Pictures are made and damaged as for the plausibility model, with error rates from 5e-6 to 1e-4, placed, and compared
with the truth. Printed are the weights for `align.certainty`, fitted on all pictures; what thresholds keep and how
right it is, on halves that the weights were not fitted on; and how runs fare by what speaks for their places.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align import certainty
from jpegrescue.align.place import AGREED, place
from jpegrescue.align.reading import Reading, read_scan
from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.train_plausibility import damaged, encoded

SEED = 11
PICTURES = 200
QUALITIES = (60, 75, 75, 85, 90, 95)
RATES = (5e-6, 1e-5, 2e-5, 5e-5, 1e-4)
THRESHOLDS = (0.98, 0.99, 0.994, 0.996, 0.9975, 0.998, 0.999)
RELIABILITY = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0001)
RIDGE = 0.3


@dataclass(frozen=True, slots=True)
class Material:
    """MCUs of one picture.

    `features`, float64 (MCUs, features); `right`, `trusted`: bool (MCUs,), whether an MCU is
    undamaged and in its place, and whether its run is sure of its own; `runs`: float64 (runs, 4), MCUs, share right,
    margin in nats, whether both ends agree.
    """

    features: NDArray[np.float64]
    right: NDArray[np.bool_]
    trusted: NDArray[np.bool_]
    runs: NDArray[np.float64]


def examine(jpeg: bytes, rate: float, rng: np.random.Generator) -> Material | None:
    """Damage a picture, place what is left, and see what is right."""
    data = np.frombuffer(jpeg, np.uint8)
    hurt = damaged(data, rate, rng)
    sound, reading = read_scan(data, parse(data)), read_scan(hurt, parse(hurt))
    if sound is None or reading is None:
        return None
    evidence = reading.evidence
    placement = place(evidence)
    true = _true_places(sound, reading)
    runs = placement.path.runs
    described = certainty.describe(evidence, runs, placement.path.offsets)
    margins = certainty.margins(evidence, runs, placement.path.offsets)
    features, rights, trusted, table = [], [], [], []
    for run, described_run, margin in zip(runs, described, margins.tolist(), strict=True):
        stream = np.arange(run.start, run.stop)
        right = true[stream] == stream + run.shift
        agreed = float(np.median(placement.lead[stream])) >= AGREED
        sure = certainty.fixed(evidence, run) or (agreed and margin >= certainty.MARGIN_SURE)
        features.append(described_run)
        rights.append(right)
        trusted.append(np.full(right.size, sure and right.mean() > 0.5))
        table.append((right.size, right.mean(), margin / 1024, agreed))
    return Material(np.concatenate(features), np.concatenate(rights), np.concatenate(trusted), np.array(table))


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


def fit(features: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of a logistic model, by Newton's method with a slight ridge."""
    weights = np.zeros(features.shape[1])
    for _ in range(40):
        p = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        slope = features.T @ (right - p) - RIDGE * weights
        curve = (features * (p * (1 - p))[:, None]).T @ features + RIDGE * np.eye(weights.size)
        weights += np.linalg.solve(curve, slope)
    return weights


def _made(folders: list[Path], pictures: int) -> Iterator[Material]:
    found = sorted(path for folder in folders for path in folder.rglob("*.jpg"))
    rng = np.random.default_rng(SEED)
    for index in rng.permutation(len(found))[:pictures]:
        material = examine(encoded(found[index], rng, QUALITIES), float(rng.choice(RATES)), rng)
        if material is not None:
            yield material


def _report(made: list[Material]) -> None:
    for half in range(2):
        weights = fit(*_joined([m for n, m in enumerate(made) if n % 2 == half]))
        features, right = _joined([m for n, m in enumerate(made) if n % 2 != half])
        p = 1 / (1 + np.exp(-features @ weights))
        for threshold in THRESHOLDS:
            kept = p >= threshold
            print(f"p ≥ {threshold}: {kept.mean():.4f} kept, {1 - right[kept].mean():.5f} of them wrong")  # noqa: T201
        for low, high in pairwise(RELIABILITY):
            inside = (p >= low) & (p < high)
            print(f"{low}–{high}: {inside.sum()} MCUs, p {p[inside].mean():.4f}, right {right[inside].mean():.4f}")  # noqa: T201
    runs = np.concatenate([m.runs for m in made])
    for agreed in (True, False):
        for low, high in ((-np.inf, 10), (10, 40), (40, np.inf)):
            inside = (runs[:, 3] == agreed) & (runs[:, 2] >= low) & (runs[:, 2] < high)
            mcus, wrong = runs[inside, 0].sum(), runs[inside & (runs[:, 1] <= 0.5), 0].sum()
            print(f"agreed {agreed}, margin {low} to {high}: {inside.sum()} runs, {mcus:.0f} MCUs, {wrong:.0f} astray")  # noqa: T201
    print("weights", np.round(fit(*_joined(made)), 3).tolist())  # noqa: T201


def _joined(made: list[Material]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.concatenate([m.features[m.trusted] for m in made]), np.concatenate([m.right[m.trusted] for m in made])


def main() -> None:
    """Fit and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    given = parser.parse_args()
    _report(list(_made(given.folders, given.pictures)))


if __name__ == "__main__":
    main()
