"""Protects the learning of the symbol model: what it counts, what it leaves out, and that it counts the same twice."""

from pathlib import Path

import numpy as np
import pytest

from jpegrescue.lab import train_symbols
from jpegrescue.score.symbols import AC_SHAPE, DC_SHAPE, Counts
from tests.jpeg.samples import photo
from tests.resync.damaged import NAMES, damaged, encoded, opened


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for name in NAMES[:2]:
        (folder / f"{name}.jpg").write_bytes(encoded(name, quality=95))
    return sorted(folder.glob("*.jpg"))


def learn(pictures: list[Path], seed: int = 1) -> Counts:
    return train_symbols.learn(pictures, np.random.default_rng(seed))


def counted(jpeg: bytes) -> Counts | None:
    return train_symbols._counted(np.frombuffer(jpeg, np.uint8))


@pytest.mark.parametrize("options", [{}, {"restart": 5}, {"subsampling": 1}, {"mode": "L"}])
def test_every_block_of_a_sound_file_counts(options: dict[str, object]) -> None:
    jpeg = encoded("coffee", **options)  # type: ignore[arg-type]
    counts = counted(jpeg)

    assert counts is not None
    blocks = [int(plane.shape[0] * plane.shape[1]) for plane in opened(jpeg).stream.coefficients]
    assert counts.dc.sum(axis=(1, 2)).tolist() == [blocks[0], sum(blocks[1:])]
    assert (counts.ac[1].sum() > 0) == (len(blocks) > 1)


def test_what_is_not_sound_does_not_count() -> None:
    sound = encoded("coffee")

    assert counted(damaged(sound, [0.2, 0.5, 0.6])) is None
    assert counted(sound[:-400]) is None
    assert counted(photo(progressive=True)) is None
    assert counted(b"no photo at all") is None


def test_a_picture_counts_as_it_is_and_once_more(pictures: list[Path]) -> None:
    total = learn(pictures)
    alone = [counted(path.read_bytes()) for path in pictures]

    assert total.ac.shape == AC_SHAPE
    assert total.dc.shape == DC_SHAPE
    as_they_are = sum(counts.dc for counts in alone if counts is not None)
    assert np.all(total.dc >= as_they_are)
    assert total.dc.sum() > as_they_are.sum()  # type: ignore[union-attr]


def test_no_file_counts_too_much(pictures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    everything = learn(pictures).ac.sum()
    monkeypatch.setattr(train_symbols, "FILE_SYMBOLS_MAX", 10_000)
    bounded = learn(pictures).ac.sum()

    assert bounded < 4 * 10_000 * 1.2  # two pictures, twice each; rounding
    assert bounded < everything


def test_large_files_count_in_their_second_form_only(pictures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    both = learn(pictures[:1]).dc.sum()
    monkeypatch.setattr(train_symbols, "SIZE_MAX", 1000)

    assert learn(pictures[:1]).dc.sum() < both


def test_the_same_again(pictures: list[Path]) -> None:
    first, second, other = learn(pictures), learn(pictures), learn(pictures, seed=2)

    np.testing.assert_array_equal(first.ac, second.ac)
    np.testing.assert_array_equal(first.dc, second.dc)
    assert not np.array_equal(first.ac, other.ac)


def test_a_model_is_written(pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model.npz"
    monkeypatch.setattr("sys.argv", ["train", str(pictures[0].parent), "-o", str(target)])
    train_symbols.main()

    expected = train_symbols.learn(pictures, np.random.default_rng(train_symbols.SEED))
    with np.load(target) as arrays:
        whole = np.zeros(AC_SHAPE, np.int64)
        whole[..., arrays["symbols"]] = arrays["ac"]
        assert arrays["symbols"].dtype == np.uint8
        np.testing.assert_array_equal(whole, expected.ac)
        np.testing.assert_array_equal(arrays["dc"], expected.dc)
