"""How an evaluation is shown: for scripts, for people, and without a word too much."""

import io
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from jpegrescue.cli import present, scores
from jpegrescue.cli.scores import COLUMNS, Figure, show, summarise, tab_separated
from jpegrescue.errors import OutputError, UsageError
from jpegrescue.lab.evaluate import sum_up
from jpegrescue.model.evaluation import Evaluation, FileScore, PictureScore
from jpegrescue.model.problem import Problem
from tests.lab.test_evaluate import SCORE, like
from tests.report.samples import REPORT

from .test_present import Terminal

PICTURED = replace(
    SCORE,
    name="p",
    pictures=(
        PictureScore("decoded", "p.png", like(4.0, 0.87654), like(100.0, 0.5)),
        PictureScore("sca", "s.png", like(0.0, None), None),
    ),
)
UNJUDGED = replace(SCORE, name="u", image=None, evaluated=False, problems=(Problem("no_image", "error", "nothing"),))


def evaluation(*files: FileScore, problems: Sequence[Problem] = ()) -> Evaluation:
    return sum_up(REPORT, files, problems)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    for module in (present, scores):
        monkeypatch.setattr(module, "sys", SimpleNamespace(stdout=stream, stderr=io.StringIO()))
    return stream


def test_a_line_has_a_cell_for_every_column() -> None:
    line = tab_separated([PICTURED])

    assert line.endswith("\n")
    cells = dict(zip(COLUMNS, line[:-1].split("\t"), strict=True))
    assert cells == {
        "name": "p",
        "image": "a",
        "evaluated": "yes",
        "grade": "partly_restored",
        "claim": "none",
        "claim_holds": "-",
        "identical": "no",
        "scan_identical": "no",
        "errors": "3",
        "errors_found": "2",
        "errors_false": "1",
        "mcus": "20",
        "mcus_touched": "4",
        "mcus_recoverable": "16",
        "mcus_exact": "15",
        "mcus_placed": "12",
        "mcus_placed_wrong": "1",
        "mcus_claimed": "10",
        "mcus_claimed_wrong": "2",
        "mcus_dc_near": "1",
        "psnr": "decoded=42.11 sca=inf",
        "ssim": "decoded=0.8765 sca=-",
        "problems": "-",
    }


def test_of_a_file_that_was_not_judged_nothing_is_said() -> None:
    cells = dict(zip(COLUMNS, tab_separated([UNJUDGED])[:-1].split("\t"), strict=True))

    assert {column for column, cell in cells.items() if cell != "-"} == {"name", "evaluated", "problems"}
    assert (cells["evaluated"], cells["problems"]) == ("no", "no_image")


def test_names_are_made_safe() -> None:
    nasty = replace(SCORE, name="a\tb\x1b[2J\n")

    assert tab_separated([nasty]).startswith("a\\tb\\x1b[2J\\n\ta\t")
    assert tab_separated([nasty]).count("\n") == 1


def test_a_terminal_gets_a_table_of_80_columns_and_a_summary(terminal: Terminal) -> None:
    wrong = replace(PICTURED, name="w" * 60, claim="exact_scan", claim_holds=False, mcus_exact=0)
    exact = replace(PICTURED, name="[red]e", mcus_exact=20)

    show(evaluation(wrong, exact, UNJUDGED), as_json=False, quiet=False)

    lines = terminal.text.splitlines()
    assert lines[0].split() == ["name", "claim", "found", "false", "exact", "decoded", "dB", "sca", "dB"]
    table = lines[: next(n for n, line in enumerate(lines) if line.startswith("2 of 3 files evaluated"))]
    assert max(map(len, table)) <= 80
    text = " ".join(table)
    assert re.search(r"exact scan, WRONG +2/3 +1 +0.00 % +42\.11 +inf", text)
    assert re.search(r"\[red\]e +none +2/3 +1 +100 % +42\.11 +inf", text)
    assert re.search(r"u +not judged +- +- +- +- +-", text)


def test_the_summary_in_words() -> None:
    right = replace(PICTURED, claim="exact_scan", claim_holds=True, scan_identical=True, identical=True)
    report = replace(REPORT, run=replace(REPORT.run, seconds=0.1))

    said = summarise(sum_up(report, [right, PICTURED, UNJUDGED], ()))

    assert said.splitlines() == [
        "2 of 3 files evaluated: 1 with the original's scan, 1 identical to it",
        "errors: 4 of 6 found, 2 false changes",
        "MCUs: 75.00 % exact of 40, 20.00 % touched by damage",
        "of 32 that are not: 75.00 % said to be placed, 2 wrongly; 62.50 % said to be exact, 4 wrongly, of which 2 by "
        "no more than a step of DC",
        "claim exact scan: 1 files, 1 with the original's scan",
        "claim none: 1 files, 0 with the original's scan",
        "decoded: 2 pictures, Y-PSNR 42.11 dB (mean error), 42.11 dB (median), SSIM 0.8765",
        "  where damage touched: 28.13 dB (SSIM 0.5000, 2 files)",
        "sca: 2 pictures, Y-PSNR inf dB (mean error), inf dB (median), SSIM -",
        "speed of the run: 500.00 s per megapixel",
    ]


