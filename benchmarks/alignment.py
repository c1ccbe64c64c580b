"""What putting a damaged photo together costs: `python -m benchmarks.alignment [--files N] [--no-extremes]`.

CPU seconds of `align.integer.align` alone, on one core, for photos of about 2 MP with errors under AES-CBC (tuning
seeds, the decode not counted), and where they go. Before that, whole `restore` runs on what is large or hopeless, each
in a process of its own, with their peak memory. Photos: `$JPEGRESCUE_DATA/dev` if set, else what scikit-image ships.
"""

import argparse
import io
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
import skimage
from PIL import Image

from benchmarks import process
from benchmarks.photos import default_folder
from benchmarks.restoration.modes import Mode
from benchmarks.restoration.seeds import seeds
from benchmarks.tools import ROOT
from jpegrescue.align import certainty, integer
from jpegrescue.flow.restoration import preview_of
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import colour_space
from jpegrescue.lab.damage import damage
from jpegrescue.model.evidence import ByteRange
from jpegrescue.resync.decode import decode
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key

T = TypeVar("T")
KEY = Key(bytes(range(16)))
MEGAPIXELS = 2.0
WITHIN = (1.6, 2.6)  # megapixels of a camera file that counts as one of 2
STREET_SIZE, STREET_QUALITY = (2048, 1024), 75
LIMITS = {1e-5: 0.6, 1e-4: 3.0}
"""CPU seconds for 2 MP, by bit error rate."""
LARGE_RATE, PEAK_GIB = 1e-6, 3.0
COMPILES = "small"
STAGES = {
    "reading": (integer, "read_scan"),
    "search forward": (integer, "from_start"),
    "search backward": (integer, "place"),
    "offsets": (integer, "solve_offsets"),
    "certainty": (certainty, "judge"),
}
"""Functions by what they do. The search backward includes making one path of both; the preview is not among them."""
SEED = 1


class Stopwatch:
    """CPU seconds by the name of the stage."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def around(self, name: str, step: Callable[..., T]) -> Callable[..., T]:
        """`step`, timed."""

        def timed(*args: Any, **named: Any) -> T:
            began = time.process_time()
            try:
                return step(*args, **named)
            finally:
                self.seconds[name] += time.process_time() - began

        return timed


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one alignment, in all and by stage, the last for what is in none."""

    megapixels: float
    total: float
    stages: tuple[float, ...]

    def scaled(self, seconds: float) -> float:
        """Seconds for `MEGAPIXELS`."""
        return seconds * MEGAPIXELS / self.megapixels


def aligned(data: bytes) -> Cost | None:
    """What aligning the file costs, `None` where nothing is to be aligned."""
    array = np.frombuffer(data, np.uint8)
    structure = parse(array)
    decoded = decode(array, structure) if structure.frame else None
    if decoded is None or structure.frame is None:
        return None
    space = colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    preview = preview_of(array, structure, space)
    watch = Stopwatch()
    with ExitStack() as stack:
        for title, (module, name) in STAGES.items():
            stack.enter_context(patch.object(module, name, watch.around(title, getattr(module, name))))
        found = watch.around("all", integer.align)(array, structure, space, decoded, preview)
    if found is None:
        return None
    total, stages = watch.seconds["all"], [watch.seconds[title] for title in STAGES]
    return Cost(structure.frame.width * structure.frame.height / 1e6, total, (*stages, total - sum(stages)))


def damaged(data: bytes, rate: float, seed: int) -> bytes:
    """The file after bit errors under AES-CBC-ESSIV."""
    recipe = Mode("cbc", "flips", rate).recipe(seed)
    cipher = SectorCipher(parse_spec(recipe.cipher or ""), KEY, recipe.sector_size, recipe.iv_unit)
    scan = parse(data).scans[0]
    return damage(data, ByteRange(scan.start, scan.end), recipe, cipher).plain


def camera_photos(folder: Path) -> Iterator[bytes]:
    """Camera originals of about 2 MP that the decoder takes."""
    for path in sorted(path for sub in ("originals", "camera") for path in (folder / sub).glob("*.jp*g")):
        data = path.read_bytes()
        structure = parse(data)
        frame = structure.frame
        sequential = frame is not None and frame.process in ("baseline", "extended") and len(structure.scans) == 1
        if frame and sequential and WITHIN[0] <= frame.width * frame.height / 1e6 <= WITHIN[1]:
            yield data


def street_photos(folder: Path | None) -> Iterator[bytes]:
    """Photos of 2048 × 1024, q75, 4:2:0, from larger ones where there are any."""
    shipped = Path(skimage.__file__).parent / "data"
    paths = sorted((folder / "originals").glob("*.jp*g")) if folder else [shipped / "hubble_deep_field.jpg"]
    for path in paths:
        with Image.open(path) as picture:
            if folder and picture.width * picture.height < STREET_SIZE[0] * STREET_SIZE[1]:
                continue
            buffer = io.BytesIO()
            picture.convert("RGB").resize(STREET_SIZE).save(buffer, "JPEG", quality=STREET_QUALITY, subsampling="4:2:0")
        yield buffer.getvalue()


