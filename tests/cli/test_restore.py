"""`restore`: files and options reach the flow as they were meant."""

from collections.abc import Callable
from pathlib import Path

from jpegrescue.flow.options import RestoreOptions
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
