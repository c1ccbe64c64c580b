"""Search for the first bytes of JPEG files."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.compiled import kernel

_BLOCK = 2048  # a constant trip count lets the compiler vectorise the test of a whole block


@kernel
def find_soi(data: NDArray[np.uint8], start: int, end: int, positions: NDArray[np.int64]) -> int:
    """Positions in `[start, end - 2)` at which FF D8 FF begins; returns how many were written to `positions`.

    `data`: uint8, one-dimensional; `positions`: int64; the search ends when it is full, to be taken up behind the last
    position written.
    """
    count = 0
    position = start
    while position + 2 < end:
        stop = min(position + _BLOCK, end - 2)
        if stop - position == _BLOCK:
            first = data[position : position + _BLOCK]
            second = data[position + 1 : position + 1 + _BLOCK]
            third = data[position + 2 : position + 2 + _BLOCK]
            hit = False
            for i in range(_BLOCK):
                hit |= (first[i] == 0xFF) & (second[i] == 0xD8) & (third[i] == 0xFF)
            if not hit:
                position = stop
                continue
        for i in range(position, stop):
            if data[i] == 0xFF and data[i + 1] == 0xD8 and data[i + 2] == 0xFF:
                if count == positions.size:
                    return count
                positions[count] = i
                count += 1
        position = stop
    return count
