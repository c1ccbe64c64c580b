"""Protects the bytes that the marker walk sees: the same whole, sliced or by the piece, and never past the end."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.jpeg.view import Memory, Slice, find_marker, read
from tests.jpeg.views import Narrow

MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
MARKERS = st.lists(st.sampled_from([0xFF, 0xFF, 0x00, 0x01, 0xCF, 0xD0, 0xD7, 0xD8]), max_size=60).map(bytes)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_can_be_viewed(kind):
    view = Memory(kind(b"abcdef"))
    assert view.size == 6
    assert read(view, 1, 3) == b"bcd"
    assert view.piece(4).tobytes() == b"ef"


def test_memory_view_reads_past_the_end_are_clipped():
    view = Memory(b"abc")
    assert read(view, 2, 10) == b"c"
    assert read(view, 9, 10) == read(view, 1, -1) == b""
    assert view.piece(3).size == Memory(b"").size == 0


@given(st.binary(max_size=40), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(-5, 50))
def test_a_slice_is_a_file_of_its_own(data, start, size, offset, length):
    wanted = data[start : start + size]
    part = Slice(Memory(data), start, size)
    assert part.size == len(wanted)
    assert read(part, offset, length) == wanted[offset : offset + max(length, 0)]
    assert part.piece(offset).tobytes() == wanted[offset:]


def test_slices_of_slices_add_up():
    assert read(Slice(Slice(Memory(b"0123456789"), 2, 6), 3, 99), 0, 99) == b"567"


def test_a_slice_ends_between_the_bytes_of_a_marker():
    data = b"..\xff\xd9.."
    assert find_marker(Slice(Memory(data), 1, 2), 0, 99) is None
    assert find_marker(Slice(Memory(data), 1, 3), 0, 99) == 1


@given(MARKERS, st.integers(0, 60), st.integers(0, 70), st.integers(2, 9))
def test_the_first_marker_is_found_across_the_borders_of_pieces(data, start, stop, step):
    expected = next((m.start() for m in MARKER.finditer(data, start) if m.start() < stop), None)
    assert find_marker(Narrow(data, step), start, stop) == expected
    assert find_marker(Memory(data), start, stop) == expected


def test_only_the_first_byte_of_a_marker_lies_before_the_stop():
    view = Memory(b"123\xff\xd9")
    assert find_marker(view, 0, 3) is None
    assert find_marker(view, 0, 4) == 3
