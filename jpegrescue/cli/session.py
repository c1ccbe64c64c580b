"""From a command's options to its exit code: one place for signals, errors, messages and results."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import typer

from jpegrescue import __version__
from jpegrescue.cli.redaction import Invocation
from jpegrescue.errors import ExitCode, JpegRescueError

if TYPE_CHECKING:
    from jpegrescue.flow.options import Outcome
    from jpegrescue.flow.progress import Progress
    from jpegrescue.model.report import Image

_SIGNALS = {
    signal.SIGHUP: ExitCode.HUNG_UP,
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
}
"""What ends a run early, and the exit code for it."""


@dataclass(frozen=True, slots=True)
class Switches:
    """How a command speaks."""

    as_json: bool
    quiet: bool
    fail_empty: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """A run that is ready to start, and whether a key is in play."""

    run: "Callable[[Progress], Outcome]"
    keyed: bool


def conclude(prepare: Callable[[], Work], invocation: Invocation, switches: Switches) -> NoReturn:
    """Prepare a run, carry it out, show what came of it, and exit."""

    def body() -> ExitCode:
        if not switches.quiet:
            warn_of_exposed_key(invocation)
        work = prepare()
        if not switches.quiet:
            announce_compilation()

        from jpegrescue.cli.present import show
        from jpegrescue.cli.progress import progress_for

        progress = progress_for(quiet=switches.quiet)
        try:
            outcome = work.run(progress)
        finally:
            progress.close()
        show(outcome, switches, keyed=work.keyed)
        return verdict(outcome, fail_empty=switches.fail_empty)

    guarded(body)


def verdict(outcome: "Outcome", *, fail_empty: bool) -> ExitCode:
    """The exit code that a finished run calls for."""
    report = outcome.report
    if report.run.state == "interrupted":
        return ExitCode.INTERRUPTED
    if report.run.state != "done" or (fail_empty and not report.images):
        return ExitCode.FAILED
    trouble = any(problem.severity == "error" for problem in report.problems)
    return ExitCode.DONE if all(map(sound, report.images)) and not trouble else ExitCode.DAMAGED


def sound(image: "Image") -> bool:
    """Whether nobody needs to look at it: it was not damaged, or its scan is the original's again."""
    return image.grade == "no_damage_found" or (image.grade == "repaired" and image.claim == "exact_scan")


def guarded(body: Callable[[], ExitCode]) -> NoReturn:
    """Exit with the code that `body` returns, or with the one its failure calls for, explained on stderr."""
    with _first_signal_interrupts() as received:
        try:
            code = body()
        except JpegRescueError as error:
            complain(str(error))
            code = error.exit_code
        except KeyboardInterrupt:
            complain("interrupted")
            code = ExitCode.INTERRUPTED
        except Exception:
            traceback.print_exc()
            complain(f"this is a bug in jpegrescue {__version__}; please report it with the lines above")
            code = ExitCode.FAILED
    if code == ExitCode.INTERRUPTED and received:
        code = _SIGNALS[received[0]]
    raise typer.Exit(int(code))


def complain(message: str) -> None:
    """Say on stderr why the run failed."""
    typer.echo(f"Error: {message}", err=True)


def warn(message: str) -> None:
    """Say on stderr what deserves attention."""
    typer.echo(f"Warning: {message}", err=True)


def warn_of_exposed_key(invocation: Invocation) -> None:
    """Say what is wrong with a key on the command line, if there was one."""
    if invocation.exposed:
        warn(
            "a key on the command line stays in the shell's history and was visible to other users for a moment; "
            "prefer --key-file, --key - or JPEGRESCUE_KEY"
        )


@contextmanager
def _first_signal_interrupts() -> Iterator[list[signal.Signals]]:
    """Make the first of `_SIGNALS` a KeyboardInterrupt and drop later ones, so that the report gets finished.

    Yields the signals received so far.
    """
    received: list[signal.Signals] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        if number == signal.SIGHUP:
            _leave_dead_terminal()
        if len(received) == 1:
            raise KeyboardInterrupt

    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # nohup
    wanted = [number for number in _SIGNALS if not (ignored and number == signal.SIGHUP)]
    before = {number: signal.signal(number, interrupt) for number in wanted}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_dead_terminal() -> None:
    """Let output to a terminal that hung up go nowhere, or the first message would end the run in its stead."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def announce_compilation() -> None:
    """Say that kernels are going to be compiled, if they are."""
    from jpegrescue import compiled

    if compiled.CACHE_FOLDER is None:
        warn("no folder for compiled decoder kernels is writable: compiling them on every run, up to a minute each")
    elif compiled.COLD_START:
        typer.echo("compiling decoder kernels, once per version: up to a minute", err=True)
    sys.stderr.flush()
