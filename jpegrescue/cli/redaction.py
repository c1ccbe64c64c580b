"""Keys on the command line and in the environment: taken out of sight before anything slow happens."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jpegrescue.source.keys import KEY_VARIABLE, is_key_itself

_KEY = "--key"
_KEY_FILE = "--key-file"
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
    """`arguments` with every key replaced, be it apart from its option (`--key VALUE`) or not (`--key=VALUE`).

    A key is any value of `--key` but `-`, for standard input, and a value of `--key-file` that is itself a key.
    """
    redacted: list[str] = []
    option = ""  # whose value comes next
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if _is_secret(option, argument):
            redacted.append(_REDACTED)
        elif option == _KEY:
            redacted.append(argument)
        elif argument == "--":
            return (*redacted, *arguments[position:])
        elif equals and _is_secret(name, value):
            redacted.append(f"{name}={_REDACTED}")
        else:
            redacted.append(argument)
            option = argument
            continue
        option = ""
    return tuple(redacted)


def _is_secret(option: str, value: str) -> bool:
    return (option == _KEY and value != "-") or (option == _KEY_FILE and is_key_itself(value))


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
