"""How right confidences are: `python -m benchmarks.reliability [--seeds tuning|reporting] [--jobs N]`.

Photos are damaged and aligned as the commands do it. The first table sorts segments by their `confidence` and says
what share of their MCUs is right: at its place, with the AC coefficients that it should have. The second one says the
same of what is claimed, by class and kind of damage, and of `aligned` MCUs whether their DC coefficients are right too.
Photos: `$JPEGRESCUE_DATA/dev` if set, else what scikit-image ships.
"""

import argparse
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.photos import default_folder
from benchmarks.restoration.modes import Mode
from benchmarks.restoration.photos import CLASSES, Photo, collect
from benchmarks.restoration.seeds import seeds
from benchmarks.restoration.trial import wish_of
from jpegrescue.align.integer import align
from jpegrescue.flow.grade import grade_decoded
from jpegrescue.flow.restoration import preview_of
from jpegrescue.jpeg.pixels import colour_space
from jpegrescue.lab.coefficients import DecodedFile, agreement, decode_file, exact_mcus, same_geometry
from jpegrescue.lab.damage import damage
from jpegrescue.lab.original import Original, make_original
from jpegrescue.model.align import Alignment
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key

EVERY = 2
MODES = (
    Mode("cbc", "flips", 1e-5),
    Mode("xts", "flips", 1e-5),
    Mode("plain", "flips", 1e-5),
    Mode("cbc", "flips", 1e-4),
    Mode("cbc", "sector", 0.0),
    Mode("cbc", "codeword", 0.0),
)
KEYS = {"cbc": Key(bytes(range(16))), "xts": Key(bytes(range(64)))}
BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A segment: its grade and confidence, its MCUs, how many of them are placed right, and exact to the DC."""

    grade: str
    confidence: float
    mcus: int
    placed: int
    exact: int


@dataclass(frozen=True, slots=True)
class Judged:
    """The segments of one damaged photo."""

    kind: str
    mode: str
    segments: tuple[Claimed, ...]


def judged(photo: Photo, mode: Mode, seed: int) -> Judged | None:
    """Damage, align and judge a photo; `None` where the mode does not take it, or no damage is found."""
    original = make_original(photo.path.read_bytes(), wish_of(photo))
    if not isinstance(original, Original) or not mode.takes(len(original.data)):
        return None
    recipe, cipher = mode.recipe(seed), None
    if recipe.cipher is not None:
        cipher = SectorCipher(parse_spec(recipe.cipher), KEYS[mode.cipher], recipe.sector_size, recipe.iv_unit)
    hurt = damage(original.data, original.scan, recipe, cipher).plain
    whole, damaged = (decode_file(np.frombuffer(data, np.uint8)) for data in (original.data, hurt))
    if not isinstance(whole, DecodedFile) or not isinstance(damaged, DecodedFile):
        return None
    if not same_geometry(whole.frame, damaged.frame) or not _noticed(damaged):
        return None
    data, structure = np.frombuffer(hurt, np.uint8), damaged.structure
    space = colour_space(damaged.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    preview = preview_of(data, structure, space)
    alignment = align(data, structure, space, damaged.outcome, preview, encrypted=cipher is not None)
    if alignment is None:
        return None
    return Judged(photo.kind, mode.name, tuple(_claims(whole, alignment)))


def _noticed(damaged: DecodedFile) -> bool:
    bits = 8 * sum(scan.end - scan.start for scan in damaged.structure.scans)
    complete = not any(problem.severity != "info" for problem in damaged.structure.problems)
    grade, _ = grade_decoded(damaged.outcome, mcus=damaged.mcus, scan_bits=bits, complete=complete)
    return grade != "no_damage_found"


def _claims(whole: DecodedFile, alignment: Alignment) -> Iterator[Claimed]:
    blocks = agreement(whole.outcome, replace(whole.outcome, planes=alignment.planes))
    placed, exact = (exact_mcus(whole.frame, part) for part in (blocks.placed, blocks.exact))
    for segment in alignment.segments:
        part = slice(segment.placed_at, segment.placed_at + segment.mcu_end - segment.mcu_start)
        mcus = segment.mcu_end - segment.mcu_start
        yield Claimed(segment.grade, segment.confidence or 0.0, mcus, int(placed[part].sum()), int(exact[part].sum()))


def reliability(segments: Sequence[Claimed]) -> Iterator[tuple[float, float, int, float, float]]:
    """Per bin of confidence that there is: its bounds, MCUs, mean confidence, share of them that is placed right."""
    confidence = np.array([segment.confidence for segment in segments])
    mcus = np.array([segment.mcus for segment in segments], np.int64)
    placed = np.array([segment.placed for segment in segments], np.int64)
    number = np.clip(np.searchsorted(BINS, confidence, side="right") - 1, 0, len(BINS) - 2)
    for index, (low, high) in enumerate(pairwise(BINS)):
        inside = number == index
        count = int(mcus[inside].sum())
        if count:
            mean = float((confidence * mcus)[inside].sum() / count)
            yield low, high, count, mean, float(placed[inside].sum() / count)


def print_tables(results: Sequence[Judged]) -> None:
    """Both tables, as Markdown."""
    print("| confidence | MCUs | mean confidence | placed right |\n|---|---|---|---|")
    for low, high, count, mean, right in reliability([part for result in results for part in result.segments]):
        print(f"| {low:g} to {high:g} | {count} | {mean:.4f} | {right:.4f} |")
    print("\n| class | mode | files | MCUs claimed | wrong | MCUs `aligned` | wrong |\n|---|---|---|---|---|---|---|")
    for kind in CLASSES:
        for mode in dict.fromkeys(result.mode for result in results):
            group = [result for result in results if (result.kind, result.mode) == (kind, mode)]
            if group:
                print(_line(kind, mode, group))


def _line(kind: str, mode: str, group: Sequence[Judged]) -> str:
    parts = [part for result in group for part in result.segments]
    claimed = [part for part in parts if part.grade in ("placed", "aligned")]
    aligned = [part for part in parts if part.grade == "aligned"]
    counts = sum(part.mcus for part in claimed), sum(part.mcus for part in aligned)
    wrong = counts[0] - sum(part.placed for part in claimed), counts[1] - sum(part.exact for part in aligned)
    shares = [f"{bad / count:.3%}" if count else "–" for bad, count in zip(wrong, counts, strict=True)]
    return f"| {kind} | {mode} | {len(group)} | {counts[0]} | {shares[0]} | {counts[1]} | {shares[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", choices=("tuning", "reporting"), default="tuning")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, ProcessPoolExecutor(given.jobs) as pool:
        photos = [photo for photo in collect(default_folder(), Path(work)) if photo.kind != "rendered"]
        tasks = [(photo, mode) for mode in MODES for photo in _chosen(photos)]
        number = seeds(given.seeds, 1)[0]
        made: Iterable[Judged | None] = pool.map(judged, *zip(*tasks, strict=True), [number] * len(tasks))
        print_tables([result for result in made if result is not None])


def _chosen(photos: Sequence[Photo]) -> list[Photo]:
    return [photo for kind in CLASSES for photo in [each for each in photos if each.kind == kind][::EVERY]]


if __name__ == "__main__":
    main()
