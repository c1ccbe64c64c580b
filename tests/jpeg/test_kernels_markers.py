"""Protects the marker search and the window statistics at every block boundary."""

import re

import numpy as np
import pytest

from jpegrescue.jpeg._kernels_markers import count_windows, list_markers, next_marker
from jpegrescue.jpeg.markers import ANY_MARKER, SCAN_LIMITS, STRUCTURE


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 258, 3000])
def test_next_marker_skips_stuffing_fill_and_restarts(size):
    rng = np.random.default_rng(size)
    data = rng.choice(np.array([0xFF, 0, 0xD0, 0xD7, 0xD8, 0xD9, 0xCF, 1], np.uint8), size)
    found, position = [], 0
    while (position := int(next_marker(data, position, data.size, ANY_MARKER))) >= 0:
        found.append(position)
        position += 1
    assert found == [m.start() for m in re.finditer(rb"(?=\xff[^\x00\xff\xd0-\xd7])", data.tobytes(), re.DOTALL)]


def test_next_marker_needs_both_bytes_before_the_end():
    data = np.frombuffer(bytes(600) + b"\xff\xd9", np.uint8)
    assert next_marker(data, 0, 601, ANY_MARKER) == -1
    assert next_marker(data, 0, 602, ANY_MARKER) == 600


@pytest.mark.parametrize("wanted", [ANY_MARKER, STRUCTURE, SCAN_LIMITS], ids=["any", "structure", "limits"])
@pytest.mark.parametrize("length", [1, 4095, 4096, 4097, 20_000])
def test_listed_markers_are_those_of_the_search_in_every_window(length, wanted):
    data = np.zeros(length + 1, np.uint8)
    rng = np.random.default_rng(length)
    for window in range(0, length, 8192):  # every other window holds none
        part = data[window : window + 4097]
        part[:] = rng.choice(np.array([0xFF, 0, 0xD0, 0xD8, 0xD9, 0xDC, 0xE1, 1, 7], np.uint8), part.size)
    counts = np.empty((-(-length // 4096), 5), np.int64)
    count_windows(data, 0, length, 4096, counts)
    found = np.empty(int(counts[:, 3].sum()), np.int64)
    count = list_markers(data, counts[:, 3], 4096, wanted, found)
    expected = [m.start() for m in re.finditer(rb"(?=\xff[^\x00\xff\xd0-\xd7])", data.tobytes(), re.DOTALL)]
    assert found[:count].tolist() == [place for place in expected if wanted[data[place + 1]]]


def test_what_entropy_coded_data_hold_is_wanted_by_no_one():
    for table in (ANY_MARKER, STRUCTURE, SCAN_LIMITS):
        assert not table[[0x00, 0xFF, *range(0xD0, 0xD8)]].any()
    assert not (STRUCTURE & ~ANY_MARKER).any()
    assert not (SCAN_LIMITS & ~STRUCTURE).any()


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
