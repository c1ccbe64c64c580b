"""Random draws that come out the same on every machine and under every version of any library.

A stream is AES-256 in counter mode from counter 0, keyed with SHA-256 over its labels; each label is preceded by its
length, so that no two lists of labels give the same key. No draw passes through floating point.
"""

import hashlib
from fractions import Fraction

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

_WORD = 1 << 64
_PIECE = 1 << 16  # words of 8 bytes at a time: little enough to stay in the cache


class Draws:
    """One stream; what is drawn depends on its labels and on what was drawn from it before, and on nothing else."""

    def __init__(self, *labels: str | int) -> None:
        digest = hashlib.sha256()
        for label in labels:
            raw = str(label).encode()
            digest.update(b"%d:" % len(raw) + raw)
        self._stream = Cipher(algorithms.AES(digest.digest()), modes.CTR(bytes(16))).encryptor()

    def octets(self, count: int) -> bytes:
        """`count` random bytes."""
        return self._stream.update(bytes(count))

    def below(self, limit: int) -> int:
        """An integer of `[0, limit)`, 1 ≤ `limit` ≤ 2⁶⁴, all equally likely: words of the uneven rest are rejected."""
        fair = _WORD - _WORD % limit
        while (word := int.from_bytes(self.octets(8), "little")) >= fair:
            pass
        return word % limit

    def distinct(self, limit: int, count: int) -> tuple[int, ...]:
        """`count` different integers of `[0, limit)`, ascending, every set equally likely (Floyd's method)."""
        chosen: set[int] = set()
        for last in range(limit - count, limit):
            drawn = self.below(last + 1)
            chosen.add(last if drawn in chosen else drawn)
        return tuple(sorted(chosen))

    def bits(self, count: int, probability: float) -> NDArray[np.int64]:
        """Which of `count` bits are hit, each on its own with `probability` (0 to 1); ascending positions, shape (n,).

        A bit is hit if its word of 64 bits is below ⌊probability · 2⁶⁴⌋. So of two probabilities, the bits of the lower
        are among those of the higher: the errors of a young medium are still there in an old one.
        """
        threshold = int(Fraction(probability) * _WORD)
        if threshold == _WORD:
            return np.arange(count, dtype=np.int64)
        found = [np.empty(0, np.int64)]
        for start in range(0, count, _PIECE):
            words = np.frombuffer(self.octets(8 * min(_PIECE, count - start)), "<u8")
            found.append(np.flatnonzero(words < threshold).astype(np.int64) + start)
        return np.concatenate(found)
