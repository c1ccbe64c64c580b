"""First sector number under XTS.

Without its number no byte of a sector decrypts, so numbers are tried: on a sample of sectors, whether one of them makes
the first block a constant (free space, and the boot sectors of ext4) or the head of a JPEG file.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from jpegrescue.source.base import ByteSource
from jpegrescue.source.crypt.ballot import Ballot, Kind, Solved
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher

_FIRST_SECTORS = 16
_SPREAD_SECTORS = 48
_TRIES = 1 << 20
_BATCH = 1 << 15
_BYTE_TO_WORD = np.uint64(0x0101010101010101)


def solve_xts(parent: ByteSource, cipher: SectorCipher, start: int, end: int) -> Solved | None:
    """See `solve_first_sector`. First sector numbers are tried in steps of a sector's numbers, those ≥ 0 first."""
    sample = list(_sample(parent, cipher, start, end))
    for lowest in (0, -_TRIES):
        ballot = Ballot()
        for sector, head in sample:
            for kind, value in _tries(cipher, sector, head, lowest):
                ballot.add(kind, value)
            solved = ballot.verdict()
            if solved is not None:
                return solved
    return None


def _sample(parent: ByteSource, cipher: SectorCipher, start: int, end: int) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Index and first cipher block of the first sectors and of some spread over the rest."""
    sectors = (end - start) // cipher.sector_size
    spread = np.linspace(0, sectors - 1, _SPREAD_SECTORS).astype(int) if sectors > 0 else ()
    for sector in sorted({*range(min(sectors, _FIRST_SECTORS)), *map(int, spread)}):
        head = np.empty(BLOCK, np.uint8)
        parent.read_into(start + sector * cipher.sector_size, head)
        yield sector, head.view(np.uint64)


def _tries(cipher: SectorCipher, sector: int, head: NDArray[np.uint64], lowest: int) -> Iterator[tuple[Kind, int]]:
    """First sector numbers, in units from `lowest` on, under which `sector` begins with something known."""
    step = cipher.numbers_per_sector
    for unit in range(lowest, lowest + _TRIES, _BATCH):
        masks = cipher.sector_ivs((unit + sector) * step, _BATCH)
        plain = cipher.decrypt_blocks(head ^ masks) ^ masks
        low, high = plain[:, 0], plain[:, 1]
        constant = (low == high) & ((low & np.uint64(255)) * _BYTE_TO_WORD == low)
        yield from (("fill", (unit + int(row)) * step) for row in np.flatnonzero(constant))
        yield from (("jpeg", (unit + int(row)) * step) for row in np.flatnonzero(_begins_jpeg(low, high)))


def _begins_jpeg(low: NDArray[np.uint64], high: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether a block holds SOI and APP0 "JFIF" or APP1 "Exif"."""
    app0 = (low == _word(b"\xff\xd8\xff\xe0\0\x10JF")) & (high << np.uint64(40) == _word(b"\0\0\0\0\0IF\0"))
    length = _word(b"\0\0\0\0\xff\xff\0\0")
    app1 = (low | length == _word(b"\xff\xd8\xff\xe1\xff\xffEx")) & (high << np.uint64(32) == _word(b"\0\0\0\0if\0\0"))
    begins: NDArray[np.bool_] = app0 | app1
    return begins


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text, "little"))
