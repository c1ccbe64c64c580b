"""Training of the network `masked`: what it sees in which step, and what is left behind.

One photo in twenty is held out and scored, by its name, so that it stays the same one whatever else is there. Samples
are made by processes of their own while the network is updated.
"""

import json
import math
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np

from jpegrescue.errors import UsageError
from jpegrescue.gca.config import MaskedConfig, TrainConfig
from jpegrescue.gca.masked import cuda_is_there, torch_version
from jpegrescue.gca.train import CHECKPOINT, HISTORY, Batch, Score, Trainer
from jpegrescue.gca.weights import WEIGHTS, write_weights
from jpegrescue.lab.curves import draw_curves
from jpegrescue.lab.gca_samples import Sample, samples_of

HELD_OUT = 20  # one photo in so many
PICTURES, BATCHES = 16, 10
"""Of a block: pictures whose windows are mixed, and batches that are made of them."""
HELD_SEED = 1  # apart from that of training, so that both never draw the same
SUFFIXES = {".jpg", ".jpeg", ".png"}


def photos_in(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Photos to train on, and those that are held out."""
    found = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    held = [path for path in found if zlib.crc32(path.name.encode()) % HELD_OUT == 0]
    return [path for path in found if path not in set(held)], held


def block_of(paths: Sequence[Path], seed: int, size: int, number: int) -> list[Batch]:
    """Batches of block `number`, `size` windows each, mixed; some twice where there are too few."""
    first = number * PICTURES
    samples = [sample for picture in range(first, first + PICTURES) for sample in samples_of(paths, seed, picture)]
    if not samples:
        raise ValueError("the photos are too small to learn from")
    order = np.resize(np.random.default_rng([seed, number, 1]).permutation(len(samples)), size * BATCHES)
    return [_stacked([samples[k] for k in order[at : at + size]]) for at in range(0, order.size, size)]


def held_out(paths: Sequence[Path], wanted: int) -> Batch:
    """Windows to validate on."""
    samples: list[Sample] = []
    for picture in count():
        samples += samples_of(paths, HELD_SEED, picture)
        if len(samples) >= wanted:
            return _stacked(samples[:wanted])
        if picture > wanted and not samples:
            break
    raise ValueError("the photos that are held out are too small, or there is none")


def batches(paths: Sequence[Path], how: TrainConfig, workers: int, first: int) -> Iterator[Batch]:
    """Batches of the steps from `first` on."""
    block, inside = divmod(first, BATCHES)
    make = partial(block_of, paths, how.seed + HELD_SEED, how.batch)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        ahead: deque[Future[list[Batch]]] = deque(pool.submit(make, block + k) for k in range(workers + 1))
        try:
            for number in count(block + workers + 1):
                ready = ahead.popleft().result()
                ahead.append(pool.submit(make, number))
                yield from ready[inside:]
                inside = 0
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _stacked(samples: Sequence[Sample]) -> Batch:
    return np.stack([sample.inputs for sample in samples]), np.stack([sample.truth for sample in samples])


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What to train, on what, and for how long.

    `data`: folders of photos; `output`: where checkpoint, history, curves and weights go; `minutes`: of this call;
    `workers`: processes that make samples; `resume`: whether to go on with what is there.
    """

    data: tuple[Path, ...]
    output: Path
    how: TrainConfig = field(default_factory=TrainConfig)
    config: MaskedConfig = field(default_factory=MaskedConfig)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    minutes: float = math.inf
    workers: int = 1
    resume: bool = False


def train(options: TrainOptions, told: Callable[[Score], None]) -> bool:
    """Train until all steps are done or the time is over; whether all are.

    Raises:
        UsageError: no photos, or a checkpoint that is in the way or of another training.
    """
    begun = (options.output / CHECKPOINT).exists()
    if begun and not options.resume:
        raise UsageError(f"{options.output} holds a training that was begun: --resume goes on with it", option="--out")
    photos, held = photos_in(options.data)
    if not photos or not held:
        raise UsageError(f"too few photos: {len(photos)} to learn from, {len(held)} to hold out", option="--data")
    device = options.device if options.device != "auto" else "cuda" if cuda_is_there() else "cpu"
    try:
        trainer = Trainer(options.config, options.how, options.output, device)
        validation = held_out(held, options.how.validation)
    except ValueError as error:
        raise UsageError(str(error)) from error
    make = partial(batches, photos, options.how, options.workers)
    done = trainer.run(make, validation, 60 * options.minutes, told)
    history = [json.loads(line) for line in (options.output / HISTORY).read_text(encoding="utf-8").splitlines()]
    record = {"how": asdict(options.how), "photos": len(photos), "held": len(held), "torch": torch_version()}
    write_weights(trainer.averaged, options.output / f"masked{WEIGHTS}", {**record, "score": history[-1]})
    draw_curves(history, options.output / "curves.png")
    return done
