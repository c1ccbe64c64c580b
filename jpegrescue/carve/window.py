"""A stretch of evidence as the marker walk sees it: read in bounded pieces, never as a whole."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.source.base import ByteSource

_FIRST = 64 << 10  # most candidates are refused by their header
_PIECE = (1 << 20) + (64 << 10)
_BACK = 4096  # the walk looks back a little from the markers it finds
_GROWTH = 4


def window_buffer() -> NDArray[np.uint8]:
    """A buffer for `SourceView`; views that are used one after the other may share it."""
    return np.empty(_PIECE, np.uint8)


class SourceView:
    """Bytes `[start, limit)` of `source` as a `jpegrescue.jpeg.view.View`, read in pieces of up to about 1 MiB."""

    def __init__(self, source: ByteSource, start: int, limit: int, buffer: NDArray[np.uint8] | None = None) -> None:
        self._source = source
        self._start = start
        self.size = max(min(limit, source.size) - start, 0)
        self._buffer = window_buffer() if buffer is None else buffer
        self._filled = 0
        self._offset = 0
        self._ahead = _FIRST

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
        """Read around `offset`: little at first and after a jump, more and more while the walk goes on from there."""
        goes_on = self._filled > 0 and 0 <= offset - self._offset <= self._filled
        self._ahead = min(_GROWTH * self._ahead, _PIECE) if goes_on else _FIRST
        begin = max(offset - _BACK, 0)
        wanted = min(max(self._ahead, offset - begin + length), self.size - begin)
        if self._buffer.size < wanted:
            self._buffer = np.empty(wanted, np.uint8)
        self._offset = begin
        self._filled = self._source.read_into(self._start + begin, self._buffer[:wanted])
        self._buffer[self._filled : wanted] = 0
        self._filled = wanted
