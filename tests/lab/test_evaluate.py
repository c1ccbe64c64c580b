"""Whole evaluations: totals and summaries by hand, the same for any number of threads, and what cannot be evaluated."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.carve import carve
from jpegrescue.flow.options import CarveOptions, RunOptions
from jpegrescue.lab.evaluate import evaluate, sources, sum_up
from jpegrescue.model.evaluation import Evaluation, FileScore, Likeness, PictureScore
from jpegrescue.model.report import Report
from jpegrescue.model.truth import Truth
from jpegrescue.report.json import from_json, to_json
from tests.flow.conftest import photo
from tests.report.samples import EVIDENCE, IMAGE, REPORT

from .truths import CBC, XTS, key_options, restored, scan_of, true_image, write_truth

SCORE = FileScore(
    name="a",
    image="a",
    evaluated=True,
    problems=(),
    pixels=100,
    identical=False,
    scan_identical=False,
    grade="partly_restored",
    claim="none",
    claim_holds=None,
    errors=3,
    errors_found=2,
    errors_false=1,
    mcus=20,
    mcus_touched=4,
    mcus_recoverable=16,
    mcus_exact=15,
    mcus_placed=12,
    mcus_placed_wrong=1,
    mcus_claimed=10,
    mcus_claimed_wrong=2,
    mcus_dc_near=1,
    pictures=(),
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three files, the second undamaged."""
    truth = tmp_path / "truth"
    images = []
    for number in range(3):
        data = photo(96, 80, seed=number)
        bits = [] if number == 1 else [8 * (scan_of(data).start + 700 + 300 * number)]
        images.append(true_image(truth, f"p{number}", data, cipher=CBC, bits=bits))
    write_truth(truth, *images)
    return truth


def run_on(dataset: Path, *names: str) -> Path:
    folder = dataset.parent / "run"
    restored(folder, [dataset / name for name in names], CBC)
    return folder


def rewrite(folder: Path, report: Report) -> None:
    (folder / "report.json").write_bytes(to_json(report))


def report_of(folder: Path) -> Report:
    return from_json((folder / "report.json").read_bytes())


