"""An evaluation on stdout: as JSON, as a table and a summary on a terminal, or as TAB-separated lines."""

import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from jpegrescue.cli.present import LONGEST_TABLE, MOST_PROBLEMS, emit
from jpegrescue.cli.session import complain, warn
from jpegrescue.cli.text import printable
from jpegrescue.errors import OutputError, UsageError
from jpegrescue.lab.figure import HEAD_BYTES, draw, figure_class, is_figure
from jpegrescue.model.evaluation import Evaluation, FileScore, Summary
from jpegrescue.model.problem import Problem
from jpegrescue.report.json import to_json

COLUMNS = (
    "name",
    "image",
    "evaluated",
    "grade",
    "claim",
    "claim_holds",
    "identical",
    "scan_identical",
    "errors",
    "errors_found",
    "errors_false",
    "mcus",
    "mcus_touched",
    "mcus_recoverable",
    "mcus_exact",
    "mcus_placed",
    "mcus_placed_wrong",
    "mcus_claimed",
    "mcus_claimed_wrong",
    "mcus_dc_near",
    "psnr",
    "ssim",
    "problems",
)
"""Of a line: fields of `FileScore`; `psnr`, `ssim`: of whole pictures, as in `decoded=31.42 sca=25.60`."""

_IDENTITY = ("name", "image", "evaluated", "problems")
"""Columns that count for files that could not be judged, too."""


class Figure:
    """The file that a figure goes to; checked when made, so that no long evaluation ends with nowhere to write.

    It may replace an older figure, and nothing else.

    Raises:
        UsageError: it is no name of a PNG file, lies in one of the folders `apart_from`, is one of the files `sources`,
            exists and is no figure, or matplotlib is missing.
        OutputError: its folder does not exist or cannot be written to.
    """

    def __init__(self, path: Path, *, apart_from: Sequence[Path], sources: Iterable[Path] = ()) -> None:
        if path.suffix.lower() != ".png":
            raise UsageError(f"--plot writes a PNG file: {path} should end in .png", option="--plot")
        self._path = path
        self._folder = path.parent.resolve()
        if not self._folder.is_dir():
            raise OutputError(f"{path} cannot be written: there is no folder {path.parent}", path=path)
        if any(self._folder.is_relative_to(folder.resolve()) for folder in apart_from):
            raise UsageError(
                f"{path} would lie among the files of the run or of the truth: choose another folder", option="--plot"
            )
        self._refuse_to_replace(sources)
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise OutputError(f"{path} cannot be written: {path.parent} cannot be written to", path=path)
        figure_class()

    def _refuse_to_replace(self, sources: Iterable[Path]) -> None:
        target = self._folder / self._path.name
        if any(_is_same(target, source) for source in sources):
            raise UsageError(f"{self._path} is what the run or the truth was made of", option="--plot")
        try:
            status = target.lstat()
            if stat.S_ISREG(status.st_mode):  # not through a link: the link itself would be replaced
                with target.open("rb") as file:
                    if is_figure(file.read(HEAD_BYTES)):
                        return
        except FileNotFoundError:
            return
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"{self._path} cannot be replaced: {reason}", path=self._path) from error
        raise UsageError(f"{self._path} exists and is no figure of an evaluation: choose another name", option="--plot")

    def write(self, evaluation: Evaluation) -> None:
        """Draw `evaluation`; the file appears when it is complete, in place of an older figure.

        Raises:
            OutputError: it cannot be written.
        """
        data = draw(evaluation)
        temporary = self._folder / f".jpegrescue-{secrets.token_hex(8)}.part"
        try:
            try:
                with temporary.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._folder / self._path.name)
            finally:
                with suppress(FileNotFoundError):
                    temporary.unlink()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"{self._path} cannot be written: {reason}", path=self._path) from error


def _is_same(target: Path, source: Path) -> bool:
    """Whether two names are of one file, or would be if there were one."""
    with suppress(OSError, ValueError):  # a name with a zero byte in it, from a report that was tampered with
        if os.path.realpath(source) == os.path.realpath(target):
            return True
        return target.samefile(source)
    return False


def show(evaluation: Evaluation, *, as_json: bool, quiet: bool) -> None:
    """Say everything there is to say about `evaluation`.

    Raises:
        OutputError: stdout takes no more.
    """
    _show_problems(list(_problems(evaluation)), quiet=quiet)
    if as_json:
        emit(to_json(evaluation))
    elif quiet:
        return
    elif sys.stdout.isatty():
        emit(f"{_table(evaluation)}{summarise(evaluation)}".encode())
    else:
        emit(tab_separated(evaluation.files).encode())


def sound(evaluation: Evaluation) -> bool:
    """Whether every file was judged as a whole and no claim is wrong."""
    named = any(problem.severity != "info" for _, problem in _problems(evaluation))
    return not (named or evaluation.claims_wrong or evaluation.mcus_placed_wrong or evaluation.mcus_claimed_wrong)


def _problems(evaluation: Evaluation) -> Iterator[tuple[str | None, Problem]]:
    """Every problem with the file that has it."""
    yield from ((None, problem) for problem in evaluation.problems)
    yield from ((file.name, problem) for file in evaluation.files for problem in file.problems)


def _show_problems(problems: Sequence[tuple[str | None, Problem]], *, quiet: bool) -> None:
    shown = [(name, p) for name, p in problems if p.severity == "error" or (p.severity == "warning" and not quiet)]
    for name, problem in shown[:MOST_PROBLEMS]:
        tell = complain if problem.severity == "error" else warn
        tell(printable(problem.detail if name is None else f"{name}: {problem.detail}"))
    if len(shown) > MOST_PROBLEMS:
        warn(f"{len(shown) - MOST_PROBLEMS} more problems: --json has them all")


