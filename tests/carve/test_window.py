"""Protects the streamed view: the same bytes as in memory, whatever the order of access."""

from hypothesis import given, settings
from hypothesis import strategies as st

from jpegrescue.carve.window import SourceView
from tests.carve.samples import MemorySource, filler

DATA = filler("random", 3_000_000)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, len(DATA)), st.integers(0, 1_500_000)), min_size=1, max_size=12))
def test_any_access_yields_the_bytes_of_the_source(accesses):
    view = SourceView(MemorySource(DATA), 1001, len(DATA) - 7)
    whole = DATA[1001:-7]
    for offset, length in accesses:
        assert view.array(offset, length).tobytes() == whole[offset : offset + length]
        piece = view.piece(offset).tobytes()
        assert piece == whole[offset : offset + len(piece)]
        assert len(piece) >= min(2, max(len(whole) - offset, 0))


def test_a_limit_past_the_end_of_the_source_is_clipped():
    view = SourceView(MemorySource(b"0123456789"), 4, 1 << 40)
    assert view.size == 6
    assert view.array(0, 100).tobytes() == b"456789"


def test_a_header_is_read_without_reading_the_rest():
    source = MemorySource(DATA)
    SourceView(source, 0, len(DATA)).array(0, 1000)
    assert source.bytes_read <= 64 << 10
