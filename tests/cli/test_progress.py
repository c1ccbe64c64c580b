"""Progress goes to a terminal on stderr, and nowhere else."""

import io
import sys

import pytest
from rich.console import Console

from jpegrescue.cli.progress import TerminalProgress, progress_for
from jpegrescue.flow.progress import NoProgress, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "shown"), [(Terminal(), False, True), (Terminal(), True, False), (io.StringIO(), False, False)]
)
def test_only_a_terminal_sees_it(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, quiet: bool, shown: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)

    progress = progress_for(quiet=quiet)

    assert isinstance(progress, TerminalProgress if shown else NoProgress)
    progress.close()


def test_the_display_tells_bytes_and_finds() -> None:
    screen = io.StringIO()
    progress: Progress = TerminalProgress(Console(file=screen, force_terminal=True, width=120))

    progress.found(0, 0)
    progress.start(1000, "carving [bold]")
    progress.advance(250)
    progress.advance(250)
    progress.found(7, 2)
    progress.note("a \x1b note [red]")
    progress.close()
    progress.close()

    shown = screen.getvalue()
    assert "carving [bold]" in shown
    assert "500/1,000 bytes" in shown
    assert "7 found, 2 damaged" in shown
    assert r"a \x1b note [red]" in shown


def test_a_stage_of_unknown_length_is_shown() -> None:
    screen = io.StringIO()
    progress = TerminalProgress(Console(file=screen, force_terminal=True, width=120))

    progress.advance(1)
    progress.start(None, "restoring")
    progress.advance(10)
    progress.close()

    assert "restoring" in screen.getvalue()


def test_silence_takes_every_call() -> None:
    silence: Progress = NoProgress()

    silence.start(None, "x")
    silence.advance(1)
    silence.found(1, 0)
    silence.note("x")
    silence.close()
