"""The IV number of the first sector, found from sectors whose plaintext is known."""

from jpegrescue.source.base import ByteSource
from jpegrescue.source.crypt.ballot import Solved
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.solve_cbc import solve_cbc
from jpegrescue.source.crypt.solve_xts import solve_xts

__all__ = ["Solved", "solve_first_sector"]


def solve_first_sector(parent: ByteSource, cipher: SectorCipher, start: int, end: int) -> Solved | None:
    """The IV number of the sector at evidence offset `start`, or `None` if the sectors seen do not tell.

    One JPEG header or two constant sectors in the majority will do: a header's known bytes leave chance no room (2⁸⁰
    against the 2²⁷ guesses of XTS). CBC reads `[start, end)` until three sectors agree and hardly any contradicts, at
    worst to its end; XTS tries a million numbers either side of 0 on a sample of 64 sectors.
    """
    solve = solve_xts if cipher.spec.mode == "xts" else solve_cbc
    return solve(parent, cipher, start, min(end, parent.size))
