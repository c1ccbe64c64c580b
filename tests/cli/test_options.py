"""Keys and cipher options: each way in works, each contradiction is caught before anything is read."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jpegrescue.cli import options as opt
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key

from .conftest import Flow, Result

Run = Callable[..., Result]
KEY = "00112233445566778899aabbccddeeff"


def test_a_key_on_standard_input(run: Run, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KEY}\nrest\n"))

    result = run("carve", "dump.bin", "--key", "-")

    assert flow.asked[0].key.key == Key(bytes.fromhex(KEY))
    assert flow.asked[0].run.argv[-2:] == ("--key", "-")
    assert "Warning: a key" not in result.err


@pytest.mark.parametrize("content", [KEY.encode(), f" {KEY[:16]}\n{KEY[16:]}\n".encode(), bytes.fromhex(KEY)])
def test_a_key_in_a_file(run: Run, flow: Flow, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)

    run("carve", "dump.bin", "--key-file", tmp_path / "key")

    assert flow.asked[0].key.key == Key(bytes.fromhex(KEY))
    assert flow.asked[0].key.key_file == tmp_path / "key"


def test_a_key_in_the_environment(run: Run, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPEGRESCUE_KEY", KEY)

    run("carve", "dump.bin")

    assert flow.asked[0].key.key == Key(bytes.fromhex(KEY))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--key", KEY, "--key", KEY),
        ("--key", KEY, "--key-file", "key"),
        ("--key-file", "key", "--key-file", "key"),
        ("--key", "-", "--key", "-"),
    ],
)
def test_a_key_given_twice(run: Run, flow: Flow, arguments: tuple[str, ...]) -> None:
    result = run("carve", "dump.bin", "--quiet", *arguments)

    assert (result.code, flow.asked) == (2, [])
    assert result.err == "Error: the key is given more than once; give it once\n"


def test_a_key_given_by_option_and_environment(run: Run, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPEGRESCUE_KEY", KEY)

    result = run("carve", "dump.bin", "--quiet", "--key", KEY)

    assert (result.code, flow.asked) == (2, [])
    assert "more than once" in result.err


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("zz" * 16, "not hexadecimal"),
        (KEY[:-1], "odd number"),
        ("", "empty"),
        (KEY[:20], "takes a key of 16 bytes (32 hex digits), 24 bytes (48 hex digits) or 32 bytes (64 hex digits)"),
    ],
)
def test_an_unfit_key_is_refused_and_never_repeated(run: Run, flow: Flow, key: str, words: str) -> None:
    result = run("carve", "dump.bin", "--quiet", "--key", key)

    assert (result.code, flow.asked) == (2, [])
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert not key or key not in result.err


def test_a_missing_key_file(run: Run, flow: Flow, tmp_path: Path) -> None:
    result = run("carve", "dump.bin", "--key-file", tmp_path / "none")

    assert (result.code, flow.asked) == (2, [])
    assert "cannot be read: No such file or directory" in result.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cipher", "aes-cbc-plain"),
        ("--sector-size", "512"),
        ("--first-sector", "auto"),
        ("--crypt-start", "0"),
        ("--iv-unit", "512"),
    ],
)
@pytest.mark.parametrize("command", ["carve", "restore"])
def test_options_of_a_cipher_need_a_key(run: Run, flow: Flow, command: str, option: str, value: str) -> None:
    result = run(command, "dump.bin", option, value)

    assert (result.code, flow.asked) == (2, [])
    assert result.err == f"Error: {option} needs a key: give --key, --key-file or JPEGRESCUE_KEY\n"


@pytest.mark.parametrize("name", SPECS)
def test_every_cipher_is_known_completed_and_in_the_help(run: Run, flow: Flow, name: str) -> None:
    run("carve", "dump.bin", "--key", "01" * 32, "--cipher", name)

    assert flow.asked[0].key.spec == SPECS[name]
    assert name in opt._ciphers()
    unwrapped = "".join(run("carve", "--help").out.split())
    assert name in unwrapped


def test_an_unknown_cipher_lists_the_known_ones(run: Run, flow: Flow) -> None:
    result = run("carve", "dump.bin", "--quiet", "--key", KEY, "--cipher", "rot13")

    assert (result.code, flow.asked) == (2, [])
    assert all(name in result.err for name in SPECS)


@pytest.mark.parametrize(
    ("text", "first"), [("0", 0), ("17", 17), ("0x20", 32), ("auto", None), (str(2**63 - 1), 2**63 - 1)]
)
def test_first_sector(run: Run, flow: Flow, text: str, first: int | None) -> None:
    run("carve", "dump.bin", "--key", KEY, "--first-sector", text)

    assert flow.asked[0].key.first_sector == first


@pytest.mark.parametrize("text", ["-1", "Auto", "1.5", "", str(2**63)])
def test_a_bad_first_sector(run: Run, flow: Flow, text: str) -> None:
    result = run("carve", "dump.bin", "--quiet", "--key", KEY, "--first-sector", text)

    assert (result.code, flow.asked) == (2, [])
    assert result.err == f"Error: --first-sector takes a number or auto, not {text!r}\n"


@pytest.mark.parametrize(
    ("arguments", "unit"),
    [
        ((), 512),
        (("--sector-size", "4096"), 512),
        (("--sector-size", "4096", "--iv-unit", "512"), 512),
        (("--sector-size", "4096", "--iv-unit", "sector"), 4096),
        (("--iv-unit", "sector"), 512),
    ],
)
def test_what_an_iv_number_counts(run: Run, flow: Flow, arguments: tuple[str, ...], unit: int) -> None:
    run("carve", "dump.bin", "--key", KEY, *arguments)

    assert flow.asked[0].key.iv_unit == unit


def test_no_key_shows_in_the_options(run: Run, flow: Flow) -> None:
    run("carve", "dump.bin", "--key", KEY)

    assert KEY not in repr(flow.asked[0])
    assert repr(bytes.fromhex(KEY)) not in repr(flow.asked[0])


@pytest.mark.parametrize("form", [("--key-file", KEY), (f"--key-file={KEY}",), ("--key-file", "0x" + KEY * 9)])
def test_a_key_given_as_key_file_is_refused_and_never_repeated(run: Run, flow: Flow, form: tuple[str, ...]) -> None:
    result = run("carve", "dump.bin", *form)

    assert (result.code, result.out, flow.asked) == (2, "", [])
    assert "--key-file takes the path of a file" in result.err
    assert "Warning: a key on the command line" in result.err
    assert KEY not in result.err


def test_a_key_file_named_like_a_key_is_a_file(
    run: Run, flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(KEY).write_bytes(bytes(16))

    run("carve", "dump.bin", "--key-file", KEY)

    assert flow.asked[0].key.key == Key(bytes(16))
    assert flow.asked[0].run.argv[-1] == KEY


@pytest.mark.parametrize("command", ["carve", "restore"])
def test_alignment_and_the_parts_of_the_published_one(run: Run, flow: Flow, command: str) -> None:
    run(command, "a.jpg")
    run(command, "a.jpg", "--align", "published")
    run(command, "a.jpg", "--align=published", "--sca-without", "alignment", "--sca-without", "compensation")

    run(command, "a.jpg", "--align", "integer")
    run(command, "a.jpg", "--align", "none")

    assert [(asked.align, asked.sca) for asked in flow.asked] == [
        (True, None),
        (True, ("compensation", "normalisation", "alignment")),
        (True, ("normalisation",)),
        (True, None),
        (False, None),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sca-without", "alignment"), "--sca-without needs --align published"),
        (("--align", "published", "--no-restore"), "--align published needs the pictures that --no-restore leaves out"),
        (("--align", "integer", "--sca-without", "alignment"), "--sca-without needs --align published"),
        (("--align", "best"), "--align"),
        (("--align", "published", "--sca-without", "everything"), "--sca-without"),
    ],
)
def test_alignment_that_contradicts_itself(run: Run, flow: Flow, arguments: tuple[str, ...], words: str) -> None:
    result = run("carve", "dump.bin", *arguments)

    assert (result.code, flow.asked) == (2, [])
    assert words in result.err