def tiled(path: Path, size: tuple[int, int], quality: int, sampling: str, noise: float) -> None:
    """A large photo: a shipped one again and again, mirrored by turns, with noise so that no two tiles are alike."""
    with Image.open(Path(skimage.__file__).parent / "data" / "coffee.png") as picture:
        tile = np.asarray(picture.convert("RGB"))
    tile = np.concatenate((tile, tile[:, ::-1]), axis=1)
    tile = np.concatenate((tile, tile[::-1]), axis=0)
    out = np.empty((size[1], size[0], 3), np.uint8)
    random = np.random.default_rng(SEED)
    for top in range(0, size[1], tile.shape[0]):
        band = np.tile(tile, (1, -(-size[0] // tile.shape[1]), 1))[: size[1] - top, : size[0]]
        grain = random.normal(0, noise, band.shape[:2])[..., None]
        out[top : top + tile.shape[0]] = np.clip(band + grain, 0, 255)
    Image.fromarray(out).save(path, "JPEG", quality=quality, subsampling=sampling)


def garbled(data: bytes, length: int) -> bytes:
    """`length` bytes in the middle of the scan replaced by random ones."""
    scan = parse(data).scans[0]
    length = min(length, scan.end - scan.start)
    start = (scan.start + scan.end - length) // 2
    return data[:start] + np.random.default_rng(SEED).bytes(length) + data[start + length :]


def extremes(folder: Path) -> Iterator[tuple[str, Path, float | None]]:
    """What is large or hopeless: its name, the damaged file, and the GiB that it may take at most.

    First comes something small, `COMPILES`, so that all kernels are compiled.
    """
    large = (11_600, 8_624)
    cases = (
        (COMPILES, (480, 320), 75, "4:2:0", 0.0, 2_000, None),
        ("12 MP, 4 MiB of garbage in the middle", (4_000, 3_000), 95, "4:2:0", 12.0, 4 << 20, None),
        ("100 MP, 4:2:0, BER 1e-6", large, 75, "4:2:0", 4.0, None, PEAK_GIB),
        ("100 MP, 4:4:4, BER 1e-6", large, 75, "4:4:4", 4.0, None, PEAK_GIB),
        ("2 MP, nothing but garbage", STREET_SIZE, 90, "4:2:0", 8.0, 1 << 40, None),
    )
    for number, (name, size, quality, sampling, noise, garbage, limit) in enumerate(cases):
        path = folder / f"{number}.jpg"
        # in a process of its own: what this one holds would count as its children's
        maker = multiprocessing.get_context("spawn").Process(
            target=make_extreme, args=(path, size, quality, sampling, noise, garbage)
        )
        maker.start()
        maker.join()
        yield name, path, limit


def make_extreme(
    path: Path, size: tuple[int, int], quality: int, sampling: str, noise: float, garbage: int | None
) -> None:
    """Write one of `extremes`: with `garbage` bytes of it, else with bit errors."""
    tiled(path, size, quality, sampling, noise)
    data = path.read_bytes()
    path.write_bytes(damaged(data, LARGE_RATE, SEED) if garbage is None else garbled(data, garbage))


def table(name: str, photos: list[bytes], rate: float) -> None:
    """One row: medians over the photos, for 2 MP each."""
    number = seeds("tuning", 1)[0]
    costs = [cost for data in photos if (cost := aligned(damaged(data, rate, number))) is not None]
    if not costs:
        return
    shares = [statistics.median(cost.scaled(cost.stages[k]) for cost in costs) for k in range(len(STAGES) + 1)]
    totals = [cost.scaled(cost.total) for cost in costs]
    cells = [name, f"{rate:g}", len(costs), *(f"{share:.2f}" for share in shares)]
    cells += [f"{statistics.median(totals):.2f}", f"{max(totals):.2f}", LIMITS[rate]]
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=6, help="photos of each kind at most (default 6)")
    parser.add_argument("--no-extremes", action="store_true", help="leave out the large and the hopeless")
    options = parser.parse_args()
    folder = default_folder()
    if not options.no_extremes:  # first: this process is slim as yet
        whole_runs()
    photos = {"street, q75 4:2:0": list(street_photos(folder))[: options.files]}
    if folder:
        photos["camera originals"] = list(camera_photos(folder))[: options.files]
    aligned(damaged(photos["street, q75 4:2:0"][0], max(LIMITS), 1))  # compile
    print(f"| photos | BER | files | {' | '.join(STAGES)} | else | CPU s per 2 MP | slowest | at most |")
    print("| :-- " * 2 + "| --: " * (len(STAGES) + 5) + "|")
    for name, found in photos.items():
        for rate in LIMITS:
            table(name, found, rate)


def restored(path: Path, folder: Path) -> process.Cost:
    """Run `restore` on a file; any end but success or "done with damaged items" is an error."""
    command = [sys.executable, "-m", "jpegrescue", "restore", str(path), "-o", str(folder / path.stem)]
    cost = process.run([*command, "--jobs", "1", "--quiet"], folder, {"PYTHONPATH": str(ROOT)})
    if cost.exit_code not in {0, 3}:
        raise RuntimeError(f"{path.name}: restore ended with {cost.exit_code}: {cost.errors.strip()[-600:]}")
    return cost


def whole_runs() -> None:
    """The table of whole runs."""
    print("| restore | CPU s | peak GiB | at most |\n| :-- | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, path, limit in extremes(folder):
            cost = restored(path, folder)
            if what == COMPILES:
                continue
            print(f"| {what} | {cost.cpu:.1f} | {cost.peak / 2**30:.2f} | {limit or ''} |", flush=True)
            path.unlink()
    print()


if __name__ == "__main__":
    main()
