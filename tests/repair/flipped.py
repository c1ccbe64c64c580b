"""Photos encrypted, with bits of their ciphertext flipped, as repair gets them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.parse import parse
from jpegrescue.repair.track import Track, follow, plan_scan
from jpegrescue.source.crypt.flips import BITS, Ciphertext
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key

CBC, XTS = "aes-cbc-essiv:sha256", "aes-xts-plain64"
FIRST_SECTOR = 77


def sector_cipher(name: str = CBC, sector_size: int = 512) -> SectorCipher:
    """With the key that all of these files are encrypted with."""
    return SectorCipher(SPECS[name], Key(bytes(range(32))), sector_size)


def ciphertext(jpeg: bytes, bits: Iterable[int] = (), name: str = CBC, lead: int = 0) -> Ciphertext:
    """The encrypted file, with `bits` flipped: counted from the first block's first, as `Flippable.flip` does.

    `lead`: where in a sector the file begins.
    """
    cipher = sector_cipher(name)
    padded = bytes(lead) + jpeg + bytes(-(lead + len(jpeg)) % cipher.sector_size)
    raw = np.frombuffer(cipher.encrypt(padded, FIRST_SECTOR), np.uint8)
    file = Ciphertext(cipher, raw, FIRST_SECTOR, lead, len(jpeg))
    for bit in bits:
        file.flip(bit)
    return file


def scan_bit(jpeg: bytes, share: float, inside: int = 37, lead: int = 0) -> int:
    """Bit `inside` of the block at `share` of the scan's length."""
    scan = parse(jpeg).scans[0]
    at = scan.start + int(share * (scan.end - scan.start)) + lead % BLOCK
    return at // BLOCK * BITS + inside


def tracked(data: NDArray[np.uint8] | bytes) -> Track:
    """The scan of a file."""
    array = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    plan = plan_scan(array, parse(array))
    assert plan is not None
    return follow(array, plan)


def flip_name(block: int, bit: int) -> int:
    """The number of a block's bit, as `Flippable.flip` counts."""
    return BITS * block + bit
