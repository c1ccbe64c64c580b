"""Every stage on real and rendered photos under every kind of damage: `python -m benchmarks.restoration`.

    python -m benchmarks.restoration [--subset | --smoke] [--seeds tuning|reporting] [--repeats N] [--class NAME …]
                                     [--mode NAME …] [--data DIR] [--work DIR] [--jobs N] [--out DIR]

Each trial takes a photo, damages it with `simulate`, runs `restore` on the ciphertext with its key (on the damaged file
where there is no cipher) and judges the run with `evaluate`. Results are kept in WORK/cache and never made twice for
the same photo, mode, seed and code, so that a run that was stopped goes on where it was. Writes restoration.md and
restoration.png into OUT and prints the tables.

`--seeds tuning` is the default: whatever is tuned sees those seeds only. Figures for documents come from `--seeds
reporting`, whose results nobody tunes on.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.photos import default_folder
from benchmarks.restoration.modes import Mode, all_modes, smoke_modes, subset_modes
from benchmarks.restoration.photos import CLASSES, Photo, collect
from benchmarks.restoration.seeds import seeds
from benchmarks.restoration.tables import POOR, POOR_RATE, figure, markdown, poor, previews, problems
from benchmarks.restoration.trial import Trial, code_digest, kept_or_made

ROOT = Path(__file__).parents[2]
SUBSET_STEP = 4
SMOKE_STEP = 5
Task = tuple[Photo, Mode, int]


def main() -> int:
    arguments = _arguments()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as drawn:
        photos = _chosen(collect(None if arguments.smoke else arguments.data, Path(drawn)), arguments)
        tasks = [
            (photo, mode, seed)
            for mode in _modes(arguments)
            for photo in photos
            for seed in seeds(arguments.seeds, arguments.repeats)
        ]
        trials = _carried_out(tasks, work / "cache", arguments.jobs, repair=not arguments.no_repair)
    arguments.out.mkdir(parents=True, exist_ok=True)
    how = ", without repair" if arguments.no_repair else ""
    text = (
        f"{len(photos)} files, {len(trials)} trials, {arguments.seeds} seeds, {arguments.repeats} per file{how}; "
        f"code {code_digest()}\n\n{markdown(trials)}\nRestored, with and without a preview:\n\n{previews(trials)}\n"
        f"Restored below {POOR:g} dB at {POOR_RATE}:\n\n{poor(trials)}\n"
        f"Problems and wrong claims:\n\n{problems(trials)}"
    )
    (arguments.out / "restoration.md").write_text(text, encoding="utf-8")
    figure(trials, arguments.out / "restoration.png")
    print(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [mode.name for mode in all_modes()]
    parser.add_argument(
        "--subset", action="store_true", help="every fourth photo, the main modes: less than ten minutes"
    )
    parser.add_argument("--smoke", action="store_true", help="a few shipped pictures and modes: under a minute")
    parser.add_argument("--seeds", choices=("tuning", "reporting"), default="tuning")
    parser.add_argument("--repeats", type=int, default=1, help="seeds per photo and mode")
    parser.add_argument("--class", dest="classes", choices=CLASSES, action="append", help="only these classes")
    parser.add_argument("--mode", dest="modes", choices=names, action="append", metavar="NAME", help=", ".join(names))
    parser.add_argument("--no-repair", action="store_true", help="leave flipped bits as they are")
    parser.add_argument("--data", type=Path, default=default_folder(), help="`dev` of the development data")
    parser.add_argument("--work", type=Path, default=ROOT / "local" / "restoration")
    parser.add_argument("--out", type=Path, default=ROOT / "local" / "restoration")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def _chosen(photos: Sequence[Photo], arguments: argparse.Namespace) -> list[Photo]:
    """Of each class every fourth photo, or every fifth, or all."""
    step = SMOKE_STEP if arguments.smoke else SUBSET_STEP if arguments.subset else 1
    wanted = arguments.classes or CLASSES
    return [photo for name in wanted for photo in [each for each in photos if each.kind == name][::step]]


def _modes(arguments: argparse.Namespace) -> list[Mode]:
    if arguments.modes:
        return [mode for mode in all_modes() if mode.name in arguments.modes]
    return smoke_modes() if arguments.smoke else subset_modes() if arguments.subset else all_modes()


def _carried_out(tasks: Sequence[Task], cache: Path, jobs: int, *, repair: bool) -> list[Trial]:
    """The trials in the order of `tasks`, without those of files that a mode does not take."""
    began = time.monotonic()
    trials: list[Trial] = []
    for done, trial in enumerate(_results(tasks, cache, jobs, repair=repair), 1):
        if trial is not None:
            trials.append(trial)
        if done % 50 == 0 or done == len(tasks):
            print(f"{done} of {len(tasks)}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return trials


def _results(tasks: Sequence[Task], cache: Path, jobs: int, *, repair: bool) -> Iterator[Trial | None]:
    photos, modes, chosen_seeds = zip(*tasks, strict=True)
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(kept_or_made, photos, modes, chosen_seeds, [cache] * len(tasks), [repair] * len(tasks))


if __name__ == "__main__":
    sys.exit(main())
