"""The ciphertext of one file, bit by bit: what its plaintext would be were a bit of it the other way round.

D_K is AES decryption of a single block. In CBC, P = D_K(C) ⊕ (the block before, or the IV): another bit of C changes P
by D_K(C) ⊕ D_K(C ⊕ bit), whatever the IV, and flips the same bit of the next block in the sector. In XTS, P =
D_K(C ⊕ T) ⊕ T: a bit of C changes its own block only. Without a cipher it changes itself.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jpegrescue.source.crypt._kernels import xts_masks
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher

BITS = 8 * BLOCK
ONE_BIT = np.packbits(np.eye(BITS, dtype=np.uint8), axis=1)  # (BITS, BLOCK): one bit set, the most significant first


class Flippable(Protocol):
    """A file whose stored bits can be flipped. Blocks are those of the medium; `lead` bytes of the first precede it.

    `plain`: uint8, the file's bytes as they stand now; `garbles`: whether a flipped bit garbles its whole block.
    """

    plain: NDArray[np.uint8]
    lead: int
    garbles: bool

    def blocks(self) -> int:
        """Blocks that can be searched, from the file's first byte on."""

    def variants(self, block: int, flips: NDArray[np.uint8] = ONE_BIT) -> NDArray[np.uint8]:
        """Plaintext of `block`, and of the next one if it changes too, with the bits of each of `flips` flipped.

        `flips`: uint8 (n, 16); returns uint8 (n, 16 or 32), bytes outside the file included.
        """

    def flip(self, bit: int) -> None:
        """Flip stored bit `bit`, counted from the first block's first."""


class PlainBits:
    """A file that is not encrypted; its blocks are 16 bytes each, from its first byte on."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.plain = data.copy()
        self.lead = 0
        self.garbles = False

    def blocks(self) -> int:
        """Whole blocks of 16 bytes."""
        return self.plain.size // BLOCK

    def variants(self, block: int, flips: NDArray[np.uint8] = ONE_BIT) -> NDArray[np.uint8]:
        """See `Flippable`; uint8 (n, 16)."""
        return self.plain[BLOCK * block : BLOCK * (block + 1)] ^ flips

    def flip(self, bit: int) -> None:
        """Flip bit `bit` of the file."""
        self.plain[bit >> 3] ^= 128 >> (bit & 7)


class Ciphertext:
    """A file in whole cipher blocks.

    Args:
        cipher: what it was encrypted with.
        raw: uint8, ciphertext from the start of the sector that the file begins in.
        first_number: IV number of that sector.
        start: where the file begins in `raw`; `size`: its bytes.
    """

    def __init__(self, cipher: SectorCipher, raw: NDArray[np.uint8], first_number: int, start: int, size: int) -> None:
        self._cipher = cipher
        self._chained = cipher.spec.mode == "cbc"
        self._start = start
        self._raw = raw.copy()
        self._clear = np.empty_like(self._raw)
        cipher.decrypt_into(self._raw, first_number, self._clear)
        self.plain = self._clear[start : start + size]
        self.lead = start % BLOCK
        self.garbles = True
        whole = self._raw.size // BLOCK
        self._masks = np.zeros((whole, 2), np.uint64)
        if not self._chained:
            tweaks = cipher.sector_ivs(first_number, -(-self._raw.size // cipher.sector_size))
            xts_masks(tweaks, cipher.sector_size // BLOCK, self._masks)

    def blocks(self) -> int:
        """Whole blocks with bytes of the file."""
        last = min(-(-(self._start + self.plain.size) // BLOCK), self._raw.size // BLOCK)
        return last - self._start // BLOCK

    def variants(self, block: int, flips: NDArray[np.uint8] = ONE_BIT) -> NDArray[np.uint8]:
        """See `Flippable`; the next block changes under CBC only, and not in another sector."""
        at = block + self._start // BLOCK
        given = _words(self._raw, at) ^ self._masks[at]
        flipped = given ^ flips.view(np.uint64)
        decrypted = self._cipher.decrypt_blocks(np.concatenate((given, flipped)))
        changed = (_words(self._clear, at) ^ decrypted[:1] ^ decrypted[1:]).view(np.uint8)
        if not self._takes_next_along(at):
            return changed
        return np.concatenate((changed, self._clear[BLOCK * (at + 1) : BLOCK * (at + 2)] ^ flips), axis=1)

    def flip(self, bit: int) -> None:
        """See `Flippable`."""
        block, inside = divmod(bit, BITS)
        at = block + self._start // BLOCK
        changed = self.variants(block, ONE_BIT[inside : inside + 1])[0]
        self._clear[BLOCK * at : BLOCK * at + changed.size] = changed
        self._raw[BLOCK * at + (inside >> 3)] ^= 128 >> (inside & 7)

    def _takes_next_along(self, at: int) -> bool:
        inside = BLOCK * (at + 1) % self._cipher.sector_size
        return self._chained and inside != 0 and BLOCK * (at + 2) <= self._raw.size


class Part:
    """Bytes `[start, end)` of a flippable file as a file of their own, as an embedded preview is."""

    def __init__(self, whole: Flippable, start: int, end: int) -> None:
        self._whole = whole
        self._first, self.lead = divmod(whole.lead + start, BLOCK)
        self.plain = whole.plain[start:end]
        self.garbles = whole.garbles

    def blocks(self) -> int:
        """Blocks with bytes of the part."""
        return min(-(-(self.lead + self.plain.size) // BLOCK), self._whole.blocks() - self._first)

    def variants(self, block: int, flips: NDArray[np.uint8] = ONE_BIT) -> NDArray[np.uint8]:
        """See `Flippable`."""
        return self._whole.variants(self._first + block, flips)

    def flip(self, bit: int) -> None:
        """See `Flippable`."""
        self._whole.flip(self.outer(bit))

    def outer(self, bit: int) -> int:
        """The number of bit `bit` in the whole file."""
        return BITS * self._first + bit


@dataclass(frozen=True, slots=True)
class Stored:
    """A file's ciphertext as it lies on the medium.

    `raw` begins with a sector, of IV number `first_number`, at evidence offset `offset`; the file with its `size` bytes
    begins `start` bytes into it.
    """

    cipher: SectorCipher
    raw: bytes = field(repr=False)
    first_number: int
    start: int
    size: int
    offset: int

    def open(self) -> Ciphertext:
        """Its bits, to be flipped."""
        raw = np.frombuffer(self.raw, np.uint8)
        return Ciphertext(self.cipher, raw, self.first_number, self.start, self.size)


def _words(data: NDArray[np.uint8], block: int) -> NDArray[np.uint64]:
    return data[BLOCK * block : BLOCK * (block + 1)].view(np.uint64).reshape(1, 2)
