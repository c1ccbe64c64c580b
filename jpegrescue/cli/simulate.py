"""`jpegrescue simulate`."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jpegrescue.cli import options as opt
from jpegrescue.cli.redaction import Invocation
from jpegrescue.cli.session import announce_compilation, complain, guarded, warn, warn_of_exposed_key
from jpegrescue.cli.text import printable
from jpegrescue.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from jpegrescue.lab.original import Wish
    from jpegrescue.lab.simulate import SimulateOutcome
    from jpegrescue.model.problem import Problem
    from jpegrescue.model.truth import Recipe, TrueImage, Truth
    from jpegrescue.source.keys import Key

COLUMNS = ("name", "size", "flips", "overwritten", "changed")
"""Of a line: the last two, and `size`, in bytes."""
USUAL_BER = 1e-5
LARGEST_THUMBNAIL = 1024


class Damage(StrEnum):
    """What happens to a file besides bit errors."""

    FLIPS = "flips"
    SECTOR = "sector"
    CODEWORD = "codeword"
    PAGE = "page"
    FOREIGN = "foreign"
    TAIL = "tail"


class Where(StrEnum):
    """Which part of a file may be hit."""

    SCAN = "scan"
    FILE = "file"


class Sampling(StrEnum):
    """How chroma is sampled."""

    S444 = "4:4:4"
    S422 = "4:2:2"
    S420 = "4:2:0"


def probability(text: str | float) -> float:
    """Parser of a number from 0 to 1; typer hands it defaults as they are."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{text!r} is not a number from 0 to 1.")
    return value


def _ciphers() -> list[str]:
    from jpegrescue.source.crypt.spec import SPECS

    return [*SPECS, "none"]


