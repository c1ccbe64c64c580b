"""A view as narrow and as forgetful as the protocol allows."""

import numpy as np
from numpy.typing import NDArray


class Narrow:
    """A `View` that has at most `step` bytes at hand and overwrites what it gave out before."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = np.frombuffer(data, np.uint8)
        self._step = step
        self._given = np.empty(0, np.uint8)
        self.size = self._data.size

    def array(self, offset: int, length: int) -> NDArray[np.uint8]:
        self._given[:] = 0xA5
        self._given = self._data[offset : offset + max(length, 0)].copy()
        return self._given

    def piece(self, offset: int) -> NDArray[np.uint8]:
        return self.array(offset, self._step)
