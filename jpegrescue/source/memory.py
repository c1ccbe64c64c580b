"""A source over bytes that are in memory already."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.evidence import Gap, Layer
from jpegrescue.source.base import read_bytes


class MemorySource:
    """`data`, uint8, as a source: a file that was made, not read."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self._data = data
        self.gaps: tuple[Gap, ...] = ()
        self.layers = (Layer("raw", 0, data.size, {}),)

    @property
    def size(self) -> int:
        """Bytes of it."""
        return self._data.size

    def read(self, offset: int, length: int) -> bytes:
        """Bytes `[offset, offset + length)`, clipped at `size`."""
        return read_bytes(self, offset, length)

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> int:
        """Fill `buffer` from `offset` on, clipped at `size`; number of bytes filled."""
        filled = max(0, min(len(buffer), self.size - offset))
        buffer[:filled] = self._data[offset : offset + filled]
        return filled

    def close(self) -> None:
        """Nothing to close."""
