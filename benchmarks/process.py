"""Run a command as a child on one core and say what it cost.

Keep the parent slim: Linux counts the parent's resident memory at the moment of `exec` as the child's first peak.
"""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

CORE = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds and bytes that a child took; `errors` is the end of its stderr."""

    wall: float
    user: float
    system: float
    peak: int
    exit_code: int
    errors: str

    @property
    def cpu(self) -> float:
        """CPU seconds, those of the kernel included."""
        return self.user + self.system


def pinned(command: list[str]) -> list[str]:
    """Hold a command to one core where `taskset` is installed."""
    return ["taskset", "-c", str(CORE), *command] if shutil.which("taskset") else command


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> Cost:
    """Run `command` in `folder`, its stdout thrown away, and wait for it and its children."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            pinned(command),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        tail = errors.read()[-2000:].decode(errors="replace")
    return Cost(wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024, child.returncode, tail)