def simulate(
    context: typer.Context,
    *,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", path_type=str, readable=False, help="JPEG files, or PNG to be encoded; only read."
        ),
    ],
    output: opt.Output = None,
    ber: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            parser=probability,
            help="Probability with which each bit flips.  [default: 1e-5 for --damage flips, else 0]",
            show_default=False,
        ),
    ] = None,
    damage: Annotated[
        Damage,
        typer.Option(
            help="What happens on the medium: bit errors only; or also zeroed sectors, codewords of 1 KiB with 40 to "
            "100 flips, garbage pages of 16 KiB, clusters of 4 KiB of another file of the set, a missing tail."
        ),
    ] = Damage.FLIPS,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Sectors, codewords, pages or clusters hit per file.  [default: 1]",
            show_default=False,
        ),
    ] = None,
    where: Annotated[
        Where, typer.Option(help="What may be hit: the entropy-coded scan, or the whole file with its headers.")
    ] = Where.SCAN,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=opt.number,
            help="The same seed damages the same file the same way. What is encoded here, PNG files and new "
            "thumbnails, may be another file where another version of Pillow encodes it.",
        ),
    ] = 0,
    cipher: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC|none",
            help="Sector cipher that the files lie under, as for restore, or none.  [default: aes-cbc-essiv:sha256]",
            show_default=False,
            autocompletion=_ciphers,
        ),
    ] = None,
    keys: opt.Keys = None,
    key_files: opt.KeyFiles = None,
    sector_size: opt.Sector = None,
    first_sector: Annotated[
        int, typer.Option(metavar="N", parser=opt.number, help="IV number of each file's first sector.")
    ] = 0,
    iv_unit: opt.Unit = None,
    thumbnail: Annotated[
        str,
        typer.Option(
            metavar="PIXELS|keep|none",
            help="Give each file an Exif thumbnail with this long side in place of all its Exif, XMP and Photoshop "
            "data and previews, or just take these away.",
        ),
    ] = "keep",
    quality: Annotated[
        int | None,
        typer.Option(
            metavar="Q", min=1, max=100, help="JPEG quality for PNG files.  [default: 90]", show_default=False
        ),
    ] = None,
    sampling: Annotated[
        Sampling | None, typer.Option(help="Chroma sampling for PNG files.  [default: 4:2:0]", show_default=False)
    ] = None,
    restart_interval: Annotated[
        int | None,
        typer.Option(
            metavar="MCUS",
            min=1,
            max=65535,
            help="MCUs between restart markers for PNG files.  [default: no markers]",
            show_default=False,
        ),
    ] = None,
    force: opt.Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print truth.json on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Make damaged files whose every error is known.

    Encrypts photos, damages the ciphertext as worn flash does and decrypts it again. Writes of each file the original,
    the ciphertext and the damaged file, and the truth about all of them to truth.json. Without a key, one is made up
    and written to key.hex. Exits with 3 when a file could not be used as it was meant.
    """
    invocation: Invocation = context.obj

    def body() -> ExitCode:
        from jpegrescue.cli.progress import progress_for
        from jpegrescue.lab.simulate import SimulateOptions
        from jpegrescue.lab.simulate import simulate as build

        if not quiet:
            warn_of_exposed_key(invocation)
        if count is not None and damage in (Damage.FLIPS, Damage.TAIL):
            raise UsageError(f"--count has no meaning for --damage {damage}", option="--count")
        size = int(sector_size or opt.SectorSize.B512)
        recipe = _recipe(
            damage, ber, where, count, seed, cipher, size, first_sector, size if iv_unit is opt.IvUnit.SECTOR else 512
        )
        chosen = SimulateOptions(
            files=tuple(opt.path(file, "FILE") for file in files),
            output=None if output is None else opt.path(output, "--output"),
            recipe=recipe,
            wish=_wish(thumbnail, quality, sampling, restart_interval),
            key=_key(invocation, recipe, keys, key_files),
            key_file=opt.path(key_files[0], "--key-file") if key_files else None,
            force=force,
        )
        if not quiet:
            announce_compilation()
        outcome = build(chosen, progress_for(quiet=quiet))
        encoding = {"--quality": quality, "--sampling": sampling, "--restart-interval": restart_interval}
        _show_problems(outcome.truth.problems, quiet=quiet)
        if not quiet:
            _warn_of_idle([name for name, value in encoding.items() if value is not None], outcome.truth)
        _show(outcome, as_json=as_json, quiet=quiet)
        return _verdict(outcome.truth)

    guarded(body)


def _recipe(
    damage: Damage,
    ber: float | None,
    where: Where,
    count: int | None,
    seed: int,
    cipher: str | None,
    sector_size: int,
    first_sector: int,
    iv_unit: int,
) -> "Recipe":
    from jpegrescue.model.truth import Recipe
    from jpegrescue.source.crypt.spec import DEFAULT_SPEC

    name = DEFAULT_SPEC.name if cipher is None else cipher.strip().lower()
    if name not in _ciphers():
        raise UsageError(f"unknown cipher {cipher!r}; known are {', '.join(_ciphers())}", option="--cipher")
    usual = USUAL_BER if damage is Damage.FLIPS else 0.0
    return Recipe(
        damage=damage.value,
        bit_error_rate=usual if ber is None else ber,
        where=where.value,
        count=0 if damage in (Damage.FLIPS, Damage.TAIL) else count or 1,
        seed=seed,
        cipher=None if name == "none" else name,
        sector_size=sector_size,
        first_sector=first_sector,
        iv_unit=iv_unit,
    )


def _key(invocation: Invocation, recipe: "Recipe", keys: list[str] | None, key_files: list[str] | None) -> "Key | None":
    from jpegrescue.source.crypt.spec import check_key, parse_spec
    from jpegrescue.source.keys import load_key

    if len(keys or ()) + len(key_files or ()) > 1:
        raise UsageError("the key is given more than once; give it once", option="--key")
    if recipe.cipher is None:
        if keys or key_files:
            raise UsageError("--cipher none takes no key", option="--cipher")
        return None
    key_file = opt.path(key_files[0], "--key-file") if key_files else None
    key = load_key(keys[0] if keys else None, key_file, invocation.environment, sys.stdin)
    if key is not None:
        check_key(parse_spec(recipe.cipher), key)
    return key


def _wish(thumbnail: str, quality: int | None, sampling: Sampling | None, restart_interval: int | None) -> "Wish":
    from jpegrescue.lab.original import Wish

    usual = Wish()
    return Wish(
        thumbnail=_thumbnail(thumbnail),
        quality=usual.quality if quality is None else quality,
        sampling=usual.sampling if sampling is None else sampling.value,
        restart_interval=restart_interval or 0,
    )


def _thumbnail(text: str) -> int | Literal["keep", "none"]:
    if text == "keep":
        return "keep"
    if text == "none":
        return "none"
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= LARGEST_THUMBNAIL):
        raise UsageError(
            f"--thumbnail takes keep, none or a number from 1 to {LARGEST_THUMBNAIL}, not {text!r}",
            option="--thumbnail",
        )
    return int(text)


def _verdict(truth: "Truth") -> ExitCode:
    if truth.state == "interrupted":
        return ExitCode.INTERRUPTED
    trouble = any(problem.severity != "info" for problem in truth.problems)
    return ExitCode.DAMAGED if trouble else ExitCode.DONE


def _show_problems(problems: "Sequence[Problem]", *, quiet: bool) -> None:
    from jpegrescue.cli.present import MOST_PROBLEMS
    from jpegrescue.report.output import TRUTH_NAME

    shown = [p for p in problems if p.severity == "error" or (p.severity == "warning" and not quiet)]
    for problem in shown[:MOST_PROBLEMS]:
        tell = complain if problem.severity == "error" else warn
        tell(printable(problem.detail))
    if len(shown) > MOST_PROBLEMS:
        warn(f"{len(shown) - MOST_PROBLEMS} more problems are in {TRUTH_NAME}")


def _warn_of_idle(given: list[str], truth: "Truth") -> None:
    if given and not any(image.making.quality is not None for image in truth.images):
        warn(f"no file is a PNG file, so {' and '.join(given)} had nothing to do: JPEG files are taken as they are")


def _show(outcome: "SimulateOutcome", *, as_json: bool, quiet: bool) -> None:
    from jpegrescue.cli.present import emit
    from jpegrescue.report.output import TRUTH_NAME

    summary = summarise(outcome)
    if as_json:
        emit((outcome.folder / TRUTH_NAME).read_bytes())
    elif quiet:
        return
    elif sys.stdout.isatty():
        emit(f"{_table(outcome.truth.images)}{summary}\n".encode())
        return
    else:
        emit("".join("\t".join(_row(image)) + "\n" for image in outcome.truth.images).encode())
    if sys.stderr.isatty() and not quiet:
        sys.stderr.write(f"{summary}\n")


def summarise(outcome: "SimulateOutcome") -> str:
    """One line: how the run ended, how many files there are, and where."""
    truth = outcome.truth
    files = f"{len(truth.images)} file{'' if len(truth.images) == 1 else 's'}"
    key = f"; their key in {truth.key_file}" if truth.key_file else ""
    state = "" if truth.state == "done" else f"{truth.state}: "
    return f"{state}{files} in {printable(str(outcome.folder))}{key}"


def _row(image: "TrueImage") -> tuple[str, ...]:
    overwritten, changed = (sum(part.length for part in parts) for parts in (image.overwritten, image.changed))
    return printable(image.name), str(image.size), str(len(image.flipped_bits)), str(overwritten), str(changed)


def _table(images: "Sequence[TrueImage]") -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from jpegrescue.cli.present import LONGEST_TABLE
    from jpegrescue.report.output import TRUTH_NAME

    if not images:
        return ""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(COLUMNS[0], overflow="fold")
    for column in COLUMNS[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    for image in images[:LONGEST_TABLE]:
        table.add_row(*map(Text, _row(image)))
    console = Console(file=sys.stdout)
    with console.capture() as captured:
        console.print(table)
    rest = len(images) - LONGEST_TABLE
    return captured.get() + (f"… and {rest} more in {TRUTH_NAME}\n" if rest > 0 else "")