def kinds(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    return [p.kind for p in evaluation.problems], [[p.kind for p in file.problems] for file in evaluation.files]


def test_a_run_in_another_order_comes_out_in_the_order_of_the_truth(dataset: Path) -> None:
    run = run_on(dataset, "p2.enc", "p0.enc", "p1.enc")

    result = evaluate(run, dataset, jobs=2)

    assert [file.name for file in result.files] == ["p0", "p1", "p2"]
    assert (result.evaluated, result.identical, result.scan_identical, result.claims_wrong) == (3, 1, 1, 0)
    assert (result.errors, result.errors_found) == (2, 0)
    assert kinds(result) == ([], [[], [], []])
    (summary,) = result.summaries
    assert (summary.kind, summary.files, summary.holes_files) == ("decoded", 3, 2)
    assert from_json(to_json(result), Evaluation) == result


def test_any_number_of_threads_gives_the_same_bytes(dataset: Path) -> None:
    run = run_on(dataset, "p2.enc", "p0.enc", "p1.enc")

    assert len({to_json(evaluate(run, dataset, jobs=jobs)) for jobs in (1, 2, 5)}) == 1


def test_a_claim_that_is_forged_is_counted(dataset: Path) -> None:
    run = run_on(dataset, "p0.enc", "p1.enc", "p2.enc")
    report = report_of(run)
    rewrite(run, replace(report, images=tuple(replace(image, claim="exact_scan") for image in report.images)))

    result = evaluate(run, dataset, jobs=1)

    assert result.claims_wrong == 2
    (count,) = result.claims
    assert (count.claim, count.files, count.scan_identical) == ("exact_scan", 3, 1)


def test_the_truth_of_another_set_is_caught(dataset: Path) -> None:
    """The same names and pictures, damaged by another seed."""
    run = run_on(dataset, "p0.enc", "p1.enc", "p2.enc")
    other = dataset.parent / "other"
    images = [
        true_image(other, f"p{n}", photo(96, 80, seed=n), cipher=XTS if n == 1 else CBC, bits=[20000 + 8 * n])
        for n in range(3)
    ]
    write_truth(other, *images)

    result = evaluate(run, other, jobs=1)

    assert kinds(result) == ([], [["other_truth"]] * 3)
    assert (result.evaluated, result.summaries, result.claims) == (0, (), ())
    assert all(file.image is None and not file.evaluated for file in result.files)


def test_swapped_entries_of_a_truth_are_caught(dataset: Path) -> None:
    """Each file's damage under the other's original."""
    run = run_on(dataset, "p0.enc", "p1.enc", "p2.enc")
    truth = from_json((dataset / "truth.json").read_bytes(), Truth)
    one, two, three = truth.images
    swapped = (
        replace(one, outputs=(three.outputs[0], *one.outputs[1:])),
        two,
        replace(three, outputs=(one.outputs[0], *three.outputs[1:])),
    )
    write_truth(dataset, *swapped)

    assert kinds(evaluate(run, dataset, jobs=1)) == ([], [["truth_invalid"], [], ["truth_invalid"]])


def test_an_edited_picture_does_not_stop_the_rest(dataset: Path) -> None:
    run = run_on(dataset, "p0.enc", "p1.enc", "p2.enc")
    picture = run / "p0.decoded.png"
    picture.write_bytes(picture.read_bytes().replace(b"IEND", b"iEND"))

    result = evaluate(run, dataset, jobs=2)

    assert kinds(result) == ([], [["output_edited"], [], []])
    assert (result.evaluated, result.summaries[0].files) == (3, 2)


def test_what_matches_nothing_is_named_and_the_rest_judged(dataset: Path) -> None:
    stranger = dataset / "stranger.enc"
    stranger.write_bytes(photo(40, 40, seed=8))
    run = run_on(dataset, "stranger.enc", "p1.enc")

    result = evaluate(run, dataset, jobs=1)

    assert kinds(result) == (["no_truth"], [["no_image"], [], ["no_image"]])
    assert (result.evaluated, result.identical) == (1, 1)


@pytest.mark.parametrize("state", ["running", "interrupted", "failed"])
def test_unfinished_runs_and_sets_are_named(dataset: Path, state: str) -> None:
    run = run_on(dataset, "p1.enc")
    report = report_of(run)
    rewrite(run, replace(report, run=replace(report.run, state=state, seconds=None)))  # type: ignore[arg-type]
    truth = from_json((dataset / "truth.json").read_bytes(), Truth)
    (dataset / "truth.json").write_bytes(to_json(replace(truth, state=state)))  # type: ignore[arg-type]

    result = evaluate(run, dataset, jobs=1)

    assert kinds(result)[0] == ["run_incomplete", "truth_incomplete"]
    assert result.seconds_per_megapixel is None


def test_folders_that_do_not_hold_what_they_should(dataset: Path, tmp_path: Path) -> None:
    run = run_on(dataset, "p1.enc")

    with pytest.raises(UsageError, match=r"does not hold the results of a run: there is no report\.json"):
        evaluate(tmp_path / "nowhere", dataset, jobs=1)
    with pytest.raises(UsageError, match=r"does not hold a simulated data set: there is no truth\.json") as caught:
        evaluate(run, run, jobs=1)
    assert caught.value.option == "TRUTH_DIR"
    with pytest.raises(UsageError, match="does not hold the results"):
        evaluate(run / "report.json", dataset, jobs=1)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"schema_version": 2}', b"[" * 100000])
