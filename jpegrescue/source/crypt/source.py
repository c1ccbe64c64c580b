"""The evidence seen through its sector cipher."""

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.evidence import Gap, Layer
from jpegrescue.source.base import ByteSource, read_bytes
from jpegrescue.source.crypt.flips import Stored
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher

_PIECE = 1 << 20


class DecryptedSource:
    """`parent` with bytes `[start, end)` decrypted; offsets stay, and bytes outside the range pass through.

    The IV number at evidence offset x is `first_sector` + (x − start) / iv_unit. `end` is clipped at the parent's
    size. Gaps are the parent's: zeros that stand for unreadable ciphertext decrypt to noise.
    """

    def __init__(self, parent: ByteSource, cipher: SectorCipher, *, start: int, end: int, first_sector: int) -> None:
        self._parent = parent
        self._cipher = cipher
        self._start = start
        self._end = max(start, min(end, parent.size))
        self._first_sector = first_sector
        parameters: dict[str, str | int] = {
            "cipher": cipher.spec.name,
            "key_bits": cipher.key_bits,
            "sector_size": cipher.sector_size,
            "iv_unit": cipher.iv_unit,
            "first_sector": first_sector,
        }
        self._layer = Layer("decrypt", self._start, self._end, parameters)

    @property
    def size(self) -> int:
        """The parent's size."""
        return self._parent.size

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The parent's layers and one of kind `decrypt`."""
        return (*self._parent.layers, self._layer)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The parent's gaps."""
        return self._parent.gaps

    def read(self, offset: int, length: int) -> bytes:
        """Bytes `[offset, offset + length)`, clipped at `size`."""
        return read_bytes(self, offset, length)

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> int:
        """Fill `buffer` from `offset` on, clipped at `size`; number of bytes filled."""
        length = max(0, min(len(buffer), self.size - offset))
        raw = np.empty(min(length, _PIECE), np.uint8)
        at = 0
        while at < length:  # pieces end on sector boundaries, where nothing has to be read twice
            ahead = (offset + at + _PIECE - self._start) % self._cipher.sector_size
            end = min(length, at + _PIECE - ahead)
            self._parent.read_into(offset + at, raw[: end - at])
            self.transform(offset + at, raw[: end - at], buffer[at:end])
            at = end
        return length

    def transform(self, offset: int, raw: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Turn `raw`, read from the parent at `offset`, into what this source holds there.

        uint8, 1-D, contiguous, of one length, not overlapping. Sectors that begin before the chunk, or end after it
        within a cipher block, are read from the parent once more; chunks cut at sector boundaries never need that.
        """
        low = min(max(self._start - offset, 0), len(raw))
        high = max(min(self._end - offset, len(raw)), low)
        out[:low] = raw[:low]
        out[high:] = raw[high:]
        into_sector = (offset + low - self._start) % self._cipher.sector_size
        if low < high and into_sector:
            cut = min(high, low + self._cipher.sector_size - into_sector)
            self._patch(offset + low, out[low:cut])
            low = cut
        over = (offset + high - self._start) % self._cipher.sector_size
        if low < high and over % BLOCK and offset + high < self._end:
            self._patch(offset + high - over, out[high - over : high])
            high -= over
        if low < high:
            self._cipher.decrypt_into(raw[low:high], self._number(offset + low), out[low:high])

    def stored(self, start: int, end: int) -> Stored | None:
        """Ciphertext of bytes `[start, end)`, in whole sectors; `None` unless all of them are encrypted."""
        if not self._start <= start < end <= self._end:
            return None
        size = self._cipher.sector_size
        first = start - (start - self._start) % size
        last = min(end + (self._start - end) % size, self._end)
        raw = self._parent.read(first, last - first)
        return Stored(self._cipher, raw, self._number(first), start - first, end - start, first)

    def close(self) -> None:
        """Close the parent."""
        self._parent.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _number(self, offset: int) -> int:
        return self._first_sector + (offset - self._start) // self._cipher.iv_unit

    def _patch(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill `out`, which lies in one sector, by decrypting that sector whole."""
        sector = offset - (offset - self._start) % self._cipher.sector_size
        raw = np.empty(min(self._cipher.sector_size, self._end - sector), np.uint8)
        self._parent.read_into(sector, raw)
        plain = np.empty_like(raw)
        self._cipher.decrypt_into(raw, self._number(sector), plain)
        out[:] = plain[offset - sector :][: out.shape[0]]
