"""Exit codes and messages: what scripts and people see of every way a run can end."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jpegrescue import compiled
from jpegrescue.cli.session import verdict
from jpegrescue.errors import EvidenceError, OutputError, UsageError
from jpegrescue.flow.options import Outcome
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Claim, FileGrade, RunState
from tests.report.samples import IMAGE, REPORT, SOUND_IMAGE

from .conftest import Flow, Result, raise_signal, without_images

Run = Callable[..., Result]
KEY = "00112233445566778899aabbccddeeff"


def fails_with(error: BaseException) -> Callable[[Any], None]:
    def fail(_progress: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("grade", "claim", "code"),
    [
        ("no_damage_found", "consistent", 0),
        ("repaired", "exact_scan", 0),
        ("repaired", "consistent", 3),
        ("partly_restored", "none", 3),
        ("fragment", "none", 3),
        ("undecodable", "none", 3),
    ],
)
@pytest.mark.parametrize("switches", [(), ("--json",), ("--quiet",)])
def test_damage_decides_the_code_and_switches_do_not(
    run: Run, flow: Flow, grade: FileGrade, claim: Claim, code: int, switches: tuple[str, ...]
) -> None:
    flow.report = replace(REPORT, images=(SOUND_IMAGE, replace(IMAGE, grade=grade, claim=claim)))

    assert run("carve", "dump.bin", *switches).code == code


@pytest.mark.parametrize(("severity", "code"), [("info", 0), ("warning", 0), ("error", 3)])
def test_an_error_of_the_run_needs_a_look(run: Run, flow: Flow, severity: Any, code: int) -> None:
    problem = Problem("read_error", severity, "512 bytes could not be read", 1024)
    flow.report = replace(REPORT, images=(SOUND_IMAGE,), problems=(problem,))

    result = run("carve", "dump.bin")

    assert result.code == code
    said = {"info": "", "warning": "Warning: ", "error": "Error: "}[severity]
    assert result.err == (said and f"{said}512 bytes could not be read (at byte 1024)\n")


@pytest.mark.parametrize(("switches", "code"), [((), 0), (("--fail-empty",), 1)])
def test_nothing_found_is_no_failure_unless_asked(run: Run, flow: Flow, switches: tuple[str, ...], code: int) -> None:
    flow.report = without_images(REPORT)

    assert run("carve", "dump.bin", *switches).code == code


@pytest.mark.parametrize(("switches", "said"), [((), True), (("--quiet",), False), (("--quiet", "--key", KEY), True)])
def test_nothing_found_is_said_in_pipes_too_and_to_who_gave_a_key_always(
    run: Run, flow: Flow, switches: tuple[str, ...], said: bool
) -> None:
    flow.report = without_images(REPORT, [Problem("nothing_found", "warning", "no JPEG was found")])

    result = run("carve", "dump.bin", *switches)

    assert result.err.count("Warning: no JPEG was found\n") == said
    assert result.code == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EvidenceError("dump.bin: no such file", path=Path("dump.bin")), 1),
        (OutputError("out: the disk is full", path=Path("out")), 1),
        (UsageError("out holds results of another run"), 2),
    ],
)
@pytest.mark.parametrize("switches", [(), ("--json",), ("--quiet",)])
def test_expected_failures_are_one_line_on_stderr(
    run: Run, flow: Flow, error: Exception, code: int, switches: tuple[str, ...]
) -> None:
    flow.then = fails_with(error)

    result = run("carve", "dump.bin", *switches)

    assert (result.code, result.out, result.err) == (code, "", f"Error: {error}\n")


def test_a_bug_is_called_a_bug_and_shows_where_but_no_key(run: Run, flow: Flow) -> None:
    flow.then = fails_with(ZeroDivisionError("oops"))

    result = run("carve", "dump.bin", "--key", KEY)

    assert result.code == 1
    assert result.out == ""
    assert "ZeroDivisionError: oops" in result.err
    assert result.err.splitlines()[-1].startswith("Error: this is a bug in jpegrescue ")
    assert KEY not in result.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_finish_the_report_and_exit_as_shells_expect(
    run: Run, flow: Flow, number: signal.Signals, code: int
) -> None:
    before = signal.getsignal(number)
    flow.then = lambda _: raise_signal(number)

    result = run("carve", "dump.bin")

    assert result.code == code
    assert flow.report.run.state == "interrupted"
    assert "f000000000512" in result.out
    assert signal.getsignal(number) is before


def test_under_nohup_a_run_goes_on(run: Run, flow: Flow) -> None:
    flow.then = lambda _: raise_signal(signal.SIGHUP)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = run("carve", "dump.bin")
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)

    assert (result.code, flow.report.run.state) == (3, "done")


IN_A_TERMINAL = """
    import sys, time
    from jpegrescue.cli.session import guarded
    from jpegrescue.errors import ExitCode

    def body():
        try:
            print("ready", flush=True)
            for _ in range(600):  # not signal.pause(): a signal that comes just before it would be slept through
                time.sleep(0.05)
        except KeyboardInterrupt:
            print("table", flush=True)
            print("progress", file=sys.stderr, flush=True)
            return ExitCode.INTERRUPTED

    try:
        guarded(body)
    except Exception as stop:
        sys.exit(stop.exit_code)
