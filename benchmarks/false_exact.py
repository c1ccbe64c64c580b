"""How often a repaired file is wrongly called the original's: `python -m benchmarks.false_exact`.

    python -m benchmarks.false_exact [--trials N] [--hours H] [--seeds tuning|reporting] [--class NAME …] [--jobs N]
                                     [--data DIR] [--work DIR] [--record]

Each trial encrypts a photo, flips bits of the ciphertext at random, wherever in the file they fall (one at least), and
repairs its header and its scan, all in memory. What comes out is compared with the original's scan, byte for byte.
Trials are appended to WORK/trials.jsonl, named by photo, mode, seed and the code of repair and all below it: a run that
was stopped goes on where it was, and so does one on another machine: `--record` keeps all trials of this code in
benchmarks/false_exact.jsonl.xz, from where they are read again. Without `--trials` and `--hours` all of what is there
is tabled and nothing tried.
Photos: `$JPEGRESCUE_DATA/dev` if set, else what scikit-image ships; `street` are larger ones scaled to 2 MP, q75,
4:2:0; night shots, screenshots, documents and flat pictures are drawn.

First table, by class and mode: "no scan" are trials whose header was hit so that there is nothing to search, "quiet"
those in which nothing speaks for a search; neither is declared anything. Errors are those in the scan of the others,
"found" those that were flipped back; "false" are flips that were accepted, survive and are none of them. "Identical"
are files whose scan is the original's, "declared" those that the verdict calls exact, "wrong" those of them that are
not identical. The bound is that of the false rate, with 95 % certainty. "Header hit" are files that differ before their
scan: where a Huffman table is wrong, so is all of the scan.

Second table: the verdict's `risk` in files that decode to the end, right and wrong. Third: what would be declared if
another risk were the most that may be.
"""

import argparse
import hashlib
import json
import lzma
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.alignment import street_photos
from benchmarks.photos import default_folder
from benchmarks.reliability import KEYS
from benchmarks.restoration.modes import FIRST_SECTOR, Mode
from benchmarks.restoration.photos import Encoding, Photo, collect
from benchmarks.restoration.seeds import seeds
from benchmarks.restoration.trial import code_digest, wish_of
from benchmarks.tools import ROOT
from jpegrescue.flow.here import Here
from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.original import Original, make_original
from jpegrescue.model.evidence import ByteRange
from jpegrescue.repair.headers import mend_header
from jpegrescue.repair.repair import EFFORTS, Repaired, repair
from jpegrescue.repair.track import quick_look
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Ciphertext
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher
from jpegrescue.source.crypt.spec import parse_spec

RECORD = ROOT / "benchmarks" / "false_exact.jsonl.xz"
ROOMS = ("compiled.py", "source", "jpeg", "resync", "score", "repair")  # whose code the outcome depends on
CLASSES = ("small", "kodak", "camera", "street", "night", "screenshot", "document", "flat")
RATES = (3e-6, 1e-5, 3e-5)
MODES = tuple(Mode(cipher, "flips", rate) for rate in RATES for cipher in ("cbc", "xts"))
BYTES_MOST = 1_200_000
RISKS = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 1.0)
CERTAINTY = 0.95
WINDOW = 8  # trials per job that are under way before it is seen whether time is up
SEEDS = 100_000  # of a set, that may be used
REPORT_EVERY = 50
FLAWS_SHOWN = 3
FLAT_SIZE = (1024, 768)


@dataclass(frozen=True, slots=True)
class Task:
    """A photo, how it is damaged, and with which seed."""

    kind: str
    photo: Photo
    mode: Mode
    seed: int


