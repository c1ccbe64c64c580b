"""`jpegrescue carve`."""

from functools import partial
from typing import Annotated

import typer

from jpegrescue.cli import options as opt
from jpegrescue.cli.redaction import Invocation
from jpegrescue.cli.session import Switches, Work, conclude
from jpegrescue.errors import UsageError


def carve(
    context: typer.Context,
    *,
    evidence: Annotated[
        str,
        typer.Argument(metavar="EVIDENCE", path_type=str, readable=False, help="Raw image or block device; only read."),
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
    start: Annotated[int, typer.Option(metavar="BYTES", parser=opt.number, help="Where to begin.")] = 0,
    length: Annotated[
        int | None,
        typer.Option(
            metavar="BYTES", parser=opt.number, help="How far to go.  [default: to the end]", show_default=False
        ),
    ] = None,
    min_size: Annotated[int, typer.Option(metavar="BYTES", parser=opt.number, help="Leave out smaller files.")] = 0,
    min_pixels: Annotated[
        int, typer.Option(metavar="N", parser=opt.number, help="Leave out pictures of fewer pixels.")
    ] = 0,
    no_restore: Annotated[bool, typer.Option("--no-restore", help="Only find files, do not decode them.")] = False,
    no_repair: opt.NoRepair = False,
    effort: opt.RepairEffort = opt.Effort.NORMAL,
    align: opt.Align = opt.Alignment.INTEGER,
    sca_without: opt.ScaWithout = None,
    hashes: Annotated[
        str, typer.Option("--hash", metavar="none|sha256[,md5,sha1]", help="Digests of evidence and files.")
    ] = "sha256",
    jobs: opt.Jobs = None,
    case: opt.Case = None,
    exhibit: opt.Exhibit = None,
    examiner: opt.Examiner = None,
    force: opt.Force = False,
    fail_empty: Annotated[bool, typer.Option("--fail-empty", help="Exit with 1 when nothing is found.")] = False,
    as_json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Find JPEG files in a disk image or device.

    Reads the evidence once, through the sector cipher when a key is given, finds JPEG files at any byte offset by their
    structure, and decodes them however damaged.
    """
    invocation: Invocation = context.obj

    def prepare() -> Work:
        from jpegrescue.flow.options import CarveOptions

        chosen = CarveOptions(
            evidence=opt.path(evidence, "EVIDENCE"),
            run=opt.run_options(
                invocation,
                "carve",
                output=output,
                jobs=jobs,
                force=force,
                case=case,
                exhibit=exhibit,
                examiner=examiner,
                hashes=hashes,
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
            start=start,
            length=length,
            min_size=min_size,
            min_pixels=min_pixels,
            restore=not no_restore,
            repair=None if no_repair else effort.value,
            align=align is not opt.Alignment.NONE,
            sca=opt.sca_parts(align, sca_without),
            bad_ranges=opt.bad_ranges(bad_ranges),
        )
        if chosen.sca is not None and not chosen.restore:
            raise UsageError("--align published needs the pictures that --no-restore leaves out", option="--align")

        from jpegrescue.flow.carve import carve as flow

        return Work(partial(flow, chosen), keyed=chosen.key.key is not None)

    conclude(prepare, invocation, Switches(as_json=as_json, quiet=quiet, fail_empty=fail_empty))
