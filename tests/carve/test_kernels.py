"""Protects the search for SOI at every alignment and block boundary."""

import re

import numpy as np
import pytest

from jpegrescue.carve._kernels import find_soi
from jpegrescue.carve.find import find_candidates

SOI = b"\xff\xd8\xff"


def expected(data):
    return [match.start() for match in re.finditer(rb"(?=\xff\xd8\xff)", data)]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 2047, 2048, 2049, 2050, 2051, 9000])
def test_all_positions_are_found_in_data_full_of_them(size):
    data = np.random.default_rng(size).choice(np.array([0xFF, 0xD8], np.uint8), size).tobytes()
    assert find_candidates(np.frombuffer(data, np.uint8)).tolist() == expected(data)


def test_each_single_position_around_block_borders_is_found():
    for at in [*range(8), *range(2040, 2056), *range(4090, 4096), 4997]:
        data = bytes(at) + SOI + bytes(5000 - at - 3)
        assert find_candidates(np.frombuffer(data, np.uint8)).tolist() == [at]


def test_more_positions_than_fit_are_taken_up_again():
    data = SOI * 9001
    assert find_candidates(np.frombuffer(data, np.uint8)).tolist() == expected(data)


def test_range_is_respected():
    data = np.frombuffer(SOI * 4, np.uint8)
    positions = np.empty(8, np.int64)
    assert positions[: find_soi(data, 1, 8, positions)].tolist() == [3]
