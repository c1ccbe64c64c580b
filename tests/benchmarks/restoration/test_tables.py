from dataclasses import replace
from pathlib import Path

from PIL import Image

from benchmarks.restoration.tables import figure, markdown, poor, previews, problems
from benchmarks.restoration.trial import Trial
from jpegrescue.model.evaluation import FileScore, Likeness, PictureScore
from jpegrescue.model.problem import Problem

SCORE = FileScore(
    name="a",
    image="a",
    evaluated=True,
    problems=(),
    pixels=500_000,
    identical=False,
    scan_identical=False,
    grade="partly_restored",
    claim="none",
    claim_holds=None,
    errors=4,
    errors_found=1,
    errors_false=0,
    mcus=100,
    mcus_touched=5,
    mcus_recoverable=95,
    mcus_exact=40,
    mcus_placed=0,
    mcus_placed_wrong=0,
    mcus_claimed=0,
    mcus_claimed_wrong=0,
    mcus_dc_near=0,
    pictures=(PictureScore("decoded", "a.png", Likeness(500_000, 65.025, 30.0, 0.5), None),),
)
TRIAL = Trial("a", "kodak", "cbc 1e-05", 1, "code", 0.25, False, SCORE)


def _cells(table: str, line: int) -> dict[str, str]:
    header, _, *rows = [[cell.strip() for cell in row.strip("|\n").split("|")] for row in table.strip().split("\n")]
    return dict(zip(header, rows[line], strict=True))


def test_a_line_sums_up_its_trials() -> None:
    exact = PictureScore("decoded", "b.png", Likeness(500_000, 0.0, None, 1.0), Likeness(10, 650.25, 20.0, 0.1))
    better = replace(SCORE, scan_identical=True, errors=0, errors_found=0, mcus_exact=100, pictures=(exact,))
    cells = _cells(markdown([TRIAL, replace(TRIAL, photo="b", score=better)]), 0)
    assert (cells["class"], cells["mode"], cells["files"]) == ("kodak", "cbc 1e-05", "2")
    assert (cells["scan identical"], cells["errors"], cells["found"]) == ("1", "4", "25.0 %")
    assert (cells["MCUs touched"], cells["MCUs exact"]) == ("5.0 %", "70.0 %")
    assert (cells["unnoticed"], cells["placed of recoverable"], cells["placed wrong"]) == ("0", "0.0 %", "–")
    assert (cells["aligned of recoverable"], cells["aligned wrong"]) == ("0.0 %", "–")
    assert (cells["decoded dB"], cells["decoded median"], cells["decoded SSIM"]) == ("33.01", "exact", "0.750")
    assert (cells["decoded holes dB"], cells["s/MP"]) == ("20.00", "0.50")


def test_damage_that_nobody_noticed() -> None:
    silent = replace(SCORE, grade="no_damage_found")
    sound = replace(silent, errors=0)
    cells = _cells(markdown([replace(TRIAL, score=silent), replace(TRIAL, score=sound), TRIAL]), 0)
    assert (cells["unnoticed"], cells["their wrong MCUs"]) == ("1", "60.0 %")


def test_shares_of_what_could_be_recovered() -> None:
    half = replace(SCORE, mcus_placed=40, mcus_placed_wrong=2, mcus_claimed=20, mcus_claimed_wrong=1)
    none = replace(SCORE, mcus_recoverable=5)
    unnoticed = replace(SCORE, grade="no_damage_found")
    cells = _cells(markdown([replace(TRIAL, score=score) for score in (half, none, unnoticed)]), 0)
    assert (cells["placed of recoverable"], cells["placed wrong"]) == ("38.0 %", "5.00 %")
    assert (cells["aligned of recoverable"], cells["aligned wrong"]) == ("19.0 %", "5.00 %")


def test_lines_are_apart_by_class_and_mode() -> None:
    table = markdown([TRIAL, replace(TRIAL, kind="small"), replace(TRIAL, mode="xts 1e-05")])
    assert [_cells(table, n)["files"] for n in range(3)] == ["1", "1", "1"]


def _restored(photo: str, mse: float, psnr: float | None, *, preview: bool = False, mode: str = "cbc 1e-05") -> Trial:
    picture = PictureScore("restored", "a.png", Likeness(500_000, mse, psnr, 0.5), None)
    score = replace(SCORE, mcus_placed=25, pictures=(*SCORE.pictures, picture))
    return replace(TRIAL, photo=photo, mode=mode, preview=preview, score=score)


def test_files_with_a_preview_are_apart() -> None:
    trials = [_restored("a", 65.025, 30.0, preview=True), _restored("b", 650.25, 20.0), _restored("c", 650.25, 20.0)]
    cells = _cells(previews(trials), 0)
    assert (cells["class"], cells["mode"]) == ("kodak", "cbc 1e-05")
    assert (cells["with a preview"], cells["with dB"], cells["with median"]) == ("1", "30.00", "30.00")
    assert (cells["without a preview"], cells["without dB"], cells["without median"]) == ("2", "20.00", "20.00")


def test_poor_files_are_named_with_what_is_said_of_them() -> None:
    trials = [_restored("a", 65.1, 29.99), _restored("b", 650.25, 20.0), _restored("c", 65.025, 30.0)]
    trials += [_restored("exact", 0.0, None), _restored("heavy", 650.25, 20.0, mode="cbc 0.0001")]
    assert poor(trials) == (
        "- b, cbc 1e-05, seed 1: 20.00 dB; partly_restored, 25.0 % of the MCUs placed or better\n"
        "- a, cbc 1e-05, seed 1: 29.99 dB; partly_restored, 25.0 % of the MCUs placed or better\n"
    )
    assert poor(trials[2:]) == "none\n"


def test_what_is_wrong_is_named() -> None:
    remark = replace(SCORE, problems=(Problem("slack_cut", "info", "so it goes"),), mcus_placed=100, mcus_claimed=100)
    remark = replace(remark, mcus_placed_wrong=1, mcus_claimed_wrong=1)
    assert problems([TRIAL, replace(TRIAL, score=remark)]) == "none\n"
    score = replace(
        SCORE,
        problems=(Problem("size_differs", "error", "it does"),),
        claim="exact_scan",
        claim_holds=False,
        mcus_placed=50,
        mcus_placed_wrong=1,
        mcus_claimed=9,
        mcus_claimed_wrong=2,
    )
    assert problems([replace(TRIAL, score=score)]) == (
        "- a, cbc 1e-05, seed 1: size_differs: it does\n"
        "- a, cbc 1e-05, seed 1: wrong claim exact_scan\n"
        "- a, cbc 1e-05, seed 1: 1 MCUs wrong of 50 placed\n"
        "- a, cbc 1e-05, seed 1: 2 MCUs wrong of 9 aligned\n"
    )


def test_the_figure_is_a_picture(tmp_path: Path) -> None:
    figure([TRIAL, replace(TRIAL, kind="small", mode="cbc 0.0001")], tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.width > picture.height > 300
