"""What the table of the repair's costs rests on: stages are part of the total, and every candidate is counted."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import alignment, repair


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tiled") / "photo.jpg"
    alignment.tiled(path, (700, 500), 75, "4:2:0", 4.0)
    return path.read_bytes()


def test_stages_are_parts_of_the_total(photo: bytes) -> None:
    cost = repair.repaired(photo, 3e-5, 1)
    assert len(cost.stages) == len(repair.STAGES) + 1
    assert min(cost.stages[:-1]) > 0
    assert cost.stages[-1] >= 0
    assert sum(cost.stages) == pytest.approx(cost.seconds)
    assert cost.candidates > 0
    assert cost.candidates % 128 == 0 or cost.candidates > 128 * 127 // 2
    assert cost.microseconds == pytest.approx(1e6 * cost.stages[3] / cost.candidates)
    assert 0 < cost.found <= cost.errors
    assert cost.pillow > 0


def test_a_montage_fills_the_picture(tmp_path: Path) -> None:
    (tmp_path / "kodak24").mkdir()
    random = np.random.default_rng(1)
    for number in range(7):
        size = (768, 512) if number % 2 else (512, 768)
        samples = np.full((size[1], size[0], 3), 60 + 20 * number, np.uint8) + random.integers(0, 4, 3, np.uint8)
        Image.fromarray(samples).save(tmp_path / "kodak24" / f"{number}.png")
    (montage,) = repair.montages(tmp_path)
    with Image.open(io.BytesIO(montage)) as picture:
        samples = np.asarray(picture)
    assert samples.shape == (1024, 2048, 3)
    assert samples.min() > 50
    assert list(repair.montages(None)) == []


def test_sound_files_pay_for_the_look(photo: bytes) -> None:
    plain, look, whole = repair.looked_at(photo)
    assert plain > 0
    assert whole > look > 0
    assert repair.weighing_speed(photo) > 1000


def test_a_row_says_how_much_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    stages = (0.1,) * (len(repair.STAGES) + 1)
    costs = [repair.Cost(seconds, stages, 1000, 10, found, 0, 0.02) for seconds, found in ((1.0, 10), (3.0, 9))]
    repair.print_costs("scaled", costs)
    assert capsys.readouterr().out.startswith("| scaled | 2 | 20 | 95.0% | 0 | 2.00 | 2.90 | 100 | 100.0 | 0.10 |")
