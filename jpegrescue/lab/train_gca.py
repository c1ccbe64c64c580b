"""Train the network `masked`: `python -m jpegrescue.lab.train_gca DIR… -o OUT [--minutes M] [--device cpu|cuda]`.

What lies in OUT is gone on with, so that hours of training may be had in parts. One photo in twenty is held out and
scored, by its name, so that it stays the same one whatever else is there. Samples are made by processes of their own
while the network is updated.
"""

import argparse
import math
import sys
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from jpegrescue.gca.config import MaskedConfig, TrainConfig
from jpegrescue.gca.train import Batch, Score, Trainer
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


def _line(score: Score) -> str:
    gains = score.network - score.default, score.network_told - score.default_told
    return (
        f"step {score.step}: loss {score.loss:.4f}; without a preview {score.network:.2f} dB ({gains[0]:+.2f}), "
        f"with one {score.network_told:.2f} dB ({gains[1]:+.2f})"
    )


def main() -> None:
    """Train until all steps are done, or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT")
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--steps", type=int, default=TrainConfig().steps, help="in all (default %(default)s)")
    parser.add_argument("--seed", type=int, default=TrainConfig().seed)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")
    given = parser.parse_args()
    how = TrainConfig(seed=given.seed, steps=given.steps)
    photos, held = photos_in(given.folders)
    trainer = Trainer(MaskedConfig(), how, given.output, given.device)
    done = trainer.run(
        partial(batches, photos, how, given.workers),
        held_out(held, how.validation),
        60 * given.minutes,
        lambda score: print(_line(score), flush=True),  # noqa: T201  (this is a script)
    )
    sys.exit(0 if done else 3)


if __name__ == "__main__":
    main()
