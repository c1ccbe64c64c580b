"""From trials to one Markdown table and one figure."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.restoration.modes import RATES
from benchmarks.restoration.photos import CLASSES
from benchmarks.restoration.trial import Trial
from jpegrescue.lab.likeness import psnr_of_mean
from jpegrescue.model.evaluation import Likeness, PictureScore

HEADER = (
    "class",
    "mode",
    "files",
    "unnoticed",
    "their wrong MCUs",
    "scan identical",
    "errors",
    "found",
    "false",
    "declared exact",
    "wrong claims",
    "MCUs touched",
    "MCUs exact",
    "placed of recoverable",
    "placed wrong",
    "aligned of recoverable",
    "aligned wrong",
)
NAMED_FROM = 0.01
"""Of the MCUs of a file that are claimed: if more are wrong, the file is named. Each is claimed by odds, so that some
must be."""
PICTURE_COLUMNS = ("dB", "median", "SSIM", "holes dB")
POOR, POOR_RATE = 30.0, "1e-05"
"""Files are named whose `restored` has less Y-PSNR, dB, in modes of this rate."""
Group = dict[tuple[str, str], list[Trial]]


def markdown(trials: Sequence[Trial]) -> str:
    """A line per class and mode. Shares are over all files of the line together.

    Unnoticed are damaged files in which no damage was found, and of their MCUs some are wrong all the same. Recoverable
    are the MCUs of which damage touched no bit, in files in which damage was found: the share of them that the report
    rightly says is placed (at its place, AC coefficients exact), and aligned (all coefficients exact); and how many of
    all MCUs of which it says so are not.
    Of each kind of picture: Y-PSNR of the mean MSE, median of the files' Y-PSNR, mean SSIM, and Y-PSNR of the mean MSE
    inside the MCUs that damage touched. `exact`: no difference at all.
    """
    kinds = _kinds(trials)
    header = [*HEADER, *(f"{kind} {column}" for kind in kinds for column in PICTURE_COLUMNS), "s/MP"]
    lines = [f"| {' | '.join(header)} |", f"|{' :-- |' * 2}{' --: |' * (len(header) - 2)}"]
    for (kind, mode), group in _grouped(trials).items():
        cells = [kind, mode, *_counts(group)]
        for picture in kinds:
            cells += _likeness_cells(_pictures(group, picture))
        pixels = sum(trial.score.pixels for trial in group)
        cells.append(f"{1e6 * sum(trial.seconds for trial in group) / pixels:.2f}" if pixels else "–")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def previews(trials: Sequence[Trial]) -> str:
    """`restored` with and without a preview, a line per class and mode: files, Y-PSNR of the mean MSE, median."""
    columns = [f"{which} {column}" for which in ("with", "without") for column in ("a preview", "dB", "median")]
    lines = [f"| class | mode | {' | '.join(columns)} |", f"|{' :-- |' * 2}{' --: |' * len(columns)}"]
    for (kind, mode), group in _grouped(trials).items():
        cells = [kind, mode]
        for wanted in (True, False):
            pictures = _pictures([trial for trial in group if trial.preview is wanted], "restored")
            cells += [str(len(pictures)), *_likeness_cells(pictures)[:2]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def poor(trials: Sequence[Trial]) -> str:
    """Files whose `restored` is below `POOR` in modes of `POOR_RATE`, the worst first, and what their report says."""
    found = []
    for trial in trials:
        score = trial.score
        for picture in _pictures([trial], "restored"):
            if not trial.mode.endswith(POOR_RATE) or picture.whole.psnr is None or picture.whole.psnr >= POOR:
                continue
            says = f"{score.grade}, {_share(score.mcus_placed, score.mcus)} of the MCUs placed or better"
            where = f"{trial.photo}, {trial.mode}, seed {trial.seed}"
            found.append((picture.whole.psnr, f"- {where}: {_decibels(picture.whole.psnr)} dB; {says}"))
    return "\n".join(line for _, line in sorted(found)) + "\n" if found else "none\n"


def problems(trials: Sequence[Trial]) -> str:
    """What could not be judged, and every file with a claim that does not hold, or too many of its MCUs'."""
    lines = []
    for trial in trials:
        where = f"{trial.photo}, {trial.mode}, seed {trial.seed}"
        serious = [problem for problem in trial.score.problems if problem.severity != "info"]
        lines += [f"- {where}: {problem.kind}: {problem.detail}" for problem in serious]
        if trial.score.claim_holds is False:
            lines.append(f"- {where}: wrong claim {trial.score.claim}")
        claims = (
            (trial.score.mcus_placed_wrong, trial.score.mcus_placed, "placed"),
            (trial.score.mcus_claimed_wrong, trial.score.mcus_claimed, "aligned"),
        )
        for wrong, claimed, what in claims:
            if wrong > NAMED_FROM * claimed:
                lines.append(f"- {where}: {wrong} MCUs wrong of {claimed} {what}")
    return "\n".join(lines) + "\n" if lines else "none\n"