@dataclass(frozen=True, slots=True)
class Flaw:
    """A change that was accepted, survives, and is no error: `Change`'s values, in nats."""

    flips: tuple[int, ...]
    gain: float
    margin: float
    picture: float
    own: float
    better: float
    mcus: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one file.

    `outcome`: `no scan`, `quiet` or `searched`; `header`: whether what precedes the scan was hit; `errors`: in the
    scan; `found`: of those; `accepted`: flips that survive; `false`: of those; `flaws`: the changes that these belong
    to; `missed`: errors that are left; `doubtful`: blocks in which the verdict doubts; `seconds`: CPU time of `repair`.
    """

    photo: str
    kind: str
    mode: str
    seed: int
    code: str
    outcome: str
    header: bool
    errors: int
    found: int
    accepted: int
    false: int
    identical: bool
    complete: bool
    declared: bool
    risk: float
    doubtful: int
    seconds: float
    missed: tuple[int, ...] = ()
    flaws: tuple[Flaw, ...] = ()

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What names it."""
        return self.photo, self.mode, self.seed, self.code

    @property
    def wrong(self) -> bool:
        """Whether it is declared and should not be."""
        return self.declared and not self.identical


def tried(task: Task) -> Trial | None:
    """Carry a trial out; `None` where the photo is none to damage, or too large for the mode."""
    original = make_original(task.photo.path.read_bytes(), wish_of(task.photo))
    if not isinstance(original, Original) or original.problems:
        return None
    structure = parse(original.data)
    if len(structure.scans) != 1 or len(original.data) > BYTES_MOST or not task.mode.takes(len(original.data)):
        return None
    scan = ByteRange(structure.scans[0].start, structure.scans[0].end)
    file, flipped = damaged(original.data, task.mode, task.seed)
    began = time.process_time()
    headers = mend_header(file)
    result = repair(file, parse, Here(), EFFORTS["normal"], damaged=bool(headers))
    return judged(task, original.data, scan, flipped, file, result, time.process_time() - began)


def damaged(data: bytes, mode: Mode, seed: int) -> tuple[Ciphertext, frozenset[int]]:
    """`data` encrypted, with bits flipped, and which ones, counted from its first on."""
    recipe = mode.recipe(seed)
    cipher = SectorCipher(parse_spec(recipe.cipher or ""), KEYS[mode.cipher], recipe.sector_size, recipe.iv_unit)
    raw = np.frombuffer(cipher.encrypt(data + bytes(-len(data) % recipe.sector_size), FIRST_SECTOR), np.uint8).copy()
    digest = hashlib.sha256(data).digest()
    random = np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
    number = max(int(random.binomial(8 * len(data), mode.rate)), 1)
    bits = random.choice(8 * len(data), number, replace=False)
    np.bitwise_xor.at(raw, bits >> 3, np.uint8(128) >> (bits & 7).astype(np.uint8))
    return Ciphertext(cipher, raw, FIRST_SECTOR, 0, len(data)), frozenset(bits.tolist())


