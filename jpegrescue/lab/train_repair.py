"""Fit what repair believes: `python -m jpegrescue.lab.train_repair DIR… [--pictures N] [--jobs N]`.

Pictures are made as for the plausibility model, encrypted, their ciphertext damaged by flipped bits at error rates from
3e-6 to 1e-4, every fourth with two errors close together besides, and repaired. Printed are the weights of
`repair.change`, of changes that are weighed, of what is left at the end and of flipping back what was flipped, fitted
on all pictures, and what thresholds keep and how right that is, on halves that the weights were not fitted on; then for
`repair.verdict` the log-odds that blocks are garbled, by what their symbols add up to, and how many errors leave the
number of MCUs as it is.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jpegrescue.flow.here import Here
from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.train_certainty import fit
from jpegrescue.lab.train_plausibility import encoded
from jpegrescue.repair.candidates import block_offset, try_flips
from jpegrescue.repair.change import (
    LEFT_WEIGHTS,
    UNDO_WEIGHTS,
    Change,
    against,
    described,
    described_left,
    described_undo,
)
from jpegrescue.repair.repair import EFFORTS, repair
from jpegrescue.repair.search import block_odds
from jpegrescue.repair.track import follow, plan_scan
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Ciphertext, Flippable, PlainBits
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key

SEED = 13
PICTURES = 640
QUALITIES = (60, 75, 75, 85, 90, 95, 97)
RATES = (3e-6, 1e-5, 1e-5, 3e-5, 1e-4)
RESTARTS = (0, 0, 0, 0, 8, 40)
CIPHERS = (*2 * ("aes-cbc-essiv:sha256", "aes-xts-plain64"), None)
KEY = Key(bytes(range(32)))
NEAR_PAIRS, NEAR = 4, (0, 0, 1, 1, 2)  # every how many pictures have two errors so many blocks apart
SAMPLE_BLOCKS = 40
EDGES = (-60.0, -40.0, -25.0, -20.0, -10.0, -5.0, -2.5, 0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0)
THRESHOLDS = (0.5, 0.8, 0.9, 0.95, 0.97, 0.99)


@dataclass(frozen=True, slots=True)
class Material:
    """What one picture teaches.

    `garbles`: whether it was encrypted; `weighed`, `left`: float64 (n, features), of changes that were weighed, and of
    those that were left at the end; `left_against`: float64 (n,), what speaks against these, nats; `undone`: float64
    (n, features), of flipping back what was flipped; `weighed_right`, `left_right`: bool (n,), whether they undo
    errors; `undone_right`: whether what was flipped did not; `sound`, `garbled`: float64, nats of sound blocks in their
    order, and of garbled ones; `counted`: int64 (2,), how many of these leave the number of MCUs as it is, of how many
    where that is known.
    """

    garbles: bool
    weighed: NDArray[np.float64]
    weighed_right: NDArray[np.bool_]
    left: NDArray[np.float64]
    left_against: NDArray[np.float64]
    left_right: NDArray[np.bool_]
    undone: NDArray[np.float64]
    undone_right: NDArray[np.bool_]
    sound: NDArray[np.float64]
    garbled: NDArray[np.float64]
    counted: NDArray[np.int64]


def examine(
    jpeg: bytes, cipher: SectorCipher | None, rate: float, pair: bool, rng: np.random.Generator
) -> Material | None:
    """Damage a picture, repair it, and see what was right; `None` where nothing was searched."""
    scan = parse(np.frombuffer(jpeg, np.uint8)).scans[0]
    errors = _errors(scan.start, scan.end, rate, pair, rng)
    file, wrong = _stored(jpeg, cipher, errors), frozenset(errors.tolist())
    seen: dict[tuple[object, ...], tuple[Change, bool]] = {}

    def watch(changes: list[Change], flipped: frozenset[int]) -> None:
        for change in changes:
            key = change.flips, change.gain // NAT, change.margin // NAT
            seen[key] = change, _right(change, flipped, wrong)

    repaired = repair(file, parse, Here(), EFFORTS["normal"], watch=watch)
    if repaired is None or not seen:
        return None
    left = [change for change in repaired.left if not repaired.flipped.issuperset(change.flips)]
    sound, garbled, counted = _looks(_stored(jpeg, cipher, np.zeros(0, np.int64)), rng)
    return Material(
        garbles=file.garbles,
        weighed=np.stack([described(change) for change, _ in seen.values()]),
        weighed_right=np.array([right for _, right in seen.values()]),
        left=np.array([described_left(change) for change in left]).reshape(-1, LEFT_WEIGHTS.size),
        left_against=np.array([against(change) for change in left], np.float64),
        left_right=np.array([_right(change, repaired.flipped, wrong) for change in left], np.bool_),
        undone=np.array([described_undo(change) for change in repaired.undone]).reshape(-1, UNDO_WEIGHTS.size),
        undone_right=np.array([not wrong.issuperset(change.flips) for change in repaired.undone], np.bool_),
        sound=sound,
        garbled=garbled,
        counted=counted,
    )


def _stored(jpeg: bytes, cipher: SectorCipher | None, errors: NDArray[np.int64]) -> Flippable:
    """The file as it lies on the medium, with errors."""
    padded = b"" if cipher is None else bytes(-len(jpeg) % cipher.sector_size)
    stored = jpeg if cipher is None else cipher.encrypt(jpeg + padded, 0)
    raw = np.frombuffer(stored, np.uint8).copy()
    np.bitwise_xor.at(raw, errors >> 3, np.uint8(128) >> (errors & 7).astype(np.uint8))
    return PlainBits(raw) if cipher is None else Ciphertext(cipher, raw, 0, 0, len(jpeg))


def _errors(start: int, end: int, rate: float, pair: bool, rng: np.random.Generator) -> NDArray[np.int64]:
    """Bits of the ciphertext that flip, in whole blocks of the scan."""
    low, high = BITS * -(-start // BLOCK), BITS * (end // BLOCK)
    bits = low + rng.choice(high - low, max(int(rng.binomial(high - low, rate)), 1), replace=False)
    if pair:
        block = int(rng.integers(low // BITS, high // BITS - max(NEAR)))
        other = block + int(rng.choice(NEAR))
        bits = np.concatenate((bits, BITS * np.array([block, other]) + rng.integers(0, BITS, 2)))
    return np.unique(bits)


def _right(change: Change, flipped: frozenset[int], wrong: frozenset[int]) -> bool:
    return all((flip not in flipped) == (flip in wrong) for flip in change.flips)


def _looks(
    file: Flippable, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Nats of the blocks of a sound file, and of some of them with each of their bits flipped."""
    plan = plan_scan(file.plain, parse(file.plain))
    assert plan is not None  # noqa: S101  (it was searched)
    track = follow(file.plain, plan)
    odds = block_odds(track, file)
    inside = np.flatnonzero(~np.isnan(odds))
    garbled, counted = [], []
    for block in rng.choice(inside, min(SAMPLE_BLOCKS, inside.size), replace=False).tolist():
        tried = try_flips(track, file.plain, block_offset(block, file.lead), file.variants(block), BLOCK)
        if tried is not None:
            garbled.append(tried.own / NAT)
            joined = tried.joined >= 0
            same = joined & (tried.joined == tried.first + tried.mcus)
            counted.append((np.count_nonzero(same), np.count_nonzero(joined)))
    return odds[inside], np.concatenate(garbled), np.array(counted).sum(axis=0)


