"""Protects training: it learns, and a run that was stopped goes on as if it had not been."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from jpegrescue.gca.config import MaskedConfig, TrainConfig
from jpegrescue.gca.inputs import CHANNELS, FILL, LOST, MIDDLE, PLAIN, REACHED, SCALE
from jpegrescue.gca.train import Batch, Score, Trainer

CONFIG = MaskedConfig((8, 8), 1)
HOW = TrainConfig(steps=60, batch=4, rate=5e-3, warm_up=5, report_every=20)


def batch(number: int, size: int = 4) -> Batch:
    """Windows in which the truth is the fill and half of what another channel says."""
    random = np.random.default_rng(number)
    inputs = np.zeros((size, CHANNELS, 16, 16), np.float32)
    inputs[:, FILL] = random.normal(0, 0.4, (size, 16, 16))
    inputs[:, PLAIN] = random.normal(0, 0.2, (size, 1, 16))
    inputs[:, LOST, 4:12] = 1
    inputs[: size // 2, REACHED] = 1
    truth = (inputs[:, FILL] + 0.5 * inputs[:, PLAIN]) * SCALE + MIDDLE
    return inputs, np.clip(np.rint(truth), 0, 255).astype(np.uint8)


def batches(first: int) -> Iterator[Batch]:
    return (batch(step) for step in range(first, 1000))


def trained(folder: Path, seconds: float = 1e9, how: TrainConfig = HOW) -> tuple[Trainer, list[Score], bool]:
    scores: list[Score] = []
    trainer = Trainer(CONFIG, how, folder)
    done = trainer.run(batches, batch(5000, 8), seconds, scores.append)
    return trainer, scores, done


def test_it_learns(tmp_path: Path) -> None:
    trainer, scores, done = trained(tmp_path)

    assert done
    assert [score.step for score in scores] == [20, 40, 60]
    assert scores[-1].network > scores[-1].default + 1
    assert scores[-1].network_told > scores[-1].default_told + 1
    assert trainer.step == 60


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    one, *_ = trained(tmp_path / "one")
    two, *_ = trained(tmp_path / "two")

    assert all(torch.equal(a, b) for a, b in zip(one.averaged.parameters(), two.averaged.parameters(), strict=True))


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, scores, _ = trained(tmp_path / "whole")
    steps = 0
    while not trained(tmp_path / "parts", seconds=0.0)[2]:
        steps += 1
    parts = Trainer(CONFIG, HOW, tmp_path / "parts")

    assert steps > 10
    assert parts.step == 60
    assert all(torch.equal(a, b) for a, b in zip(whole.averaged.parameters(), parts.averaged.parameters(), strict=True))
    history = (tmp_path / "parts" / "history.jsonl").read_text().splitlines()
    assert len(history) == 60
    assert f'"network": {scores[-1].network}' in history[-1]


def test_a_checkpoint_of_another_network_is_not_gone_on_with(tmp_path: Path) -> None:
    trained(tmp_path, seconds=0.0)

    with pytest.raises(ValueError, match="trained otherwise"):
        Trainer(MaskedConfig((4, 4), 1), HOW, tmp_path)
    with pytest.raises(ValueError, match="trained otherwise"):
        Trainer(CONFIG, TrainConfig(steps=61, batch=4, rate=5e-3, warm_up=5, report_every=20), tmp_path)


def test_nothing_is_left_to_do_when_all_is_done(tmp_path: Path) -> None:
    trained(tmp_path)
    _, scores, done = trained(tmp_path)

    assert done
    assert scores == []
