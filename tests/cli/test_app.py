"""Start-up: what answers at once must not wait for what a command's body needs."""

import os
import subprocess
import sys
import textwrap
from importlib import metadata
from pathlib import Path

import pytest

HEAVY = ("numpy", "numba", "llvmlite", "cryptography", "PIL", "rich.progress", "rich.table", "jpegrescue.flow")
PROGRAM = """
import sys
from jpegrescue.cli.app import main
try:
    main()
finally:
    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--help"], {}, "Usage: jpegrescue"),
        (["--version"], {}, "jpegrescue "),
        (["carve", "--help"], {}, "--first-sector"),
        (["restore", "--help"], {}, "--input"),
        ([], {"_JPEGRESCUE_COMPLETE": "complete_bash", "COMP_WORDS": "jpegrescue ca", "COMP_CWORD": "1"}, "carve"),
        (
            [],
            {
                "_JPEGRESCUE_COMPLETE": "complete_bash",
                "COMP_WORDS": "jpegrescue carve --cipher aes-x",
                "COMP_CWORD": "3",
            },
            "aes-xts-plain64",
        ),
    ],
)
def test_nothing_heavy_is_imported(arguments: list[str], environment: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(heavy=HEAVY), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=True,
    )

    assert said in done.stdout
    assert done.stderr == "[]\n"


def test_the_module_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jpegrescue", "carve", "--no-such"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith("Usage: jpegrescue carve")


def test_the_console_script_is_declared() -> None:
    try:
        scripts = metadata.distribution("jpegrescue").entry_points
    except metadata.PackageNotFoundError:
        pytest.skip("not installed, run from the source tree")
    assert [entry.value for entry in scripts if entry.name == "jpegrescue"] == ["jpegrescue.cli.app:main"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nowhere_and_their_numbers_stay_taken(closed: str, tmp_path: Path) -> None:
    """A file that is opened as number 1 or 2 would receive what is meant for the terminal."""
    program = """
        import os, sys
        import typer
        from jpegrescue.cli import tree

        def app(**_):
            print("said")
            typer.echo("said", err=True)
            sys.stderr.flush()
            assert not sys.stdout.isatty()
            assert sys.stdin.read() == ""
            descriptor = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
            os.write(descriptor, str(descriptor > 2).encode())

        tree.app = app
        from jpegrescue.cli.app import main
        main()
    """
    mark = tmp_path / "mark"
    command = [sys.executable, "-c", textwrap.dedent(program), str(mark)]

    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )

    assert (done.returncode, mark.read_text()) == (0, "True")
