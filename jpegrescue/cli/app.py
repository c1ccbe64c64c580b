"""The console script."""

import os
import sys

from jpegrescue.cli.redaction import take_invocation


def main() -> None:
    """Run the command line of this process and exit with its code."""
    _fill_missing_streams()
    arguments, invocation = take_invocation()
    # pydantic would look for plugins in every installed package, and let them see what passes through it
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # numba would load scipy, where there is one, for a BLAS that no kernel needs: a fifth of a second at every start
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]

    from jpegrescue.cli.tree import app

    app(args=arguments, prog_name="jpegrescue", obj=invocation)


def _fill_missing_streams() -> None:
    """Put the null device where the caller closed a standard stream (`>&-`).

    Otherwise the next file that is opened gets its number, and evidence or results pass for standard output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            lowest_free = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(lowest_free, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
