"""A key given to the program must not be seen in `ps`, in the environment of children, or in the report."""

import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.cli.redaction import redact, take_invocation

KEY = "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize(
    ("arguments", "redacted"),
    [
        ("carve d --key K", "carve d --key ***"),
        ("carve --key K d", "carve --key *** d"),
        ("carve d --key=K", "carve d --key=***"),
        ("carve d --key=", "carve d --key=***"),
        ("carve d --key K --key K", "carve d --key *** --key ***"),
        ("carve d --key --key", "carve d --key ***"),
        ("carve d --key --key K", "carve d --key *** K"),
        ("carve d --key", "carve d --key"),
        ("carve d --key -", "carve d --key -"),
        ("carve d --key=-", "carve d --key=-"),
        ("carve d --key-file F", "carve d --key-file F"),
        ("carve d --key-file=F --key K", "carve d --key-file=F --key ***"),
        (f"carve d --key-file {KEY}", "carve d --key-file ***"),
        (f"carve d --key-file={KEY} x", "carve d --key-file=*** x"),
        (f"carve d --key-file {KEY[1:]}", f"carve d --key-file {KEY[1:]}"),
        (f"carve d --key-file --key {KEY}", "carve d --key-file --key ***"),
        (f"carve d --key --key-file {KEY}", f"carve d --key *** {KEY}"),
        (f"carve {KEY} -o {KEY}", f"carve {KEY} -o {KEY}"),
        ("carve -- --key K", "carve -- --key K"),
        ("carve d --key -- K", "carve d --key *** K"),
    ],
)
def test_golden(arguments: str, redacted: str) -> None:
    assert redact(arguments.split()) == tuple(redacted.split())


@given(st.lists(st.sampled_from(["--key", f"--key={KEY}", KEY, "-", "-o", "dump.bin", "--key-file"])))
def test_no_value_of_the_option_survives_wherever_it_stands(arguments: list[str]) -> None:
    redacted = redact(arguments)

    assert len(redacted) == len(arguments)
    assert f"--key={KEY}" not in " ".join(redacted)
    for before, after in itertools.pairwise(redacted):
        assert not (before == "--key" and after == KEY)


def test_argv_and_environment_are_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr("setproctitle.setproctitle", titles.append)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/jpegrescue", "carve", "d", "--key", KEY])
    monkeypatch.setenv("JPEGRESCUE_KEY", KEY)

    arguments, invocation = take_invocation()

    assert arguments == ["carve", "d", "--key", KEY]
    assert invocation.argv == ("jpegrescue", "carve", "d", "--key", "***")
    assert invocation.environment == {"JPEGRESCUE_KEY": KEY}
    assert invocation.exposed
    assert KEY not in repr(invocation)
    assert sys.argv == ["/usr/bin/jpegrescue", "carve", "d", "--key", "***"]
    assert "JPEGRESCUE_KEY" not in os.environ
    assert titles == ["jpegrescue carve d --key ***"]


def test_without_a_key_the_title_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("setproctitle.setproctitle", pytest.fail)
    monkeypatch.setattr(sys, "argv", ["jpegrescue", "carve", "d"])
    monkeypatch.delenv("JPEGRESCUE_KEY", raising=False)

    arguments, invocation = take_invocation()

    assert (arguments, invocation.argv) == (["carve", "d"], ("jpegrescue", "carve", "d"))
    assert not invocation.exposed


@contextmanager
def waiting_process(*arguments: str, **environment: str) -> Iterator[Path]:
    """/proc/PID of a process that has taken its invocation and now waits."""
    program = """
        import sys
        from jpegrescue.cli.redaction import take_invocation
        take_invocation()
        assert "typer" not in sys.modules and "numpy" not in sys.modules, "slow imports come first"
        print(flush=True)
        sys.stdin.readline()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield Path("/proc") / str(process.pid)
        process.communicate(b"\n", timeout=30)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
class TestProcess:
    def test_the_key_is_gone_from_the_process_title(self) -> None:
        with waiting_process("carve", "d", "--key", KEY) as proc:
            assert KEY.encode() not in (proc / "cmdline").read_bytes()
            assert (proc / "cmdline").read_bytes().startswith(b"jpegrescue carve d --key ***")

    def test_a_key_given_as_key_file_is_gone_from_the_process_title(self) -> None:
        with waiting_process("carve", "d", f"--key-file={KEY}") as proc:
            assert KEY.encode() not in (proc / "cmdline").read_bytes()

    def test_the_key_is_gone_from_the_environment_of_the_process(self) -> None:
        with waiting_process("carve", "d", JPEGRESCUE_KEY=KEY) as proc:
            assert KEY.encode() not in (proc / "environ").read_bytes()
            assert KEY.encode() not in (proc / "cmdline").read_bytes()
