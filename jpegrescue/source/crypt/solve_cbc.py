"""First sector number under CBC.

All but the first 16 bytes of a sector decrypt without its number. They tell which sectors hold a constant (free space)
or begin a JPEG file, hence what their first block P₀ was, hence the IV = D_K(C₀) ⊕ P₀, hence the number; with ESSIV a
true number shows by the zeros that pad it.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from jpegrescue.source.base import ByteSource
from jpegrescue.source.crypt.ballot import Ballot, Kind, Solved
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher

# Rows of sectors that are recognised, and what their first block may have been: (rows, possibilities, 2) halves.
Guesses = tuple[NDArray[np.intp], NDArray[np.uint64]]

_PIECE = 1 << 20
_EXIF_TRIES = 8  # per piece: each costs 65,536 AES calls
_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)
_BYTE_TO_WORD = np.uint64(0x0101010101010101)


def solve_cbc(parent: ByteSource, cipher: SectorCipher, start: int, end: int) -> Solved | None:
    """See `solve_first_sector`."""
    ballot = Ballot()
    for index, raw, plain in _sectors(parent, cipher, start, end):
        for kind, recognise in _RECOGNISED:
            rows, blocks = recognise(plain)
            if rows.shape[0]:
                _vote(ballot, kind, cipher, index + rows, raw[rows, :BLOCK], blocks)
        _, most, others = ballot.leader()
        if most >= 3 and most >= 8 * others:
            break
    return ballot.verdict()


def _sectors(
    parent: ByteSource, cipher: SectorCipher, start: int, end: int
) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Whole sectors by the piece: index of the first, ciphertext and plaintext (its first 16 bytes wrong), as rows."""
    size = cipher.sector_size
    raw_room, plain_room = np.empty(_PIECE, np.uint8), np.empty(_PIECE, np.uint8)
    for offset in range(start, end, _PIECE):
        length = min(_PIECE, end - offset) // size * size
        raw, plain = raw_room[:length], plain_room[:length]
        parent.read_into(offset, raw)
        cipher.decrypt_into(raw, 0, plain)
        yield (offset - start) // size, raw.reshape(-1, size), plain.reshape(-1, size)


def _vote(
    ballot: Ballot,
    kind: Kind,
    cipher: SectorCipher,
    sectors: NDArray[np.intp],
    heads: NDArray[np.uint8],
    blocks: NDArray[np.uint64],
) -> None:
    """Let each of `sectors` (counted from the start), whose ciphertext begins with `heads`, vote once.

    Of the numbers that its possible first blocks lead to, the smallest valid one counts: with ESSIV there is at most
    one, and with `plain64` the smallest is the only one on media below 2 TiB.
    """
    decrypted = cipher.decrypt_blocks(np.ascontiguousarray(heads).view(np.uint64))
    numbers, valid = cipher.numbers_from_ivs((decrypted[:, None, :] ^ blocks).reshape(-1, 2))
    smallest = np.where(valid, numbers, _NONE).reshape(blocks.shape[:2]).min(axis=1)
    found = smallest != _NONE
    first = smallest[found].astype(np.int64) - sectors[found] * cipher.numbers_per_sector
    for value, count in zip(*np.unique(first, return_counts=True), strict=True):
        ballot.add(kind, int(value), int(count))


def _constant(plain: NDArray[np.uint8]) -> Guesses:
    """Sectors that hold one byte throughout, as free space does."""
    words = plain.view(np.uint64)
    word = words[:, 2]
    likely = (word == words[:, 3]) & (word == words[:, -1]) & ((word & np.uint64(255)) * _BYTE_TO_WORD == word)
    rows = np.flatnonzero(likely)
    rows = rows[(words[rows, 2:] == word[rows, None]).all(axis=1)]
    return rows, np.repeat(word[rows, None, None], 2, axis=2)


def _jfif(plain: NDArray[np.uint8]) -> Guesses:
    """Sectors that begin a JFIF file (JFIF 1.02: APP0 of 16 bytes, no thumbnail, square pixels).

    Seen: the vertical density, the thumbnail's size 0×0, the next marker. Guessed: minor version 0…2, units 0…2.
    """
    marker = plain[:, 21]
    rows = np.flatnonzero(
        (plain[:, 18] == 0) & (plain[:, 19] == 0) & (plain[:, 20] == 0xFF) & (marker >= 0xC0) & (marker < 0xFF)
    )
    blocks = np.empty((rows.shape[0], 9, BLOCK), np.uint8)
    blocks[:, :, :12] = np.frombuffer(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", np.uint8)
    blocks[:, :, 12] = np.arange(9) // 3
    blocks[:, :, 13] = np.arange(9) % 3
    blocks[:, :, 14:] = plain[rows, None, 16:18]
    return rows, blocks.view(np.uint64)


def _exif(plain: NDArray[np.uint8]) -> Guesses:
    """Sectors that begin an Exif file (JEITA CP-3451: APP1, "Exif", a TIFF header with the directory behind it).

    Seen: the directory's offset 8 and a plausible count of entries. Guessed: the segment's length.
    """
    offset, count = plain[:, 16:20], plain[:, 20:22]
    big = (offset == (0, 0, 0, 8)).all(axis=1) & (count[:, 0] == 0) & (count[:, 1] - np.uint8(1) < 64)
    little = (offset == (8, 0, 0, 0)).all(axis=1) & (count[:, 1] == 0) & (count[:, 0] - np.uint8(1) < 64)
    rows = np.flatnonzero(big | little)[:_EXIF_TRIES]
    blocks = np.empty((rows.shape[0], 1 << 16, BLOCK), np.uint8)
    blocks[:, :, :12] = np.frombuffer(b"\xff\xd8\xff\xe1\0\0Exif\0\0", np.uint8)
    blocks[:, :, 4:6] = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    blocks[:, :, 12:] = np.where(
        big[rows, None, None], np.frombuffer(b"MM\0*", np.uint8), np.frombuffer(b"II*\0", np.uint8)
    )
    return rows, blocks.view(np.uint64)


_RECOGNISED: tuple[tuple[Kind, Callable[[NDArray[np.uint8]], Guesses]], ...] = (
    ("fill", _constant),
    ("jpeg", _jfif),
    ("jpeg", _exif),
)