def _made(folders: list[Path], pictures: int, jobs: int) -> Iterator[Material]:
    found = sorted(path for folder in folders for path in folder.rglob("*.jpg"))
    chosen = np.random.default_rng(SEED).permutation(len(found))[:pictures].tolist()
    with Here() if jobs == 1 else ProcessPoolExecutor(jobs) as pool:
        made = pool.map(_example, range(len(chosen)), [found[index] for index in chosen])
        yield from (material for material in made if material is not None)


def _example(number: int, path: Path) -> Material | None:
    """What the `number`-th picture teaches, whichever process asks it."""
    rng = np.random.default_rng([SEED, number])
    jpeg = encoded(path, rng, QUALITIES, int(rng.choice(RESTARTS)))
    name = CIPHERS[int(rng.integers(len(CIPHERS)))]
    cipher = None if name is None else SectorCipher(parse_spec(name), KEY)
    return examine(jpeg, cipher, float(rng.choice(RATES)), number % NEAR_PAIRS == 0, rng)


def _report_fit(
    title: str,
    features: list[NDArray[np.float64]],
    right: list[NDArray[np.bool_]],
    known: list[NDArray[np.float64]] | None = None,
) -> None:
    """Weights from all pictures, and how those of either half do on the other; `known`: log-odds besides."""
    if len(right) < 2:
        _say(f"\n{title}: too few pictures")
        return
    known = [np.zeros(each.size) for each in right] if known is None else known
    weights = fit(np.concatenate(features), np.concatenate(right), known=np.concatenate(known))
    _say(f"\n{title}, of {sum(r.size for r in right)} {sum(int(r.sum()) for r in right)} right:")
    _say("    " + ", ".join(f"{weight:.3f}" for weight in weights))
    chances, truths = [], []
    for half in range(2):
        other, own = slice(1 - half, None, 2), slice(half, None, 2)
        fitted = fit(np.concatenate(features[other]), np.concatenate(right[other]), known=np.concatenate(known[other]))
        odds = np.concatenate(features[own]) @ fitted + np.concatenate(known[own])
        chances.append(1 / (1 + np.exp(-np.clip(odds, -30, 30))))
        truths.append(np.concatenate(right[own]))
    chance, truth = np.concatenate(chances), np.concatenate(truths)
    for threshold in THRESHOLDS:
        taken = chance >= threshold
        expected = float((1 - chance[taken]).sum())
        _say(
            f"    at least {threshold:.2f}: {taken.sum()}, wrong {np.sum(taken & ~truth)} (expected {expected:.1f}), "
            f"right ones refused {np.sum(~taken & truth)}"
        )


