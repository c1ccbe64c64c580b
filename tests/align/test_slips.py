"""Protects the doubt in whole stretches of runs: where nothing but the margins tells a column, that has to show."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from jpegrescue.align.place import Run
from jpegrescue.align.slips import NEVER, slips
from jpegrescue.score.plausibility import NAT
from tests.align.readings import reading

WIDTH, HEIGHT, FRAME = 512, 320, 16
COLUMNS = WIDTH // 16


def photo(*, framed: bool) -> bytes:
    """A shipped photo; framed in black, its margins are alike."""
    samples = np.array(Image.fromarray(data.astronaut()).crop((0, 0, WIDTH, HEIGHT)))
    if framed:
        samples[:, :FRAME] = samples[:, -FRAME:] = samples[:FRAME] = samples[-FRAME:] = 0
    out = io.BytesIO()
    Image.fromarray(samples).save(out, "JPEG", quality=85, subsampling=2)
    return out.getvalue()


def slipped(*, framed: bool, first: int, last: int) -> NDArray[np.int64]:
    """Of a sound photo as if there were an error at MCUs `first` and `last`."""
    evidence = reading(photo(framed=framed)).evidence
    runs = [Run(0, first, 0), Run(first + 1, last, 0), Run(last + 1, evidence.places, 0)]
    return slips(evidence, runs)


def test_a_stretch_within_a_picture_cannot_slip() -> None:
    rows = HEIGHT // 16
    of_runs = slipped(framed=False, first=5 * COLUMNS + 7, last=(rows - 5) * COLUMNS + 9)
    assert of_runs.min() > 40 * NAT


def test_margins_that_are_strangers_hold_a_stretch_that_begins_in_the_first_row() -> None:
    rows = HEIGHT // 16
    unlike, alike = (slipped(framed=framed, first=9, last=rows * COLUMNS - 9) for framed in (False, True))
    assert unlike[1] > 40 * NAT
    assert alike[1] < unlike[1] / 2
    assert alike[1] < 40 * NAT


def test_the_first_run_is_held_by_the_start_of_the_scan() -> None:
    rows = HEIGHT // 16
    of_runs = slipped(framed=True, first=9, last=rows * COLUMNS - 9)
    assert of_runs[0] >= NEVER


def test_a_run_that_hangs_in_the_air_is_in_doubt() -> None:
    """The first MCUs are lost: no restart, nothing above, and only the end of the scan says where it begins."""
    evidence = reading(photo(framed=True)).evidence
    alone = slips(evidence, [Run(3, evidence.places, 0)])
    assert alone[0] < 40 * NAT


@pytest.mark.parametrize("runs", [[], [Run(0, 5, 0)]])
def test_hardly_anything(runs: list[Run]) -> None:
    evidence = reading(photo(framed=False)).evidence
    assert slips(evidence, runs).shape == (len(runs),)
