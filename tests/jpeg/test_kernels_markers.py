"""Protects the marker search and the window statistics at every block boundary."""

import re

import numpy as np
import pytest

from jpegrescue.jpeg._kernels_markers import count_windows, next_marker


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 258, 3000])
def test_next_marker_skips_stuffing_fill_and_restarts(size):
    rng = np.random.default_rng(size)
    data = rng.choice(np.array([0xFF, 0, 0xD0, 0xD7, 0xD8, 0xD9, 0xCF, 1], np.uint8), size)
    found, position = [], 0
    while (position := int(next_marker(data, position, data.size))) >= 0:
        found.append(position)
        position += 1
    assert found == [m.start() for m in re.finditer(rb"(?=\xff[^\x00\xff\xd0-\xd7])", data.tobytes(), re.DOTALL)]


def test_next_marker_needs_both_bytes_before_the_end():
    data = np.frombuffer(bytes(600) + b"\xff\xd9", np.uint8)
    assert next_marker(data, 0, 601) == -1
    assert next_marker(data, 0, 602) == 600


@pytest.mark.parametrize("length", [1, 127, 128, 129, 4096, 5000, 8193])
def test_counts_of_windows_are_those_of_a_plain_loop(length):
    data = np.random.default_rng(length).choice(np.array([0, 0, 10, 65, 200, 0xFF, 0xFF, 0xD3], np.uint8), length + 1)
    counts = np.empty((-(-length // 4096), 5), np.int64)
    count_windows(data, 0, length, 4096, counts)
    for window, row in enumerate(counts):
        first = data[window * 4096 : min((window + 1) * 4096, length)]
        second = data[window * 4096 + 1 : window * 4096 + 1 + first.size]
        pairs = list(zip(first.tolist(), second.tolist(), strict=True))
        legal = [b == 0 or 0xD0 <= b <= 0xD7 for a, b in pairs]
        assert row.tolist() == [
            sum(a == 0 for a, _ in pairs),
            sum(32 <= a < 127 or a in (9, 10, 13) for a, _ in pairs),
            sum(a == 0xFF and ok for (a, _), ok in zip(pairs, legal, strict=True)),
            sum(a == 0xFF and not ok and b != 0xFF for (a, b), ok in zip(pairs, legal, strict=True)),
            sum(a == b for a, b in pairs),
        ]