"""


def test_a_terminal_that_goes_away_does_not_spoil_the_end_of_a_run() -> None:
    ours, theirs = os.openpty()
    take = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    with subprocess.Popen(
        [sys.executable, "-c", take + textwrap.dedent(IN_A_TERMINAL)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        try:
            os.close(theirs)
            said = b""
            while not said.endswith(b"\n"):
                said += os.read(ours, 100)
            assert said == b"ready\r\n"
            os.close(ours)

            assert process.wait(timeout=30) == 129
        finally:
            process.kill()  # or the end of the block would wait for it


def test_a_second_signal_does_not_spoil_the_report(run: Run, flow: Flow) -> None:
    def interrupted_twice(_progress: object) -> None:
        try:
            raise_signal(signal.SIGINT)
        finally:
            raise_signal(signal.SIGINT)
            finished.append(True)

    finished: list[bool] = []
    flow.then = interrupted_twice

    assert run("carve", "dump.bin").code == 130
    assert finished == [True]


@pytest.mark.usefixtures("flow")
def test_an_interrupt_outside_a_run_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flow, "__call__", lambda *_: raise_signal(signal.SIGINT))

    result = run("carve", "dump.bin")

    assert (result.code, result.err) == (130, "Error: interrupted\n")


@pytest.mark.parametrize(("state", "code"), [("done", 3), ("interrupted", 130), ("failed", 1), ("running", 1)])
def test_the_state_of_the_run_comes_first(tmp_path: Path, state: RunState, code: int) -> None:
    report = replace(REPORT, run=replace(REPORT.run, state=state))

    assert verdict(Outcome(report, tmp_path), fail_empty=False) == code


@pytest.mark.parametrize("switches", [(), ("--quiet",)])
def test_compilation_is_announced_in_one_line(
    run: Run, flow: Flow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, switches: tuple[str, ...]
) -> None:
    monkeypatch.setattr(compiled, "COLD_START", True)
    monkeypatch.setattr(compiled, "CACHE_FOLDER", tmp_path)

    said = run("carve", "dump.bin", *switches).err

    assert said == ("" if switches else "compiling decoder kernels, once per version: up to a minute\n")
    assert len(flow.asked) == 1


def test_compilation_on_every_run_is_called_that(run: Run, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "COLD_START", True)
    monkeypatch.setattr(compiled, "CACHE_FOLDER", None)

    assert "compiling them on every run" in run("carve", "dump.bin").err
    assert len(flow.asked) == 1


@pytest.mark.parametrize(("switches", "warnings"), [((), 1), (("--json",), 1), (("--quiet",), 0)])
def test_a_key_on_the_command_line_is_warned_about_once(
    run: Run, flow: Flow, switches: tuple[str, ...], warnings: int
) -> None:
    result = run("carve", "dump.bin", "--key", KEY, *switches)

    assert result.err.count("Warning: a key on the command line") == warnings
    assert KEY not in result.err + result.out
    assert len(flow.asked) == 1
