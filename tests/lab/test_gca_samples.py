"""Protects what networks learn from: truth beside what would be shown, the same for the same number."""

from pathlib import Path

import numpy as np
import pytest
import skimage

from jpegrescue.gca.inputs import CHANNELS, DOUBT, FILL, LOST, MIDDLE, REACHED, SCALE
from jpegrescue.lab.gca_samples import HEIGHT, LOST_SHARE, WIDTH, Sample, draw_lost, samples_of

FOLDER = Path(skimage.__file__).parent / "data"
PHOTOS = [FOLDER / name for name in ("coffee.png", "astronaut.png", "chelsea.png")]


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [sample for number in range(6) for sample in samples_of(PHOTOS, 3, number)]


def test_what_is_not_lost_is_the_truth(samples: list[Sample]) -> None:
    assert len(samples) > 20
    for sample in samples:
        assert sample.inputs.shape == (CHANNELS, HEIGHT, WIDTH)
        known = (sample.inputs[LOST] == 0) & (sample.inputs[DOUBT] == 0)
        assert np.array_equal((sample.inputs[FILL] * SCALE + MIDDLE)[known], sample.truth[known])
        assert not known.all()


def test_some_have_a_preview_and_some_have_none(samples: list[Sample]) -> None:
    reached = [bool(sample.inputs[REACHED].any()) for sample in samples]

    assert 0 < sum(reached) < len(reached)


def test_the_same_number_gives_the_same_samples() -> None:
    one, two, other = (samples_of(PHOTOS, 3, number) for number in (1, 1, 2))

    assert len(one) == len(two)
    assert all(np.array_equal(a.inputs, b.inputs) for a, b in zip(one, two, strict=True))
    assert len(one) != len(other) or not np.array_equal(one[0].inputs, other[0].inputs)


def test_a_small_photo_gives_nothing(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (100, 300)).save(tmp_path / "small.png")

    assert samples_of([tmp_path / "small.png"], 1, 1) == []


def test_lost_mcus_are_runs() -> None:
    lost = draw_lost(40, 60, np.random.default_rng(1))
    starts = np.count_nonzero(lost & ~np.pad(lost, ((0, 0), (1, 0)))[:, :-1])

    assert lost.mean() == pytest.approx(LOST_SHARE, rel=0.2)
    assert lost.sum() / starts > 2.5
