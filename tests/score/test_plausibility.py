"""Protects the scores: true neighbours beat others, tables are whole numbers, and a file's own counts are heard."""

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.score import _kernels_evidence as evidence
from jpegrescue.score._kernels_borders import ACTIVITIES, CONTENTS, MEANS, SPREADS
from jpegrescue.score.borders import CHROMA, LUMA, Borders, look_at_borders
from jpegrescue.score.plausibility import NAT, BorderModel, calibrated, count_pairs, learnt
from tests.resync.damaged import NAMES, Opened, encoded, opened

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
NONE = np.zeros((2, 2, 2, ACTIVITIES, MEANS), np.int64)


def looked(file: Opened) -> Borders:
    return look_at_borders(file.stream.coefficients, file.layouts)


def neighbours(file: Opened, *, upright: bool) -> Pairs:
    everything, columns = np.arange(file.layout.mcus), file.layout.columns
    far = everything[columns:] if upright else everything[everything % columns > 0]
    return far - (columns if upright else 1), far


def beside(borders: Borders, model: BorderModel, near: NDArray[np.int64], far: NDArray[np.int64]) -> NDArray[np.int64]:
    """Odds that each `far` lies right of `near`."""
    odds = [
        evidence.beside(
            borders.vertical, borders.activity, borders.rows, borders.kinds, model.shape, model.scatter, int(i), int(j)
        )
        + evidence.contents_odds(borders.contents, model.contents, int(i), int(j))
        for i, j in zip(near, far, strict=True)
    ]
    return np.array(odds, np.int64)


def below(borders: Borders, model: BorderModel, near: NDArray[np.int64], far: NDArray[np.int64]) -> NDArray[np.int64]:
    """Odds that each `far` lies under `near`, both of one run."""
    odds = []
    for i, j in zip(near, far, strict=True):
        state = np.zeros((borders.kinds.size, evidence.STATE))
        seen = np.zeros((borders.kinds.size, 3))
        common = evidence.compare(
            borders.horizontal, borders.activity, borders.columns, borders.kinds, model.shape, model.scatter,
            borders.contents, model.contents, int(i), int(j), seen,
        )  # fmt: skip
        odds.append(common + evidence.follow(seen, state, True))
    return np.array(odds, np.int64)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_true_neighbours_are_likelier_than_displaced_ones(name: str, mode: str) -> None:
    file = opened(encoded(name, mode=mode))
    borders = looked(file)
    rng = np.random.default_rng(1)

    for upright, score in ((False, beside), (True, below)):
        near, far = neighbours(file, upright=upright)
        model = calibrated(NONE, above=upright)
        true, moved = score(borders, model, near, far), score(borders, model, rng.permutation(near), far)
        assert np.median(true) > 0 > np.median(moved)
        assert np.mean(true > moved) > 0.8
        assert true.mean() > moved.mean() + NAT


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("own", ["nothing", "a lot"])
def test_tables_are_whole_numbers_within_bounds(above: bool, own: str) -> None:
    counts = NONE if own == "nothing" else np.random.default_rng(1).integers(0, 10**7, NONE.shape)
    model = calibrated(counts, above=above)

    assert model.shape.shape == (2, ACTIVITIES, SPREADS)
    assert model.contents.shape == (3, CONTENTS, CONTENTS)
    assert model.scatter.shape == (2, 2, ACTIVITIES)
    assert model.shape.dtype == model.contents.dtype == np.int32
    assert 0 < np.abs(model.shape).max() <= 10 * NAT
    assert 0 < np.abs(model.contents).max() <= 10 * NAT
    assert np.isfinite(model.scatter).all()
    assert np.all(model.scatter > 0)
    assert np.all(model.scatter[1] > model.scatter[0])


def test_a_jump_at_the_border_speaks_against_neighbours() -> None:
    """However the tables are made: small spreads between true neighbours, large ones elsewhere."""
    shape = calibrated(NONE, above=True).shape[LUMA]

    assert np.all(shape[2:9, 0] > 0)
    assert np.all(shape[2:9, -1] < 0)


def test_a_files_own_counts_are_heard() -> None:
    usual = calibrated(NONE, above=True)
    own = NONE.copy()
    own[0, :, 0, :, 20] = 10**6  # this file's neighbours always differ a lot
    own[1, :, 0, :, 2] = 10**6
    own[0, :, 1, :, 30] = 10**6
    odd = calibrated(own, above=True)

    assert np.all(odd.shape[..., 20] > usual.shape[..., 20])
    assert np.all(odd.shape[..., 2] < usual.shape[..., 2])
    assert np.all(odd.scatter[0] > usual.scatter[0])


def test_few_counts_change_little() -> None:
    usual = calibrated(NONE, above=True)
    own = NONE.copy()
    own[0, 0, 0, 5, 20] = 1
    little = calibrated(own, above=True)

    change = np.abs(little.shape - usual.shape)
    change[0, 5, 19:22] = 0  # what was seen there was rare
    assert change.max() < NAT / 4
    assert not change[CHROMA].any()


@pytest.mark.parametrize("upright", [False, True])
def test_every_pair_is_counted_once(upright: bool) -> None:
    file = opened(encoded("coffee"))
    borders = looked(file)
    near, far = neighbours(file, upright=upright)
    counts = count_pairs(borders, upright, near, far)

    assert counts.shape == (2, 2, ACTIVITIES, MEANS)
    assert counts[0].sum(axis=(1, 2)).tolist() == [near.size, near.size]
    assert counts[1].sum(axis=(1, 2)).tolist() == [2 * near.size, 2 * near.size]  # two components of chroma
    assert not counts[:, 0, :, SPREADS:].any()
    halves = [count_pairs(borders, upright, near[part], far[part]) for part in (slice(0, 90), slice(90, None))]
    np.testing.assert_array_equal(sum(halves), counts)


@pytest.mark.parametrize("upright", [False, True])
def test_counts_of_neighbours_lie_lower_than_those_of_others(upright: bool) -> None:
    file = opened(encoded("coffee"))
    borders = looked(file)
    near, far = neighbours(file, upright=upright)
    other = np.random.default_rng(1).permutation(near)
    bins = np.arange(MEANS)
    true, moved = ((count_pairs(borders, upright, n, far).sum(axis=2) * bins).sum(axis=-1) for n in (near, other))

    assert np.all(true < moved)


def test_no_pairs_no_counts() -> None:
    borders = looked(opened(encoded("coffee")))
    none = np.zeros(0, np.int64)

    assert not count_pairs(borders, True, none, none).any()


def test_what_is_shipped_has_counts_of_everything() -> None:
    counts = learnt()

    assert counts.borders.shape == NONE.shape
    assert counts.contents.shape == (2, 3, 3, CONTENTS, CONTENTS)
    assert np.all(counts.borders.sum(axis=(-1, -2)) > 10**5)
    assert np.all(counts.contents.sum(axis=(-1, -2)) > 10**5)
    assert learnt() is counts
