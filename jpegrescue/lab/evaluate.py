"""A run against the truth: match, judge, sum up."""

import math
import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.progress import NoProgress, Progress
from jpegrescue.lab.judge import Folders, judge
from jpegrescue.lab.likeness import psnr, structural_similarity
from jpegrescue.lab.match import match
from jpegrescue.model.evaluation import ClaimCount, Evaluation, FileScore, Likeness, PictureScore, Summary
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Claim, Report
from jpegrescue.model.truth import Truth
from jpegrescue.report.json import from_json
from jpegrescue.report.output import REPORT_NAME

TRUTH_NAME = "truth.json"

_File = TypeVar("_File", Report, Truth)


def evaluate(run: Path, truth: Path, *, jobs: int, progress: Progress | None = None) -> Evaluation:
    """Judge the run in the folder `run` against the data set in the folder `truth`, in `jobs` threads.

    The result does not depend on `jobs`; memory grows with it, not with the number of files.

    Raises:
        UsageError: a folder does not hold what it should, or scikit-image is not installed.
        EvidenceError: report.json or truth.json cannot be read.
    """
    structural_similarity()  # whether it is there at all must not turn out after the first file
    progress = progress or NoProgress()
    report = _read(run / REPORT_NAME, Report, "RUN_DIR", "the results of a run")
    true = _read(truth / TRUTH_NAME, Truth, "TRUTH_DIR", "a simulated data set")
    matches, strangers = match(report, true)
    progress.start(sum(one.truth.size for one in matches), "evaluating")
    files: list[FileScore] = []
    pool = ThreadPoolExecutor(jobs, "evaluate")
    try:
        for one, score in zip(matches, pool.map(partial(judge, folders=Folders(run, truth)), matches), strict=True):
            files.append(score)
            progress.advance(one.truth.size)
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    return sum_up(report, files, (*_states(report, true), *strangers))


def _read(path: Path, kind: type[_File], what: str, meaning: str) -> _File:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path.parent} does not hold {meaning}: there is no {path.name} in it", option=what) from None
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}", path=path) from error
    try:
        return from_json(data, kind)
    except ValueError:
        reason = f"{path} is damaged, or not what this version writes for {meaning}"
        raise UsageError(reason, option=what) from None


def _states(report: Report, truth: Truth) -> list[Problem]:
    problems = []
    if report.run.state != "done":
        detail = f"the run did not get to its end (state {report.run.state}): what it has is judged"
        problems.append(Problem("run_incomplete", "warning", detail))
    if truth.state != "done":
        detail = f"the data set was not finished (state {truth.state}): what there is of it is used"
        problems.append(Problem("truth_incomplete", "warning", detail))
    return problems


def sum_up(report: Report, files: Sequence[FileScore], problems: Sequence[Problem]) -> Evaluation:
    """What `files` amount to; only those that could be evaluated count."""
    judged = [file for file in files if file.evaluated]
    pixels = sum((i.width or 0) * (i.height or 0) for i in report.images if i.grade != "undecodable")
    seconds = report.run.seconds
    return Evaluation(
        files=tuple(files),
        summaries=_summaries(judged),
        claims=_claims(judged),
        evaluated=len(judged),
        identical=sum(file.identical for file in judged),
        scan_identical=sum(file.scan_identical for file in judged),
        claims_wrong=sum(file.claim_holds is False for file in judged),
        errors=sum(file.errors for file in judged),
        errors_found=sum(file.errors_found for file in judged),
        errors_false=sum(file.errors_false for file in judged),
        mcus=sum(file.mcus for file in judged),
        mcus_touched=sum(file.mcus_touched for file in judged),
        mcus_exact=sum(file.mcus_exact for file in judged),
        mcus_claimed=sum(file.mcus_claimed for file in judged),
        mcus_claimed_wrong=sum(file.mcus_claimed_wrong for file in judged),
        seconds_per_megapixel=seconds / pixels * 1e6 if seconds is not None and pixels else None,
        problems=tuple(problems),
    )


def _claims(files: Sequence[FileScore]) -> tuple[ClaimCount, ...]:
    """Claims that were made, the strongest first."""
    made = {claim: [file for file in files if file.claim == claim] for claim in get_args(Claim)}
    return tuple(
        ClaimCount(claim, len(group), sum(file.scan_identical for file in group))
        for claim, group in made.items()
        if group
    )


def _summaries(files: Iterable[FileScore]) -> tuple[Summary, ...]:
    """Kinds in the order in which they first appear."""
    kinds: dict[str, list[PictureScore]] = {}
    for file in files:
        for picture in file.pictures:
            kinds.setdefault(picture.kind, []).append(picture)
    return tuple(_summary(kind, pictures) for kind, pictures in kinds.items())


def _summary(kind: str, pictures: Sequence[PictureScore]) -> Summary:
    whole = [picture.whole for picture in pictures]
    holes = [picture.holes for picture in pictures if picture.holes is not None]
    return Summary(
        kind=kind,
        files=len(whole),
        psnr_median=_psnr_median(whole),
        psnr_mean_mse=_psnr_mean_mse(whole),
        ssim_mean=_ssim_mean(whole),
        holes_files=len(holes),
        holes_psnr_median=_psnr_median(holes),
        holes_psnr_mean_mse=_psnr_mean_mse(holes),
        holes_ssim_mean=_ssim_mean(holes),
    )


def _psnr_median(scores: Sequence[Likeness]) -> float | None:
    if not scores:
        return None
    median = statistics.median(math.inf if score.psnr is None else score.psnr for score in scores)
    return median if math.isfinite(median) else None


def _psnr_mean_mse(scores: Sequence[Likeness]) -> float | None:
    return psnr(statistics.fmean(score.mse for score in scores)) if scores else None


def _ssim_mean(scores: Sequence[Likeness]) -> float | None:
    values = [score.ssim for score in scores if score.ssim is not None]
    return statistics.fmean(values) if values else None
