"""Files are matched by what was read; names only help to say what went wrong."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from jpegrescue.lab.match import match
from jpegrescue.model.evidence import Hashes
from jpegrescue.model.report import Image, Report
from jpegrescue.model.truth import TrueImage, Truth
from tests.flow.conftest import photo
from tests.report.samples import EVIDENCE, IMAGE, REPORT

from .truths import CBC, output, recipe, true_image


@pytest.fixture
def one(tmp_path: Path) -> TrueImage:
    return true_image(tmp_path, "one", photo(seed=1), cipher=CBC, bits=[20000])


@pytest.fixture
def two(tmp_path: Path) -> TrueImage:
    return true_image(tmp_path, "two", photo(seed=2), cipher=CBC, bits=[20000])


def digest(true: TrueImage, kind: str) -> str:
    return next(output.sha256 for output in true.outputs if output.kind == kind)


def image(name: str, read: str | None = None, carved: str | None = None) -> Image:
    evidence = None if read is None else replace(EVIDENCE, hashes=Hashes(read))
    return replace(IMAGE, name=name, evidence=evidence, hashes=Hashes(carved), outputs=())


def run(*images: Image) -> Report:
    return replace(REPORT, images=images)


def truth(*images: TrueImage) -> Truth:
    return Truth("0", "done", recipe(CBC), None, images, ())


def kinds(
    report: Report, known: Truth, folder: Path = Path("nowhere")
) -> tuple[list[tuple[str, str | None, list[str]]], list[str]]:
    matches, strangers = match(report, known, folder)
    told = [(m.truth.name, m.image.name if m.image else None, [p.kind for p in m.problems]) for m in matches]
    return told, [problem.kind for problem in strangers]


@pytest.mark.parametrize("kind", ["evidence", "damaged"])
def test_by_the_file_that_was_read_whatever_its_name(one: TrueImage, two: TrueImage, kind: str) -> None:
    report = run(image("one", read=digest(two, kind)), image("x", read=digest(one, kind)))

    assert kinds(report, truth(one, two)) == ([("one", "x", []), ("two", "one", [])], [])


def test_by_the_carved_bytes(one: TrueImage, two: TrueImage) -> None:
    unhashed = replace(image("f2"), outputs=(output("f2.carved.jpg", "carved", b""),))
    unhashed = replace(unhashed, outputs=(replace(unhashed.outputs[0], sha256=digest(two, "damaged")),))
    report = run(image("f1", carved=digest(one, "damaged")), unhashed)

    assert kinds(report, truth(one, two)) == ([("one", "f1", []), ("two", "f2", [])], [])


def test_what_was_read_decides_and_not_what_came_of_it(one: TrueImage, two: TrueImage) -> None:
    """The ciphertext of another set may hold what is an original, or a damaged file, of this one."""
    report = run(
        image("x", read=digest(one, "evidence"), carved=digest(two, "damaged")),
        image("two", read="f" * 64, carved=two.sha256),
    )

    assert kinds(report, truth(one, two)) == ([("one", "x", []), ("two", None, ["other_truth"])], [])


def test_a_file_without_an_image_and_an_image_without_a_file(one: TrueImage) -> None:
    assert kinds(run(image("x", read="f" * 64)), truth(one)) == ([("one", None, ["no_image"])], ["no_truth"])
    assert kinds(run(image("x")), truth(one)) == ([("one", None, ["no_image"])], ["no_truth"])


@pytest.mark.parametrize("name", ["one", "one.damaged", "one.original"])
def test_a_namesake_of_other_bytes_is_of_another_set(one: TrueImage, name: str) -> None:
    assert kinds(run(image(name, read="f" * 64)), truth(one)) == ([("one", None, ["other_truth"])], [])


def test_a_namesake_beside_the_right_image(one: TrueImage) -> None:
    report = run(image("one", read="f" * 64), image("x", read=digest(one, "evidence")))

    assert kinds(report, truth(one)) == ([("one", "x", [])], ["other_truth"])


def test_of_two_images_the_first_is_judged_and_the_other_named(one: TrueImage) -> None:
    report = run(image("x", read=digest(one, "evidence")), image("y", read=digest(one, "damaged")))

    assert kinds(report, truth(one)) == ([("one", "x", ["second_image"])], [])
    (only,), _ = match(report, truth(one), Path("nowhere"))
    assert "y not" in only.problems[0].detail


def test_equal_files_each_get_an_image(one: TrueImage) -> None:
    """The same source twice: by name where names fit, else in order."""
    twin = replace(one, name="twin", outputs=tuple(replace(o, path=f"twin.{o.kind}") for o in one.outputs))
    read = digest(one, "evidence")

    assert kinds(run(image("twin", read=read), image("one", read=read)), truth(one, twin)) == (
        [("one", "one", []), ("twin", "twin", [])],
        [],
    )
    assert kinds(run(image("a", read=read), image("b", read=read)), truth(one, twin)) == (
        [("one", "a", []), ("twin", "b", [])],
        [],
    )


def test_a_run_on_originals_is_told_from_a_rescue(one: TrueImage, tmp_path: Path) -> None:
    sound = true_image(tmp_path, "sound", photo(seed=3), cipher=CBC)

    assert kinds(run(image("one", read=one.sha256)), truth(one)) == ([("one", None, ["original_read"])], [])
    assert kinds(run(image("x", carved=one.sha256)), truth(one)) == ([("one", None, ["original_read"])], [])
    assert kinds(run(image("sound", carved=sound.sha256)), truth(sound)) == ([("sound", "sound", [])], [])


def test_of_a_run_on_everything_the_damaged_file_is_judged(one: TrueImage) -> None:
    report = run(image("a", read=one.sha256), image("b", read=digest(one, "damaged")))

    assert kinds(report, truth(one)) == ([("one", "b", ["second_image"])], [])


def starting(folder: Path, size: int, name: str = "f0") -> Image:
    """What a carver that stopped after `size` bytes has of `one`."""
    data = (folder / "one.damaged.jpg").read_bytes()[:size]
    return replace(image(name, carved=hashlib.sha256(data).hexdigest()), size=len(data))


def test_a_carved_file_may_end_behind_the_scan(tmp_path: Path) -> None:
    one = true_image(tmp_path, "one", photo(seed=1) + b"slack" * 9, bits=[20000])
    known = truth(one)
    found = ([("one", "f0", [])], [])
    nothing = ([("one", None, ["no_image"])], ["no_truth"])

    assert kinds(run(starting(tmp_path, one.scan.end)), known, tmp_path) == found
    assert kinds(run(starting(tmp_path, one.scan.end + 7)), known, tmp_path) == found
    assert kinds(run(starting(tmp_path, one.scan.end - 1)), known, tmp_path) == nothing
    forged = replace(starting(tmp_path, one.scan.end), size=-5)
    assert kinds(run(forged), known, tmp_path) == nothing
    read = replace(EVIDENCE, hashes=starting(tmp_path, one.scan.end).hashes)
    assert kinds(run(replace(image("x"), evidence=read)), known, tmp_path) == nothing


def test_starts_of_several_lengths_and_of_files_that_are_not_there(tmp_path: Path, two: TrueImage) -> None:
    one = true_image(tmp_path, "one", photo(seed=1) + b"slack" * 9, bits=[20000])
    lengths = (one.scan.end + 3, one.scan.end, -7, one.scan.end + 1)
    starts = [replace(starting(tmp_path, max(n, 0)), size=n, name=f"f{n}") for n in lengths]
    report = run(*starts, replace(image("huge", carved="f" * 64), size=1 << 80))

    matches, strangers = match(report, truth(one, two), tmp_path)
    assert matches[0].image == report.images[0]
    assert [p.kind for p in matches[0].problems] == ["second_image"]
    assert len(strangers) == 2
    assert kinds(report, truth(one), tmp_path / "nowhere")[0] == [("one", None, ["no_image"])]
    (tmp_path / "one.damaged.jpg").write_bytes(b"edited")
    assert kinds(report, truth(one), tmp_path)[0] == [("one", None, ["no_image"])]
