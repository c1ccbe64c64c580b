"""Progress on a terminal: bytes, speed, time left and what has been found."""

import sys

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from jpegrescue.cli.text import printable
from jpegrescue.flow.progress import NoProgress, Progress


def progress_for(*, quiet: bool) -> Progress:
    """A moving display where stderr is a terminal, else silence."""
    return NoProgress() if quiet or not sys.stderr.isatty() else TerminalProgress(Console(stderr=True))


class TerminalProgress:
    """One line per stage on `console`, the current one last."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[found]}"),
            console=console,
        )
        self._task: TaskID | None = None
        self._found = ""

    def start(self, total_bytes: int | None, what: str) -> None:
        """See `Progress.start`."""
        self._task = self._bars.add_task(printable(what), total=total_bytes, found=self._found)
        self._bars.start()

    def advance(self, bytes_done: int) -> None:
        """See `Progress.advance`."""
        if self._task is not None:
            self._bars.advance(self._task, bytes_done)

    def found(self, images: int, damaged: int) -> None:
        """See `Progress.found`."""
        self._found = f"{images} found, {damaged} damaged"
        if self._task is not None:
            self._bars.update(self._task, found=self._found)

    def note(self, message: str) -> None:
        """See `Progress.note`."""
        self._bars.console.print(escape(printable(message)), highlight=False)

    def close(self) -> None:
        """See `Progress.close`."""
        self._bars.stop()
