"""Protects the second look at what the search has decided: whole sets of runs are put where they belong."""

from dataclasses import replace

import numpy as np
import pytest

from jpegrescue.align.place import AGREED, Placement, Run, place, rated
from jpegrescue.align.settle import settled
from tests.align.readings import places_of, reading
from tests.resync.damaged import NAMES, damaged, encoded


def placed(runs: list[Run], *, contested: bool = True) -> tuple[Placement, Placement]:
    """A placement, and what becomes of it."""
    evidence = reading(encoded("coffee")).evidence
    before = Placement(rated(evidence, runs), np.full(evidence.count, AGREED), contested=contested)
    return before, settled(evidence, before)


@pytest.mark.parametrize("off", [-8, -3, 2, 5])
def test_what_lies_wrong_throughout_is_moved_and_has_no_lead(off: int) -> None:
    places = reading(encoded("coffee")).evidence.places
    before, after = placed([Run(0, 121, 0), Run(150, places - 30, off)])

    assert after.path.odds > before.path.odds
    assert np.median(places_of(after.path.runs, places)[150 : places - 30] - np.arange(150, places - 30)) == 0
    assert not after.lead[150 : places - 30].any()
    assert np.all(after.lead[:121] == AGREED)


def test_what_lies_right_stays() -> None:
    places = reading(encoded("coffee")).evidence.places
    before, after = placed([Run(0, 121, 0), Run(123, places, 0)])

    assert after is before


def test_where_nothing_is_contested_nothing_moves() -> None:
    before, after = placed([Run(0, 121, 0), Run(123, 250, 5)], contested=False)

    assert after is before


@pytest.mark.parametrize("name", NAMES)
def test_it_is_never_worse(name: str) -> None:
    evidence = reading(damaged(encoded(name), [0.2, 0.4, 0.6, 0.8])).evidence
    before = replace(place(evidence), contested=True)

    assert settled(evidence, before).path.odds >= before.path.odds
