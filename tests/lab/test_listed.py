"""Listed files are read as they are listed, or not at all."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from jpegrescue.lab.listed import listed, read_listed
from jpegrescue.model.problem import Problem
from tests.report.samples import IMAGE

from .truths import output

OUTPUT = output("a.jpg", "carved", b"bytes")


def test_what_is_as_listed_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"bytes")
    data = read_listed(tmp_path, OUTPUT, "output")

    assert not isinstance(data, Problem)
    assert data.tobytes() == b"bytes"


@pytest.mark.parametrize("content", [b"", b"other", b"bytes and more"])
def test_what_is_not_as_listed_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)

    for whose in ("truth", "output"):
        problem = read_listed(tmp_path, OUTPUT, whose)  # type: ignore[arg-type]
        assert isinstance(problem, Problem)
        assert (problem.kind, problem.severity) == (f"{whose}_edited", "error")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    empty = output("a.jpg", "carved", b"")

    problem = read_listed(tmp_path, empty, "output")
    assert isinstance(problem, Problem)
    assert problem.kind == "output_edited"


@pytest.mark.parametrize(("path", "kind"), [("b.jpg", "output_missing"), ("../a.jpg", "output_unsafe")])
def test_what_is_elsewhere_or_nowhere_is_named(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"bytes")
    (tmp_path / "run").mkdir()

    problem = read_listed(tmp_path / "run", replace(OUTPUT, path=path), "output")
    assert isinstance(problem, Problem)
    assert problem.kind == kind


def test_the_first_of_a_kind() -> None:
    image = replace(IMAGE, outputs=(OUTPUT, replace(OUTPUT, kind="decoded"), replace(OUTPUT, path="b.jpg")))

    assert listed(image, "carved") == OUTPUT
    assert listed(image, "sca") is None
