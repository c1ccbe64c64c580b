"""What every layer of the evidence offers."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.evidence import Gap, Layer


class ByteSource(Protocol):
    """Random access to bytes that cannot fail half way: what is unreadable reads as zeros and is named in `gaps`.

    Safe to read from several threads at once.
    """

    @property
    def size(self) -> int:
        """Length in bytes."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The chain from the medium to the bytes handed out, the medium first."""

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Unreadable ranges met so far, merged and sorted."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes `[offset, offset + length)`, clipped at `size`."""

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> int:
        """Fill `buffer` (uint8, 1-D, contiguous) from `offset` on, clipped at `size`; number of bytes filled."""

    def close(self) -> None:
        """Give back what the source holds open; a second call does nothing."""


def read_bytes(source: ByteSource, offset: int, length: int) -> bytes:
    """`ByteSource.read` by way of `read_into`."""
    buffer = np.empty(max(0, min(length, source.size - offset)), np.uint8)
    return buffer[: source.read_into(offset, buffer)].tobytes()
