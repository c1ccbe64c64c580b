"""Options that commands share, and what is made of them."""

import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jpegrescue.cli.redaction import Invocation
from jpegrescue.errors import UsageError

if TYPE_CHECKING:
    from jpegrescue.flow.options import KeyOptions, RunOptions
    from jpegrescue.model.align import ScaPart
    from jpegrescue.model.evidence import ByteRange


_NUMBER = re.compile(r"[0-9]{1,19}|0[xX][0-9a-fA-F]{1,16}")


class SectorSize(StrEnum):
    """Sizes that sectors come in, bytes."""

    B512 = "512"
    B1024 = "1024"
    B2048 = "2048"
    B4096 = "4096"


class IvUnit(StrEnum):
    """What an IV number counts."""

    B512 = "512"
    SECTOR = "sector"


class Alignment(StrEnum):
    """How decoded MCUs of damaged files are put back in place."""

    INTEGER = "integer"
    PUBLISHED = "published"
    NONE = "none"


class Effort(StrEnum):
    """How far to search for flipped bits."""

    QUICK = "quick"
    NORMAL = "normal"
    THOROUGH = "thorough"


class ScaSwitch(StrEnum):
    """Parts of the published alignment."""

    COMPENSATION = "compensation"
    NORMALISATION = "normalisation"
    ALIGNMENT = "alignment"


class InputKind(StrEnum):
    """What the files given to `restore` hold."""

    AUTO = "auto"
    CIPHER = "cipher"
    PLAIN = "plain"


def number(text: str | int) -> int:
    """Parser of a decimal or, after 0x, hexadecimal number below 2⁶³; typer hands it defaults as they are."""
    value = _number(str(text))
    if value is None and _number(str(text).removeprefix("-")) is not None:
        raise typer.BadParameter(f"{text!r} is negative: negative numbers are not accepted.")
    if value is None:
        raise typer.BadParameter(f"{text!r} is not a number: give it in decimal, or in hexadecimal after 0x.")
    return value


def _number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = int(text, 0 if text[:2].lower() == "0x" else 10)
    return value if value < 1 << 63 else None


def path(text: str, what: str) -> Path:
    """The path that is given as `what`; an empty one, as of a variable that is not set, would mean the working folder.

    Raises:
        UsageError: it is empty.
    """
    if not text:
        raise UsageError(f"the path given as {what} is empty", option=what)
    return Path(text)


def _ciphers() -> list[str]:
    from jpegrescue.source.crypt.spec import SPECS

    return list(SPECS)


Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="DIR",
        path_type=str,
        readable=False,
        help="Folder for the results.  [default: ./jpegrescue-<UTC time>]",
        show_default=False,
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="HEX|-",
        help="Key in hexadecimal; - reads a line from standard input. Other users may see it on a command line: "
        "prefer --key-file, - or the environment variable JPEGRESCUE_KEY.",
        show_default=False,
    ),
]
KeyFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--key-file",
        metavar="PATH",
        path_type=str,
        readable=False,
        help="File that holds the key, in hexadecimal or raw.",
        show_default=False,
    ),
]
Cipher = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="Sector cipher: aes-cbc-essiv:sha256, aes-cbc-plain, aes-cbc-plain64, aes-xts-plain, aes-xts-plain64 or "
        "aes-cbc-essivbe32:sha256.  [default: aes-cbc-essiv:sha256]",
        show_default=False,
        autocompletion=_ciphers,
    ),
]
Sector = Annotated[
    SectorSize | None,
    typer.Option("--sector-size", help="Bytes encrypted as one sector.  [default: 512]", show_default=False),
]
FirstSector = Annotated[
    str | None,
    typer.Option(
        metavar="N|auto",
        help="IV number of the sector at --crypt-start; auto finds it.  [default: 0]",
        show_default=False,
    ),
]
CryptStart = Annotated[
    int | None,
    typer.Option(
        metavar="BYTES",
        parser=number,
        help="Where the encrypted range begins; what lies before it is plain.  [default: the start of what is read]",
        show_default=False,
    ),
]
BadRanges = Annotated[
    str | None,
    typer.Option(
        "--bad-ranges",
        metavar="MAP",
        path_type=str,
        readable=False,
        help="Map of the bytes that could not be read from the medium: of GNU ddrescue, or lines of START END.",
        show_default=False,
    ),
]
Unit = Annotated[
    IvUnit | None,
    typer.Option(
        "--iv-unit",
        help="Bytes per IV number; LUKS2 counts 512 whatever its sectors.  [default: 512]",
        show_default=False,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", min=1, help="Threads to work with.  [default: all cores]", show_default=False),
]
NoRepair = Annotated[
    bool, typer.Option("--no-repair", help="Do not search damaged files for flipped bits: no NAME.repaired.jpg.")
]
RepairEffort = Annotated[
    Effort,
    typer.Option(
        "--effort",
        help="How far to search for flipped bits: quick tries the bits of garbled cipher blocks, normal those of odd "
        "ones and two flips in a block too, thorough those of all blocks of a damaged file.",
    ),
]
Align = Annotated[
    Alignment,
    typer.Option(
        "--align",
        help="Put what a damaged file decodes to back in place and fill what is lost: NAME.aligned.jpg, "
        "NAME.restored.png, NAME.mask.png; none leaves that out. published writes NAME.sca.png besides, by the "
        "published self-compensation and alignment, which rewrites every pixel: for comparison, not for evidence.",
    ),
]
ScaWithout = Annotated[
    list[ScaSwitch] | None,
    typer.Option(
        "--sca-without",
        help="Leave out a part of the published alignment, to see what it does; may be given more than once.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the results of another run in DIR.")]
Json = Annotated[bool, typer.Option("--json", help="Print report.json on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only, and that a key led to nothing.")]
Case = Annotated[str | None, typer.Option(metavar="TEXT", help="Case number, for the report.", show_default=False)]
Exhibit = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Exhibit number, for the report.", show_default=False)
]
Examiner = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Examiner's name, for the report.", show_default=False)
]


