"""Keys: where they come from, and a holder that does not give them away by accident."""

import hmac
import os
import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TextIO

from jpegrescue.errors import UsageError

KEY_VARIABLE = "JPEGRESCUE_KEY"
_LONGEST = 4096  # bytes of text; far above the 128 hex digits of the longest key
_KEY_TEXT = re.compile(r"\s*(0[xX])?[0-9a-fA-F]{32,}\s*")  # from the shortest key on
_HEX_TEXT = frozenset((string.hexdigits + string.whitespace).encode())


class Key:
    """Key bytes that stay out of `repr`, `str` and formatting; compared in constant time, not hashable."""

    __slots__ = ("_secret",)
    __hash__ = None  # type: ignore[assignment]  # a key in a dict or set would outlive its use

    def __init__(self, secret: bytes) -> None:
        self._secret = bytes(secret)

    def reveal(self) -> bytes:
        """The key itself."""
        return self._secret

    def __len__(self) -> int:
        return len(self._secret)

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self._secret, other._secret) if isinstance(other, Key) else NotImplemented

    def __repr__(self) -> str:
        return f"Key(<{len(self._secret)} bytes, redacted>)"


def is_key_itself(path: str) -> bool:
    """Whether what was given as the path of a key file is rather a key: long, hexadecimal, and no file that exists."""
    return _KEY_TEXT.fullmatch(path) is not None and not os.path.exists(path)  # noqa: PTH110  (Path.exists raises on long names)


def load_key(
    key_option: str | None, key_file: Path | None, environment: Mapping[str, str], stdin: TextIO | BinaryIO
) -> Key | None:
    """The key from `--key` (hex, or `-` for one line of hex on stdin), `--key-file` or `JPEGRESCUE_KEY`.

    A key file holds hex digits with any white space, or else the raw bytes.

    Raises:
        UsageError: given in more than one way, unreadable, empty or not hex. The message never holds the key.
    """
    ways = {
        "--key": key_option is not None,
        "--key-file": key_file is not None,
        f"the environment variable {KEY_VARIABLE}": KEY_VARIABLE in environment,
    }
    given = [way for way, used in ways.items() if used]
    if len(given) > 1:
        raise UsageError(f"the key is given more than once, by {' and by '.join(given)}; give it once", option="--key")
    if key_file is not None:
        return _from_file(key_file)
    if key_option == "-":
        line = stdin.readline(_LONGEST + 1)
        text = line if isinstance(line, bytes) else line.encode("utf-8", "replace")
        return _from_hex(text, "the key on standard input", "--key")
    if key_option is not None:
        return _from_hex(key_option.encode("utf-8", "replace"), "the key given with --key", "--key")
    if KEY_VARIABLE in environment:
        text = environment[KEY_VARIABLE].encode("utf-8", "replace")
        return _from_hex(text, f"the key in the environment variable {KEY_VARIABLE}", None)
    return None


def _from_file(path: Path) -> Key:
    if is_key_itself(str(path)):
        raise UsageError(
            "--key-file takes the path of a file, and was given what looks like a key: save it in a file, "
            f"or give it with --key - or in the environment variable {KEY_VARIABLE}",
            option="--key-file",
        )
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read: {error.strerror}", option="--key-file") from None
    if len(content) > _LONGEST:
        raise UsageError(f"the key file {path} is longer than {_LONGEST} bytes: not a key", option="--key-file")
    if _HEX_TEXT.issuperset(content):
        return _from_hex(content, f"the key in {path}", "--key-file")
    return Key(content)


def _from_hex(text: bytes, what: str, option: str | None) -> Key:
    digits = b"".join(text.split())
    if not digits:
        raise UsageError(f"{what} is empty", option=option)
    if not _HEX_TEXT.issuperset(digits):
        raise UsageError(f"{what} is not hexadecimal", option=option)
    if len(digits) % 2:
        raise UsageError(f"{what} has an odd number of hexadecimal digits ({len(digits)})", option=option)
    return Key(bytes.fromhex(digits.decode("ascii")))
