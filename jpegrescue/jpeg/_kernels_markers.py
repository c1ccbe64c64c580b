"""Search for markers in entropy-coded data (ITU-T T.81 B.1.1.5), and cheap statistics of a stretch of bytes.

Constant trip counts let the compiler vectorise the tests of a whole block.
"""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.compiled import kernel

_BLOCK = 256
_COUNTED = 128  # so that uint8 counters cannot overflow; sums are cast back each time, or they widen to 64 bits


@kernel
def next_marker(data: NDArray[np.uint8], start: int, end: int, wanted: NDArray[np.bool_]) -> int:
    """Position in `[start, end - 1)` of the first FF before a code that is `wanted`; −1 if there is none.

    `data`: uint8, one-dimensional; both bytes of the marker lie before `end`. `wanted`: shape (256,), false for what
    an FF in entropy-coded data may be followed by: 00 (stuffed), FF (fill), RSTn.
    """
    position = start
    while position + 1 < end:
        stop = min(position + _BLOCK, end - 1)
        if stop - position == _BLOCK:
            first = data[position : position + _BLOCK]
            second = data[position + 1 : position + 1 + _BLOCK]
            hit = False
            for i in range(_BLOCK):
                code = second[i]
                hit |= (first[i] == 0xFF) & (code != 0) & (code != 0xFF) & ((code & 0xF8) != 0xD0)
            if not hit:
                position = stop
                continue
        for i in range(position, stop):
            if data[i] == 0xFF and wanted[data[i + 1]]:
                return i
        position = stop
    return -1


@kernel
def list_markers(
    data: NDArray[np.uint8], strays: NDArray[np.int64], size: int, wanted: NDArray[np.bool_], out: NDArray[np.int64]
) -> int:
    """Positions of all FF before a code that is `wanted` (see `next_marker`), into `out`; returns their number.

    `strays`: how many FF before any code but 00, RSTn and FF begin in each window of `size` bytes (`count_windows`);
    windows without are not looked at. `out`: room for the sum of `strays`.
    """
    found = 0
    for window in range(strays.size):
        if strays[window] == 0:
            continue
        end = min((window + 1) * size + 1, data.size)
        position = next_marker(data, window * size, end, wanted)
        while position >= 0:
            out[found] = position
            found += 1
            position = next_marker(data, position + 2, end, wanted)
    return found


@kernel
def count_windows(data: NDArray[np.uint8], start: int, end: int, size: int, counts: NDArray[np.int64]) -> None:
    """Count what each window of `size` bytes in `[start, end)` holds; the last window may be shorter.

    `counts`: int64, shape (windows, 5), overwritten: zeros; text (ASCII, tab, line ends); FF before 00 or RSTn; FF
    before any other value but FF; bytes equal to the byte after them. `size` is a multiple of 128. The last byte of
    `data` itself is not counted: nothing follows it.
    """
    for window in range(counts.shape[0]):
        for column in range(5):
            counts[window, column] = 0
        position = start + window * size
        stop = min(position + size, end, data.size - 1)
        while position < stop:
            if position + _COUNTED <= stop:
                first = data[position : position + _COUNTED]
                second = data[position + 1 : position + 1 + _COUNTED]
                zeros = text = stuffed = strays = repeats = np.uint8(0)
                for i in range(_COUNTED):
                    value, code = first[i], second[i]
                    escape = value == 0xFF
                    legal = (code == 0) | ((code & 0xF8) == 0xD0)
                    printable = ((value >= 32) & (value < 127)) | (value == 9) | (value == 10) | (value == 13)
                    zeros = np.uint8(zeros + np.uint8(value == 0))
                    text = np.uint8(text + np.uint8(printable))
                    stuffed = np.uint8(stuffed + np.uint8(escape & legal))
                    strays = np.uint8(strays + np.uint8(escape & (not legal) & (code != 0xFF)))
                    repeats = np.uint8(repeats + np.uint8(value == code))
                counts[window, 0] += zeros
                counts[window, 1] += text
                counts[window, 2] += stuffed
                counts[window, 3] += strays
                counts[window, 4] += repeats
                position += _COUNTED
            else:
                value, code = data[position], data[position + 1]
                legal = (code == 0) | ((code & 0xF8) == 0xD0)
                printable = ((value >= 32) & (value < 127)) | (value == 9) | (value == 10) | (value == 13)
                counts[window, 0] += value == 0
                counts[window, 1] += printable
                counts[window, 2] += (value == 0xFF) & legal
                counts[window, 3] += (value == 0xFF) & (not legal) & (code != 0xFF)
                counts[window, 4] += value == code
                position += 1
