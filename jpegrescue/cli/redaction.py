"""Keys on the command line and in the environment: taken out of sight before anything slow happens."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jpegrescue.source.keys import KEY_VARIABLE

_OPTION = "--key"
_REDACTED = "***"


@dataclass(frozen=True, slots=True)
class Invocation:
    """How the program was called.

    `argv`: the command line, program name first, fit for the report; `environment`: the key variable, if it was set;
    `exposed`: whether the command line held a key.
    """

    argv: tuple[str, ...] = ("jpegrescue",)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    exposed: bool = False


def redact(arguments: Sequence[str]) -> tuple[str, ...]:
    """`arguments` with the value of every `--key VALUE` and `--key=VALUE` replaced; `-`, for standard input, stays."""
    redacted: list[str] = []
    is_value = False
    for position, argument in enumerate(arguments):
        if is_value:
            redacted.append(argument if argument == "-" else _REDACTED)
            is_value = False
        elif argument == "--":
            return (*redacted, *arguments[position:])
        elif argument.startswith(f"{_OPTION}=") and argument != f"{_OPTION}=-":
            redacted.append(f"{_OPTION}={_REDACTED}")
        else:
            redacted.append(argument)
            is_value = argument == _OPTION
    return tuple(redacted)


def take_invocation() -> tuple[list[str], Invocation]:
    """The arguments for the parser, and how the program was called.

    Leaves no key behind in `sys.argv`, in `os.environ`, in the process title (`ps`, /proc/PID/cmdline), nor in
    /proc/PID/environ, which setproctitle clears as it takes the room for the title.
    """
    arguments = sys.argv[1:]
    argv = ("jpegrescue", *redact(arguments))
    exposed = list(argv[1:]) != arguments
    value = os.environ.get(KEY_VARIABLE)
    if exposed or value is not None:
        from setproctitle import setproctitle

        setproctitle(" ".join(argv))  # clears the room that argv and environ take, so the variable must still be there
        sys.argv[1:] = argv[1:]
        os.environ.pop(KEY_VARIABLE, None)
    return arguments, Invocation(argv, {} if value is None else {KEY_VARIABLE: value}, exposed)
