"""How a training went, as a PNG file."""

import importlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SIZE, _DOTS = (9.0, 4.0), 120  # inches, and dots per inch
_BLUE, _ORANGE = "#0072b2", "#e69f00"
_GAINS = (("without a preview", "network", "default", _BLUE), ("with one", "network_told", "default_told", _ORANGE))


def draw_curves(history: Sequence[dict[str, float]], path: Path) -> None:
    """Loss, and gain over the default fill on photos that are held out, by step; see `gca.train.Score`.

    Nothing is drawn without matplotlib.
    """
    try:
        figure: Any = importlib.import_module("matplotlib.figure").Figure(
            figsize=_SIZE, dpi=_DOTS, layout="constrained"
        )
    except ImportError:
        return
    left, right = figure.subplots(1, 2)
    steps = [score["step"] for score in history]
    left.plot(steps, [score["loss"] for score in history], color="black")
    left.set(xlabel="step", ylabel="training loss")
    for label, network, default, colour in _GAINS:
        right.plot(steps, [score[network] - score[default] for score in history], color=colour, label=label)
    right.set(xlabel="step", ylabel="gain over the default fill, dB")
    right.axhline(0, color="grey", linewidth=0.8)
    right.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": "jpegrescue train"})
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(buffer.getvalue())
    part.replace(path)
