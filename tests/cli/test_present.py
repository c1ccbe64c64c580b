"""stdout carries the result and nothing else, in the shape that the reader at its other end can use."""

import io
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from jpegrescue.cli import present
from jpegrescue.cli.present import show, summarise, tab_separated
from jpegrescue.cli.session import Switches
from jpegrescue.flow.options import Outcome
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image
from jpegrescue.report.json import to_json
from tests.report.samples import IMAGE, REPORT, SOUND_IMAGE

from .conftest import Flow, Result

Run = Callable[..., Result]
LOUD = Switches(as_json=False, quiet=False)
LINES = (
    "f000000000512\t512\t2048\t64x48\t4:2:0\ttrailer:mpf\tpartly_restored\t1\t5\t2\t4\t1\n"
    "f000000003072\t512\t2048\t64x48\t4:2:0\ttrailer:mpf\tno_damage_found\t0\t0\t-\t-\t0\n"
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal, with a byte stream below."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = io.BytesIO()

    def isatty(self) -> bool:
        return True

    @property
    def raw(self) -> str:
        return self.buffer.getvalue().decode() + self.getvalue()

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.raw)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(present, "sys", SimpleNamespace(stdout=stream, stderr=io.StringIO()))
    return stream


def outcome_of(folder: Path, *images: Image, problems: tuple[Problem, ...] = ()) -> Outcome:
    return Outcome(replace(REPORT, images=images, problems=problems), folder)


def test_a_pipe_gets_tab_separated_lines_and_nothing_else(run: Run, flow: Flow) -> None:
    result = run("carve", "dump.bin")

    assert (result.out, result.err) == (LINES, "")
    assert flow.folder.is_dir()


def test_json_is_the_report_byte_for_byte(run: Run, flow: Flow) -> None:
    result = run("carve", "dump.bin", "--json")

    assert result.out.encode() == to_json(REPORT) == (flow.folder / "report.json").read_bytes()
    assert result.err == ""


@pytest.mark.usefixtures("flow")
def test_quiet_says_nothing(run: Run) -> None:
    result = run("carve", "dump.bin", "--quiet")

    assert (result.out, result.err) == ("", "")


@pytest.mark.usefixtures("flow")
def test_quiet_json_is_json(run: Run) -> None:
    assert run("carve", "dump.bin", "--quiet", "--json").out.encode() == to_json(REPORT)


def test_what_is_not_known_is_a_hyphen() -> None:
    bare = replace(
        IMAGE,
        name="a\tb\x1b",
        runs=(),
        width=None,
        height=None,
        sampling=None,
        lost_mcus=None,
        uncertain_mcus=None,
        placed_mcus=None,
        aligned_mcus=None,
        resync_points=(),
    )

    assert tab_separated([bare]) == "a\\tb\\x1b\t-\t2048\t-\t-\ttrailer:mpf\tpartly_restored\t-\t-\t-\t-\t-\n"


def test_a_terminal_gets_a_table_a_summary_and_the_folder(terminal: Terminal, tmp_path: Path) -> None:
    show(outcome_of(tmp_path, IMAGE, SOUND_IMAGE), LOUD, keyed=False)

    lines = terminal.text.splitlines()
    assert lines[0].split() == ["name", "size", "pixels", "end", "grade", "lost", "uncertain", "placed", "aligned"]
    assert " ".join(lines[1].split()) == "f000000000512 2048 64x48 trailer:mpf partly restored 1 5 2 4"
    assert " ".join(lines[2].split()) == "f000000003072 2048 64x48 trailer:mpf no damage found 0 0 - -"
    assert lines[3] == f"2 images (1 partly restored, 1 no damage found); results in {tmp_path}"
    assert len(lines) == 4


def test_restore_says_why_a_file_gave_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reason = Problem("not_a_jpeg", "error", "no JPEG at the start of the file")
    image = replace(IMAGE, name="a", grade="undecodable", problems=(reason,))
    outcome = outcome_of(tmp_path, image)
    run = replace(outcome.report.run, command="restore")
    show(replace(outcome, report=replace(outcome.report, run=run)), LOUD, keyed=False)

    assert "Warning: a: no JPEG at the start of the file" in capfd.readouterr().err


def test_markup_in_names_is_shown_as_it_is(terminal: Terminal, tmp_path: Path) -> None:
    show(outcome_of(tmp_path, replace(IMAGE, name="[red]x[/red]")), LOUD, keyed=False)

    assert "[red]x[/red]" in terminal.text


