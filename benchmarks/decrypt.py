"""Decryption against what AES itself can do: `openssl speed`, and one bare CBC or ECB call of `cryptography`.

One core, CPU time, interleaved repeats: every round runs each rival and each cipher once, and ratios are medians over
the rounds. `openssl speed` works on 16 KiB that stay in the first-level cache, the others on a chunk of 1 MiB. Targets:
CBC 0.4 and XTS 0.3 of `openssl speed`.

    python -m benchmarks.decrypt [--rounds N] [--json FILE]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import SPECS, CipherSpec
from jpegrescue.source.keys import Key

CHUNK = 1 << 20
SECONDS = 0.15
TARGETS = {"cbc": 0.4, "xts": 0.3}


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over the rounds: GB/s (10⁹ bytes per second of CPU), and ratios of paired runs."""

    cipher: str
    aes_bits: int
    sector_size: int
    speed: float
    openssl: float
    bare: float
    of_openssl: float
    of_bare: float
    target: float


def openssl_speed(name: str) -> float:
    """GB/s of `openssl speed` on blocks of 16 KiB."""
    command = ["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp", name, "-decrypt"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figure = re.search(r"([\d.]+)k\s*$", printed)
    if figure is None:
        raise RuntimeError(f"openssl speed printed no figure for {name}: {printed}")
    return float(figure[1]) / 1e6


def measured(call: Callable[[], None]) -> float:
    """GB/s of a call that works through one chunk."""
    call()
    calls, began = 0, time.thread_time()
    while (spent := time.thread_time() - began) < SECONDS:
        call()
        calls += 1
    return calls * CHUNK / spent / 1e9


def bare(mode: str, aes_bits: int, data: bytes) -> Callable[[], None]:
    """One call that undoes AES without any sectors."""
    key = algorithms.AES(os.urandom(aes_bits // 8))
    out = bytearray(CHUNK + 15)

    def call() -> None:
        cipher = Cipher(key, modes.CBC(bytes(16)) if mode == "cbc" else modes.ECB())  # noqa: S305 (the yardstick)
        cipher.decryptor().update_into(data, out)

    return call


def sectors(spec: CipherSpec, aes_bits: int, sector_size: int, data: bytes) -> Callable[[], None]:
    """The sector cipher over one chunk."""
    key = Key(os.urandom(aes_bits // 8 * (2 if spec.mode == "xts" else 1)))
    cipher = SectorCipher(spec, key, sector_size)
    given, out = np.frombuffer(data, np.uint8), np.empty(CHUNK, np.uint8)
    return lambda: cipher.decrypt_into(given, 1 << 20, out)


def benchmark(rounds: int) -> list[Row]:
    data = os.urandom(CHUNK)
    rivals = [(mode, bits) for mode in TARGETS for bits in (128, 256)]
    bare_calls = {(mode, bits): bare(mode, bits, data) for mode, bits in rivals}
    ours = {
        (spec, bits, size): sectors(spec, bits, size, data)
        for spec in SPECS.values()
        for bits in (128, 256)
        for size in (512, 4096)
    }
    openssl: dict[tuple[str, int], list[float]] = {rival: [] for rival in rivals}
    bare_speeds: dict[tuple[str, int], list[float]] = {rival: [] for rival in rivals}
    speeds: dict[tuple[CipherSpec, int, int], list[float]] = {case: [] for case in ours}
    for _ in range(rounds):
        for mode, bits in rivals:
            openssl[mode, bits].append(openssl_speed(f"aes-{bits}-{mode}"))
            bare_speeds[mode, bits].append(measured(bare_calls[mode, bits]))
            for case, call in ours.items():
                if (case[0].mode, case[1]) == (mode, bits):
                    speeds[case].append(measured(call))
    return [
        Row(
            spec.name,
            bits,
            size,
            statistics.median(found),
            statistics.median(openssl[spec.mode, bits]),
            statistics.median(bare_speeds[spec.mode, bits]),
            paired(found, openssl[spec.mode, bits]),
            paired(found, bare_speeds[spec.mode, bits]),
            TARGETS[spec.mode],
        )
        for (spec, bits, size), found in speeds.items()
    ]


def paired(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = benchmark(options.rounds)
    print("| cipher | AES bits | sector | GB/s | openssl speed | of it | bare CBC/ECB call | of it | target | met |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        met = "yes" if row.of_openssl >= row.target else "**no**"
        print(
            f"| {row.cipher} | {row.aes_bits} | {row.sector_size} | {row.speed:.2f} | {row.openssl:.2f} |"
            f" {row.of_openssl:.2f} | {row.bare:.2f} | {row.of_bare:.2f} | {row.target} | {met} |"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
