"""Write what is generated from the code: the manual page, the help texts and JSON Schemas.

python man/generate.py            write them
python man/generate.py --check    exit with 1, showing the differences, if those in the repository are out of date
"""

import argparse
import difflib
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from jpegrescue import __version__
from jpegrescue.cli.present import COLUMNS
from jpegrescue.cli.tree import HELP_WIDTH, app
from jpegrescue.errors import ExitCode
from jpegrescue.flow.mask import LEVELS
from jpegrescue.model.evaluation import Evaluation
from jpegrescue.model.report import Report
from jpegrescue.model.truth import Truth
from jpegrescue.report.json import schema

SCHEMAS = {"report": Report, "truth": Truth, "evaluation": Evaluation}
FOLDER = Path(__file__).parent
RELEASED = "2026-11-21"
PROGRAM = "jpegrescue"
LINE_LENGTH = 76

EXIT_STATUS = {
    ExitCode.DONE: "Done, and nothing needs a look. Nothing found is no failure, unless --fail-empty says so.",
    ExitCode.FAILED: "The evidence cannot be read, the output cannot be written, or the program has a bug; stderr says "
    "which. With --fail-empty: nothing was found.",
    ExitCode.USAGE: "The command line cannot be carried out as it stands; nothing was written.",
    ExitCode.DAMAGED: "Done, but some image is damaged or some part of the evidence could not be read: see the report. "
    "Of simulate: some file could not be used as it was meant. Of evaluate: a claim is wrong, or a file could not be "
    "judged as a whole.",
    ExitCode.HUNG_UP: "Interrupted because the terminal hung up (SIGHUP). What was finished is there, with a valid "
    "report of state interrupted. Under nohup the run goes on.",
    ExitCode.INTERRUPTED: "The same, by Ctrl-C (SIGINT).",
    ExitCode.TERMINATED: "The same, by SIGTERM.",
}

BEFORE = {
    "DESCRIPTION": """
jpegrescue reads a disk image, a block device or single files, never writes to them, and decrypts them on the way when
it is given the key. It finds JPEG files by their structure, decodes them past any damage, puts what it decoded of
damaged ones back in place, and writes a report that says of every picture where its bytes lay, what was lost, and what
a reader may rely on.

Standard output carries the result only: a table on a terminal, else one line per image, its fields separated by TAB
characters: {columns}. Of the MCUs of a damaged file (mostly 8 or 16 pixels a side), lost counts those that nothing was
decoded for, uncertain those that may be wrong or displaced, placed those that lie at their place with exact AC
coefficients and estimated DC, and aligned those that are exact; resyncs counts the places where decoding took up again
after damage. A field that is not known is a hyphen. With --json it carries report.json, byte for byte.
simulate and evaluate likewise print a table, TAB-separated lines of their own, or JSON.
Progress, warnings and errors go to standard error; progress is shown on a terminal only. There is never a prompt.

Numbers of bytes are decimal, or hexadecimal after 0x. All offsets in the report are decimal and count from the start of
the evidence; ranges exclude their end.
""",
}

AFTER = {
    "KEY HANDLING": """
A key has 128, 192 or 256 bits (AES-CBC) or 256 or 512 bits (AES-XTS). It is given once: in a file, on a line of
standard input (--key -), in the environment, or as hexadecimal digits on the command line. A key file holds hexadecimal
digits with any white space, or else the raw bytes of the key.

A key on the command line can be seen by other users of the machine, if only for the moment until the program overwrites
its own process title, and stays in the history of the shell; a warning says so. The environment variable is removed
from the environment of the program as soon as it is read. A key never appears in the report, which records the command
line with *** in its place, nor in any message. A key given to --key-file by mistake is treated likewise.

The sector at evidence offset x has the number first-sector + (x - crypt-start) / iv-unit. What lies before crypt-start
is searched as it is.
""",
    "BAD RANGES": """
The map given to --bad-ranges is one of GNU ddrescue, of which all blocks but those with status + count as unreadable,
or a list: on each line the first byte of an unreadable range of the evidence and the byte behind its last, separated
by blanks. In both, # begins a comment. What a map does not mention counts as readable. Of encrypted evidence an
unreadable byte takes its cipher block of 16 bytes with it and, in CBC mode, the next block of the sector.
""",
    "FILES": """
Everything is written to one folder. A folder that holds results of another run is refused without --force; with it, the
outputs that the other run's report lists are removed, and nothing else: a run that would have to replace any other file
ends with an error. A folder on the device that is being read is
always refused. Each file appears under its name only when it is complete.

NAME is f and the 12-digit byte offset of the file in the evidence for carve, and the name of the input without its
suffix for restore.
""",
}

