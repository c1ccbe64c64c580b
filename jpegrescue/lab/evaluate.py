"""A run against the truth: match, judge, sum up."""

import math
import stat
import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.progress import NoProgress, Progress
from jpegrescue.lab.judge import judge
from jpegrescue.lab.likeness import psnr_of_mean, structural_similarity
from jpegrescue.lab.listed import Folders
from jpegrescue.lab.match import Match, match
from jpegrescue.model.evaluation import ClaimCount, Evaluation, FileScore, Likeness, PictureScore, Summary
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Claim, Report
from jpegrescue.model.truth import Truth
from jpegrescue.report.json import from_json
from jpegrescue.report.output import REPORT_NAME, TRUTH_NAME

INDEX_BYTES_MAX = 1 << 30
"""Of report.json and truth.json."""

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
    report, true = _read_both(run, truth)
    matches, strangers = match(report, true, truth)
    progress.start(sum(map(_work, matches)), "evaluating")
    files: list[FileScore] = []
    pool = ThreadPoolExecutor(jobs, "evaluate")
    try:
        for one, score in zip(matches, pool.map(partial(judge, folders=Folders(run, truth)), matches), strict=True):
            files.append(score)
            progress.advance(_work(one))
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()
    return sum_up(report, files, (*_states(report, true), *strangers))


def sources(run: Path, truth: Path) -> tuple[Path, ...]:
    """The files and devices that the run and the data set were made of, as they were named then.

    Raises:
        UsageError, EvidenceError: as `evaluate`.
    """
    report, true = _read_both(run, truth)
    evidence = (report.evidence, *(image.evidence for image in report.images))
    read = [one.path for one in evidence if one is not None]
    return tuple(map(Path, dict.fromkeys((*read, *(image.source for image in true.images)))))


def _read_both(run: Path, truth: Path) -> tuple[Report, Truth]:
    return (
        _read(run / REPORT_NAME, Report, "RUN_DIR", "the results of a run"),
        _read(truth / TRUTH_NAME, Truth, "TRUTH_DIR", "a simulated data set"),
    )


def _work(one: Match) -> int:
    """Bytes to go through, of a size that nobody has checked yet."""
    return min(max(one.truth.size, 0), INDEX_BYTES_MAX)


def _read(path: Path, kind: type[_File], what: str, meaning: str) -> _File:
    try:
        status = path.stat()
        # a pipe would keep us waiting, and a device might never end; of a folder, reading it says what it is
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise EvidenceError(f"{path} is not a regular file", path=path)
        if status.st_size > INDEX_BYTES_MAX:
            raise EvidenceError(f"{path} has more than {INDEX_BYTES_MAX} bytes", path=path)
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
        mcus_recoverable=sum(file.mcus_recoverable for file in judged),
        mcus_exact=sum(file.mcus_exact for file in judged),
        mcus_placed=sum(file.mcus_placed for file in judged),
        mcus_placed_wrong=sum(file.mcus_placed_wrong for file in judged),
        mcus_claimed=sum(file.mcus_claimed for file in judged),
        mcus_claimed_wrong=sum(file.mcus_claimed_wrong for file in judged),
        mcus_dc_near=sum(file.mcus_dc_near for file in judged),
        seconds_per_megapixel=_seconds_per_megapixel(report.run.seconds, sum(file.pixels for file in judged)),
        problems=tuple(problems),
    )


def _seconds_per_megapixel(seconds: float | None, pixels: int) -> float | None:
    if seconds is None or not pixels:
        return None
    speed = seconds / pixels * 1e6
    return speed if math.isfinite(speed) and speed > 0 else None


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
        psnr_mean_mse=psnr_of_mean([one.mse for one in whole]),
        ssim_mean=_ssim_mean(whole),
        holes_files=len(holes),
        holes_psnr_median=_psnr_median(holes),
        holes_psnr_mean_mse=psnr_of_mean([one.mse for one in holes]),
        holes_ssim_mean=_ssim_mean(holes),
    )


def _psnr_median(scores: Sequence[Likeness]) -> float | None:
    if not scores:
        return None
    median = statistics.median(math.inf if score.psnr is None else score.psnr for score in scores)
    return median if math.isfinite(median) else None


def _ssim_mean(scores: Sequence[Likeness]) -> float | None:
    values = [score.ssim for score in scores if score.ssim is not None]
    return statistics.fmean(values) if values else None
