"""Bytes in memory read like any other source."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.model.evidence import Layer
from jpegrescue.source.memory import MemorySource

DATA = np.random.default_rng(5).integers(0, 256, 300, dtype=np.uint8)


@given(st.integers(0, 400), st.integers(0, 400))
def test_reads_are_clipped(offset: int, length: int) -> None:
    source = MemorySource(DATA)

    assert source.read(offset, length) == DATA.tobytes()[offset : offset + length]


@given(st.integers(0, 400), st.integers(0, 400))
def test_what_is_not_filled_is_left_alone(offset: int, length: int) -> None:
    buffer = np.full(length, 0x77, np.uint8)

    filled = MemorySource(DATA).read_into(offset, buffer)

    expected = DATA.tobytes()[offset : offset + length]
    assert filled == len(expected)
    assert buffer.tobytes() == expected + b"\x77" * (length - filled)


def test_it_says_what_it_is() -> None:
    source = MemorySource(DATA)

    assert (source.size, source.gaps) == (300, ())
    assert source.layers == (Layer("raw", 0, 300, {}),)
    source.close()
    source.close()
    assert source.read(299, 9) == DATA[299:].tobytes()


def test_nothing_is_a_source_too() -> None:
    source = MemorySource(np.zeros(0, np.uint8))

    assert (source.size, source.read(0, 10)) == (0, b"")
