"""What undoing flipped bits costs: `python -m benchmarks.repair [--files N] [--rate 1e-5] [--no-memory]`.

CPU seconds of mending header and scan, on one core, for photos of 2 MP, q75, 4:2:0, under AES-CBC (tuning seeds),
beside Pillow's decoding of the sound file, and where they go; errors are those in the scan; "µs per candidate" is the
time of trying a block's bits by the number of them, decryption not counted. Then what a sound file pays for being
looked at: decoding and rendering, with and without `quick_look`; "repair" is all that `repair.repair` does before it
leaves a sound file alone, trying blocks that are odd in themselves. Before that, the peak memory of the repair of a
large photo in a process of its own, which holds nothing else but the file. Photos: `$JPEGRESCUE_DATA/dev` if set
(camera originals scaled down, Kodak's pictures side by side), else what scikit-image ships.
"""

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from benchmarks import process
from benchmarks.alignment import STREET_QUALITY, STREET_SIZE, Stopwatch, street_photos, tiled
from benchmarks.false_exact import damaged
from benchmarks.photos import default_folder
from benchmarks.restoration.modes import Mode
from benchmarks.restoration.seeds import seeds
from benchmarks.tools import ROOT
from jpegrescue.flow.here import Here
from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import colour_space, to_picture
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.repair import candidates, search
from jpegrescue.repair import repair as repairing
from jpegrescue.repair.headers import mend_header
from jpegrescue.repair.track import plan_scan, quick_look
from jpegrescue.resync.decode import decode, picture_frame
from jpegrescue.resync.restarts import anchor
from jpegrescue.score import symbols
from jpegrescue.source.crypt.flips import Ciphertext, Stored
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key

RATE = 1e-5
SECTOR = 512
RUNS = 9
LOOK_LIMIT = 1.3
LARGE, SMALL = (4_000, 3_000), (640, 480)
TILES = (3, 2)
STAGES = {
    "making ready": ((repairing, "quick_look"), (repairing, "plan_scan"), (repairing, "look_around")),
    "following": ((repairing, "follow"),),
    "decrypting": ((Ciphertext, "variants"),),
    "candidates": ((search, "try_flips"),),
    "pictures": ((search, "fit"),),
}
"""Functions by what they do; none calls one of another stage."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one repair, in all and by stage, the last for what is in none; errors in the file, and found."""

    seconds: float
    stages: tuple[float, ...]
    candidates: int
    errors: int
    found: int
    false: int
    pillow: float

    @property
    def microseconds(self) -> float:
        """Per candidate."""
        return 1e6 * self.stages[list(STAGES).index("candidates")] / max(self.candidates, 1)


def repaired(data: bytes, rate: float, seed: int) -> Cost:
    """What repairing the file costs after bit errors anywhere in it."""
    file, everywhere = damaged(data, Mode("cbc", "flips", rate), seed)
    scan = parse(data).scans[0]
    errors = {bit for bit in everywhere if scan.start <= bit >> 3 < scan.end}
    watch, tried = Stopwatch(), [0]
    attempt = candidates.try_flips

    def counted(*args: Any) -> Any:
        tried[0] += len(args[-1])
        return attempt(*args)

    with ExitStack() as stack:
        stack.enter_context(patch.object(search, "try_flips", counted))
        for title, functions in STAGES.items():
            for owner, name in functions:
                stack.enter_context(patch.object(owner, name, watch.around(title, getattr(owner, name))))
        found = watch.around("all", _mended)(file)
    flipped = frozenset() if found is None else found.flipped
    stages = [watch.seconds[title] for title in STAGES]
    total = watch.seconds["all"]
    return Cost(
        seconds=total,
        stages=(*stages, total - sum(stages)),
        candidates=tried[0],
        errors=len(errors),
        found=len(errors & flipped),
        false=len(flipped - everywhere),
        pillow=median_seconds(lambda: pillow_decodes(data)),
    )


def _mended(file: Ciphertext) -> repairing.Repaired | None:
    headers = mend_header(file)
    return repairing.repair(file, parse, Here(), repairing.EFFORTS["normal"], damaged=bool(headers))