def run_options(
    invocation: Invocation,
    command: str,
    *,
    output: str | None,
    jobs: int | None,
    force: bool,
    case: str | None,
    exhibit: str | None,
    examiner: str | None,
    hashes: str = "sha256",
) -> "RunOptions":
    """What every command that writes a report needs.

    Raises:
        UsageError: `hashes` names an unknown one, or `output` is empty.
    """
    from jpegrescue.flow.options import RunOptions
    from jpegrescue.source.hashing import parse_hash_names

    return RunOptions(
        argv=invocation.argv,
        command=command,
        output=None if output is None else path(output, "--output"),
        jobs=jobs or len(os.sched_getaffinity(0)),
        force=force,
        hashes=parse_hash_names(hashes),
        case=case,
        exhibit=exhibit,
        examiner=examiner,
    )


def sca_parts(align: Alignment, without: list[ScaSwitch] | None) -> "tuple[ScaPart, ...] | None":
    """Parts of the published alignment to carry out, `None` for none of it.

    Raises:
        UsageError: parts are left out of what was not asked for.
    """
    from jpegrescue.model.align import SCA_PARTS

    if align is not Alignment.PUBLISHED:
        if without:
            raise UsageError("--sca-without needs --align published", option="--sca-without")
        return None
    left_out = {switch.value for switch in without or ()}
    return tuple(part for part in SCA_PARTS if part not in left_out)


def bad_ranges(map_file: str | None) -> "tuple[ByteRange, ...]":
    """What the map says could not be read, nothing without a map.

    Raises:
        UsageError: it cannot be read.
    """
    from jpegrescue.source.bad_ranges import load_bad_ranges

    return () if map_file is None else load_bad_ranges(path(map_file, "--bad-ranges"))


def key_options(
    invocation: Invocation,
    *,
    keys: list[str] | None,
    key_files: list[str] | None,
    cipher: str | None,
    sector_size: SectorSize | None,
    first_sector: str | None,
    crypt_start: int | None,
    iv_unit: IvUnit | None,
) -> "KeyOptions":
    """How the encrypted part is read; loads the key.

    Raises:
        UsageError: two keys, an unreadable or unfit key, an unknown cipher, or options of a cipher without a key.
    """
    from jpegrescue.flow.options import KeyOptions
    from jpegrescue.source.crypt.spec import DEFAULT_SPEC, check_key, parse_spec
    from jpegrescue.source.keys import load_key

    if len(keys or ()) + len(key_files or ()) > 1:
        raise UsageError("the key is given more than once; give it once", option="--key")
    key_file = path(key_files[0], "--key-file") if key_files else None
    key = load_key(keys[0] if keys else None, key_file, invocation.environment, sys.stdin)
    given = {
        "--cipher": cipher,
        "--sector-size": sector_size,
        "--first-sector": first_sector,
        "--crypt-start": crypt_start,
        "--iv-unit": iv_unit,
    }
    if key is None and (lonely := next((name for name, value in given.items() if value is not None), None)):
        raise UsageError(f"{lonely} needs a key: give --key, --key-file or JPEGRESCUE_KEY", option=lonely)
    spec = parse_spec(cipher) if cipher is not None else DEFAULT_SPEC
    if key is not None:
        check_key(spec, key)
    size = int(sector_size or SectorSize.B512)
    return KeyOptions(
        spec=spec,
        key=key,
        sector_size=size,
        first_sector=_first_sector("0" if first_sector is None else first_sector),
        crypt_start=crypt_start,
        iv_unit=size if iv_unit is IvUnit.SECTOR else 512,
        key_file=key_file,
    )


def _first_sector(text: str) -> int | None:
    value = _number(text)
    if value is None and text != "auto":
        raise UsageError(f"--first-sector takes a number or auto, not {text!r}", option="--first-sector")
    return value
