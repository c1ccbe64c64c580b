"""Digests of what was read, several at once."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.errors import UsageError
from jpegrescue.model.evidence import Hashes

HASH_NAMES = ("sha256", "md5", "sha1")


def parse_hash_names(text: str) -> tuple[str, ...]:
    """Names in `--hash sha256,md5,sha1`, in the order of `HASH_NAMES`; `none` gives an empty tuple.

    Raises:
        UsageError: an unknown name, none at all, or `none` beside others.
    """
    names = [name.strip().lower() for name in text.split(",")]
    if names == ["none"]:
        return ()
    unknown = [name for name in names if name not in HASH_NAMES]
    if unknown:
        accepted = ", ".join(HASH_NAMES)
        raise UsageError(f"{', '.join(map(repr, unknown))} is no hash; give none or any of {accepted}", option="--hash")
    return tuple(name for name in HASH_NAMES if name in names)


class Hasher:
    """Feeds every buffer to all digests of `names` (see `HASH_NAMES`)."""

    def __init__(self, names: Sequence[str]) -> None:
        self._digests = {name: hashlib.new(name, usedforsecurity=False) for name in names}

    def update(self, buffer: bytes | memoryview | NDArray[np.uint8]) -> None:
        """Append `buffer` (contiguous) to what is hashed."""
        view = buffer.data if isinstance(buffer, np.ndarray) else buffer
        for digest in self._digests.values():
            digest.update(view)

    def result(self) -> Hashes:
        """Digests of everything so far."""
        return Hashes(**{name: digest.hexdigest() for name, digest in self._digests.items()})
