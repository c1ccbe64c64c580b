"""Flipped bits in headers: `python -m benchmarks.headers [--trials N] [--errors 1] [--seeds …] [--data DIR]`.

Each trial encrypts a photo of the classes small, kodak, camera and street, under AES-CBC and AES-XTS in turn, flips
bits of blocks that precede its scan data, one in seven of them in the payload of application segments, and calls
`repair.headers.mend_header`. Errors are told by the segment whose bytes they garble. "False" are bits that were flipped
and are no errors. Then what a sound header costs. Photos: `$JPEGRESCUE_DATA/dev` if set, else what scikit-image ships.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.false_exact import photos_by_class
from benchmarks.photos import default_folder
from benchmarks.reliability import KEYS
from benchmarks.restoration.modes import FIRST_SECTOR, Mode
from benchmarks.restoration.seeds import seeds
from benchmarks.restoration.trial import wish_of
from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.original import Original, make_original
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.repair.headers import mend_header
from jpegrescue.source.crypt.flips import BITS, Ciphertext
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher
from jpegrescue.source.crypt.spec import parse_spec

CLASSES = ("small", "kodak", "camera", "street")
CIPHERS = ("cbc", "xts")
PAYLOAD_SHARE = 0.15
HEAD = 12  # bytes of an application segment that say what it is
NAMES = {0xD8: "SOI", 0xDB: "DQT", 0xC4: "DHT", 0xDA: "SOS", 0xDD: "DRI"}
KINDS = ("SOF", "SOS", "DHT", "DQT", "DRI", "SOI", "APPn head", "APPn payload")


@dataclass(frozen=True, slots=True)
class Photo:
    """A sound file and what each block of its header holds."""

    data: bytes
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one header: kinds of the errors, whether each was found, bits flipped in vain, CPU seconds."""

    kinds: tuple[str, ...]
    found: tuple[bool, ...]
    false: int
    seconds: float


def kinds_of(structure: JpegStructure) -> Iterator[str]:
    """What every block before the scan data holds, by the segment that matters most."""
    for block in range(-(-structure.scans[0].start // BLOCK)):
        low, high = BLOCK * block, BLOCK * (block + 1)
        held = set()
        for segment in structure.segments:
            if segment.offset < high and segment.end > low:
                if 0xC0 <= segment.marker <= 0xCF and segment.marker not in NAMES:
                    held.add("SOF")
                else:
                    other = "APPn head" if low < segment.offset + HEAD else "APPn payload"
                    held.add(NAMES.get(segment.marker, other))
        yield next((kind for kind in KINDS if kind in held), KINDS[-1])


def photos(folder: Path | None, work: Path) -> list[Photo]:
    """Those that have one scan, as they are damaged."""
    found = []
    for kind, group in photos_by_class(folder, work).items():
        for photo in group if kind in CLASSES else ():
            original = make_original(photo.path.read_bytes(), wish_of(photo))
            if not isinstance(original, Original) or original.problems:
                continue
            structure = parse(original.data)
            if len(structure.scans) == 1 and structure.segments[0].offset == 0:
                found.append(Photo(original.data, tuple(kinds_of(structure))))
    return found


def stored(data: bytes, name: str, bits: Sequence[int]) -> Ciphertext:
    """The file encrypted, with these bits flipped."""
    recipe = Mode(name, "flips", 1e-5).recipe(0)
    cipher = SectorCipher(parse_spec(recipe.cipher or ""), KEYS[name], recipe.sector_size, recipe.iv_unit)
    padded = data + bytes(-len(data) % recipe.sector_size)
    raw = np.frombuffer(cipher.encrypt(padded, FIRST_SECTOR), np.uint8).copy()
    for bit in bits:
        raw[bit >> 3] ^= 128 >> (bit & 7)
    return Ciphertext(cipher, raw, FIRST_SECTOR, 0, len(data))


def tried(photo: Photo, name: str, errors: int, random: np.random.Generator) -> Trial:
    """Carry a trial out."""
    payload = np.array([kind == KINDS[-1] for kind in photo.kinds])
    bits: set[int] = set()
    while len(bits) < errors:
        group: NDArray[np.int64] = np.flatnonzero(payload == (payload.any() and random.random() < PAYLOAD_SHARE))
        bits.add(BITS * int(random.choice(group)) + int(random.integers(BITS)))
    file = stored(photo.data, name, sorted(bits))
    began = time.process_time()
    flipped = {flip for change in mend_header(file) for flip in change.flips}
    seconds = time.process_time() - began
    kinds = tuple(photo.kinds[bit // BITS] for bit in sorted(bits))
    return Trial(kinds, tuple(bit in flipped for bit in sorted(bits)), len(flipped - bits), seconds)


def print_tables(trials: Sequence[Trial], sound: Sequence[float]) -> None:
    """Everything, as Markdown."""
    errors = Counter(kind for trial in trials for kind in trial.kinds)
    found = Counter(kind for trial in trials for kind, hit in zip(trial.kinds, trial.found, strict=True) if hit)
    print("| errors in | number | found |\n|---|---|---|")
    for kind in KINDS:
        if errors[kind]:
            print(f"| {kind} | {errors[kind]} | {found[kind]} |")
    seconds = [trial.seconds for trial in trials]
    print(f"\nFalse: {sum(trial.false for trial in trials)} in {len(trials)} trials.\n")
    print("| CPU s | median | p90 | most |\n|---|---|---|---|")
    for title, values in (("damaged header", seconds), ("sound header", sound)):
        print(f"| {title} | {np.median(values):.3f} | {np.quantile(values, 0.9):.3f} | {max(values):.3f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--errors", type=int, default=1, help="in each header")
    parser.add_argument("--seeds", choices=("tuning", "reporting"), default="tuning")
    parser.add_argument("--data", type=Path, default=default_folder(), help="`dev` of the development data")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        group = photos(arguments.data, Path(work))
    trials = []
    for number, seed in enumerate(seeds(arguments.seeds, arguments.trials)):
        random = np.random.default_rng([seed, arguments.errors])
        photo = group[int(random.integers(len(group)))]
        trials.append(tried(photo, CIPHERS[number % len(CIPHERS)], arguments.errors, random))
    sound = []
    for photo in group[:: max(len(group) // 50, 1)]:
        file = stored(photo.data, "cbc", ())
        began = time.process_time()
        mend_header(file)
        sound.append(time.process_time() - began)
    print(f"{len(trials)} headers with {arguments.errors} errors each, {arguments.seeds} seeds\n")
    print_tables(trials, sound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
