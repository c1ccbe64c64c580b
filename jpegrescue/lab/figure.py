"""An evaluation at a glance: a PNG file with the PSNR of every picture and the share of exact MCUs of every file."""

import importlib
import io
import math
import struct
from typing import TYPE_CHECKING, Any

from jpegrescue.errors import UsageError
from jpegrescue.model.evaluation import Evaluation, FileScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SOFTWARE = "jpegrescue evaluate"
"""What a figure names as its maker, and is known again by."""
HEAD_BYTES = 4096
"""Of a PNG file: enough for `is_figure`."""

_SIZE = (10.0, 7.5)  # inches
_DOTS = 120  # per inch
_HEADROOM = 3.0  # dB above the best finite PSNR, where identical pictures are drawn
_MARKERS = "osD^vP*X"
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#999999")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
_LABEL_MAX = 24  # characters
_LEGEND_MAX = 10  # entries


def figure_class() -> Any:
    """The Figure of matplotlib, which draws with Agg and needs no display.

    Raises:
        UsageError: matplotlib is not installed, or not so that it can be used.
    """
    try:
        return importlib.import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise UsageError(
            f"--plot needs matplotlib, which cannot be used ({error}): pip install 'jpegrescue[eval]'", option="--plot"
        ) from None


def is_figure(head: bytes) -> bool:
    """Whether a file that begins with `head`, its first `HEAD_BYTES`, is a figure that `draw` made."""
    text = b"tEXtSoftware\0" + SOFTWARE.encode()
    return head.startswith(b"\x89PNG\r\n\x1a\n") and struct.pack(">I", len(text) - 4) + text in head


def draw(evaluation: Evaluation) -> bytes:
    """The figure as a PNG file.

    Files stand from left to right by the Y-PSNR of their first kind of picture, files without one last; both panels
    have the same order.

    Raises:
        UsageError: matplotlib is not installed.
    """
    figure = figure_class()(figsize=_SIZE, dpi=_DOTS, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    kinds = [summary.kind for summary in evaluation.summaries]
    files = sorted((file for file in evaluation.files if file.evaluated), key=lambda file: _rank(file, kinds))
    figure.suptitle(f"{len(files)} of {len(evaluation.files)} files of the truth evaluated")
    _draw_psnr(upper, files, kinds)
    _draw_mcus(lower, files)
    lower.set_xlabel("files, by Y-PSNR" + (f" of {_label(kinds[0])}" if kinds else ""), parse_math=False)
    lower.set_xlim(0.5, max(len(files), 1) + 0.5)
    lower.xaxis.get_major_locator().set_params(integer=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": SOFTWARE})  # for any version of matplotlib
    return buffer.getvalue()


def _label(kind: str) -> str:
    """A kind of picture, which a report may call anything, in letters that every font has.

    Matplotlib leaves labels that begin with an underscore out of the legend, and empty ones.
    """
    safe = kind.encode("unicode_escape").decode("ascii")
    safe = safe if len(safe) <= _LABEL_MAX else f"{safe[:_LABEL_MAX]}..."
    return f" {safe}" if safe.startswith("_") else safe or "(no name)"


def _psnr(file: FileScore, kind: str) -> float | None:
    """Y-PSNR of a file's picture, infinite for an identical one, `None` if there is none."""
    whole = next((picture.whole for picture in file.pictures if picture.kind == kind), None)
    if whole is None:
        return None
    return math.inf if whole.psnr is None else whole.psnr


def _rank(file: FileScore, kinds: list[str]) -> tuple[bool, float, str]:
    value = _psnr(file, kinds[0]) if kinds else None
    return value is None, value or 0.0, file.name


def _draw_psnr(axes: "Axes", files: list[FileScore], kinds: list[str]) -> None:
    values = {kind: [_psnr(file, kind) for file in files] for kind in kinds}
    finite = [v for row in values.values() for v in row if v is not None and math.isfinite(v)]
    ceiling = max(finite, default=50.0) + _HEADROOM
    size = 5 if len(files) <= 100 else 3
    for number, (kind, row) in enumerate(values.items()):
        places = [place for place, value in enumerate(row, 1) if value is not None]
        heights = [min(value, ceiling) for value in row if value is not None]
        axes.plot(
            places,
            heights,
            _MARKERS[number % len(_MARKERS)],
            color=_COLOURS[number % len(_COLOURS)],
            markersize=size,
            alpha=0.8,
            label=_label(kind),
        )
    if len(finite) < sum(value is not None for row in values.values() for value in row):
        axes.axhline(ceiling, color="grey", linewidth=0.8, linestyle=":", label="identical (infinite)")
    axes.set_ylabel("Y-PSNR in dB")
    axes.grid(alpha=0.3)
    if kinds:
        _add_legend(axes)


def _draw_mcus(axes: "Axes", files: list[FileScore]) -> None:
    known = [(place, file) for place, file in enumerate(files, 1) if file.mcus]
    series = (
        ("exact, at its place", [100 * file.mcus_exact / file.mcus for _, file in known], "o", _COLOURS[0]),
        ("not touched by damage", [100 - 100 * file.mcus_touched / file.mcus for _, file in known], "_", _COLOURS[5]),
        ("claimed, but wrong", [100 * file.mcus_claimed_wrong / file.mcus for _, file in known], "x", _COLOURS[6]),
    )
    for label, heights, marker, colour in series:
        if marker != "x" or any(heights):
            axes.plot([place for place, _ in known], heights, marker, color=colour, markersize=5, label=label)
    axes.set_ylabel("share of MCUs in %")
    axes.set_ylim(-3, 103)
    axes.grid(alpha=0.3)
    _add_legend(axes)


def _add_legend(axes: "Axes") -> None:
    """Lines above the panel, where they cover no point; of very many labels, the first."""
    handles, labels = axes.get_legend_handles_labels()
    legend = axes.legend(
        handles[:_LEGEND_MAX],
        labels[:_LEGEND_MAX],
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0.2,
        ncols=5,
        frameon=False,
        fontsize="small",
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a label with dollars in it is no formula