def pillow_decodes(data: bytes) -> None:
    """Decode with Pillow."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()


def median_seconds(job: Callable[[], object]) -> float:
    """CPU seconds, the median of some runs."""
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        job()
        times.append(time.process_time() - began)
    return statistics.median(times)


def montages(folder: Path | None) -> Iterator[bytes]:
    """Kodak's pictures side by side, as many as fill the picture, cut to its size."""
    paths = sorted((folder / "kodak24").glob("*.png")) if folder else []
    columns, rows = TILES
    for number in range(len(paths) // (columns * rows)):
        whole = Image.new("RGB", STREET_SIZE)
        for place, path in enumerate(paths[number * columns * rows :][: columns * rows]):
            with Image.open(path) as picture:
                tile = picture.convert("RGB")
            if tile.height > tile.width:
                tile = tile.transpose(Image.Transpose.ROTATE_90)
            whole.paste(tile, (place % columns * tile.width, place // columns * tile.height))
        buffer = io.BytesIO()
        whole.save(buffer, "JPEG", quality=STREET_QUALITY, subsampling="4:2:0")
        yield buffer.getvalue()


def weighing_speed(data: bytes) -> float:
    """MCUs per second that are decoded and weighed."""
    array = np.frombuffer(data, np.uint8)
    plan = plan_scan(array, parse(array))
    assert plan is not None
    stripped = entropy.scan_bytes(array, plan.scan)
    bits = anchor(stripped, plan.layout.mcus, plan.scan.restart_interval, ends=plan.ends).bits
    seconds = median_seconds(lambda: symbols.weigh(stripped, bits, plan.layout.mcus, plan.layout, plan.odds))
    return plan.layout.mcus / seconds


def looked_at(data: bytes) -> tuple[float, float, float]:
    """CPU seconds of decoding and rendering a sound file, of a quick look at it, and of all of repair."""
    array = np.frombuffer(data, np.uint8)
    structure = parse(array)
    plain = median_seconds(lambda: _rendered(array, structure))
    look = median_seconds(lambda: quick_look(array, structure))
    sound = Stored(encryption(), encryption().encrypt(data + bytes(-len(data) % SECTOR), 0), 0, 0, len(data), 0).open()
    effort = repairing.EFFORTS["normal"]
    return plain, look, median_seconds(lambda: repairing.repair(sound, parse, Here(), effort))


@cache
def encryption() -> SectorCipher:
    """Of sound files."""
    return SectorCipher(parse_spec("aes-cbc-essiv:sha256"), Key(bytes(range(32))), SECTOR)


def _rendered(array: Any, structure: JpegStructure) -> None:
    decoded = decode(array, structure)
    assert decoded is not None
    assert structure.frame is not None
    space = colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    to_picture(picture_frame(structure.frame), decoded.planes, space)


def print_costs(name: str, costs: Sequence[Cost]) -> None:
    """One row: medians over the photos."""
    seconds = [cost.seconds for cost in costs]
    errors, found = sum(cost.errors for cost in costs), sum(cost.found for cost in costs)
    cells = [name, len(costs), errors, f"{found / errors:.1%}", sum(cost.false for cost in costs)]
    cells += [f"{statistics.median(seconds):.2f}", f"{np.quantile(seconds, 0.95):.2f}"]
    cells.append(f"{statistics.median(cost.seconds / cost.pillow for cost in costs):.0f}")
    cells.append(f"{statistics.median(cost.microseconds for cost in costs):.1f}")
    cells += [f"{statistics.median(cost.stages[k] for cost in costs):.2f}" for k in range(len(STAGES) + 1)]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def print_looks(photos: Sequence[bytes]) -> None:
    """What sound files pay."""
    times = [looked_at(data) for data in photos]
    ratios = [(plain + look) / plain for plain, look, _ in times]
    speed = statistics.median(weighing_speed(data) for data in photos)
    plain, look, whole = (statistics.median(column) for column in zip(*times, strict=True))
    titles = ["sound files", "decoded, ms", "quick look, ms", "both ÷ decoded", "worst", "at most", "weighed, MCU/s"]
    print(f"\n| {' | '.join([*titles, 'repair, ms', 'most'])} |\n|{'---|' * (len(titles) + 2)}")
    cells = [len(photos), f"{1e3 * plain:.1f}", f"{1e3 * look:.1f}", f"{statistics.median(ratios):.2f}"]
    cells += [f"{max(ratios):.2f}", f"{LOOK_LIMIT:g}", f"{speed:,.0f}"]
    cells += [f"{1e3 * whole:.0f}", f"{1e3 * max(each for _, _, each in times):.0f}"]
    print(f"| {' | '.join(map(str, cells))} |")


def print_memory(rate: float) -> None:
    """Peaks of children that repair a small photo and a large one."""
    print("| repair | CPU s | peak MiB |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, size in (("a small photo", SMALL), ("12 MP", LARGE)):
            path = Path(folder) / f"{size[0]}.jpg"
            command = [sys.executable, "-m", "benchmarks.repair"]
            _run([*command, "--make-child", str(path), str(size[0]), str(size[1])], Path(folder))
            cost = _run([*command, "--rate", str(rate), "--memory-child", str(path)], Path(folder))
            print(f"| {name} | {cost.cpu:.1f} | {cost.peak / 2**20:.0f} |", flush=True)
    print()


def _run(command: list[str], folder: Path) -> process.Cost:
    cost = process.run(command, folder, {"PYTHONPATH": str(ROOT)})
    if cost.exit_code:
        raise RuntimeError(cost.errors)
    return cost


def main() -> None:
    arguments = _arguments()
    seed = seeds("tuning", 1)[0]
    if arguments.make_child:
        path, width, height = arguments.make_child
        tiled(Path(path), (int(width), int(height)), 90, "4:2:0", 4.0)
        return
    if arguments.memory_child:
        file, _ = damaged(arguments.memory_child.read_bytes(), Mode("cbc", "flips", arguments.rate), seed)
        repairing.repair(file, parse, Here(), repairing.EFFORTS["normal"])
        return
    if not arguments.no_memory:  # first: this process is slim as yet
        print_memory(arguments.rate)
    folder = default_folder()
    groups = {"scaled": list(street_photos(folder))[: arguments.files], "montages": list(montages(folder))}
    repaired(groups["scaled"][0], arguments.rate, seed)  # compile
    columns = ["photos", "files", "errors", "found", "false", "CPU s", "p95", "÷ Pillow", "µs per candidate"]
    print(f"| {' | '.join([*columns, *STAGES, 'else'])} |\n|{'---|' * (len(columns) + len(STAGES) + 1)}")
    costs: list[Cost] = []
    for name, photos in groups.items():
        made = [repaired(data, arguments.rate, seed) for data in photos]
        if made:
            print_costs(name, made)
        costs += made
    print_costs("all", costs)
    print_looks([data for photos in groups.values() for data in photos])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=12, help="scaled photos at most (default 12)")
    parser.add_argument("--rate", type=float, default=RATE, help="errors per bit (default 1e-5)")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak of a large photo")
    parser.add_argument("--memory-child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make-child", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
