"""The search alone: `python -m benchmarks.scan DUMP [--runs N]`, no process start, no output files.

Reads DUMP (in the page cache) piece by piece, as `carve` does, and searches it; the ambiguous EOIs that `carve` decodes
are decoded here too. One core: plain, and hashed in the same thread. Two cores: hashed in a thread of its own, which is
what `carve` does with `--jobs 2` or more. The limit of the hashed rows is `openssl dgst -sha256`, in the same run.
Last, what parsing and decoding every found file adds (no pixels, no pictures), beside the entropy kernel's own share.
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
from jpegrescue.flow.grade import cannot_decode
from jpegrescue.flow.image import decoded_share
from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.parse import parse
from jpegrescue.resync.decode import decode
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


def decode_found(path: Path) -> tuple[float, float, int]:
    """Seconds to parse and decode every sequential file of the dump, those in the kernel, and the files' bytes."""
    inside = 0.0
    kernel = entropy.kernels.decode_intervals

    def timed(*arguments: object) -> object:
        nonlocal inside
        start = time.perf_counter()
        result = kernel(*arguments)
        inside += time.perf_counter() - start
        return result

    total, size = 0.0, 0
    with RawSource(path) as source:
        carver = Carver(source, 0, source.size)
        entropy.kernels.decode_intervals = timed
        try:
            for offset in range(0, source.size, CHUNK):
                piece = np.frombuffer(source.read(offset, CHUNK), np.uint8)
                for found in carver.feed(offset, piece):
                    data = np.frombuffer(source.read(found.runs[0].start, found.runs[0].length), np.uint8)
                    start = time.perf_counter()
                    structure = parse(data)
                    if cannot_decode(structure, data.size) is None:
                        decode(data, structure)
                        total += time.perf_counter() - start
                        size += data.size
        finally:
            entropy.kernels.decode_intervals = kernel
    return total, inside, size


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
    os.sched_setaffinity(0, {cores[0]})
    decode_found(arguments.dump)
    seconds, inside, photo_bytes = decode_found(arguments.dump)
    print("| | MB/s, median | of openssl dgst -sha256, paired |\n|---|---|---|")
    for name, times in walls.items():
        ratio = statistics.median(b / a for a, b in zip(times, limit, strict=True))
        print(f"| {name} | {size / statistics.median(times) / 1e6:,.0f} | {ratio:.2f} |")
    print(f"| parse and decode the files found, one core | {photo_bytes / seconds / 1e6:,.0f} | – |")
    print(f"| of that, the entropy kernel alone | {photo_bytes / inside / 1e6:,.0f} | – |")


if __name__ == "__main__":
    main()