def test_a_long_table_shows_first_what_needs_a_look(terminal: Terminal, tmp_path: Path) -> None:
    sound = [replace(SOUND_IMAGE, name=f"s{number}") for number in range(present.LONGEST_TABLE)]

    show(outcome_of(tmp_path, *sound, IMAGE), LOUD, keyed=False)

    lines = terminal.text.splitlines()
    assert lines[1].startswith(IMAGE.name)
    assert lines[-2] == "… and 1 more in report.json"
    assert len(lines) == 1 + present.LONGEST_TABLE + 2


def test_nothing_on_a_terminal_is_a_summary(terminal: Terminal, tmp_path: Path) -> None:
    show(outcome_of(tmp_path), LOUD, keyed=False)

    assert terminal.text == f"0 images; results in {tmp_path}\n"


def test_json_on_stdout_leaves_the_summary_to_a_terminal_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "report.json").write_bytes(b"{}\n")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)

    show(outcome_of(tmp_path, IMAGE), Switches(as_json=True, quiet=False), keyed=False)

    assert capfdbinary.readouterr().out == b"{}\n"
    assert stream.text == f"1 image (1 partly restored); results in {tmp_path}\n"


def test_a_summary_says_how_the_run_ended(tmp_path: Path) -> None:
    report = replace(REPORT, run=replace(REPORT.run, state="interrupted"), images=(IMAGE,))

    assert summarise(Outcome(report, tmp_path)).startswith("interrupted: 1 image (")


def test_many_problems_are_cut_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems = tuple(Problem("gap", "error", f"gap {n}\x1b", n) for n in range(present.MOST_PROBLEMS + 3))

    show(outcome_of(tmp_path, problems=problems), Switches(as_json=False, quiet=True), keyed=False)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == r"Error: gap 0\x1b (at byte 0)"
    assert lines[-1] == "Warning: 3 more problems are in report.json"
    assert len(lines) == present.MOST_PROBLEMS + 1


@pytest.mark.parametrize(
    ("quiet", "keyed", "shown"), [(False, False, True), (False, True, True), (True, True, True), (True, False, False)]
)
def test_that_nothing_was_found_is_said_first_and_with_a_key_always(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], quiet: bool, keyed: bool, shown: bool
) -> None:
    gaps = tuple(Problem("gap", "error", "gap", n) for n in range(present.MOST_PROBLEMS + 1))
    nothing = Problem("nothing_found", "warning", "no JPEG was found")

    show(outcome_of(tmp_path, problems=(*gaps, nothing)), Switches(as_json=False, quiet=quiet), keyed=keyed)

    lines = capsys.readouterr().err.splitlines()
    assert (lines[0] == "Warning: no JPEG was found") is shown
    assert "\n".join(lines).count("no JPEG was found") == shown


EMITTER = """
    import sys
    from jpegrescue.cli.present import emit
    from jpegrescue.cli.session import guarded
    from jpegrescue.errors import ExitCode

    def body():
        emit(b"line\\n" * 100_000)
        return ExitCode.DAMAGED

    try:
        guarded(body)
    except Exception as stop:
        sys.exit(stop.exit_code)
"""


def test_a_reader_that_goes_away_changes_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(EMITTER)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_a_failure() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(EMITTER)], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert (done.returncode, done.stderr) == (1, b"Error: standard output cannot be written: No space left on device\n")


def test_colours_can_be_turned_off(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yellow = "\x1b[33m"
    show(outcome_of(tmp_path, IMAGE), LOUD, keyed=False)
    assert yellow in terminal.raw

    terminal.buffer = io.BytesIO()
    monkeypatch.setenv("NO_COLOR", "1")
    show(outcome_of(tmp_path, IMAGE), LOUD, keyed=False)
    assert IMAGE.name in terminal.raw
    assert yellow not in terminal.raw


def test_a_narrow_terminal_loses_no_text(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")

    show(outcome_of(tmp_path, replace(IMAGE, runs=(ByteRange(10**12, 10**12 + 9),))), LOUD, keyed=False)

    table = terminal.text.splitlines()[:-1]
    assert "…" not in "".join(table)
    assert [line for line in table if line.startswith(IMAGE.name)]
    assert max(map(len, table)) <= 72
