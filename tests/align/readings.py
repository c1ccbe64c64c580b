"""Photos made ready for being placed."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align.evidence import Evidence
from jpegrescue.align.place import Path, Run, rated
from jpegrescue.align.reading import Reading, read_scan
from jpegrescue.score.borders import look_at_borders
from tests.resync.damaged import opened, true_places


@cache
def reading(jpeg: bytes, *, grey: bool = False) -> Reading:
    file = opened(jpeg)
    read = read_scan(file.data, file.structure, "grey" if grey else "ycc")
    assert read is not None
    return read


def true_path(jpeg: bytes, intact: bytes, *, grey: bool = False) -> Path:
    """The undamaged MCUs of `jpeg` where they are in `intact`."""
    places = true_places(opened(jpeg), opened(intact))
    shift = np.where(places >= 0, places - np.arange(places.size), 1 << 40)
    cuts = [0, *(np.flatnonzero(np.diff(shift)) + 1).tolist(), places.size]
    runs = [Run(a, b, int(shift[a])) for a, b in itertools.pairwise(cuts) if places[a] >= 0]
    return rated(reading(jpeg, grey=grey).evidence, runs)


def places_of(path_runs: tuple[Run, ...], count: int) -> NDArray[np.int64]:
    """Where runs put every MCU, -1 where they do not."""
    places = np.full(count, -1, np.int64)
    for run in path_runs:
        places[run.start : run.stop] = np.arange(run.start, run.stop) + run.shift
    return places


def with_offsets(read: Reading, offsets: dict[int, tuple[int, ...]]) -> Evidence:
    """Evidence as if DC predictors were off by `offsets`, in steps, from each MCU of it on."""
    changed = []
    for number, (blocks, layout) in enumerate(zip(read.stream.coefficients, read.layouts, strict=True)):
        moved = blocks.copy()
        for start, offset in offsets.items():
            moved[:, start * layout.across :, 0] = blocks[:, start * layout.across :, 0] + offset[number]
        changed.append(moved)
    return replace(read.evidence, borders=look_at_borders(changed, read.layouts))