def _report_odds(title: str, garbled: NDArray[np.float64], sound: NDArray[np.float64]) -> None:
    """Log-odds of being garbled between each two of `EDGES`, at their middle."""
    _say(f"\n{title}: {garbled.size} garbled, {sound.size} sound")
    for low, high in pairwise(EDGES):
        shares = [(np.sum((nats >= low) & (nats < high)) + 0.5) / nats.size for nats in (garbled, sound)]
        _say(f"    ({(low + high) / 2:.1f}, {np.log(shares[0] / shares[1]):.1f}),")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> None:
    """Report everything that the module's text names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    made = list(_made(arguments.folders, arguments.pictures, arguments.jobs))
    for garbles in (False, True):
        some = [each for each in made if each.garbles == garbles]
        title = f"WEIGHTS[{int(garbles)}]"
        _report_fit(title, [each.weighed for each in some], [each.weighed_right for each in some])
    made = [each for each in made if each.garbles]
    _report_fit(
        "LEFT_WEIGHTS",
        [each.left for each in made],
        [each.left_right for each in made],
        [each.left_against for each in made],
    )
    _report_fit("UNDO_WEIGHTS", [each.undone for each in made], [each.undone_right for each in made])
    garbled = np.concatenate([each.garbled for each in made])
    _report_odds("ONE", garbled, np.concatenate([each.sound for each in made]))
    shuffled = np.random.default_rng(SEED).permutation(garbled)
    _report_odds("TWO", garbled + shuffled, np.concatenate([each.sound[1:] + each.sound[:-1] for each in made]))
    same, known = np.sum([each.counted for each in made], axis=0).tolist()
    _say(f"\nUNCOUNTED: {same / known:.2f}")


if __name__ == "__main__":
    main()
