"""Carve one dump with every tool and compare: `python -m benchmarks.carve --size 1G`.

Makes the dump (or uses the one made before), runs each carver pinned to one core with the dump in the page cache, and
prints Markdown tables: what each tool recovered, what it cost, and the machine's limits in the same run.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.process import Cost, run
from benchmarks.scoring import Score, Truth
from benchmarks.tools import ROOT, TOOLS, Tool

LIMITS = {"cat": ["cat"], "openssl dgst -sha256": ["openssl", "dgst", "-sha256"]}
SCAN_MB_PER_S = 600
HASHED_OF_OPENSSL = 0.6
PEAK_BYTES = 600 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """One tool's runs."""

    tool: Tool
    costs: list[Cost]
    score: Score


def row(cells: Iterable[object]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(head: list[str], body: Iterable[list[object]]) -> str:
    """A Markdown table, the first column to the left and numbers to the right."""
    return "\n".join([row(head), row([":--", *["--:"] * (len(head) - 1)]), *map(row, body)])


def median(costs: list[Cost], what: str) -> float:
    """Median of a field over the runs."""
    return statistics.median(float(getattr(cost, what)) for cost in costs)


def make_dump(options: argparse.Namespace) -> Path:
    """Return the folder of the dump; made in a child, so that this process stays slim."""
    rendered = ["--no-photos"] if options.no_photos else []
    source = ["--photos", str(options.photos)] if options.photos else []
    folder: Path = options.work / "-".join(
        ["dump", options.size, str(options.seed), *(["rendered"] if rendered else [])]
    )
    if options.fresh or not (folder / "truth.json").exists():
        command = [sys.executable, "-m", "benchmarks.dump", str(folder.resolve()), "--size", options.size]
        subprocess.run([*command, "--seed", str(options.seed), *rendered, *source], cwd=ROOT, check=True)
    return folder.resolve()


def measure(tool: Tool, truth: Truth, work: Path, runs: int) -> Outcome:
    """Run a tool into fresh folders, once uncounted to warm up; the last outputs are judged, all are removed."""
    costs: list[Cost] = []
    score = Score([])
    for number in range(runs + 1):
        with tempfile.TemporaryDirectory(dir=work, prefix="out-") as name:
            out = Path(name).resolve()
            cost = run(tool.command(truth.dump, out), out, {"PYTHONPATH": str(ROOT), "TERM": "xterm"})
            if cost.exit_code not in tool.good_exits:
                raise RuntimeError(f"{tool.name} ended with {cost.exit_code}: {cost.errors.strip()[-600:]}")
            if number > 0:
                costs.append(cost)
            if number == runs:
                score = truth.score(tool.collect(out))
    return Outcome(tool, costs, score)


def limits(dump: Path, work: Path, runs: int) -> dict[str, list[Cost]]:
    """What reading and hashing cost at best; reads the dump into the page cache on the way."""
    found = {}
    for name, command in LIMITS.items():
        if shutil.which(command[0]):
            run([*command, str(dump)], work)
            found[name] = [run([*command, str(dump)], work) for _ in range(runs)]
    return found


def recovery_table(outcomes: list[Outcome], truth: Truth) -> str:
    """Photos that came out byte for byte, `+n` where only the start was right, per class."""
    kinds = truth.kinds()
    head = ["tool", *(f"{kind.replace('_', ' ')} {len(members)}" for kind, members in kinds.items())]
    body = []
    for outcome in outcomes:
        cells: list[object] = [outcome.tool.name]
        for members in kinds.values():
            states = [outcome.score.states[index] for index in members]
            started = states.count("start")
            cells.append(f"{states.count('exact')}" + (f" +{started}" if started else ""))
        score = outcome.score
        graded = len(score.false_graded) if score.grades else "–"
        body.append([*cells, score.embedded, len(score.false), graded])
    return table([*head, "embedded alone", "false", "false above fragment"], body)


def cost_table(outcomes: list[Outcome], found: dict[str, list[Cost]], size: int) -> str:
    """Speed in MB of dump per second (1 MB = 10⁶ bytes) and peak memory."""
    body: list[list[object]] = []
    for name, costs in [*found.items(), *((outcome.tool.name, outcome.costs) for outcome in outcomes)]:
        cpu, wall = (size / 1e6 / max(median(costs, what), 1e-3) for what in ("cpu", "wall"))
        seconds = [f"{median(costs, what):.2f}" for what in ("user", "system", "wall")]
        body.append([name, f"{cpu:,.0f}", f"{wall:,.0f}", *seconds, f"{median(costs, 'peak') / 2**20:,.0f}"])
    return table(["command", "CPU MB/s", "wall MB/s", "user s", "system s", "wall s", "peak MiB"], body)


def verdicts(outcomes: dict[str, Outcome], found: dict[str, list[Cost]], truth: Truth) -> list[str]:
    """The project's own thresholds beside what was measured."""
    lines = []
    if "scan" in outcomes:
        speed = truth.size / 1e6 / median(outcomes["scan"].costs, "cpu")
        lines.append(f"scan, unhashed: {speed:,.0f} MB/s CPU (at least {SCAN_MB_PER_S})")
    openssl = found.get("openssl dgst -sha256")
    if "hashed" in outcomes and openssl:
        ratio = median(openssl, "cpu") / median(outcomes["hashed"].costs, "cpu")
        lines.append(f"scan, hashed: {ratio:.2f} of openssl (at least {HASHED_OF_OPENSSL})")
    if "hashed" in outcomes and "full" in outcomes:
        added = median(outcomes["full"].costs, "cpu") - median(outcomes["hashed"].costs, "cpu")
        speed = truth.photo_bytes / 1e6 / max(added, 1e-3)
        lines.append(f"decoding: {added:.1f} s for {truth.photo_bytes / 1e6:,.0f} MB of photos, {speed:,.0f} MB/s")
    for key in ("scan", "hashed", "full"):
        if key in outcomes:
            outcome = outcomes[key]
            whole = [i for i, item in enumerate(truth.items) if not item["damaged"]]
            exact = sum(outcome.score.states[index] == "exact" for index in whole)
            peak = median(outcome.costs, "peak") / 2**20
            lines.append(
                f"{outcome.tool.name}: {exact} of {len(whole)} whole photos exact (all), "
                f"{len(outcome.score.false_graded)} false above fragment (0), "
                f"{outcome.score.wrong_hashes} wrong hashes (0), "
                f"peak {peak:,.0f} MiB (at most {PEAK_BYTES >> 20} and the decoder's bound)"
            )
    return lines


def grade_table(score: Score) -> str:
    """How the files of each class were graded."""
    grades = sorted({grade for counts in score.grades.values() for grade in counts})
    body: list[list[object]] = [[kind, *(counts[g] for g in grades)] for kind, counts in sorted(score.grades.items())]
    return table(["class", *grades], body)


def as_json(outcomes: dict[str, Outcome], found: dict[str, list[Cost]], truth: Truth) -> str:
    """Everything that was measured; photos are given by class and offset."""
    tools = {}
    for key, outcome in outcomes.items():
        score = outcome.score
        photos: dict[str, list[str]] = {"exact": [], "start": [], "missed": []}
        for item, state in zip(truth.items, score.states, strict=True):
            photos[state].append(f"{item['kind']} at {item['offset']}, {item['length']} bytes, {item['name']}")
        tools[key] = {
            "costs": [asdict(cost) for cost in outcome.costs],
            "photos": photos,
            "embedded": score.embedded,
            "false": score.false,
            "false_graded": score.false_graded,
            "wrong_hashes": score.wrong_hashes,
            "grades": score.grades,
        }
    bounds = {name: [asdict(cost) for cost in costs] for name, costs in found.items()}
    return json.dumps({"size": truth.size, "limits": bounds, "tools": tools}, indent=1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1G", help="bytes, or with K, M, G (default 1G)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--runs", type=int, default=3, help="runs per tool after a warm-up; medians are printed (default 3)"
    )
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--work", type=Path, default=ROOT / "local", help="where the dump lives (default local/)")
    parser.add_argument("--photos", type=Path, help="folder with originals/ and camera/ (default: JPEGRESCUE_DATA/dev)")
    parser.add_argument("--no-photos", action="store_true", help="make the dump from scikit-image's pictures only")
    parser.add_argument("--fresh", action="store_true", help="make the dump anew")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser.parse_args()


def run_tools(options: argparse.Namespace, truth: Truth) -> dict[str, Outcome]:
    """Measure the chosen tools; one that is missing or fails is named on stderr and left out."""
    outcomes: dict[str, Outcome] = {}
    for key in options.tools:
        if not TOOLS[key].installed:
            print(f"{TOOLS[key].name}: not installed", file=sys.stderr)
            continue
        try:
            outcomes[key] = measure(TOOLS[key], truth, options.work, options.runs)
        except (RuntimeError, OSError) as error:
            print(error, file=sys.stderr)
    return outcomes


def main() -> int:
    options = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    truth = Truth(make_dump(options))
    found = limits(truth.dump, options.work, options.runs)
    outcomes = run_tools(options, truth)
    measured = list(outcomes.values())
    print(
        f"Dump of {truth.size:,} bytes, {len(truth.items)} photos of {truth.photo_bytes:,} bytes, seed {options.seed}"
    )
    for part in (
        recovery_table(measured, truth) if measured else "",
        cost_table(measured, found, truth.size),
        "\n".join(f"- {line}" for line in verdicts(outcomes, found, truth)),
        grade_table(outcomes["full"].score) if "full" in outcomes else "",
    ):
        if part:
            print("\n" + part)
    if options.json:
        options.json.write_text(as_json(outcomes, found, truth) + "\n", encoding="utf-8")
    return int(any(TOOLS[key].installed and key not in outcomes for key in options.tools))


if __name__ == "__main__":
    sys.exit(main())
