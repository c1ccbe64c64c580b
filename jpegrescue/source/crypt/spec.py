"""Names of sector ciphers, as dm-crypt writes them, and the keys that fit."""

from dataclasses import dataclass
from typing import Literal

from jpegrescue.errors import UsageError
from jpegrescue.source.keys import Key

Mode = Literal["cbc", "xts"]
Iv = Literal["essiv", "essivbe32", "plain", "plain64"]


@dataclass(frozen=True, slots=True)
class CipherSpec:
    """A sector cipher: AES in `mode`, the IV of a sector made from its number n as `iv` says.

    `plain`: n modulo 2³² as 32-bit little-endian, zero padded; `plain64`: 64-bit little-endian, zero padded; `essiv`:
    the latter encrypted with AES-256 under SHA-256 of the key; `essivbe32`: the same over n as 32-bit big-endian.
    """

    name: str
    mode: Mode
    iv: Iv


SPECS = {
    spec.name: spec
    for spec in (
        CipherSpec("aes-cbc-essiv:sha256", "cbc", "essiv"),
        CipherSpec("aes-cbc-plain", "cbc", "plain"),
        CipherSpec("aes-cbc-plain64", "cbc", "plain64"),
        CipherSpec("aes-xts-plain", "xts", "plain"),
        CipherSpec("aes-xts-plain64", "xts", "plain64"),
        CipherSpec("aes-cbc-essivbe32:sha256", "cbc", "essivbe32"),
    )
}
DEFAULT_SPEC = SPECS["aes-cbc-essiv:sha256"]

_KEY_SIZES: dict[Mode, tuple[int, ...]] = {"cbc": (16, 24, 32), "xts": (32, 64)}


def parse_spec(text: str) -> CipherSpec:
    """The cipher called `text`.

    Raises:
        UsageError: unknown; the message lists the known ones.
    """
    spec = SPECS.get(text.strip().lower())
    if spec is None:
        raise UsageError(f"unknown cipher {text!r}; known are {', '.join(SPECS)}", option="--cipher")
    return spec


def check_key(spec: CipherSpec, key: Key) -> None:
    """Check that the length of `key` fits.

    Raises:
        UsageError: it does not; the message says what does.
    """
    sizes = _KEY_SIZES[spec.mode]
    if len(key) not in sizes:
        *others, last = (f"{size} bytes ({2 * size} hex digits)" for size in sizes)
        raise UsageError(
            f"{spec.name} takes a key of {', '.join(others)} or {last}, not of {len(key)} bytes", option="--key"
        )
