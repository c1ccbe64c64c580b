"""Training of `masked`: updates, checkpoints, and what is known of how it goes.

A call trains until its steps or its time are over and leaves a checkpoint; the next goes on from there as if nothing
had been. Losses count inside lost samples only: absolute errors first, then the logarithm of each window's squared
error, so that what is hard to fill does not outweigh all else.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jpegrescue.gca.config import MaskedConfig, TrainConfig
from jpegrescue.gca.inputs import FILL, LOST, MIDDLE, REACHED, SCALE
from jpegrescue.gca.masked import Masked

CHECKPOINT, HISTORY = "checkpoint.pt", "history.jsonl"
FLOOR = 4.0  # levels², added to squared errors before their logarithm is taken
GRADIENT_MOST = 1.0
PEAK = 255.0**2
Batch = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""Inputs (n, CHANNELS, height, width) and truth (n, height, width)."""


@dataclass(frozen=True, slots=True)
class Score:
    """PSNR inside holes, dB, of the default fill and of the network, pooled over windows without and with a preview."""

    step: int
    loss: float
    default: float
    network: float
    default_told: float
    network_told: float

    def __str__(self) -> str:
        """One line for people."""
        gains = self.network - self.default, self.network_told - self.default_told
        return (
            f"step {self.step}: loss {self.loss:.4f}; held-out holes {self.network:.2f} dB without a preview "
            f"({gains[0]:+.2f} over the default fill), {self.network_told:.2f} dB with one ({gains[1]:+.2f})"
        )


class Trainer:
    """A network in training.

    Args:
        config: of the network.
        how: to train it.
        folder: where checkpoint and history are; what a checkpoint there holds is gone on with.
        device: `cpu` or `cuda`.
    """

    def __init__(self, config: MaskedConfig, how: TrainConfig, folder: Path, device: str = "cpu") -> None:
        torch.manual_seed(how.seed)
        self.how, self.folder, self.device = how, folder, torch.device(device)
        self.network = Masked(config).to(self.device)
        self.averaged = Masked(config).to(self.device)
        self.averaged.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=how.rate)
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            self._resume(asdict(config))

    def run(
        self,
        batches: Callable[[int], Iterator[Batch]],
        held: Batch,
        seconds: float = math.inf,
        told: Callable[[Score], None] = lambda _: None,
    ) -> bool:
        """Train; whether all steps are done.

        Args:
            batches: of the steps from a given one on, the same whenever they are asked for.
            held: windows to validate on.
            seconds: after which no further step is begun.
            told: of every score.
        """
        until, losses = time.monotonic() + seconds, list[float]()
        for batch in batches(self.step) if self.step < self.how.steps else ():
            losses.append(self._update(batch))
            self.step += 1
            done = self.step == self.how.steps or time.monotonic() >= until
            if done or self.step % self.how.report_every == 0:
                score = self.score(held, float(np.mean(losses)))
                losses.clear()
                self._keep(score)
                told(score)
            if done:
                break
        return self.step >= self.how.steps

    def score(self, held: Batch, loss: float = math.nan) -> Score:
        """Of the averaged weights."""
        inputs, truth = held
        errors = np.zeros((2, 2))
        count = np.zeros(2)
        with torch.inference_mode():
            for first in range(0, len(inputs), self.how.batch):
                part = inputs[first : first + self.how.batch]
                made = self.averaged(torch.from_numpy(part).to(self.device)).cpu().numpy()[:, 0]
                lost, reached = part[:, LOST] > 0, part[:, REACHED].any(axis=(1, 2)).astype(np.int64)
                for way, filled in enumerate((part[:, FILL], made)):
                    shown = np.clip(np.rint(filled * SCALE + MIDDLE), 0, 255)
                    squares = np.where(lost, (shown - truth[first : first + self.how.batch]) ** 2, 0).sum(axis=(1, 2))
                    np.add.at(errors[way], reached, squares)
                np.add.at(count, reached, lost.sum(axis=(1, 2)))
        psnr = 10 * np.log10(PEAK * np.maximum(count, 1) / np.maximum(errors, 1))
        return Score(self.step, loss, float(psnr[0, 0]), float(psnr[1, 0]), float(psnr[0, 1]), float(psnr[1, 1]))

    def _update(self, batch: Batch) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        inputs = torch.from_numpy(batch[0]).to(self.device)
        truth = (torch.from_numpy(batch[1]).to(self.device).float() - MIDDLE) / SCALE
        loss = self._loss(self.network(inputs)[:, 0] - truth, inputs[:, LOST])
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_MOST)
        self.optimiser.step()
        with torch.no_grad():
            for mean, weight in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(weight, 1 - min(self.how.average, (1 + self.step) / (10 + self.step)))
        return float(loss.detach())

    def _loss(self, error: Tensor, lost: Tensor) -> Tensor:
        if self.step < self.how.absolute * self.how.steps:
            return (error.abs() * lost).sum() / lost.sum().clamp(min=1)
        squares = (error**2 * lost).sum(dim=(1, 2)) / lost.sum(dim=(1, 2)).clamp(min=1)
        return torch.log(squares + FLOOR / SCALE**2).mean()

    def _rate(self) -> float:
        rising = min((self.step + 1) / self.how.warm_up, 1.0)
        return self.how.rate * rising * 0.5 * (1 + math.cos(math.pi * self.step / self.how.steps))

    def _keep(self, score: Score) -> None:
        """Checkpoint and history, each whole or not at all."""
        state = {
            "config": asdict(self.network.config),
            "how": asdict(self.how),
            "step": self.step,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        part = self.folder / f"{CHECKPOINT}.part"
        torch.save(state, part)
        part.replace(self.folder / CHECKPOINT)
        kept = self.folder / HISTORY
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
        before = [line for line in lines if json.loads(line)["step"] < score.step]
        part = self.folder / f"{HISTORY}.part"
        part.write_text("".join(f"{line}\n" for line in [*before, json.dumps(asdict(score))]), encoding="utf-8")
        part.replace(kept)

    def _resume(self, config: dict[str, object]) -> None:
        state = torch.load(self.folder / CHECKPOINT, map_location=self.device, weights_only=True)
        if {**state["config"], "widths": tuple(state["config"]["widths"])} != config or state["how"] != asdict(
            self.how
        ):
            raise ValueError(
                f"the checkpoint in {self.folder} was trained otherwise: {state['config']}, {state['how']}"
            )
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
