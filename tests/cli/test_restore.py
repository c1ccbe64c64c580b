"""`restore`: files and options reach the flow as they were meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jpegrescue.flow.options import RestoreOptions
from jpegrescue.model.evidence import ByteRange
from jpegrescue.source.keys import Key

from .conftest import Flow, Result

Run = Callable[..., Result]


def test_defaults(run: Run, flow: Flow) -> None:
    run("restore", "a.jpg", "b.jpg")

    (asked,) = flow.asked
    assert isinstance(asked, RestoreOptions)
    assert asked.files == (Path("a.jpg"), Path("b.jpg"))
    assert (asked.input, asked.key.key, asked.run.command) == ("auto", None, "restore")
    assert asked.run.argv == ("jpegrescue", "restore", "a.jpg", "b.jpg")
    assert asked.repair == "normal"


def test_ciphertext_with_its_key(run: Run, flow: Flow) -> None:
    run(
        "restore",
        "a.bin",
        "--input",
        "cipher",
        "--key=" + "ab" * 16,
        "--first-sector",
        "auto",
        "-o",
        "out",
        "--jobs",
        "1",
    )

    (asked,) = flow.asked
    assert (asked.input, asked.key.key, asked.key.first_sector) == ("cipher", Key(b"\xab" * 16), None)
    assert (asked.run.output, asked.run.jobs) == (Path("out"), 1)
    assert "--key=***" in asked.run.argv


def test_ciphertext_without_a_key_is_a_usage_error(run: Run, flow: Flow) -> None:
    result = run("restore", "a.bin", "--input", "cipher")

    assert (result.code, flow.asked) == (2, [])
    assert result.err == "Error: --input cipher needs a key: give --key, --key-file or JPEGRESCUE_KEY\n"


def test_files_are_needed_and_options_of_carve_are_not_known(run: Run, flow: Flow) -> None:
    assert run("restore").code == 2
    for option in ("--start", "--hash", "--min-size"):
        assert run("restore", "a.jpg", option, "1").code == 2
    assert flow.asked == []


def test_a_reference_and_a_map_of_bad_ranges(run: Run, flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("0 +\n0 512 +\n512 0x400 -\n")
    run("restore", "a.jpg", "--reference", "b.jpg", "--bad-ranges", tmp_path / "map")

    (asked,) = flow.asked
    assert (asked.reference, asked.bad_ranges) == (Path("b.jpg"), (ByteRange(512, 1536),))


def test_a_map_is_that_of_one_file(run: Run, flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("0 512\n")
    result = run("restore", "a.jpg", "b.jpg", "--bad-ranges", tmp_path / "map")

    assert (result.code, flow.asked) == (2, [])
    assert result.err == "Error: --bad-ranges is the map of one file, and 2 were given\n"


def test_empty_paths_and_what_is_no_map_are_usage_errors(run: Run, flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("0 512\nrubbish\n")
    for option, value in (("--reference", ""), ("--bad-ranges", ""), ("--bad-ranges", str(tmp_path / "none"))):
        assert run("restore", "a.jpg", option, value).code == 2
    result = run("restore", "a.jpg", "--bad-ranges", tmp_path / "map")
    assert (result.code, flow.asked) == (2, [])
    assert "line 2 of the map" in result.err


@pytest.mark.parametrize(
    ("arguments", "repair"),
    [
        (("--no-repair",), None),
        (("--effort", "quick"), "quick"),
        (("--effort", "normal"), "normal"),
        (("--effort=thorough",), "thorough"),
        (("--effort", "thorough", "--no-repair"), None),
    ],
)
def test_how_far_to_search_for_flipped_bits(
    run: Run, flow: Flow, arguments: tuple[str, ...], repair: str | None
) -> None:
    run("restore", "a.jpg", *arguments)

    (asked,) = flow.asked
    assert asked.repair == repair


def test_an_unknown_effort_is_a_usage_error(run: Run, flow: Flow) -> None:
    result = run("restore", "a.jpg", "--effort", "heroic")

    assert (result.code, flow.asked) == (2, [])
    assert "--effort" in result.err
