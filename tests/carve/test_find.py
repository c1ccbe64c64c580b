"""Protects the one-pass search: every file at every alignment, once, however the stream is cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegrescue.carve.find import Carver
from tests.carve.samples import MemorySource, carve, filler, spans
from tests.jpeg.samples import photo, with_thumbnail

SMALL = photo(48, 32)
FILES = [SMALL, photo(64, 64, 2), photo(120, 80, 3, progressive=True), with_thumbnail(4)[0]]


@pytest.mark.parametrize("kind", ["random", "zero", "text"])
def test_a_file_is_found_at_every_alignment(kind):
    for offset in [*range(64), 511, 512, 513, 4095, 65533, 65534, 65535, 65536]:
        data = filler(kind, offset, seed=7) + SMALL + filler(kind, 3000, seed=8)
        assert spans(carve(data)) == [(offset, offset + len(SMALL))]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(FILES), st.integers(0, 3000)), max_size=6), st.integers(1, 9000))
def test_files_are_found_however_the_stream_is_cut(layout, chunk):
    data, wanted = b"", []
    for file, gap in layout:
        data += filler("random", gap, seed=gap)
        wanted.append((len(data), len(data) + len(file)))
        data += file
    assert spans(carve(data, chunk=chunk)) == wanted


@pytest.mark.parametrize("before", [b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xd8"])
def test_a_stray_soi_right_before_a_file_is_no_part_of_it(before):
    assert spans(carve(before + SMALL + bytes(3000))) == [(len(before), len(before) + len(SMALL))]


def test_photos_back_to_back_are_kept_apart():
    data = b"".join(FILES * 3)
    ends = np.cumsum([len(file) for file in FILES * 3]).tolist()
    assert [end for _, end in spans(carve(data))] == ends


def test_thumbnails_are_not_files_of_their_own():
    data, _ = with_thumbnail()
    assert spans(carve(data)) == [(0, len(data))]


def test_a_thumbnail_whose_parent_is_gone_is_found():
    data, thumbnail = with_thumbnail()
    at = data.index(thumbnail)
    head = data[: at + len(thumbnail)]
    assert spans(carve(head + filler("random", 9000))) == [(at, at + len(thumbnail))]


def test_a_photo_inside_another_is_found_behind_the_first_ones_end():
    outer, inner = photo(640, 480, 6), FILES[0]
    cut = len(outer) // 2
    files = carve(outer[:cut] + inner + outer[cut:])
    assert spans(files)[:2] == [(0, cut), (cut, cut + len(inner))]
    assert files[0].end == "unknown"


def test_a_shard_owns_the_files_that_begin_in_it():
    data = b"".join(FILES)
    source = MemorySource(data)
    starts = np.cumsum([0, *(len(file) for file in FILES)]).tolist()
    for border in range(starts[2] - 2, starts[2] + 5):
        found = []
        for start, stop in ((0, border), (border, len(data))):
            found += Carver(source, start, stop).feed(start, source.data[start:stop])
        assert [span for span in spans(found) if span[0] in starts] == list(pairwise(starts))


def test_filters_keep_files_out_and_their_thumbnails_too():
    data, _ = with_thumbnail()
    assert carve(data, min_size=len(data)) != []
    assert carve(data, min_size=len(data) + 1) == []
    assert carve(data, min_pixels=320 * 240) != []
    assert carve(data, min_pixels=320 * 240 + 1) == []


def test_pieces_out_of_order_are_refused():
    source = MemorySource(SMALL)
    carver = Carver(source, 0, source.size)
    with pytest.raises(ValueError, match="expected the bytes at 0"):
        carver.feed(5, source.data[5:])


def test_only_candidates_are_read_again():
    data = filler("random", 4 << 20) + SMALL
    source = MemorySource(data)
    Carver(source, 0, source.size).feed(0, source.data)
    assert source.bytes_read < 1 << 17


@settings(max_examples=60)
@given(st.data())
def test_no_damage_makes_the_carver_raise_or_claim_bytes_twice(data):
    evidence = bytearray(b"".join(FILES) + filler("random", 3000))
    for _ in range(data.draw(st.integers(1, 20))):
        at = data.draw(st.integers(0, len(evidence) - 1))
        size = data.draw(st.integers(1, 600))
        kind = data.draw(st.sampled_from(["random", "zero", "text", "copy", "cut"]))
        if kind == "copy":
            evidence[at:at] = evidence[at : at + size]
        elif kind == "cut":
            del evidence[at : at + size]
        else:
            evidence[at : at + size] = filler(kind, size, seed=at)
    files = carve(bytes(evidence), count_mcus=lambda prefix: len(prefix) % 100 / 100)
    edges = [edge for span in spans(files) for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(evidence) for edge in edges)
    assert all(0 < file.entropy_end <= file.runs[0].length for file in files)