_LEVELS = ", ".join(f"{level} {grade}" for grade, level in LEVELS.items())
FILES = {
    "report.json": "The report; its JSON Schema comes with the program.",
    "NAME.carved.jpg": "The file as it was found, decrypted.",
    "NAME.decoded.png": "What its decoder made of it: written by carve for damaged files, by restore for all.",
    "NAME.aligned.jpg": "Of a damaged file: a valid JPEG file of all MCUs that are aligned or placed, with their own "
    "coefficients; all others are flat.",
    "NAME.restored.png": "Of a damaged file: the best picture. All that was decoded is at its likeliest place; MCUs "
    "that are lost are interpolated, with the help of the embedded preview where that proves to help.",
    "NAME.mask.png": f"What each pixel of NAME.restored.png is worth, as a grey level: {_LEVELS}. Exact and synthetic "
    "do not occur in this version.",
    "NAME.sca.png": "With --align published: the decoded picture after the published self-compensation and alignment. "
    "Heuristic in every pixel, as it says in its own description.",
    "truth.json": "What simulate did: every flipped bit, every overwritten range, the originals and their SHA-256.",
    "NAME.original.jpg, NAME.enc, NAME.damaged.jpg": "Of simulate: the original, its ciphertext with the errors, and "
    "what that decrypts to.",
    "key.hex": "The key that simulate made up, if it was given none.",
}

ENVIRONMENT = {
    "JPEGRESCUE_KEY": "The key, in hexadecimal.",
    "JPEGRESCUE_CACHE_DIR": "Folder for compiled decoder kernels, in place of XDG_CACHE_HOME or ~/.cache.",
    "NO_COLOR": "If set, tables have no colours.",
}

EXAMPLES = {
    "jpegrescue carve dump.bin": "Every JPEG in an unencrypted dump, into a new folder here.",
    "jpegrescue carve userdata.img --key-file key.hex -o case7": "The same through AES-CBC-ESSIV, as Android used it.",
    "jpegrescue carve disk.img --key-file master.bin --cipher aes-xts-plain64 --crypt-start 16777216": "A LUKS2 volume "
    "whose data begin at 16 MiB, with its master key.",
    "jpegrescue simulate photos/*.jpg -o truth --ber 1e-5": "A data set with known damage, under a key made up for it.",
    "jpegrescue restore truth/*.enc --key-file truth/key.hex -o run; jpegrescue evaluate run truth": "How good the "
    "restoration of that set is, and whether its claims hold.",
    "jpegrescue restore *.jpg --json | jq '.images[] | {name, grade}'": "How damaged single files are.",
}


