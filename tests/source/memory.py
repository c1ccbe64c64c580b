"""A source over bytes, which counts what is asked of it."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.evidence import Gap, Layer
from jpegrescue.source.base import read_bytes


class MemorySource:
    def __init__(self, data: bytes, gaps: tuple[Gap, ...] = ()) -> None:
        self.data = np.frombuffer(data, np.uint8)
        self.gaps = gaps
        self.layers = (Layer("raw", 0, len(data), {}),)
        self.reads: list[tuple[int, int]] = []
        self.closed = False

    @property
    def size(self) -> int:
        return self.data.shape[0]

    def read(self, offset: int, length: int) -> bytes:
        return read_bytes(self, offset, length)

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> int:
        filled = max(0, min(buffer.shape[0], self.size - offset))
        buffer[:filled] = self.data[offset : offset + filled]
        self.reads.append((offset, filled))
        return filled

    def close(self) -> None:
        self.closed = True
