"""`carve`: every option of the contract reaches the flow as it was meant."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jpegrescue.flow.options import CarveOptions, KeyOptions, RunOptions
from jpegrescue.model.evidence import ByteRange
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key

from .conftest import Flow, Result

Run = Callable[..., Result]


def test_defaults(run: Run, flow: Flow) -> None:
    run("carve", "dump.bin")

    assert flow.asked == [
        CarveOptions(
            evidence=Path("dump.bin"),
            run=RunOptions(
                argv=("jpegrescue", "carve", "dump.bin"),
                command="carve",
                output=None,
                jobs=len(os.sched_getaffinity(0)),
            ),
            key=KeyOptions(spec=SPECS["aes-cbc-essiv:sha256"]),
        )
    ]


def test_every_option_arrives(run: Run, flow: Flow) -> None:
    arguments = (
        *("carve", "disk.img", "-o", "case7", "--key", "00" * 32, "--cipher", "aes-xts-plain64"),
        *("--sector-size", "4096", "--first-sector", "8", "--crypt-start", "0x1000000", "--iv-unit", "sector"),
        *("--start", "512", "--length", "0x400", "--min-size", "100", "--min-pixels", "64", "--no-restore"),
        *("--hash", "sha256,md5,sha1", "--jobs", "3", "--force", "--fail-empty", "--json", "--quiet"),
        *("--effort", "thorough", "--case", "7/26", "--exhibit", "E1", "--examiner", "N. N."),
    )

    run(*arguments)

    redacted = tuple("***" if argument == "00" * 32 else argument for argument in arguments)
    assert flow.asked == [
        CarveOptions(
            evidence=Path("disk.img"),
            run=RunOptions(
                argv=("jpegrescue", *redacted),
                command="carve",
                output=Path("case7"),
                jobs=3,
                force=True,
                hashes=("sha256", "md5", "sha1"),
                case="7/26",
                exhibit="E1",
                examiner="N. N.",
            ),
            key=KeyOptions(
                spec=SPECS["aes-xts-plain64"],
                key=Key(bytes(32)),
                sector_size=4096,
                first_sector=8,
                crypt_start=0x1000000,
                iv_unit=4096,
            ),
            start=512,
            length=1024,
            min_size=100,
            min_pixels=64,
            restore=False,
            repair="thorough",
        )
    ]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--start", "-512", "'-512' is negative: negative numbers are not accepted"),
        ("--length", "-0x10", "negative numbers are not accepted"),
        ("--start", "--1", "'--1' is not a number"),
        ("--start", "1k", "'1k' is not a number"),
        ("--length", "", "'' is not a number"),
        ("--length", "9" * 30, "is not a number"),
        ("--min-size", "1_000", "is not a number"),
        ("--min-pixels", "0x", "is not a number"),
        ("--hash", "crc32", "crc32"),
        ("--hash", "none,md5", "none"),
        ("--jobs", "0", "--jobs"),
        ("--sector-size", "513", "--sector-size"),
        ("--iv-unit", "4096", "--iv-unit"),
        ("--effort", "heroic", "--effort"),
        ("--effort", "", "--effort"),
        ("--no-such-option", "", "--no-such-option"),
    ],
)
def test_bad_values_are_usage_errors(run: Run, flow: Flow, option: str, value: str, words: str) -> None:
    result = run("carve", "dump.bin", option, value)

    assert (result.code, result.out, flow.asked) == (2, "", [])
    assert words in result.err
    assert "Traceback" not in result.err


def test_evidence_is_needed(run: Run, flow: Flow) -> None:
    result = run("carve")

    assert (result.code, flow.asked) == (2, [])
    assert "EVIDENCE" in result.err


def test_an_empty_path_is_called_empty(run: Run, flow: Flow) -> None:
    for arguments, what in (
        (("carve", ""), "EVIDENCE"),
        (("restore", "a.jpg", ""), "FILE"),
        (("carve", "dump.bin", "-o", ""), "--output"),
        (("carve", "dump.bin", "--key-file", ""), "--key-file"),
    ):
        result = run(*arguments)

        assert (result.code, result.err) == (2, f"Error: the path given as {what} is empty\n")
    assert flow.asked == []


@pytest.mark.parametrize("command", ["carve", "restore"])
def test_whether_evidence_can_be_read_is_left_to_the_flow(
    run: Run, flow: Flow, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser would call it a usage error, and judge by the real user where the effective one counts."""
    (tmp_path / "dump.bin").touch()
    monkeypatch.setattr(os, "access", lambda *_, **__: False)

    run(command, tmp_path / "dump.bin")

    assert len(flow.asked) == 1


def test_a_map_of_bad_ranges_arrives(run: Run, flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("# seen\n0x200 1024\n")
    run("carve", "dump.bin", "--bad-ranges", tmp_path / "map")
    assert flow.asked[0].bad_ranges == (ByteRange(512, 1024),)
    assert run("carve", "dump.bin", "--bad-ranges", tmp_path).code == 2


def test_repair_can_be_left_out(run: Run, flow: Flow) -> None:
    run("carve", "dump.bin", "--no-repair", "--effort", "quick")

    assert flow.asked[0].repair is None
    assert run("carve", "dump.bin", "--repair").code == 2