def test_shares_are_not_rounded_to_all() -> None:
    almost = replace(SCORE, mcus=1_000_000, mcus_exact=999_999, mcus_touched=1_000_000)

    assert "99.99 % exact of 1000000, 100 % touched" in summarise(evaluation(almost))
    assert "MCUs: - exact of 0" in summarise(evaluation())


def test_problems_are_told_with_their_file_and_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    odd = replace(SCORE, name="o\x1b", problems=(Problem("size_differs", "warning", "too large"),))
    many = [Problem("no_truth", "error", f"stranger {n}") for n in range(present.MOST_PROBLEMS)]

    show(evaluation(odd, problems=many[:1]), as_json=False, quiet=False)
    assert capsys.readouterr().err.splitlines() == ["Error: stranger 0", "Warning: o\\x1b: too large"]
    show(evaluation(odd, problems=many[:1]), as_json=False, quiet=True)
    assert capsys.readouterr() == ("", "Error: stranger 0\n")
    show(evaluation(odd, problems=many), as_json=False, quiet=False)
    assert capsys.readouterr().err.splitlines()[-1] == "Warning: 1 more problems: --json has them all"


def test_a_long_table_shows_first_what_needs_a_look(terminal: Terminal) -> None:
    fine = replace(SCORE, mcus_claimed_wrong=0, mcus_placed_wrong=0)
    files = [replace(fine, name=f"f{n}") for n in range(present.LONGEST_TABLE)]

    show(evaluation(*files, UNJUDGED), as_json=False, quiet=False)

    lines = terminal.text.splitlines()
    assert lines[1].startswith("u ")
    assert "… and 1 more: --json has them all" in lines


def test_a_figure_replaces_an_older_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    Figure(target, apart_from=[]).write(evaluation())
    older = target.read_bytes()

    Figure(target, apart_from=[tmp_path / "elsewhere"]).write(evaluation(PICTURED))

    assert target.read_bytes().startswith(b"\x89PNG")
    assert target.read_bytes() != older
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


@pytest.mark.parametrize("kind", ["link", "broken link", "pipe", "folder", "photo", "empty"])
def test_a_figure_takes_the_place_of_nothing_else(tmp_path: Path, kind: str) -> None:
    """Of a link that leads to a figure neither: to a reader of the folder it is not the figure that it was."""
    target = tmp_path / "figure.png"
    Figure(tmp_path / "older.png", apart_from=[]).write(evaluation())
    if kind == "link":
        target.symlink_to(tmp_path / "older.png")
    elif kind == "broken link":
        target.symlink_to(tmp_path / "nowhere")
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.write_bytes(b"\x89PNG\r\n\x1a\nSoftware\0matplotlib" if kind == "photo" else b"")

    with pytest.raises(UsageError, match="exists and is no figure of an evaluation"):
        Figure(target, apart_from=[])


def test_a_figure_is_never_a_source_by_any_name(tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    Figure(target, apart_from=[]).write(evaluation())
    (tmp_path / "link").symlink_to(target)
    os.link(target, tmp_path / "other")

    for source in (target, tmp_path / "x" / ".." / "figure.png", tmp_path / "link", tmp_path / "other"):
        with pytest.raises(UsageError, match="made of"):
            Figure(target, apart_from=[], sources=[source])
    with pytest.raises(UsageError, match="made of"):
        Figure(tmp_path / "gone.png", apart_from=[], sources=[tmp_path / "gone.png"])
    Figure(target, apart_from=[], sources=[Path("\0"), tmp_path / "nowhere"])


def test_a_folder_that_takes_no_files_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores.os, "access", lambda *_: False)

    with pytest.raises(OutputError, match="cannot be written to"):
        Figure(tmp_path / "figure.png", apart_from=[])


def test_what_is_only_worth_knowing_is_nothing_wrong() -> None:
    noted = replace(
        SCORE, mcus_claimed_wrong=0, mcus_placed_wrong=0, problems=(Problem("slack_cut", "info", "5 bytes"),)
    )

    assert scores._fine(noted)
    assert not scores._fine(replace(noted, problems=(Problem("slack_cut", "warning", "5 bytes"),)))


def test_a_figure_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    figure = Figure(target, apart_from=[])
    target.mkdir()

    with pytest.raises(OutputError, match=r"figure\.png cannot be written: is a directory"):
        figure.write(evaluation(PICTURED))
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]
