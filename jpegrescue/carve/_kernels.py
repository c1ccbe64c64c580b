"""Search for the first bytes of JPEG files, and the verdict on what follows them."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.compiled import kernel

_BLOCK = 2048  # a constant trip count lets the compiler vectorise the test of a whole block
NEUTRAL, ENTROPY, FOREIGN = 0, 1, 2


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


@kernel
def run_over(kinds: NDArray[np.int8], run: float, neutral: float, limit: float) -> tuple[float, int, int]:
    """Follow a run of windows that are not believable, one of weight `run` so far, through `kinds`.

    A foreign window weighs 1, a neutral one `neutral`, and an entropy window ends the run. Returns the run's weight,
    the index behind the last entropy window (0 if there is none), and the index behind the window at which the run
    reaches `limit` (−1 if none does); what follows that is not looked at.
    """
    believed = 0
    for window in range(kinds.size):
        if kinds[window] == ENTROPY:
            run, believed = 0.0, window + 1
            continue
        run += 1.0 if kinds[window] == FOREIGN else neutral
        if run >= limit:
            return run, believed, window + 1
    return run, believed, -1


@kernel
def judge_windows(
    counts: NDArray[np.int64], length: int, size: int, zeros_decode: bool, kinds: NDArray[np.int8]
) -> None:
    """What each window of `size` bytes (the last one ends at `length`) can be, into `kinds` (`evidence.Kind`).

    `counts`: int64, shape (windows, 5), from `count_windows`; `zeros_decode`: see `evidence.classify`.
    """
    for window in range(kinds.size):
        zeros, text, stuffed, strays, repeats = counts[window]
        held = min(size, length - window * size)
        empty = 2 * zeros > held
        foreign = (strays >= 3 and strays > stuffed) or 20 * text > 19 * held or 20 * (text + zeros) > 19 * held
        foreign = foreign or (10 * repeats > 9 * held and not empty)
        if foreign and not (zeros_decode and empty):
            kinds[window] = FOREIGN
        elif stuffed >= 1 and 2 * strays <= stuffed and not empty:
            kinds[window] = ENTROPY
        else:
            kinds[window] = NEUTRAL
