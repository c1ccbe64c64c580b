"""What the table of alignment's costs rests on: stages are part of the total, and damage is where it should be."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import alignment
from jpegrescue.jpeg.parse import parse


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tiled") / "photo.jpg"
    alignment.tiled(path, (700, 500), 75, "4:2:0", 4.0)
    return path.read_bytes()


def test_stages_are_parts_of_the_total(photo: bytes) -> None:
    cost = alignment.aligned(alignment.damaged(photo, 1e-4, 1))
    assert cost is not None
    assert len(cost.stages) == len(alignment.STAGES) + 1
    assert min(cost.stages[:-1]) > 0
    assert cost.stages[-1] >= 0
    assert sum(cost.stages) == pytest.approx(cost.total)
    assert cost.megapixels == 0.35
    assert cost.scaled(0.35) == 2.0


def test_what_cannot_be_decoded_costs_nothing(photo: bytes) -> None:
    assert alignment.aligned(photo[:100]) is None


def test_bit_errors_lie_in_the_scan(photo: bytes) -> None:
    made = np.flatnonzero(np.frombuffer(alignment.damaged(photo, 1e-4, 1), np.uint8) != np.frombuffer(photo, np.uint8))
    assert made.size > 0
    assert made.min() >= parse(photo).scans[0].start


@pytest.mark.parametrize("length", [100, 1 << 40])
def test_garbage_lies_in_the_middle_of_the_scan(photo: bytes, length: int) -> None:
    scan, made = parse(photo).scans[0], alignment.garbled(photo, length)
    assert len(made) == len(photo)
    changed = np.flatnonzero(np.frombuffer(made, np.uint8) != np.frombuffer(photo, np.uint8))
    length = min(length, scan.end - scan.start)
    start = (scan.start + scan.end - length) // 2
    assert start <= changed.min() < start + 9
    assert start + length - 9 < changed.max() < start + length


def test_no_two_tiles_are_alike(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    alignment.tiled(path, (1500, 1000), 90, "4:4:4", 8.0)
    with Image.open(path) as picture:
        samples = np.asarray(picture).astype(int)
    assert samples.shape == (1000, 1500, 3)
    assert np.abs(samples[:, :300] - samples[:, 1200:]).mean() > 4
