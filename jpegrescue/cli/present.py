"""Results: on stdout as JSON, as a table on a terminal or as TAB-separated lines; problems on stderr."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jpegrescue.cli.session import Switches, complain, sound, warn
from jpegrescue.cli.text import printable
from jpegrescue.errors import OutputError
from jpegrescue.flow.options import Outcome
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image
from jpegrescue.report.output import REPORT_NAME

COLUMNS = (
    "name",
    "offset",
    "size",
    "pixels",
    "sampling",
    "end",
    "grade",
    "lost",
    "uncertain",
    "placed",
    "aligned",
    "resyncs",
)
NUMBERS = frozenset({"offset", "size", "pixels", "lost", "uncertain", "placed", "aligned", "resyncs"})
LEFT_OUT = frozenset({"offset", "sampling", "resyncs"})  # of the table, so that 80 columns hold a line
FOLDED = frozenset({"end", "grade"})
LONGEST_TABLE = 200
MOST_PROBLEMS = 10
NOTHING_FOUND = "nothing_found"


def show(outcome: Outcome, switches: Switches, *, keyed: bool) -> None:
    """Say everything there is to say about `outcome`.

    Raises:
        OutputError: stdout takes no more.
    """
    report = outcome.report
    _show_problems(report.problems, quiet=switches.quiet, keyed=keyed)
    if report.run.command == "restore" and not switches.quiet:
        _show_undecodable(report.images)
    summary = summarise(outcome)
    if switches.as_json:
        emit((outcome.folder / REPORT_NAME).read_bytes())
    elif switches.quiet:
        return
    elif sys.stdout.isatty():
        emit(f"{_table(report.images)}{summary}\n".encode())
        return
    else:
        emit(tab_separated(report.images).encode())
    if sys.stderr.isatty() and not switches.quiet:
        sys.stderr.write(f"{summary}\n")


def summarise(outcome: Outcome) -> str:
    """One line: how the run ended, how many images of which grade, and where everything is."""
    report = outcome.report
    grades = Counter(image.grade for image in report.images)
    counts = ", ".join(f"{count} {grade.replace('_', ' ')}" for grade, count in grades.most_common())
    found = f"{len(report.images)} image{'' if len(report.images) == 1 else 's'}{f' ({counts})' if counts else ''}"
    state = "" if report.run.state == "done" else f"{report.run.state}: "
    return f"{state}{found}; results in {printable(str(outcome.folder))}"


def tab_separated(images: Sequence[Image]) -> str:
    """A line of `COLUMNS` per image, `-` for what is not known."""
    return "".join("\t".join(_row(image)) + "\n" for image in images)


def emit(data: bytes) -> None:
    """Write `data` to stdout; that its reader has gone (`| head`) is no failure.

    Raises:
        OutputError: it cannot be written, as on a full disk.
    """
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        _discard_stdout()
        raise OutputError(f"standard output cannot be written: {error.strerror}", path=Path("-")) from error


def _discard_stdout() -> None:
    """Let what is still in the buffer go nowhere, so that closing it at exit does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _show_problems(problems: Sequence[Problem], *, quiet: bool, keyed: bool) -> None:
    """Errors, and warnings unless `quiet`; that nothing was found comes first, even in quiet runs that have a key.

    A wrong key leaves an empty folder and the exit code 0: without a word, a batch would take that for success.
    """
    empty = [p for p in problems if p.kind == NOTHING_FOUND and (keyed or not quiet)]
    others = [p for p in problems if p.kind != NOTHING_FOUND and _is_shown(p, quiet=quiet)]
    shown = empty + others
    for problem in shown[:MOST_PROBLEMS]:
        where = "" if problem.offset is None else f" (at byte {problem.offset})"
        tell = complain if problem.severity == "error" else warn
        tell(printable(problem.detail) + where)
    if len(shown) > MOST_PROBLEMS:
        warn(f"{len(shown) - MOST_PROBLEMS} more problems are in {REPORT_NAME}")


def _is_shown(problem: Problem, *, quiet: bool) -> bool:
    return problem.severity == "error" or (problem.severity == "warning" and not quiet)


def _show_undecodable(images: Sequence[Image]) -> None:
    """Say of each file that gave nothing why: whoever named it expects an answer."""
    for image in [image for image in images if image.grade == "undecodable"][:MOST_PROBLEMS]:
        reasons = [problem.detail for problem in image.problems if problem.severity == "error"]
        warn(printable(f"{image.name}: {reasons[0] if reasons else 'nothing can be decoded'}"))


def _row(image: Image) -> tuple[str, ...]:
    pixels = "-" if image.width is None or image.height is None else f"{image.width}x{image.height}"
    cells = (
        image.name,
        image.runs[0].start if image.runs else None,
        image.size,
        pixels,
        image.sampling,
        image.end,
        image.grade,
        image.lost_mcus,
        image.uncertain_mcus,
        image.placed_mcus,
        image.aligned_mcus,
        None if image.lost_mcus is None else len(image.resync_points),
    )
    return tuple("-" if cell is None else printable(str(cell)) for cell in cells)


def _table(images: Sequence[Image]) -> str:
    """A table as wide as the terminal; of many images, those that need a look come first and the rest is left out."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not images:
        return ""
    shown = list(images)
    if len(images) > LONGEST_TABLE:
        shown = sorted(images, key=sound)[:LONGEST_TABLE]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in COLUMNS:
        justify: Literal["left", "right"] = "right" if column in NUMBERS else "left"
        if column not in LEFT_OUT:
            table.add_column(column, justify=justify, no_wrap=column not in FOLDED, overflow="fold")
    for image in shown:
        style = "" if sound(image) else "yellow"
        cells = zip(COLUMNS, _row(image), strict=True)
        table.add_row(*(Text(cell.replace("_", " "), style) for column, cell in cells if column not in LEFT_OUT))
    console = Console(file=sys.stdout)
    with console.capture() as captured:
        console.print(table)
    rest = len(images) - len(shown)
    return captured.get() + (f"… and {rest} more in {REPORT_NAME}\n" if rest else "")