def main() -> int:
    """Write or check all files; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if anything would change")
    check = parser.parse_args().check
    stale = False
    for name, text in generated().items():
        path = FOLDER / name
        if not check:
            path.write_text(text, encoding="utf-8")
            continue
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        differences = list(difflib.unified_diff(there.splitlines(), text.splitlines(), name, "generated", lineterm=""))
        stale |= bool(differences)
        print("\n".join(differences), end="\n" if differences else "")
    return int(stale)


def generated() -> dict[str, str]:
    """File name → content."""
    return {
        f"{PROGRAM}.1": manual_page(),
        "help.txt": help_texts(),
        **{f"{name}.schema.json": _schema_text(kind) for name, kind in SCHEMAS.items()},
    }


def _schema_text(kind: type[Any]) -> str:
    return json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"


def help_texts() -> str:
    """What `--help` prints, of every command."""
    texts = []
    for path, command, context in _commands():
        texts.append(f"$ {path} --help\n{command.get_help(context).rstrip()}\n")
    return "\n\n".join(texts)


def manual_page() -> str:
    """The manual page in the man(7) language."""
    commands = list(_commands())
    lines = [
        f'.TH {PROGRAM.upper()} 1 {RELEASED} "{PROGRAM} {__version__}" "User Commands"',
        ".SH NAME",
        rf"{PROGRAM} \- find, decrypt, decode and restore JPEG photos in forensic evidence",
        ".SH SYNOPSIS",
    ]
    for path, _, context in commands[1:]:
        lines += [f".B {_escape(path)}", rf"[\fIOPTIONS\fR] {_arguments(context)}".rstrip(), ".br"]
    lines += [f".B {PROGRAM}", r"\fB\-\-version\fR | \fB\-\-help\fR"]
    lines += _sections({title: text.format(columns=", ".join(COLUMNS)) for title, text in BEFORE.items()})
    lines.append(".SH COMMANDS")
    for path, command, context in commands[1:]:
        lines += [f".SS {_escape(path)}", *_paragraphs(command.help)]
        lines += _tagged(dict(_record(parameter, context) for parameter in command.get_params(context)))
    lines += _sections(AFTER)
    lines += _tagged({_bold(name): text for name, text in FILES.items()})
    lines += [".SH EXIT STATUS", *_tagged({_bold(str(int(code))): text for code, text in EXIT_STATUS.items()})]
    lines += [".SH ENVIRONMENT", *_tagged({_bold(name): text for name, text in ENVIRONMENT.items()})]
    lines += [".SH EXAMPLES", *_tagged({_bold(line): text for line, text in EXAMPLES.items()})]
    return "\n".join(lines) + "\n"


def _commands() -> Iterator[tuple[str, Any, Any]]:
    """(words on the command line, command, its context) of the program itself and of each of its commands."""
    root: Any = typer.main.get_command(app)
    context = root.make_context(PROGRAM, [], resilient_parsing=True, terminal_width=HELP_WIDTH)
    yield PROGRAM, root, context
    yield from _inside(PROGRAM, root, context)


def _inside(path: str, group: Any, context: Any) -> Iterator[tuple[str, Any, Any]]:
    """The same of a group's commands; of those in groups of their own, these only."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        own = command.make_context(name, [], parent=context, resilient_parsing=True)
        if hasattr(command, "list_commands"):
            yield from _inside(f"{path} {name}", command, own)
        else:
            yield f"{path} {name}", command, own


def _arguments(context: Any) -> str:
    arguments = [p for p in context.command.params if p.param_type_name == "argument"]
    return " ".join(rf"\fI{_escape(p.metavar)}\fR{' ...' if p.nargs == -1 else ''}" for p in arguments)


def _record(parameter: Any, context: Any) -> tuple[str, str]:
    """Heading and text of a parameter; the types that typer puts behind arguments are left out."""
    if parameter.param_type_name == "argument":
        return _italic(parameter.metavar), parameter.help
    names, text = parameter.get_help_record(context)
    return _heading(names), text


def _sections(sections: dict[str, str]) -> list[str]:
    return [line for title, text in sections.items() for line in (f".SH {title}", *_paragraphs(text))]


def _paragraphs(text: str) -> list[str]:
    first, *others = (_filled(paragraph) for paragraph in text.strip().split("\n\n"))
    return [*first, *(line for paragraph in others for line in (".PP", *paragraph))]


def _tagged(items: dict[str, str]) -> list[str]:
    return [line for tag, text in items.items() for line in (".TP", tag, *_filled(text))]


def _filled(text: str) -> list[str]:
    lines = textwrap.wrap(_escape(text), LINE_LENGTH, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{line}" if line.startswith(".") else line for line in lines]


def _heading(names: str) -> str:
    """An option's spellings in bold, its value in italics."""
    return re.sub(r"[^ ,]+", lambda word: _bold(word[0]) if word[0].startswith("-") else _italic(word[0]), names)


def _bold(text: str) -> str:
    return rf"\fB{_escape(text)}\fR"


def _italic(text: str) -> str:
    return rf"\fI{_escape(text)}\fR"


def _escape(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")
    return text.replace("~", r"\(ti").replace("^", r"\(ha")


if __name__ == "__main__":
    sys.exit(main())
