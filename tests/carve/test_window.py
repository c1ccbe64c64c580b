"""Protects the streamed view: the same bytes as in memory, whatever the order of access."""

from hypothesis import given, settings
from hypothesis import strategies as st

from jpegrescue.carve.window import SourceView, Workspace
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


@settings(max_examples=50)
@given(
    st.integers(0, 2_900_000),
    st.integers(0, 400_000),
    st.lists(st.tuples(st.integers(0, len(DATA)), st.integers(0, 1_500_000)), min_size=1, max_size=8),
)
def test_bytes_at_hand_change_nothing_but_what_is_read(offset, size, accesses):
    source = MemorySource(DATA)
    workspace = Workspace()
    workspace.offset, workspace.at_hand = offset, source.data[offset : offset + size]
    whole = DATA[1001:-7]
    for start, length in accesses:
        view = SourceView(source, 1001, len(DATA) - 7, workspace)
        assert view.array(start, length).tobytes() == whole[start : start + length]
        assert view.array(0, 3).tobytes() == whole[:3]
    source.bytes_read = 0
    at_hand = SourceView(source, offset, len(DATA), workspace).array(0, min(size, len(DATA) - offset))
    assert at_hand.tobytes() == DATA[offset : offset + size]
    assert source.bytes_read == 0


def test_a_limit_past_the_end_of_the_source_is_clipped():
    view = SourceView(MemorySource(b"0123456789"), 4, 1 << 40)
    assert view.size == 6
    assert view.array(0, 100).tobytes() == b"456789"


def test_a_header_is_read_without_reading_the_rest():
    source = MemorySource(DATA)
    SourceView(source, 0, len(DATA)).array(0, 1000)
    assert source.bytes_read <= 64 << 10
