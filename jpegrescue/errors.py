"""Exceptions and exit codes.

Damage found in evidence is never an exception: it is a `Problem` in the report.

    JpegRescueError
    ├── UsageError      the command cannot mean what it says        exit 2
    ├── EvidenceError   the input cannot be opened or read at all   exit 1
    └── OutputError     the output cannot be written                exit 1
"""

from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """Process exit codes; scripts rely on them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DAMAGED = 3
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class JpegRescueError(Exception):
    """Base of everything this package raises on purpose."""

    exit_code = ExitCode.FAILED


class UsageError(JpegRescueError):
    """An option or a combination of options that cannot be carried out."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


class EvidenceError(JpegRescueError):
    """The evidence as a whole cannot be opened or read."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class OutputError(JpegRescueError):
    """An output folder or file cannot be made or written."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path
