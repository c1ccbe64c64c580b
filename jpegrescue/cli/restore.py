"""`jpegrescue restore`."""

from functools import partial
from typing import Annotated

import typer

from jpegrescue.cli import options as opt
from jpegrescue.cli.redaction import Invocation
from jpegrescue.cli.session import Switches, Work, conclude
from jpegrescue.errors import UsageError


def restore(
    context: typer.Context,
    *,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", path_type=str, readable=False, help="Damaged JPEG files; only read."),
    ],
    output: opt.Output = None,
    keys: opt.Keys = None,
    key_files: opt.KeyFiles = None,
    cipher: opt.Cipher = None,
    sector_size: opt.Sector = None,
    first_sector: opt.FirstSector = None,
    crypt_start: opt.CryptStart = None,
    iv_unit: opt.Unit = None,
    bad_ranges: opt.BadRanges = None,
    kind: Annotated[
        opt.InputKind,
        typer.Option("--input", help="What the files hold: ciphertext as it lay on disk, or JPEG; auto looks."),
    ] = opt.InputKind.AUTO,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="SIBLING.jpg",
            path_type=str,
            readable=False,
            help="Sound photo of the same camera and settings, from which to take what a file's damaged header lacks: "
            "tables, size, place of the thumbnail.",
            show_default=False,
        ),
    ] = None,
    no_repair: opt.NoRepair = False,
    effort: opt.RepairEffort = opt.Effort.NORMAL,
    align: opt.Align = opt.Alignment.INTEGER,
    sca_without: opt.ScaWithout = None,
    jobs: opt.Jobs = None,
    case: opt.Case = None,
    exhibit: opt.Exhibit = None,
    examiner: opt.Examiner = None,
    force: opt.Force = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Decode damaged JPEG files.

    Decodes them as far as they go; with a key, from the ciphertext as it lay on disk.
    """
    invocation: Invocation = context.obj

    def prepare() -> Work:
        from jpegrescue.flow.options import RestoreOptions

        chosen = RestoreOptions(
            files=tuple(opt.path(file, "FILE") for file in files),
            run=opt.run_options(
                invocation,
                "restore",
                output=output,
                jobs=jobs,
                force=force,
                case=case,
                exhibit=exhibit,
                examiner=examiner,
            ),
            key=opt.key_options(
                invocation,
                keys=keys,
                key_files=key_files,
                cipher=cipher,
                sector_size=sector_size,
                first_sector=first_sector,
                crypt_start=crypt_start,
                iv_unit=iv_unit,
            ),
            input=kind.value,
            repair=None if no_repair else effort.value,
            align=align is not opt.Alignment.NONE,
            sca=opt.sca_parts(align, sca_without),
            bad_ranges=opt.bad_ranges(bad_ranges),
            reference=None if reference is None else opt.path(reference, "--reference"),
        )
        if bad_ranges is not None and len(files) > 1:
            raise UsageError(f"--bad-ranges is the map of one file, and {len(files)} were given", option="--bad-ranges")
        keyed = chosen.key.key is not None
        if chosen.input == "cipher" and not keyed:
            raise UsageError("--input cipher needs a key: give --key, --key-file or JPEGRESCUE_KEY", option="--input")

        from jpegrescue.flow.restore import restore as flow

        return Work(partial(flow, chosen), keyed=keyed)

    conclude(prepare, invocation, Switches(as_json=as_json, quiet=quiet))
