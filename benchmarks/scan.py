"""The search alone: `python -m benchmarks.scan DUMP [--runs N]`, no process start, no output files.

Reads DUMP (in the page cache) piece by piece, as `carve` does, and searches it; the ambiguous EOIs that `carve` decodes
are decoded here too. One core: plain, and hashed in the same thread. Two cores: hashed in a thread of its own, which is
what `carve` does with `--jobs 2` or more. The limit of the hashed rows is `openssl dgst -sha256`, in the same run.
"""

import argparse
import os
import statistics
import subprocess
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jpegrescue.carve.find import Carver
from jpegrescue.flow.carve import CHUNK
from jpegrescue.flow.image import decoded_share
from jpegrescue.source.hashing import Hasher
from jpegrescue.source.raw import RawSource


def search(path: Path, names: tuple[str, ...], *, apart: bool) -> int:
    """Search the dump once; number of files found."""
    hasher = Hasher(names)
    buffers = [np.empty(CHUNK, np.uint8) for _ in range(2)]
    pending: list[Future[None] | None] = [None, None]
    found = 0
    with RawSource(path) as source, ThreadPoolExecutor(1) as pool:
        carver = Carver(source, 0, source.size, count_mcus=decoded_share)
        for turn, offset in enumerate(range(0, source.size, CHUNK)):
            last = pending[turn % 2]
            if last is not None:
                last.result()
            buffer = buffers[turn % 2][: source.read_into(offset, buffers[turn % 2])]
            if apart:
                pending[turn % 2] = pool.submit(hasher.update, buffer)
            else:
                hasher.update(buffer)
            found += len(carver.feed(offset, buffer))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    size = arguments.dump.stat().st_size
    cores = sorted(os.sched_getaffinity(0))
    openssl = ["openssl", "dgst", "-sha256", str(arguments.dump)]
    cases = {
        "search, one core": ({cores[0]}, lambda: search(arguments.dump, (), apart=False)),
        "search and SHA-256, one core": ({cores[0]}, lambda: search(arguments.dump, ("sha256",), apart=False)),
        "search and SHA-256, two cores": (set(cores[:2]), lambda: search(arguments.dump, ("sha256",), apart=True)),
        "openssl dgst -sha256": ({cores[0]}, lambda: subprocess.run(openssl, check=True, capture_output=True)),
    }
    walls: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(arguments.runs + 1):
        for name, (affinity, job) in cases.items():
            os.sched_setaffinity(0, affinity)
            start = time.perf_counter()
            job()
            if turn:
                walls[name].append(time.perf_counter() - start)
    limit = walls["openssl dgst -sha256"]
    print("| | MB/s, median | of openssl dgst -sha256, paired |\n|---|---|---|")
    for name, times in walls.items():
        ratio = statistics.median(b / a for a, b in zip(times, limit, strict=True))
        print(f"| {name} | {size / statistics.median(times) / 1e6:,.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
