"""`jpegrescue train`."""

import os
from typing import Annotated, Literal

import typer

from jpegrescue.cli import options as opt
from jpegrescue.cli.session import announce_compilation, guarded
from jpegrescue.errors import ExitCode, UsageError

app = typer.Typer(no_args_is_help=True, help="Train networks.")
_EXTRA = {"torch", "safetensors"}


@app.callback()
def _group() -> None:
    """Train networks."""


@app.command()
def gca(
    *,
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            metavar="DIR",
            path_type=str,
            readable=False,
            help="Folder of photos; may be given more than once.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out", metavar="DIR", path_type=str, readable=False, help="Folder for checkpoint, curves and weights."
        ),
    ],
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option("--device", help="Where to train; auto takes a GPU if there is one."),
    ] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in the folder.")] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", metavar="M", min=0.0, help="Stop after so many, with a checkpoint.", show_default=False
        ),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=1, help="Updates in all.")] = 40_000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="What everything random follows from.")] = 1,
    jobs: opt.Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Train a network that fills lost MCUs.

    Photos are encoded, damaged and filled on the fly; one in twenty is held out and scored. Exits with 3 when time was
    over before all updates were made: --resume goes on from there.
    """

    def body() -> ExitCode:
        try:
            from jpegrescue.gca.config import TrainConfig
            from jpegrescue.lab.train_gca import TrainOptions, train
        except ModuleNotFoundError as error:
            if error.name not in _EXTRA:
                raise
            raise UsageError(f"training needs {error.name}: pip install 'jpegrescue[gca]'") from None
        folders = tuple(opt.path(folder, "--data") for folder in data)
        if not quiet:
            announce_compilation()
        options = TrainOptions(
            folders,
            opt.path(out, "--out"),
            TrainConfig(seed=seed, steps=steps),
            device=device,
            minutes=float("inf") if minutes is None else minutes,
            workers=max((jobs or len(os.sched_getaffinity(0))) - 1, 1),
            resume=resume,
        )
        done = train(options, lambda score: None if quiet else typer.echo(str(score), err=True))
        return ExitCode.DONE if done else ExitCode.DAMAGED

    guarded(body)