def figure(trials: Sequence[Trial], path: Path) -> None:
    """Y-PSNR of the mean MSE over the bit error rate under CBC, a panel per class, a line per kind of picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = [name for name in CLASSES if any(trial.kind == name for trial in trials)]
    drawing = Figure(figsize=(3.2 * len(classes) + 1, 3.6), layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots(1, len(classes), sharey=True, squeeze=False)[0]
    grouped = _grouped(trials)
    for panel, name in zip(axes, classes, strict=True):
        for picture in _kinds(trials):
            points = [(rate, _of_mean(_pictures(grouped.get((name, f"cbc {rate:g}"), []), picture))) for rate in RATES]
            known = [(rate, value) for rate, value in points if value is not None]
            panel.plot([rate for rate, _ in known], [value for _, value in known], marker="o", label=picture)
        panel.set(xscale="log", title=name, xlabel="bit error rate, CBC")
        panel.grid(visible=True, alpha=0.3)
    axes[0].set_ylabel("Y-PSNR of the mean MSE, dB")
    axes[-1].legend(title="picture")
    drawing.savefig(path, dpi=120)


def _grouped(trials: Iterable[Trial]) -> Group:
    """By class and mode, in the order in which they first come."""
    groups: Group = defaultdict(list)
    for trial in trials:
        groups[trial.kind, trial.mode].append(trial)
    return groups


def _kinds(trials: Iterable[Trial]) -> list[str]:
    return list(dict.fromkeys(picture.kind for trial in trials for picture in trial.score.pictures))


def _pictures(group: Iterable[Trial], kind: str) -> list[PictureScore]:
    return [picture for trial in group for picture in trial.score.pictures if picture.kind == kind]


def _counts(group: Sequence[Trial]) -> list[str]:
    def total(field: Callable[[Trial], int]) -> int:
        return sum(field(trial) for trial in group)

    errors = total(lambda t: t.score.errors)
    mcus = total(lambda t: t.score.mcus)
    recoverable = total(lambda t: _noticed(t) * t.score.mcus_recoverable)
    placed, placed_wrong = total(lambda t: t.score.mcus_placed), total(lambda t: t.score.mcus_placed_wrong)
    aligned, aligned_wrong = total(lambda t: t.score.mcus_claimed), total(lambda t: t.score.mcus_claimed_wrong)
    return [
        str(len(group)),
        str(total(_unnoticed)),
        _share(
            total(lambda t: _unnoticed(t) * (t.score.mcus - t.score.mcus_exact)),
            total(lambda t: _unnoticed(t) * t.score.mcus),
        ),
        str(total(lambda t: t.score.scan_identical)),
        str(errors),
        _share(total(lambda t: t.score.errors_found), errors),
        str(total(lambda t: t.score.errors_false)),
        str(total(lambda t: t.score.claim == "exact_scan")),
        str(total(lambda t: t.score.claim_holds is False)),
        _share(total(lambda t: t.score.mcus_touched), mcus),
        _share(total(lambda t: t.score.mcus_exact), mcus),
        _share(placed - placed_wrong, recoverable),
        _share(placed_wrong, placed, 2),
        _share(aligned - aligned_wrong, recoverable),
        _share(aligned_wrong, aligned, 2),
    ]


def _unnoticed(trial: Trial) -> bool:
    return trial.score.errors > 0 and not _noticed(trial)


def _noticed(trial: Trial) -> bool:
    return trial.score.grade != "no_damage_found"


def _share(part: int, whole: int, digits: int = 1) -> str:
    return f"{100 * part / whole:.{digits}f} %" if whole else "–"


def _likeness_cells(pictures: Sequence[PictureScore]) -> list[str]:
    if not pictures:
        return ["–"] * len(PICTURE_COLUMNS)
    whole = [picture.whole for picture in pictures]
    each = [like.psnr if like.psnr is not None else float("inf") for like in whole]
    similar = [like.ssim for like in whole if like.ssim is not None]
    holes = [picture.holes for picture in pictures if picture.holes is not None]
    return [
        _decibels(_mean_psnr(whole)),
        _decibels(statistics.median(each)),
        f"{statistics.fmean(similar):.3f}" if similar else "–",
        _decibels(_mean_psnr(holes)) if holes else "–",
    ]


def _of_mean(pictures: Sequence[PictureScore]) -> float | None:
    value = _mean_psnr([picture.whole for picture in pictures]) if pictures else float("inf")
    return None if value == float("inf") else value


def _mean_psnr(likenesses: Sequence[Likeness]) -> float:
    value = psnr_of_mean([like.mse for like in likenesses])
    return float("inf") if value is None else value


def _decibels(value: float) -> str:
    return "exact" if value == float("inf") else f"{value:.2f}"
