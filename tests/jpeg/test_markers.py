"""Protects the judgement whether bytes can be the parameters of a marker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.jpeg.markers import DHT, DQT, DRI, SOS, huffman_counts_valid, is_segment_marker, segment_plausible
from tests.jpeg.samples import photo


def segments_of(data: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 2
    while data[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        found.append((data[position + 1], data[position + 4 : end]))
        position = end
    end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
    return [*found, (data[position + 1], data[position + 4 : end])]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_segment_of_a_sound_file_is_plausible(mode, options):
    for marker, payload in segments_of(photo(mode=mode, **options)):
        assert is_segment_marker(marker)
        assert segment_plausible(marker, payload)


@pytest.mark.parametrize("marker", [0xC0, DHT, DQT, DRI, SOS])
def test_a_segment_that_is_cut_is_not(marker):
    payloads = [p for m, p in segments_of(photo(restart_marker_rows=1)) if m == marker]
    assert payloads
    assert not segment_plausible(marker, payloads[0][:-1])


@given(st.binary(min_size=20, max_size=300))
def test_random_bytes_are_no_huffman_table(data):
    assert not segment_plausible(DHT, b"\xff" + data)


@given(st.lists(st.integers(1, 16), min_size=1, max_size=256))
def test_code_lengths_are_valid_exactly_if_kraft_holds(lengths):
    counts = tuple(lengths.count(n) for n in range(1, 17))
    assert huffman_counts_valid(counts) == (sum(2.0**-n for n in lengths) <= 1)


def test_markers_without_a_segment_are_known():
    assert not any(is_segment_marker(marker) for marker in (0x00, 0x01, 0xD0, 0xD7, 0xD8, 0xD9, 0xFF, 0x4F))
