"""The console script."""

import os

from jpegrescue.cli.redaction import take_invocation


def main() -> None:
    """Run the command line of this process and exit with its code."""
    arguments, invocation = take_invocation()
    # pydantic would look for plugins in every installed package, and let them see what passes through it
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

    from jpegrescue.cli.tree import app

    app(args=arguments, prog_name="jpegrescue", obj=invocation)
