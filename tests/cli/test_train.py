"""`train gca`: what is asked for reaches the training, and what cannot be done is said in one line."""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jpegrescue.gca.config import TrainConfig
from jpegrescue.lab import train_gca
from jpegrescue.lab.train_gca import TrainOptions

from .conftest import Result

Run = Callable[..., Result]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TrainOptions]:
    noted: list[TrainOptions] = []

    def train(options: TrainOptions, _: Any) -> bool:
        noted.append(options)
        return not options.resume

    monkeypatch.setattr(train_gca, "train", train)
    return noted


def test_what_is_asked_for(run: Run, asked: list[TrainOptions]) -> None:
    result = run(
        "train", "gca", "--data", "a", "--data", "b", "--out", "o", "--jobs", "3", "--steps", "9", "--seed", "4"
    )

    assert result.code == 0
    assert asked == [
        TrainOptions((Path("a"), Path("b")), Path("o"), TrainConfig(seed=4, steps=9), minutes=math.inf, workers=2)
    ]


def test_time_that_is_over_is_no_failure_and_not_the_end(run: Run, asked: list[TrainOptions]) -> None:
    result = run("train", "gca", "--data", "a", "--out", "o", "--resume", "--minutes", "0.5", "--device", "cpu")

    assert result.code == 3
    assert (asked[0].minutes, asked[0].device, asked[0].resume) == (0.5, "cpu", True)


def test_without_torch_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("jpegrescue.lab.train_gca", "jpegrescue.gca"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run("train", "gca", "--data", "a", "--out", "o")

    assert result.code == 2
    assert "jpegrescue[gca]" in result.err
    assert "Traceback" not in result.err


def test_no_photos(run: Run, tmp_path: Path) -> None:
    result = run("train", "gca", "--data", str(tmp_path), "--out", str(tmp_path / "out"))

    assert result.code == 2
    assert "too few photos" in result.err
    assert not (tmp_path / "out").exists()