def test_json_of_another_kind_is_a_usage_error(dataset: Path, content: bytes) -> None:
    run = run_on(dataset, "p1.enc")
    sound = (run / "report.json").read_bytes()

    (run / "report.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"report\.json is damaged, or not what this version writes"):
        evaluate(run, dataset, jobs=1)
    (run / "report.json").write_bytes(sound)
    (dataset / "truth.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"truth\.json is damaged, or not what this version writes"):
        evaluate(run, dataset, jobs=1)


def test_another_schema_is_a_usage_error(dataset: Path) -> None:
    run = run_on(dataset, "p1.enc")
    data = (dataset / "truth.json").read_bytes()
    (dataset / "truth.json").write_bytes(data.replace(b'"schema_version": 1', b'"schema_version": 2'))

    with pytest.raises(UsageError, match="not what this version writes"):
        evaluate(run, dataset, jobs=1)


def test_what_cannot_be_read_is_an_evidence_error(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "odd" / "report.json").mkdir(parents=True)

    with pytest.raises(EvidenceError, match=r"report\.json cannot be read: is a directory"):
        evaluate(tmp_path / "odd", dataset, jobs=1)


class Watching:
    """Progress that notes what it is told."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def start(self, total_bytes: int | None, what: str) -> None:
        self.said.append((total_bytes, what))

    def advance(self, bytes_done: int) -> None:
        self.said.append(bytes_done)

    def found(self, images: int, damaged: int) -> None:
        raise AssertionError(images, damaged)

    def note(self, message: str) -> None:
        raise AssertionError(message)

    def close(self) -> None:
        self.said.append("closed")


def test_progress(dataset: Path) -> None:
    sizes = [(dataset / f"p{n}.original.jpg").stat().st_size for n in range(3)]
    watching = Watching()

    evaluate(run_on(dataset, "p1.enc"), dataset, jobs=1, progress=watching)

    assert watching.said == [(sum(sizes), "evaluating"), *sizes, "closed"]


def like(mse: float, ssim: float | None, pixels: int = 100) -> Likeness:
    return Likeness(pixels, mse, 10 * math.log10(255**2 / mse) if mse else None, ssim)


def pictured(kind: str, whole: Likeness, holes: Likeness | None = None) -> FileScore:
    return replace(SCORE, pictures=(PictureScore(kind, f"{kind}.png", whole, holes),))


def test_summaries_by_hand() -> None:
    files = [
        pictured("decoded", like(1.0, 0.9), like(100.0, 0.5)),
        pictured("decoded", like(4.0, 0.8)),
        pictured("decoded", like(0.0, 1.0)),
        pictured("sca", like(10.0, None)),
    ]

    decoded, sca = sum_up(REPORT, files, ()).summaries

    assert (decoded.kind, decoded.files, decoded.holes_files) == ("decoded", 3, 1)
    assert decoded.psnr_median == pytest.approx(48.1308, abs=1e-4)
    assert decoded.psnr_mean_mse == pytest.approx(10 * math.log10(255**2 / (5 / 3)))
    assert decoded.ssim_mean == pytest.approx(0.9)
    assert decoded.holes_psnr_median == decoded.holes_psnr_mean_mse == pytest.approx(28.1308, abs=1e-4)
    assert decoded.holes_ssim_mean == 0.5
    assert (sca.files, sca.ssim_mean, sca.holes_files) == (1, None, 0)
    assert (sca.holes_psnr_median, sca.holes_psnr_mean_mse, sca.holes_ssim_mean) == (None, None, None)


def test_a_median_of_identical_pictures_is_infinite() -> None:
    files = [pictured("decoded", like(4.0, 0.8)), *[pictured("decoded", like(0.0, 1.0))] * 2]

    (summary,) = sum_up(REPORT, files, ()).summaries
    assert summary.psnr_median is None
    assert summary.psnr_mean_mse == pytest.approx(10 * math.log10(255**2 / (4 / 3)))
    (summary,) = sum_up(REPORT, files[1:], ()).summaries
    assert (summary.psnr_median, summary.psnr_mean_mse) == (None, None)
    (summary,) = sum_up(REPORT, files[:2], ()).summaries
    assert summary.psnr_median is None  # of two, one of them infinite


def test_totals_leave_out_what_was_not_judged() -> None:
    wrong = replace(SCORE, claim="exact_scan", claim_holds=False)
    right = replace(SCORE, claim="exact_scan", claim_holds=True, scan_identical=True, identical=True)
    unjudged = replace(pictured("decoded", like(1.0, 0.9)), evaluated=False, claim="exact_scan", claim_holds=False)

    result = sum_up(REPORT, [wrong, right, unjudged, SCORE], ())

    assert (len(result.files), result.evaluated) == (4, 3)
    assert (result.identical, result.scan_identical, result.claims_wrong) == (1, 1, 1)
    assert (result.errors, result.errors_found, result.errors_false) == (9, 6, 3)
    assert (result.mcus, result.mcus_touched, result.mcus_exact) == (60, 12, 45)
    assert (result.mcus_recoverable, result.mcus_placed, result.mcus_placed_wrong) == (48, 36, 3)
    assert (result.mcus_claimed, result.mcus_claimed_wrong, result.mcus_dc_near) == (30, 6, 3)
    assert result.summaries == ()
    assert [(c.claim, c.files, c.scan_identical) for c in result.claims] == [("exact_scan", 2, 1), ("none", 1, 0)]


def test_seconds_per_megapixel() -> None:
    """Of the originals that were judged: what the report says of sizes is nobody's measure."""
    files = [
        replace(SCORE, pixels=500_000),
        replace(SCORE, pixels=1_500_000),
        replace(SCORE, pixels=1 << 40, evaluated=False),
    ]
    report = replace(REPORT, images=(replace(IMAGE, width=10**400, height=-5),))

    def speed(seconds: float | None, files: list[FileScore] = files) -> float | None:
        run = replace(report.run, seconds=seconds)
        return sum_up(replace(report, run=run), files, ()).seconds_per_megapixel

    assert speed(3.0) == 1.5
    assert speed(3.0, []) is None
    assert speed(3.0, [replace(SCORE, pixels=0)]) is None
    for seconds in (None, 0.0, -1.5e308, 1.5e308, math.nan, math.inf, -math.inf):
        assert speed(seconds, [replace(SCORE, pixels=1)]) is None


def test_a_truth_of_an_absurd_size_is_no_failure(dataset: Path) -> None:
    run = run_on(dataset, "p0.enc")
    truth = from_json((dataset / "truth.json").read_bytes(), Truth)
    write_truth(dataset, replace(truth.images[0], size=10**400), replace(truth.images[1], size=-5))
    watching = Watching()

    result = evaluate(run, dataset, jobs=1, progress=watching)

    assert kinds(result) == ([], [["truth_invalid"], ["no_image"]])
    assert watching.said == [(1 << 30, "evaluating"), 1 << 30, 0, "closed"]


@pytest.mark.parametrize("name", ["report.json", "truth.json"])
@pytest.mark.parametrize("kind", ["pipe", "endless", "large"])
def test_what_never_ends_is_not_read(dataset: Path, name: str, kind: str) -> None:
    run = run_on(dataset, "p0.enc")
    path = (run if name == "report.json" else dataset) / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate((1 << 30) + 1)

    with pytest.raises(EvidenceError, match="has more than" if kind == "large" else "is not a regular file"):
        evaluate(run, dataset, jobs=1)


def test_sources_are_what_was_read(dataset: Path) -> None:
    run = run_on(dataset, "p1.enc", "p0.enc")
    assert sources(run, dataset) == (
        dataset / "p1.enc",
        dataset / "p0.enc",
        *(Path(f"p{n}.jpg") for n in range(3)),
    )
    rewrite(run, replace(report_of(run), evidence=EVIDENCE))
    assert sources(run, dataset)[0] == Path(EVIDENCE.path)


def test_a_run_on_originals_is_no_success(dataset: Path) -> None:
    run = run_on(dataset, *(f"p{n}.original.jpg" for n in range(3)))

    result = evaluate(run, dataset, jobs=1)

    assert kinds(result) == ([], [["original_read"], [], ["original_read"]])
    assert [file.evaluated for file in result.files] == [False, True, False]
    assert (result.identical, result.errors_found) == (1, 0)


def test_bytes_behind_the_picture_may_be_left_out(tmp_path: Path) -> None:
    """Carving ends at EOI, and so does `restore` of what it decrypted; `identical` stays strict."""
    truth, slack = tmp_path / "truth", bytes(range(200)) * 3
    data = photo(96, 80) + slack
    bits = [8 * (scan_of(data).start + 900)]
    write_truth(truth, true_image(truth, "a", data, bits=bits), true_image(truth, "b", data, cipher=CBC, bits=bits))
    carved = RunOptions(argv=(), command="carve", output=tmp_path / "carved", jobs=1)
    carve(CarveOptions(truth / "a.damaged.jpg", run=carved, key=key_options(None)))
    restored(tmp_path / "restored", [truth / "b.enc"], CBC)

    for run, number in (("carved", 0), ("restored", 1)):
        file = evaluate(tmp_path / run, truth, jobs=1).files[number]
        assert [(p.kind, p.severity, p.offset) for p in file.problems] == [("slack_cut", "info", len(data) - 600)]
        assert "600 bytes" in file.problems[0].detail
        assert (file.evaluated, file.identical, file.errors, file.errors_false) == (True, False, 1, 0)
    assert kinds(evaluate(tmp_path / "carved", truth, jobs=1)) == ([], [["slack_cut"], ["no_image"]])