def tab_separated(files: Sequence[FileScore]) -> str:
    """A line of `COLUMNS` per file, `-` for what is not known; nothing is known of files that were not judged."""
    return "".join("\t".join(_cells(file)) + "\n" for file in files)


def _cells(file: FileScore) -> Iterator[str]:
    for column in COLUMNS:
        known = file.evaluated or column in _IDENTITY
        yield printable(_cell(file, column)) if known else "-"


def _cell(file: FileScore, column: str) -> str:
    if column == "problems":
        return ",".join(problem.kind for problem in file.problems) or "-"
    if column == "psnr":
        return " ".join(f"{p.kind}={_decibels(p.whole.psnr)}" for p in file.pictures) or "-"
    if column == "ssim":
        return " ".join(f"{p.kind}={_similarity(p.whole.ssim)}" for p in file.pictures) or "-"
    value = getattr(file, column)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _decibels(psnr: float | None) -> str:
    return "inf" if psnr is None else f"{psnr:.2f}"


def _similarity(ssim: float | None) -> str:
    return "-" if ssim is None else f"{ssim:.4f}"


def _table(evaluation: Evaluation) -> str:
    """A table as wide as the terminal; of many files, those with something wrong come first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = sorted(evaluation.files, key=_fine)[:LONGEST_TABLE] if len(evaluation.files) > LONGEST_TABLE else None
    kinds = [summary.kind for summary in evaluation.summaries]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("name", overflow="fold")
    table.add_column("claim", no_wrap=True)
    for column in ("found", "false", "exact", *(f"{kind} dB" for kind in kinds)):
        table.add_column(column, justify="right")
    for file in evaluation.files if shown is None else shown:
        cells = _table_cells(file, kinds)
        table.add_row(*(Text(printable(cell), "" if _fine(file) else "yellow") for cell in cells))
    console = Console(file=sys.stdout)
    with console.capture() as captured:
        console.print(table)
    rest = 0 if shown is None else len(evaluation.files) - len(shown)
    return captured.get() + (f"… and {rest} more: --json has them all\n" if rest else "")


def _fine(file: FileScore) -> bool:
    named = any(problem.severity != "info" for problem in file.problems)
    wrong = file.claim_holds is False or file.mcus_placed_wrong or file.mcus_claimed_wrong
    return file.evaluated and not wrong and not named


def _table_cells(file: FileScore, kinds: Sequence[str]) -> tuple[str, ...]:
    if not file.evaluated:
        return (file.name, "not judged", *("-" for _ in range(3 + len(kinds))))
    claim = "-" if file.claim is None else file.claim.replace("_", " ")
    psnr = {picture.kind: _decibels(picture.whole.psnr) for picture in reversed(file.pictures)}
    return (
        file.name,
        f"{claim}, WRONG" if file.claim_holds is False else claim,
        f"{file.errors_found}/{file.errors}",
        str(file.errors_false),
        _share(file.mcus_exact, file.mcus),
        *(psnr.get(kind, "-") for kind in kinds),
    )


def _share(part: int, whole: int) -> str:
    """A percentage that says 100 % and 0 % only when that is exact."""
    if not whole:
        return "-"
    share = 100 * part / whole
    return f"{min(share, 99.99):.2f} %" if part < whole else "100 %"


def summarise(evaluation: Evaluation) -> str:
    """Lines on all files together: bytes and errors, MCUs, claims, pictures by kind, speed."""
    e = evaluation
    lines = [
        f"{e.evaluated} of {len(e.files)} files evaluated: {e.scan_identical} with the original's scan, "
        f"{e.identical} identical to it",
        f"errors: {e.errors_found} of {e.errors} found, {e.errors_false} false changes",
        f"MCUs: {_share(e.mcus_exact, e.mcus)} exact of {e.mcus}, {_share(e.mcus_touched, e.mcus)} touched by damage",
        f"of {e.mcus_recoverable} that are not: {_share(e.mcus_placed, e.mcus_recoverable)} said to be placed, "
        f"{e.mcus_placed_wrong} wrongly; {_share(e.mcus_claimed, e.mcus_recoverable)} said to be exact, "
        f"{e.mcus_claimed_wrong} wrongly, of which {e.mcus_dc_near} by no more than a step of DC",
        *(
            f"claim {c.claim.replace('_', ' ')}: {c.files} files, {c.scan_identical} with the original's scan"
            for c in e.claims
        ),
        *(_about(summary) for summary in e.summaries),
    ]
    if e.seconds_per_megapixel is not None:
        lines.append(f"speed of the run: {e.seconds_per_megapixel:.2f} s per megapixel")
    return "".join(f"{line}\n" for line in lines)


def _about(summary: Summary) -> str:
    holes = ""
    if summary.holes_files:
        holes = (
            f"\n  where damage touched: {_decibels(summary.holes_psnr_mean_mse)} dB "
            f"(SSIM {_similarity(summary.holes_ssim_mean)}, {summary.holes_files} files)"
        )
    psnr = f"{_decibels(summary.psnr_mean_mse)} dB (mean error), {_decibels(summary.psnr_median)} dB (median)"
    similarity = _similarity(summary.ssim_mean)
    return f"{printable(summary.kind)}: {summary.files} pictures, Y-PSNR {psnr}, SSIM {similarity}{holes}"
