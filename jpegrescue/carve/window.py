"""A stretch of evidence as the marker walk sees it: read in bounded pieces, never as a whole."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.source.base import ByteSource

_FIRST = 64 << 10  # most candidates are refused by their header
_PIECE = (1 << 20) + (64 << 10)
_BACK = 4096  # the walk looks back a little from the markers it finds


class SourceView:
    """Bytes `[start, limit)` of `source` as a `jpegrescue.jpeg.view.View`, with one buffer of about 1 MiB."""

    def __init__(self, source: ByteSource, start: int, limit: int) -> None:
        self._source = source
        self._start = start
        self.size = max(min(limit, source.size) - start, 0)
        self._buffer = np.empty(_FIRST, np.uint8)
        self._filled = 0
        self._offset = 0

    def array(self, offset: int, length: int) -> NDArray[np.uint8]:
        """Up to `length` bytes from `offset`, fewer at the end; valid until the next call."""
        length = max(min(length, self.size - offset), 0)
        if not self._offset <= offset <= offset + length <= self._offset + self._filled:
            self._load(offset, length)
        return self._buffer[offset - self._offset : offset - self._offset + length]

    def piece(self, offset: int) -> NDArray[np.uint8]:
        """As many bytes from `offset` as are at hand, two or more unless the end is nearer; valid as above."""
        self.array(offset, 2)
        stop = max(min(self._offset + self._filled, self.size), offset)
        return self.array(offset, stop - offset)

    def _load(self, offset: int, length: int) -> None:
        first = not self._filled and offset + length <= _FIRST
        begin = max(offset - _BACK, 0)
        wanted = min(max(_FIRST if first else _PIECE, offset - begin + length), self.size - begin)
        if self._buffer.size < wanted:
            self._buffer = np.empty(max(wanted, _PIECE), np.uint8)
        self._offset = begin
        self._filled = self._source.read_into(self._start + begin, self._buffer[:wanted])
        self._buffer[self._filled : wanted] = 0
        self._filled = wanted
