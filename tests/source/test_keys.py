"""Where keys come from, and that no way of failing or printing shows one."""

import io
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TextIO

import pytest

from jpegrescue.errors import UsageError
from jpegrescue.source.keys import KEY_VARIABLE, Key, is_key_itself, load_key

HEX = "00112233445566778899aAbBcCdDeEfF"
SECRET = bytes.fromhex(HEX)


def load(
    option: str | None = None,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: TextIO | BinaryIO | None = None,
) -> Key | None:
    return load_key(option, file, environment or {}, stdin or io.StringIO())


def revealed(key: Key | None) -> bytes:
    assert key is not None
    return key.reveal()


def test_no_key_is_none() -> None:
    assert load() is None


def test_key_comes_from_each_place(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(HEX)
    assert revealed(load(HEX)) == SECRET
    assert revealed(load(file=path)) == SECRET
    assert revealed(load(environment={KEY_VARIABLE: HEX})) == SECRET
    assert revealed(load("-", stdin=io.StringIO(f"{HEX}\nsecond line"))) == SECRET
    assert revealed(load("-", stdin=io.BytesIO(f"{HEX}\r\n".encode()))) == SECRET


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b" 00 11\n22\t33\r\n", bytes.fromhex("00112233")),
        (SECRET, SECRET),
        (b"0123456789abcde\xff", b"0123456789abcde\xff"),
        (b"passphrase-like!", b"passphrase-like!"),
    ],
)
def test_key_file_holds_spaced_hex_or_raw_bytes(tmp_path: Path, content: bytes, secret: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assert revealed(load(file=path)) == secret


@pytest.mark.parametrize(
    ("option", "with_file", "with_variable", "named"),
    [
        (HEX, True, False, ("--key", "--key-file")),
        (HEX, False, True, ("--key", KEY_VARIABLE)),
        ("-", False, True, ("--key", KEY_VARIABLE)),
        (None, True, True, ("--key-file", KEY_VARIABLE)),
        (HEX, True, True, ("--key", "--key-file", KEY_VARIABLE)),
    ],
)
def test_two_ways_are_refused_and_named(
    tmp_path: Path, option: str | None, with_file: bool, with_variable: bool, named: tuple[str, ...]
) -> None:
    path = tmp_path / "file"
    path.write_text(HEX)
    with pytest.raises(UsageError) as caught:
        load(option, path if with_file else None, {KEY_VARIABLE: HEX} if with_variable else {})
    assert all(name in str(caught.value) for name in named)


BAD = ["", "  ", "abc", HEX + "0", HEX[:-1] + "g", "0x" + HEX, HEX[:-2] + "é0", "\udc80" + HEX]


@pytest.mark.parametrize("bad", BAD)
def test_bad_hex_is_refused_and_never_echoed(bad: str) -> None:
    ways = (
        lambda: load(bad),
        lambda: load("-", stdin=io.StringIO(bad + "\n")),
        lambda: load(environment={KEY_VARIABLE: bad}),
    )
    for way in ways:
        with pytest.raises(UsageError) as caught:
            way()
        shown = "".join(traceback.format_exception_only(caught.value)) + repr(caught.value)
        assert caught.value.__cause__ is None
        assert len(bad.strip()) < 3 or bad.strip() not in shown
        assert HEX[:8] not in shown


@pytest.mark.parametrize("content", [b"", b" \n", b"0123456789abcde", b"f" * 31 + b"\n"])
def test_key_file_of_hex_digits_is_never_taken_for_raw_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load(file=path)
    assert content.strip() == b"" or content.strip().decode() not in str(caught.value)


def test_missing_or_endless_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load(file=tmp_path / "missing")
    with pytest.raises(UsageError, match="directory"):
        load(file=tmp_path)
    with pytest.raises(UsageError, match="not a key"):
        load(file=Path("/dev/zero"))


def test_key_is_redacted_wherever_it_is_printed() -> None:
    key = Key(SECRET)
    shown = f"{key} {key!r} {[key]} {(key,)!s} %s" % key
    assert "redacted" in shown
    for form in (HEX, HEX.lower(), str(SECRET), repr(SECRET)[2:-1]):
        assert form not in shown
    assert not hasattr(key, "__dict__")


def test_keys_compare_by_value_and_cannot_be_hashed() -> None:
    assert Key(SECRET) == Key(bytearray(SECRET))
    assert Key(SECRET) != Key(SECRET[:-1])
    assert Key(SECRET) != SECRET
    assert len(Key(SECRET)) == 16
    with pytest.raises(TypeError):
        hash(Key(SECRET))


@pytest.mark.parametrize("text", [HEX, HEX * 4, "0x" + HEX, f" {HEX}\n", HEX * 20])
def test_a_key_in_place_of_its_file_is_recognised_and_never_echoed(text: str) -> None:
    assert is_key_itself(text)
    with pytest.raises(UsageError, match="takes the path of a file") as caught:
        load(file=Path(text))
    assert HEX[:8] not in str(caught.value)


def test_paths_are_not_taken_for_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / HEX).write_text(HEX)
    for text in (HEX, HEX[1:], f"{HEX}.key", f"keys/{HEX}", "", "-"):
        assert not is_key_itself(text)
    assert revealed(load(file=Path(HEX))) == SECRET
