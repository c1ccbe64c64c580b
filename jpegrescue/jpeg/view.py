"""Bytes of one file as the marker walk sees them: in memory here, streamed from evidence where files are carved."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg._kernels_markers import next_marker
from jpegrescue.jpeg.markers import ANY_MARKER


class View(Protocol):
    """Random access to the bytes of a file."""

    @property
    def size(self) -> int:
        """Bytes that may belong to the file."""

    def array(self, offset: int, length: int) -> NDArray[np.uint8]:
        """Up to `length` bytes from `offset`, fewer at the end; valid until the next call."""

    def piece(self, offset: int) -> NDArray[np.uint8]:
        """As many bytes from `offset` as are at hand, two or more unless the end is nearer; valid as above."""


class Memory:
    """A file that is wholly in memory."""

    def __init__(self, data: bytes | bytearray | memoryview | NDArray[np.uint8]) -> None:
        self._bytes = np.ascontiguousarray(np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8))
        self.size = self._bytes.size

    def array(self, offset: int, length: int) -> NDArray[np.uint8]:
        """Up to `length` bytes from `offset`, without a copy."""
        return self._bytes[offset : offset + max(length, 0)]

    def piece(self, offset: int) -> NDArray[np.uint8]:
        """Everything from `offset` on."""
        return self._bytes[offset:]


class Slice:
    """Bytes `[start, start + size)` of another view, as a file of their own."""

    def __init__(self, view: View, start: int, size: int) -> None:
        self._view = view
        self._start = start
        self.size = max(min(size, view.size - start), 0)

    def array(self, offset: int, length: int) -> NDArray[np.uint8]:
        """Up to `length` bytes from `offset`, fewer at the end; valid until the next call on either view."""
        return self._view.array(self._start + offset, max(min(length, self.size - offset), 0))

    def piece(self, offset: int) -> NDArray[np.uint8]:
        """As many bytes from `offset` as are at hand; valid as above."""
        return self._view.piece(self._start + offset)[: max(self.size - offset, 0)]


def read(view: View, offset: int, length: int) -> bytes:
    """Copy of up to `length` bytes from `offset`."""
    return view.array(offset, length).tobytes()


def find_marker(view: View, start: int, stop: int, wanted: NDArray[np.bool_] = ANY_MARKER) -> int | None:
    """First FF in `[start, stop)` before a code of `wanted`, a look-up from `jpegrescue.jpeg.markers`."""
    while start < stop:
        piece = view.piece(start)
        if piece.size < 2:
            return None
        found = int(next_marker(piece, 0, min(piece.size, stop + 1 - start), wanted))
        if found >= 0:
            return start + found
        start += piece.size - 1
    return None
