"""The figure: a PNG file, in one order, with everything that was judged in it."""

import importlib
import io
import sys
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from jpegrescue.errors import UsageError
from jpegrescue.lab import figure as module
from jpegrescue.lab.evaluate import sum_up
from jpegrescue.lab.figure import HEAD_BYTES, SOFTWARE, draw, is_figure
from jpegrescue.model.evaluation import Evaluation, FileScore, PictureScore
from tests.report.samples import REPORT

from .test_evaluate import SCORE, like


def file(name: str, exact: int = 10, wrong: int = 0, **pictures: float) -> FileScore:
    scores = tuple(PictureScore(kind, f"{name}.{kind}.png", like(mse, 0.9), None) for kind, mse in pictures.items())
    return replace(SCORE, name=name, mcus_exact=exact, mcus_claimed_wrong=wrong, pictures=scores)


def evaluation(*files: FileScore) -> Evaluation:
    return sum_up(REPORT, files, ())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Figures that are drawn, kept to be looked at."""
    kept: list[Any] = []
    real = module.figure_class()

    def keep(**options: Any) -> Any:
        kept.append(real(**options))
        return kept[-1]

    monkeypatch.setattr(module, "figure_class", lambda: keep)
    return kept


def points(axes: Any) -> dict[str, list[tuple[float, float]]]:
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("identical")]
    return {
        line.get_label(): [(float(x), round(float(y), 2)) for x, y in zip(*line.get_data(), strict=True)]
        for line in lines
    }


def test_files_stand_by_the_psnr_of_their_first_kind_in_both_panels(drawn: list[Any]) -> None:
    data = draw(
        evaluation(
            file("good", exact=20, decoded=1.0, sca=100.0),
            file("bad", exact=5, decoded=100.0, sca=4.0),
            file("bare", exact=10),
            replace(file("unjudged", decoded=9.0), evaluated=False),
        )
    )

    (figure,) = drawn
    upper, lower = figure.axes
    assert points(upper) == {"decoded": [(1, 28.13), (2, 48.13)], "sca": [(1, 42.11), (2, 28.13)]}
    assert points(lower)["exact, at its place"] == [(1, 25.0), (2, 100.0), (3, 50.0)]
    assert points(lower)["not touched by damage"] == [(1, 80.0), (2, 80.0), (3, 80.0)]
    assert "claimed, but wrong" not in points(lower)
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("Y-PSNR in dB", "share of MCUs in %")
    assert lower.get_xlabel() == "files, by Y-PSNR of decoded"
    assert "3 of 4 files" in figure.get_suptitle()
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.size) == ("PNG", (1200, 900))
    assert len(picture.convert("RGB").getcolors(1 << 20)) > 10


def test_identical_pictures_lie_on_a_line_above_the_others(drawn: list[Any]) -> None:
    draw(evaluation(file("a", decoded=1.0), file("b", decoded=0.0)))

    upper = drawn[0].axes[0]
    assert points(upper)["decoded"] == [(1, 48.13), (2, 51.13)]
    assert [text.get_text() for text in upper.get_legend().get_texts()] == ["decoded", "identical (infinite)"]


def test_wrong_claims_are_drawn(drawn: list[Any]) -> None:
    draw(evaluation(file("a", wrong=2, decoded=1.0)))

    assert points(drawn[0].axes[1])["claimed, but wrong"] == [(1, 10.0)]


@pytest.mark.parametrize("files", [(), (file("a"),), (replace(file("a", decoded=0.0), mcus=0),)])
def test_little_or_nothing_to_draw_is_no_failure(files: tuple[FileScore, ...]) -> None:
    assert draw(evaluation(*files)).startswith(b"\x89PNG")


def test_the_same_evaluation_gives_the_same_bytes() -> None:
    result = evaluation(*(file(f"f{n}", decoded=n + 1.0) for n in range(150)))

    assert draw(result) == draw(result)


@pytest.mark.parametrize("kind", ["$\\frac{$", "_x\0\n", "\ud800", "図", "", "$" * 100_000, "_" * 99])
def test_kinds_of_any_name_can_be_drawn(drawn: list[Any], kind: str) -> None:
    draw(evaluation(file("a", **{kind: 1.0, "sca": 2.0})))

    (label, _) = [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()]
    assert label.isascii()
    assert label == "" or label.isprintable()
    assert not label.startswith("_")
    assert len(label) < 40


def test_a_great_many_kinds_can_be_drawn(drawn: list[Any]) -> None:
    draw(evaluation(file("a", **{f"kind{n}": n + 1.0 for n in range(200)})))

    upper = drawn[0].axes[0]
    assert len(upper.get_lines()) == 200
    assert len(upper.get_legend().get_texts()) == 10


def test_a_figure_is_known_again() -> None:
    data = draw(evaluation(file("a", decoded=1.0)))
    other = io.BytesIO()
    Image.new("L", (9, 9)).save(other, "PNG")

    assert is_figure(data[:HEAD_BYTES])
    assert Image.open(io.BytesIO(data)).info["Software"] == SOFTWARE
    assert not is_figure(other.getvalue())
    assert not is_figure(data[8:])
    assert not is_figure(data.replace(SOFTWARE.encode(), SOFTWARE.upper().encode()))
    assert not is_figure(b"")


def test_a_matplotlib_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ImportError("libwhatever.so: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", fail)

    with pytest.raises(UsageError, match=r"libwhatever.*pip install 'jpegrescue\[eval\]'"):
        draw(evaluation())


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(UsageError, match=r"pip install 'jpegrescue\[eval\]'") as caught:
        draw(evaluation())
    assert caught.value.option == "--plot"
