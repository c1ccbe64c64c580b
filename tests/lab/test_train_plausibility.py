"""Protects the learning of the plausibility model: what it counts, and that it counts the same twice."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.lab import train_plausibility
from jpegrescue.score._kernels_borders import ACTIVITIES, CONTENTS, MEANS, SPREADS
from tests.resync.damaged import NAMES, encoded, opened

GOOD, WRONG = 0, 1


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for name in NAMES[:2]:
        (folder / f"{name}.jpg").write_bytes(encoded(name, quality=95))
    return sorted(folder.glob("*.jpg"))


def learn(pictures: list[Path], seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return train_plausibility.learn(pictures, np.random.default_rng(seed))


def test_counts_are_as_the_model_has_them(pictures: list[Path]) -> None:
    borders, contents = learn(pictures)

    assert borders.shape == (2, 2, 2, ACTIVITIES, MEANS)
    assert contents.shape == (2, 3, 3, CONTENTS, CONTENTS)
    assert np.all(borders.sum(axis=(-1, -2)) > 0)
    assert np.all(contents.sum(axis=(-1, -2)) > 0)
    np.testing.assert_array_equal(borders[:, :, 0].sum(axis=(-1, -2)), borders[:, :, 1].sum(axis=(-1, -2)))
    assert not borders[:, :, 0, :, SPREADS:].any()
    for direction, kind in product(range(2), range(3)):
        assert np.unique(contents[direction, kind].sum(axis=(-1, -2))).size == 1  # every pair in every table
    np.testing.assert_array_equal(contents[:, 0].sum(axis=(-1, -2)), contents[:, 1].sum(axis=(-1, -2)))


def test_true_neighbours_are_more_alike(pictures: list[Path]) -> None:
    borders, contents = learn(pictures)
    mean = (borders.sum(axis=3) * np.arange(MEANS)).sum(axis=-1) / borders.sum(axis=(3, 4))
    bins = np.arange(CONTENTS)
    apart = (contents * np.abs(bins[:, None] - bins)).sum(axis=(-1, -2)) / contents.sum(axis=(-1, -2))

    assert np.all(mean[GOOD] < mean[WRONG])
    assert np.all(apart[:, 0] < apart[:, 1])


def test_the_same_again(pictures: list[Path]) -> None:
    for first, second in zip(learn(pictures), learn(pictures), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(learn(pictures)[0], learn(pictures, seed=2)[0])


def test_damage_is_sixteen_bytes_and_a_bit() -> None:
    jpeg = encoded("coffee", quality=95)
    data = np.frombuffer(jpeg, np.uint8)
    scan = parse(data).scans[0]
    hit = [train_plausibility.damaged(data, 1e-4, np.random.default_rng(seed)) for seed in range(20)]
    apart = [np.flatnonzero(damaged != data) for damaged in hit]

    assert all(changed.size == 0 or scan.start <= changed.min() for changed in apart)
    assert all(changed.size == 0 or changed.max() < scan.end for changed in apart)
    assert sum(changed.size for changed in apart) > 0
    for damaged, changed in zip(hit, apart, strict=True):
        blocks = np.unique((changed - scan.start) // 16)
        single = [b for b in blocks if np.count_nonzero((changed - scan.start) // 16 == b) == 1]
        for block in single:
            at = changed[(changed - scan.start) // 16 == block][0]
            assert int(damaged[at] ^ data[at]).bit_count() == 1
            assert block - 1 in blocks


def test_pairs_are_what_they_are_said_to_be() -> None:
    jpeg = encoded("coffee", quality=95)
    columns = opened(jpeg).layout.columns
    found = list(train_plausibility._neighbours(jpeg, np.random.default_rng(1)))
    true = {above: (near, far) for kind, above, _, near, far in found if kind == train_plausibility.GOOD}

    np.testing.assert_array_equal(true[False][1] - true[False][0], 1)
    assert np.all(true[False][1] % columns > 0)
    np.testing.assert_array_equal(true[True][1] - true[True][0], columns)
    for _, _, looked, near, far in found:
        assert near.size == far.size
        assert min(near.min(initial=0), far.min(initial=0)) >= 0
        assert max(near.max(initial=0), far.max(initial=0)) < looked.mcus


def test_a_model_is_written(pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model.npz"
    monkeypatch.setattr("sys.argv", ["train", str(pictures[0].parent), "-o", str(target)])
    train_plausibility.main()

    with np.load(target) as arrays:
        assert arrays["borders"].dtype == arrays["contents"].dtype == np.uint32
        assert arrays["borders"].sum() > 0
