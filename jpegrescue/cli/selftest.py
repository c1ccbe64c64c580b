"""`jpegrescue selftest`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from jpegrescue.cli.session import guarded
from jpegrescue.errors import ExitCode


def selftest(
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder to keep the results in.  [default: none, they are removed]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check this installation.

    Carves the bundled sample, compares with known answers and prints the result as JSON; exits with 1 when it fails.
    """

    def body() -> ExitCode:
        from jpegrescue.cli.present import emit
        from jpegrescue.flow.selftest import selftest as flow

        result = flow(output)
        emit(json.dumps(dataclasses.asdict(result), indent=2).encode() + b"\n")
        return ExitCode.DONE if result.passed else ExitCode.FAILED

    guarded(body)
