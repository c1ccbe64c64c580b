"""How exactly borders tell DC offsets: `python -m benchmarks.offsets`.

Two runs of MCUs that lie above each other are off by a whole number of quantiser steps. What borders say is measured on
intact photos, where the right answer is 0: the mean over one row of MCUs, robust and weighted as in `align.offsets`,
against half a step. Photos: `$JPEGRESCUE_DATA/dev` if set, else what scikit-image ships.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.restoration.photos import collect
from benchmarks.restoration.trial import wish_of
from jpegrescue.align import _kernels_offsets as kernels
from jpegrescue.align.evidence import Evidence
from jpegrescue.align.reading import read_scan
from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.original import Original, make_original

EVERY = 3
ROUNDS = 10


def row_means(evidence: Evidence) -> NDArray[np.float64]:
    """What the borders of every row of MCUs to the one above say, (components, rows), 1/16 level."""
    borders, width = evidence.borders, evidence.width
    below = np.arange(width, min(evidence.places, borders.mcus) // width * width)
    mean, variance = np.empty((2, borders.kinds.size, below.size))
    kernels.border_means(
        borders.horizontal,
        borders.activity,
        borders.columns,
        borders.kinds,
        evidence.above.scatter,
        below - width,
        below,
        mean,
        variance,
    )
    shape = (borders.kinds.size, -1, width)
    mean, variance = mean.reshape(shape), variance.reshape(shape)
    centre = np.median(mean, axis=2)
    for _ in range(ROUNDS):
        surprise = mean - centre[..., None]
        weight = 1 / (variance * (3 + surprise**2 / variance))
        centre = (weight * mean).sum(axis=2) / weight.sum(axis=2)
    return centre


def measured(data: bytes) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """Quantiser step of DC, whether it is chroma, and errors in steps, for every component."""
    array = np.frombuffer(data, np.uint8)
    reading = read_scan(array, parse(array))
    if reading is None or reading.evidence.places < 4 * reading.evidence.width:
        return
    borders = reading.evidence.borders
    errors = row_means(reading.evidence) / borders.steps[:, None]
    for component, kind in enumerate(borders.kinds.tolist()):
        yield int(borders.steps[component]) // 2, kind, errors[component]


def main() -> None:
    root = os.environ.get("JPEGRESCUE_DATA")
    found: dict[tuple[int, int], list[NDArray[np.float64]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as work:
        for photo in collect(Path(root) / "dev" if root else None, Path(work))[::EVERY]:
            if photo.kind == "rendered":
                continue
            original = make_original(photo.path.read_bytes(), wish_of(photo))
            if isinstance(original, Original):
                for step, kind, errors in measured(original.data):
                    found[kind, step].append(errors)
    print("| component | quantiser step | levels | rows | within half a step | median error in levels |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for (kind, step), rows in sorted(found.items()):
        errors = np.abs(np.concatenate(rows))
        cells = (["luma", "chroma"][kind], step, step / 8, errors.size, f"{np.mean(errors < 0.5):.1%}")
        print("|", " | ".join(map(str, cells)), "|", f"{np.median(errors) * step / 8:.2f} |")


if __name__ == "__main__":
    main()
