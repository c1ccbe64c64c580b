import sys
from pathlib import Path

import pytest
from PIL import Image

from jpegrescue.lab.curves import draw_curves

HISTORY = [
    {"step": step, "loss": 1.0 / step, "default": 20.0, "network": 20.0 + step, "default_told": 22, "network_told": 24}
    for step in (1, 2, 3)
]


def test_curves_are_a_picture(tmp_path: Path) -> None:
    draw_curves(HISTORY, tmp_path / "curves.png")

    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1080, 480)
        assert picture.convert("L").getextrema()[0] < 128
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_without_matplotlib_nothing_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    draw_curves(HISTORY, tmp_path / "curves.png")

    assert not list(tmp_path.iterdir())
