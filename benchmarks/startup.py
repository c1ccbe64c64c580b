"""How long the program takes to get going: `python -m benchmarks.startup`.

Wall medians, on one core, of `--help`, of carving the first MiB of the bundled sample with a warm kernel cache, and of
the same with an empty one (JPEGRESCUE_CACHE_DIR), beside the thresholds that the project set itself. One of the photos
is damaged; last comes a dump without damage, for which alignment and filling need not be compiled.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.process import Cost, run
from benchmarks.tools import ROOT

SAMPLE = ROOT / "fixtures" / "carve" / "sample" / "dump.bin"
KEY = "000102030405060708090a0b0c0d0e0f"
MEBIBYTE = 1 << 20
HELP_S, WARM_S, COLD_S = 0.2, 1.5, 12.0


def jpegrescue(arguments: list[str], folder: Path, cache: Path | None = None) -> Cost:
    """Run the program; any end but success or "done with damaged items" is an error."""
    environment = {"PYTHONPATH": str(ROOT)} | ({"JPEGRESCUE_CACHE_DIR": str(cache)} if cache else {})
    cost = run([sys.executable, "-m", "jpegrescue", *arguments], folder, environment)
    if cost.exit_code not in {0, 3}:
        raise RuntimeError(f"jpegrescue {arguments[0]} ended with {cost.exit_code}: {cost.errors.strip()[-600:]}")
    return cost


def carve(folder: Path, number: int, cache: Path | None = None) -> Cost:
    """Carve the first MiB of the sample into a fresh folder."""
    results = folder / f"results-{'cold' if cache else 'warm'}-{number}"
    arguments = ["carve", str(folder / "dump.bin"), "-o", str(results), "--key", KEY, "--jobs", "1", "--quiet"]
    return jpegrescue(arguments, folder, cache)


def carve_sound(folder: Path, number: int) -> Cost:
    """Carve a dump that holds one photo and no damage, with an empty cache."""
    dump, name = folder / "sound.bin", f"sound-{number}"
    Image.radial_gradient("L").convert("RGB").save(dump, "JPEG")
    arguments = ["carve", str(dump), "-o", str(folder / name), "--jobs", "1", "--quiet"]
    return jpegrescue(arguments, folder, folder / f"cache-{name}")


def line(what: str, costs: list[Cost], limit: float) -> str:
    """One row of the table."""
    walls = [cost.wall for cost in costs]
    peak = max(cost.peak for cost in costs) / 2**20
    return f"| {what} | {statistics.median(walls):.2f} | {max(walls):.2f} | {limit:.1f} | {peak:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9, help="warm runs each (default 9)")
    parser.add_argument("--cold-runs", type=int, default=3, help="runs with an empty kernel cache (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dump.bin").write_bytes(SAMPLE.read_bytes()[:MEBIBYTE])
        jpegrescue(["--help"], folder)
        usage = [jpegrescue(["--help"], folder) for _ in range(options.runs)]
        carve(folder, -1)
        warm = [carve(folder, number) for number in range(options.runs)]
        cold = [carve(folder, number, folder / f"cache-{number}") for number in range(options.cold_runs)]
        sound = [carve_sound(folder, number) for number in range(options.cold_runs)]
    print("| command | median s | slowest s | at most s | peak MiB |\n| :-- | --: | --: | --: | --: |")
    print(line("jpegrescue --help", usage, HELP_S))
    print(line("carve 1 MiB, kernels cached", warm, WARM_S))
    print(line("carve 1 MiB, kernels compiled", cold, COLD_S))
    print(line("carve without damage, kernels compiled", sound, COLD_S))


if __name__ == "__main__":
    main()
