"""The tree of commands."""

from typing import Annotated

import typer

from jpegrescue import __version__
from jpegrescue.cli.carve import carve
from jpegrescue.cli.evaluate import evaluate
from jpegrescue.cli.restore import restore
from jpegrescue.cli.selftest import selftest
from jpegrescue.cli.simulate import simulate
from jpegrescue.cli.train import app as train

HELP_WIDTH = 100

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH},
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would double the time that --help takes
    pretty_exceptions_enable=False,  # it prints local variables, and a key may be one of them
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jpegrescue {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Find, decrypt, decode and restore JPEG photos in forensic evidence.

    Says which part of a picture is evidence and which is not.
    """


app.command()(carve)
app.command()(restore)
app.command()(simulate)
app.command()(evaluate)
app.command()(selftest)
app.add_typer(train, name="train")
