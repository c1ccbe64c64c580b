"""The tree of commands is a contract: these names and options, and no others."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer.main

from jpegrescue import __version__
from jpegrescue.cli.tree import app

from .conftest import Result

Run = Callable[..., Result]
KEY = {"--key", "--key-file", "--cipher", "--sector-size", "--first-sector", "--crypt-start", "--iv-unit"}
MEDIUM = KEY | {"--bad-ranges"}
COMMON = {"-o", "--output", "--jobs", "--force", "--json", "--quiet", "--case", "--exhibit", "--examiner"}
ALIGN = {"--align", "--sca-without"}
CONTRACT = {
    "carve": MEDIUM
    | COMMON
    | ALIGN
    | {
        "--start",
        "--length",
        "--min-size",
        "--min-pixels",
        "--no-restore",
        "--no-repair",
        "--effort",
        "--hash",
        "--fail-empty",
    },
    "evaluate": {"--json", "--plot", "--jobs", "--quiet"},
    "restore": MEDIUM | COMMON | ALIGN | {"--input", "--reference", "--no-repair", "--effort"},
    "simulate": (KEY - {"--crypt-start"})
    | {"-o", "--output", "--force", "--json", "--quiet", "--ber", "--damage", "--count", "--where", "--seed"}
    | {"--thumbnail", "--quality", "--sampling", "--restart-interval"},
    "selftest": {"-o", "--output"},
    "train gca": {"--data", "--out", "--device", "--resume", "--minutes", "--steps", "--seed", "--jobs", "--quiet"},
}


def named(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Commands by the words that call them."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from named(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def test_commands_and_options() -> None:
    commands = dict(named(typer.main.get_command(app)))

    options = {
        name: {spelling for p in command.params if p.param_type_name == "option" for spelling in p.opts}
        for name, command in commands.items()
    }
    assert options == CONTRACT


def test_version(run: Run) -> None:
    result = run("--version")

    assert (result.code, result.out, result.err) == (0, f"jpegrescue {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("-h",), ("carve", "-h"), ("restore", "--help"), ("selftest", "-h")]
)
def test_help_goes_to_stdout(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Usage: jpegrescue")


def test_no_command_is_a_usage_error_that_helps(run: Run) -> None:
    result = run()

    assert result.code == 2
    assert "carve" in result.out + result.err


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    result = run("crave")

    assert result.code == 2
    assert "crave" in result.err
