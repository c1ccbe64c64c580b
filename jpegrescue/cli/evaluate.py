"""`jpegrescue evaluate`."""

import os
import sys
from typing import Annotated

import typer

from jpegrescue.cli import options as opt
from jpegrescue.cli.session import announce_compilation, guarded
from jpegrescue.errors import ExitCode


def evaluate(
    *,
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN_DIR", path_type=str, readable=False, help="Results of carve or restore; only read."
        ),
    ],
    truth: Annotated[
        str,
        typer.Argument(metavar="TRUTH_DIR", path_type=str, readable=False, help="A set made by simulate; only read."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the evaluation as JSON on standard output.")] = False,
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot", metavar="FILE", path_type=str, readable=False, help="Draw it as a PNG file.", show_default=False
        ),
    ] = None,
    jobs: opt.Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Judge a run against the truth.

    Compares the results of carve or restore with a simulated data set, byte by byte, MCU by MCU and pixel by pixel.
    Exits with 3 when a claim is wrong or a file could not be judged as a whole.
    """

    def body() -> ExitCode:
        # `main` hides scipy from numba, which does without; scikit-image does not
        if sys.modules.get("scipy", sys) is None:
            del sys.modules["scipy"]

        from jpegrescue.cli.progress import progress_for
        from jpegrescue.cli.scores import Figure, show, sound
        from jpegrescue.lab.evaluate import evaluate as judge
        from jpegrescue.lab.evaluate import sources

        folders = opt.path(run, "RUN_DIR"), opt.path(truth, "TRUTH_DIR")
        figure = None
        if plot is not None:
            figure = Figure(opt.path(plot, "--plot"), apart_from=folders, sources=sources(*folders))
        if not quiet:
            announce_compilation()
        evaluation = judge(*folders, jobs=jobs or len(os.sched_getaffinity(0)), progress=progress_for(quiet=quiet))
        show(evaluation, as_json=as_json, quiet=quiet)
        if figure is not None:
            figure.write(evaluation)  # after the rest, which must not be lost with it
        return ExitCode.DONE if sound(evaluation) else ExitCode.DAMAGED

    guarded(body)
