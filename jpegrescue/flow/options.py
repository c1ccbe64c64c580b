"""What a run is asked to do, and what it hands back. Everything here has been validated by whoever built it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jpegrescue.model.align import ScaPart
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.report import Report
from jpegrescue.source.crypt.spec import CipherSpec
from jpegrescue.source.keys import Key

InputKind = Literal["auto", "cipher", "plain"]
EffortName = Literal["quick", "normal", "thorough"]


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """How the encrypted part of the evidence is read.

    `key` is `None` for evidence that is not encrypted; the other fields mean nothing then. `sector_size` and `iv_unit`
    are bytes: the sector at evidence offset x has the number `first_sector + (x − crypt_start) / iv_unit`.
    `first_sector` `None`: solve it. `crypt_start` `None`: where the search starts. `key_file`: where `key` came from, a
    file that must not be overwritten; `None` if from elsewhere.
    """

    spec: CipherSpec
    key: Key | None = field(default=None, repr=False)
    sector_size: int = 512
    first_sector: int | None = 0
    crypt_start: int | None = None
    iv_unit: int = 512
    key_file: Path | None = None

    def protected(self, evidence: Sequence[Path]) -> tuple[Path, ...]:
        """Files that a run over `evidence` reads, the key's among them, and must not overwrite."""
        return (*evidence, *([] if self.key_file is None else [self.key_file]))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What every command that writes a report needs.

    `argv`: the command line with its key redacted; `output`: folder for the results, `None` for a new one named after
    the UTC time in the working directory; `jobs`: threads, ≥ 1; `force`: replace another run's results; `hashes`:
    names of digests, in report order.
    """

    argv: tuple[str, ...]
    command: str
    output: Path | None
    jobs: int
    force: bool = False
    hashes: tuple[str, ...] = ("sha256",)
    case: str | None = None
    exhibit: str | None = None
    examiner: str | None = None


@dataclass(frozen=True, slots=True)
class CarveOptions:
    """Search `evidence` in `[start, start + length)` bytes (`length` `None`: to its end).

    Files below `min_size` bytes or pictures below `min_pixels` pixels are left out; `restore`: decode what is found;
    `repair`: how far to search damaged files for flipped bits, `None` for not at all; `align`: put decoded MCUs of
    damaged files back in place, and fill what is lost; `sca`: parts of the published alignment to write pictures with,
    `None` for no such pictures. `bad_ranges`: bytes of the evidence that are known to be unreadable, sorted and merged.
    """

    evidence: Path
    run: RunOptions
    key: KeyOptions
    start: int = 0
    length: int | None = None
    min_size: int = 0
    min_pixels: int = 0
    restore: bool = True
    repair: EffortName | None = "normal"
    align: bool = True
    sca: tuple[ScaPart, ...] | None = None
    bad_ranges: tuple[ByteRange, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """Decode `files`, each a JPEG (`plain`), or one as it lay encrypted on disk (`cipher`); `auto` looks which.

    `repair`, `align`, `sca` as in `CarveOptions`; so is `bad_ranges`, which are those of the one file. `reference`: a
    sound photo of the same camera, from which to take what a file's header lacks.
    """

    files: tuple[Path, ...]
    run: RunOptions
    key: KeyOptions
    input: InputKind = "auto"
    repair: EffortName | None = "normal"
    align: bool = True
    sca: tuple[ScaPart, ...] | None = None
    bad_ranges: tuple[ByteRange, ...] = ()
    reference: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run hands back: the report as it was written to `folder` / `report.json`."""

    report: Report
    folder: Path