def judged(
    task: Task,
    original: bytes,
    scan: ByteRange,
    errors: frozenset[int],
    file: Ciphertext,
    result: Repaired | None,
    seconds: float,
) -> Trial:
    """Hold what was found against what was done; `scan`: of the original."""
    inside = {bit for bit in errors if scan.start < BLOCK * (bit // BITS + 1) and BLOCK * (bit // BITS) < scan.end}
    name = task.photo.name, task.kind, task.mode.name, task.seed, code_digest(*ROOMS)
    header = file.plain[: scan.start].tobytes() != original[: scan.start]
    same = file.plain[scan.start : scan.end].tobytes() == original[scan.start : scan.end]
    if result is None:
        seen = quick_look(file.plain, parse(file.plain))
        outcome = "no scan" if seen is None else "quiet"
        missed = tuple(sorted(inside))
        return Trial(*name, outcome, header, len(inside), 0, 0, 0, same, False, False, 0.0, 0, seconds, missed)
    own = result.track.plan.scan
    false = result.flipped - errors
    return Trial(
        *name,
        outcome="searched",
        header=header,
        errors=len(inside),
        found=len(inside & result.flipped),
        accepted=len(result.flipped),
        false=len(false),
        identical=same and (own.start, own.end) == (scan.start, scan.end),
        complete=result.track.counted and result.track.plan.ends,
        declared=result.verdict.exact,
        risk=result.verdict.risk,
        doubtful=sum(-(-(part.end - part.start) // BLOCK) for part in result.verdict.doubtful),
        seconds=seconds,
        missed=tuple(sorted(inside - result.flipped)),
        flaws=tuple(_flaws(result, false)),
    )


def _flaws(result: Repaired, false: frozenset[int]) -> Iterator[Flaw]:
    for change in result.changes:
        if false.intersection(change.flips) and result.flipped.issuperset(change.flips):
            yield Flaw(
                flips=change.flips,
                gain=round(change.gain / NAT, 2),
                margin=round(change.margin / NAT, 2),
                picture=round(change.picture / NAT, 2),
                own=round(change.own / NAT, 2),
                better=round(change.better / NAT, 2),
                mcus=change.last - change.first,
            )


def photos_by_class(folder: Path | None, work: Path) -> dict[str, list[Photo]]:
    """All photos, drawn ones by what they show; flat pictures are drawn into `work`, and street photos scaled."""
    found: dict[str, list[Photo]] = {kind: [] for kind in CLASSES}
    for photo in [*collect(folder, work), *_flat_photos(work)]:
        drawn = photo.name.partition("-")[0]
        found[drawn if photo.kind == "rendered" else photo.kind].append(photo)
    for number, data in enumerate(street_photos(folder)):
        path = work / f"street-{number}.jpg"
        path.write_bytes(data)
        found["street"].append(Photo(path.stem, "camera", path, None, hashlib.sha256(data).hexdigest()))
    return {kind: photos for kind, photos in found.items() if photos}


def _flat_photos(work: Path) -> Iterator[Photo]:
    for number, (picture, quality) in enumerate((p, q) for p in flat_pictures() for q in (75, 90)):
        path = work / f"flat-{number // 2}.png"
        picture.save(path)
        encoding = Encoding(quality, ("4:2:0", "4:2:2", "4:4:4")[number % 3], 0, "none")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        yield Photo(f"{path.stem}-{encoding}", "rendered", path, encoding, digest)


def flat_pictures() -> Iterator[Image.Image]:
    """A sky without noise, fog with little of it, and flat colours with few edges; the same on every run."""
    width, height = FLAT_SIZE
    x, y = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
    sky = np.array([90.0, 140.0, 210.0]) + 60 * y * np.array([1.2, 0.9, 0.3]) + 8 * x
    fog = np.full((height, width, 3), 205.0) - 40 * (y - 0.5) ** 2 + 6 * np.sin(9 * x)
    fog = fog + np.random.default_rng(1).normal(0, 1.5, (height, width, 1))
    sheets = np.full((height, width, 3), 236.0)
    random = np.random.default_rng(2)
    for _ in range(12):
        left, top = int(random.integers(width - 100)), int(random.integers(height - 100))
        right, bottom = left + int(random.integers(60, 400)), top + int(random.integers(60, 300))
        sheets[top:bottom, left:right] = random.integers(0, 256, 3)
    for samples in (sky, fog, sheets):
        yield Image.fromarray(np.clip(samples + np.zeros((height, width, 3)), 0, 255).astype(np.uint8))


def tasks_of(photos: dict[str, list[Photo]], numbers: Sequence[int]) -> Iterator[Task]:
    """Trials in an order of which every beginning is a fair sample: classes, photos and modes take turns."""
    for use in count():
        for kind, group in photos.items():
            turn, at = divmod(use, len(group))
            if turn == len(numbers):
                return
            yield Task(kind, group[at], MODES[(at + turn) % len(MODES)], numbers[turn])


def carried_out(tasks: Iterable[Task], jobs: int, until: float) -> Iterator[Trial]:
    """The trials in the order of `tasks`, as long as the clock, `time.monotonic`, stands before `until`."""
    upcoming = iter(tasks)
    with Here() if jobs == 1 else ProcessPoolExecutor(jobs) as pool:
        while time.monotonic() < until and (window := list(islice(upcoming, WINDOW * jobs))):
            yield from (trial for trial in pool.map(tried, window) if trial is not None)


def read_trials(path: Path) -> Iterator[Trial]:
    """The trials in a file, compressed or not; a last line that was cut short is passed over."""
    if not path.exists():
        return
    content = path.read_bytes()
    text = (lzma.decompress(content) if path.suffix == ".xz" else content).decode()
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            continue
        flaws = tuple(Flaw(**{**flaw, "flips": tuple(flaw["flips"])}) for flaw in values.pop("flaws"))
        yield Trial(**{**values, "missed": tuple(values["missed"])}, flaws=flaws)


def append_trial(path: Path, trial: Trial) -> None:
    """Add a line."""
    begun = path.read_bytes() if path.exists() else b""
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if begun and not begun.endswith(b"\n") else "") + json.dumps(asdict(trial)) + "\n")


def write_record(path: Path, trials: Iterable[Trial]) -> None:
    """Keep trials, the same file for the same ones."""
    lines = sorted(json.dumps(asdict(trial)) for trial in trials)
    path.write_bytes(lzma.compress("".join(f"{line}\n" for line in lines).encode()))


def upper_bound(bad: int, of: int) -> float:
    """What a rate is at most, with `CERTAINTY`, of which `bad` of `of` were seen (Clopper and Pearson); none: 3/n."""
    if bad >= of:
        return 1.0
    low, high = bad / of, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        chance = sum(math.exp(_log_binomial(k, of, rate)) for k in range(bad + 1))
        low, high = (rate, high) if chance > 1 - CERTAINTY else (low, rate)
    return high


def _log_binomial(k: int, of: int, rate: float) -> float:
    ways = math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
    return ways + k * math.log(rate) + (of - k) * math.log1p(-rate)


def print_tables(trials: Sequence[Trial]) -> None:
    """Everything, as Markdown."""
    titles = ["class", "mode", "trials", "no scan", "quiet", "errors", "found", "accepted", "false", "identical"]
    titles += ["declared", "of identical", "wrong", "bound", "CPU s"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for kind in CLASSES:
        for mode in MODES:
            _print_row(kind, mode.name, [t for t in trials if (t.kind, t.mode) == (kind, mode.name)])
    for kind in CLASSES:
        _print_row(kind, "all", [trial for trial in trials if trial.kind == kind])
    for mode in MODES:
        _print_row("all", mode.name, [trial for trial in trials if trial.mode == mode.name])
    _print_row("all", "header hit", [trial for trial in trials if trial.header])
    _print_row("all", "header sound", [trial for trial in trials if not trial.header])
    _print_row("all", "all", trials)
    _print_risks(trials)
    _print_cases(trials)


def _print_row(kind: str, mode: str, trials: Sequence[Trial]) -> None:
    if not trials:
        return
    searched = [trial for trial in trials if trial.outcome == "searched"]
    errors, found = sum(trial.errors for trial in searched), sum(trial.found for trial in searched)
    accepted, false = sum(trial.accepted for trial in searched), sum(trial.false for trial in searched)
    identical = sum(trial.identical for trial in searched)
    declared, wrong = sum(trial.declared for trial in trials), sum(trial.wrong for trial in trials)
    outcomes = [trial.outcome for trial in trials]
    cells = [kind, mode, len(trials), outcomes.count("no scan"), outcomes.count("quiet"), errors]
    cells += [_share(found, errors), accepted, f"{false} ({_share(false, accepted)})", identical, declared]
    cells += [_share(declared - wrong, identical), wrong, f"{upper_bound(wrong, declared):.2%}"]
    cells.append(f"{np.median([trial.seconds for trial in trials]):.2f}")
    print(f"| {' | '.join(map(str, cells))} |")


def _share(part: int, of: int) -> str:
    return f"{part / of:.2%}" if of else "–"


def _print_risks(trials: Sequence[Trial]) -> None:
    complete = [trial for trial in trials if trial.complete]
    right = np.array([trial.risk for trial in complete if trial.identical])
    wrong = np.array([trial.risk for trial in complete if not trial.identical])
    print(f"\n| complete files | number | {' | '.join(f'{share:.0%}' for share in QUANTILES)} |")
    print(f"|---|---|{'---|' * len(QUANTILES)}")
    for name, risks in (("right", right), ("wrong", wrong)):
        if risks.size:
            print(f"| {name} | {risks.size} | {' | '.join(f'{risk:.2g}' for risk in _quantiles(risks))} |")
    print("\n| risk at most | right | of identical | wrong | bound |\n|---|---|---|---|---|")
    identical = sum(trial.identical for trial in trials if trial.outcome == "searched")
    for most in RISKS:
        good, bad = int((right < most).sum()), int((wrong < most).sum())
        print(f"| {most:g} | {good} | {_share(good, identical)} | {bad} | {upper_bound(bad, good + bad):.2%} |")


def _quantiles(risks: NDArray[np.float64]) -> list[float]:
    values: list[float] = np.quantile(risks, QUANTILES).tolist()
    return values


def _print_cases(trials: Sequence[Trial]) -> None:
    print("\nDeclared and wrong:\n")
    for trial in trials:
        if trial.wrong:
            print(f"- {_named(trial)}: risk {trial.risk:.2g}, missed {list(trial.missed)}, false {trial.false}")
    print(f"\nFalse flips that survive (nats), {FLAWS_SHOWN} of a file at most:\n")
    for trial in trials:
        for flaw in trial.flaws[:FLAWS_SHOWN]:
            values = (f"{name} {value}" for name, value in asdict(flaw).items() if name != "flips")
            print(f"- {_named(trial)}: {list(flaw.flips)}, {', '.join(values)}{', header hit' * trial.header}")


def _named(trial: Trial) -> str:
    return f"{trial.photo}, {trial.mode}, seed {trial.seed}"


def main() -> int:
    arguments = _arguments()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    path = work / "trials.jsonl"
    numbers = seeds(arguments.seeds, SEEDS)
    own = {
        trial.key: trial for file in (RECORD, path) for trial in read_trials(file) if trial.code == code_digest(*ROOMS)
    }
    trials = [trial for trial in own.values() if numbers[0] <= trial.seed <= numbers[-1]]
    until = math.inf if arguments.hours is None else time.monotonic() + 3600 * arguments.hours
    wanted = arguments.trials if arguments.trials is not None else 0 if arguments.hours is None else sys.maxsize
    with tempfile.TemporaryDirectory(dir=work) as drawn:
        photos = photos_by_class(arguments.data, Path(drawn))
        photos = {kind: group for kind, group in photos.items() if kind in (arguments.classes or CLASSES)}
        kept = {trial.key for trial in trials}
        new = (task for task in tasks_of(photos, numbers) if _key(task) not in kept)
        for trial in islice(carried_out(new, arguments.jobs, until), max(wanted - len(trials), 0)):
            append_trial(path, trial)
            trials.append(trial)
            if len(trials) % REPORT_EVERY == 0:
                print(f"{len(trials)} trials, {sum(t.wrong for t in trials)} wrong", file=sys.stderr, flush=True)
    if arguments.record:
        write_record(RECORD, {**own, **{trial.key: trial for trial in trials}}.values())
    print(f"{len(trials)} trials, {arguments.seeds} seeds; code {code_digest(*ROOMS)}\n")
    print_tables([trial for trial in trials if trial.kind in photos])
    return 0


def _key(task: Task) -> tuple[str, str, int, str]:
    return task.photo.name, task.mode.name, task.seed, code_digest(*ROOMS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, help="trials that there are to be, those of earlier runs included")
    parser.add_argument("--hours", type=float, help="begin no more trials after so many")
    parser.add_argument("--seeds", choices=("tuning", "reporting"), default="tuning")
    parser.add_argument("--class", dest="classes", choices=CLASSES, action="append", help="only these classes")
    parser.add_argument("--data", type=Path, default=default_folder(), help="`dev` of the development data")
    parser.add_argument("--work", type=Path, default=ROOT / "local" / "false_exact")
    parser.add_argument("--record", action="store_true", help=f"keep the trials of this code in {RECORD.name}")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
