"""The report: one value object per part of `report.json` (schema_version 1)."""

from dataclasses import dataclass, field
from typing import Literal

from jpegrescue.model.align import ScaRecord
from jpegrescue.model.decode import ResyncPoint, Segment
from jpegrescue.model.evidence import ByteRange, Evidence, Hashes
from jpegrescue.model.fill import ComponentFill
from jpegrescue.model.jpeg import Thumbnail
from jpegrescue.model.problem import Problem
from jpegrescue.model.repair import Repair, VerifiedRange
from jpegrescue.model.thumbnail import ThumbnailMatch

FileGrade = Literal["no_damage_found", "repaired", "partly_restored", "fragment", "undecodable"]
Claim = Literal["exact_scan", "consistent", "none"]
RunState = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Environment:
    """Versions and machine that produced the run."""

    python: str
    platform: str
    processor: str
    cores: int
    packages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """The run record. Times are UTC, ISO 8601; `argv` has keys redacted; `seconds`: wall time from start to finish."""

    id: str
    command: str
    version: str
    argv: tuple[str, ...]
    case: str | None
    exhibit: str | None
    examiner: str | None
    started: str
    finished: str | None
    seconds: float | None
    state: RunState
    environment: Environment


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that was written, its path relative to the report's folder."""

    path: str
    kind: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FillRecord:
    """How lost MCUs of `NAME.restored.png` were filled: `mcus` of them; `components`: of the frame, in its order."""

    mcus: int
    components: tuple[ComponentFill, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """Everything known about one picture.

    `runs` are in evidence coordinates; `evidence` is the input file of `restore` and `None` in `carve`, where the
    report's own evidence holds for all. `hashes` cover the carved (decrypted) bytes.

    Of a damaged file that was aligned (`segments` with the engine `integer`), `lost_mcus`, `uncertain_mcus`,
    `placed_mcus` and `aligned_mcus` count the picture's MCUs: nothing decoded belongs there; a guess; the place is
    sure, AC coefficients are exact and DC coefficients estimates; all coefficients are exact. Otherwise nothing was
    decoded for `lost_mcus`, `uncertain_mcus` lie in segments graded uncertain, and the other two are `None`.
    `thumbnail_match`: what the alignment found the preview to be worth. `fill`: how the picture of kind `restored` was
    filled. `sca`: how the one of kind `sca` came about. All three are `None` where there is no such thing.

    `repairs`: bits of the evidence that were flipped back for the file of kind `repaired`, in their order there;
    `verified_ranges`: bytes of that file and what is known of them, empty where no search was made. The claim
    `exact_scan` covers those that are `verified`.
    """

    name: str
    evidence: Evidence | None
    runs: tuple[ByteRange, ...]
    size: int
    hashes: Hashes
    end: str
    width: int | None
    height: int | None
    sampling: str | None
    process: str | None
    mcus: int | None
    thumbnail: Thumbnail | None
    grade: FileGrade
    claim: Claim
    repairs: tuple[Repair, ...]
    verified_ranges: tuple[VerifiedRange, ...]
    resync_points: tuple[ResyncPoint, ...]
    segments: tuple[Segment, ...]
    lost_mcus: int | None
    uncertain_mcus: int | None
    placed_mcus: int | None
    aligned_mcus: int | None
    thumbnail_match: ThumbnailMatch | None
    fill: FillRecord | None
    sca: ScaRecord | None
    outputs: tuple[OutputFile, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of `report.json`."""

    run: Run
    evidence: Evidence | None
    images: tuple[Image, ...]
    problems: tuple[Problem, ...]
    schema_version: Literal[1] = field(default=1, kw_only=True)
