"""A stretch of evidence as the marker walk sees it: read in bounded pieces, never as a whole."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.source.base import ByteSource

_FIRST = 64 << 10  # most candidates are refused by their header
_PIECE = (1 << 20) + (64 << 10)
_BACK = 4096  # the walk looks back a little from the markers it finds
_GROWTH = 4


class Workspace:
    """What views that are used one after the other share: a buffer, and evidence that is in memory anyway.

    `at_hand`: the bytes (uint8) that lie at evidence offset `offset`; set by whoever has them, read only.
    """

    def __init__(self) -> None:
        self.buffer = np.empty(_PIECE, np.uint8)
        self.offset = 0
        self.at_hand = np.empty(0, np.uint8)


class SourceView:
    """Bytes `[start, limit)` of `source` as a `jpegrescue.jpeg.view.View`, read in pieces of up to about 1 MiB."""

    def __init__(self, source: ByteSource, start: int, limit: int, workspace: Workspace | None = None) -> None:
        self._source = source
        self._start = start
        self.size = max(min(limit, source.size) - start, 0)
        self._workspace = workspace or Workspace()
        self._buffer = self._workspace.at_hand
        self._offset = self._workspace.offset - start
        self._filled = max(min(self._buffer.size, self.size - self._offset), 0)
        self._ahead = _FIRST

    def array(self, offset: int, length: int) -> NDArray[np.uint8]:
        """Up to `length` bytes from `offset`, fewer at the end; valid until the next call."""
        begin = offset - self._offset
        if begin < 0 or not 0 <= length <= self._filled - begin:
            length = max(min(length, self.size - offset), 0)
            begin = self._locate(offset, length)
        return self._buffer[begin : begin + length]

    def piece(self, offset: int) -> NDArray[np.uint8]:
        """As many bytes from `offset` as are at hand, two or more unless the end is nearer; valid as above."""
        begin = offset - self._offset
        if begin < 0 or begin + 2 > self._filled:
            begin = self._locate(offset, max(min(2, self.size - offset), 0))
        return self._buffer[begin : self._filled]

    def _locate(self, offset: int, length: int) -> int:
        """Index in the buffer of `offset` and `length` bytes of the view, read first if they are not at hand."""
        if not self._offset <= offset <= offset + length <= self._offset + self._filled:
            self._load(offset, length)
        return offset - self._offset

    def _load(self, offset: int, length: int) -> None:
        """Read around `offset`: little at first and after a jump, more and more while the walk goes on from there."""
        goes_on = self._filled > 0 and 0 <= offset - self._offset <= self._filled
        self._ahead = min(_GROWTH * self._ahead, _PIECE) if goes_on else _FIRST
        begin = max(offset - _BACK, 0)
        wanted = max(min(max(self._ahead, offset - begin + length), self.size - begin), 0)
        self._buffer = self._workspace.buffer
        if self._buffer.size < wanted:
            self._buffer = np.empty(wanted, np.uint8)
        self._offset = begin
        self._filled = self._source.read_into(self._start + begin, self._buffer[:wanted])
        self._buffer[self._filled : wanted] = 0
        self._filled = wanted
