"""What a run is worth against the truth: one value object per part of `evaluate --json` (schema_version 1)."""

from dataclasses import dataclass, field
from typing import Literal

from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Claim, FileGrade


@dataclass(frozen=True, slots=True)
class Likeness:
    """Likeness of a picture's luma (BT.601, full range) to the original's over some pixels.

    `mse` in squared levels; `psnr` in dB, `None` where `mse` is 0; `ssim`: mean of the SSIM map (Gaussian weights,
    σ 1.5, population covariance) over those pixels, for whole pictures without the outer 5 pixels, as scikit-image has
    it; `None` for pictures with a side of less than 11 pixels.
    """

    pixels: int
    mse: float
    psnr: float | None
    ssim: float | None


@dataclass(frozen=True, slots=True)
class PictureScore:
    """A picture of one kind (`decoded`, `sca`, …) against the original; `holes`: only MCUs that damage touched."""

    kind: str
    path: str
    whole: Likeness
    holes: Likeness | None


@dataclass(frozen=True, slots=True)
class FileScore:
    """One file of the truth against what a run made of it.

    `name`: in the truth; `image`: in the report, `None` if the run has no such file, or read the original in place of
    what became of it; `evaluated`: whether the file could be judged: if not, `problems` says why,
    and nothing below counts. `identical`, `scan_identical`: the best bytes that the run has (repaired, else carved,
    else its input) equal the original's, whole, or in its scan; a run that cuts off bytes behind EOI, as
    `carve` does, is not `identical` (problem `slack_cut`, severity `info`).
    `claim_holds`: whether the claim `exact_scan` is true, `None` for the others: `consistent` and `none` say nothing
    that can be refuted. `errors`: separate errors of the truth, `errors_found`: those whose every byte the run has put
    right, `errors_false`: cipher blocks (without a cipher, bytes) that the run changed to what the original does not
    hold.

    `mcus_touched`: MCUs of which damage changed a bit, `mcus_recoverable`: all others; `mcus_exact`: MCUs whose
    coefficients lie at their place as the original has them, in the aligned file if the run wrote one. `mcus_claimed`:
    MCUs of which a segment graded `intact`, `exact` or `aligned` covers a block, `mcus_claimed_wrong`: those of them in
    which such a block is not exact, `mcus_dc_near`: those of these in which all such blocks have their AC coefficients
    right and their DC coefficient within one quantiser step. `mcus_placed`: the same as `mcus_claimed` with segments
    graded `placed` besides, `mcus_placed_wrong`: those of them in which AC coefficients of such a block are wrong.
    """

    name: str
    image: str | None
    evaluated: bool
    problems: tuple[Problem, ...]
    pixels: int
    identical: bool
    scan_identical: bool
    grade: FileGrade | None
    claim: Claim | None
    claim_holds: bool | None
    errors: int
    errors_found: int
    errors_false: int
    mcus: int
    mcus_touched: int
    mcus_recoverable: int
    mcus_exact: int
    mcus_placed: int
    mcus_placed_wrong: int
    mcus_claimed: int
    mcus_claimed_wrong: int
    mcus_dc_near: int
    pictures: tuple[PictureScore, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """All files of one picture kind. PSNR in dB, `None` for infinite; `holes_…` over files that have holes.

    `psnr_median`: of the files; `psnr_mean_mse`: of the mean over files of the MSE; SSIM: mean over files that have
    one. What has no file to speak of is `None`, too.
    """

    kind: str
    files: int
    psnr_median: float | None
    psnr_mean_mse: float | None
    ssim_mean: float | None
    holes_files: int
    holes_psnr_median: float | None
    holes_psnr_mean_mse: float | None
    holes_ssim_mean: float | None


@dataclass(frozen=True, slots=True)
class ClaimCount:
    """Files with one claim, and how many of them have the original's scan bytes."""

    claim: Claim
    files: int
    scan_identical: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run against its truth, files in the order of the truth. Counts are over the files that could be evaluated.

    `claims_wrong`: files whose claim is false; `seconds_per_megapixel`: wall time of the whole run over the pixels of
    the originals that were judged, `None` where one of the two is not known.
    """

    files: tuple[FileScore, ...]
    summaries: tuple[Summary, ...]
    claims: tuple[ClaimCount, ...]
    evaluated: int
    identical: int
    scan_identical: int
    claims_wrong: int
    errors: int
    errors_found: int
    errors_false: int
    mcus: int
    mcus_touched: int
    mcus_recoverable: int
    mcus_exact: int
    mcus_placed: int
    mcus_placed_wrong: int
    mcus_claimed: int
    mcus_claimed_wrong: int
    mcus_dc_near: int
    seconds_per_megapixel: float | None
    problems: tuple[Problem, ...]
    schema_version: Literal[1] = field(default=1, kw_only=True)
