"""Protects the reading of single segments: every field in its place, and what is damaged left out."""

import pytest

from jpegrescue.jpeg.segments import (
    frame_header,
    huffman_tables,
    natural_length,
    quantisation_tables,
    scan_header,
)
from jpegrescue.model.jpeg import Component, HuffmanTable
from tests.jpeg.samples import photo, scan_start

SOF, DHT, SOS, DQT, DRI, DNL, APP5 = 0xC0, 0xC4, 0xDA, 0xDB, 0xDD, 0xDC, 0xE5
STEPS = bytes(range(1, 65))
WIDE = b"".join((1000 + i).to_bytes(2) for i in range(64))
COUNTS = bytes([0, 2, 1, *[0] * 13])
TABLE = HuffmanTable(tuple(COUNTS), (7, 8, 9))


def table(head, counts=COUNTS, symbols=b"\x07\x08\x09"):
    return bytes([head]) + counts + symbols


def declared_lengths(data):
    at = 2
    while at < scan_start(data):
        length = int.from_bytes(data[at + 2 : at + 4])
        yield data[at + 1], at, length
        at += 2 + length


@pytest.mark.parametrize("options", [{"restart_marker_rows": 1}, {"mode": "CMYK"}, {"progressive": True}], ids=str)
def test_natural_length_is_the_one_a_sound_file_declares(options):
    data = photo(**options)
    checked = [marker for marker, *_ in declared_lengths(data) if marker < 0xE0]
    assert {0xDB, 0xC4, 0xDA} <= set(checked)
    for marker, at, length in declared_lengths(data):
        expected = length if marker < 0xE0 else None
        assert natural_length(marker, data[at + 4 :]) == expected


@pytest.mark.parametrize(
    ("marker", "data", "length"),
    [
        (DQT, b"\0" + STEPS + b"\x11" + WIDE + b"\xff\xc0", 2 + 65 + 129),
        (DQT, b"\0" + STEPS + b"\x11" + WIDE[:-1], 2 + 65),
        (DQT, b"\x20" + STEPS, 2),
        (DQT, b"\x04" + STEPS, 2),
        (DHT, table(0x00) + table(0x13) + b"\xff\xda", 2 + 40),
        (DHT, table(0x00) + table(0x11)[:-1], 2 + 20),
        (DHT, table(0x00) + table(0x11, b"\x03" + bytes(15)), 2 + 20),
        (DHT, table(0x20), 2),
        (DRI, b"", 4),
        (DNL, b"", 4),
        (SOF, bytes(5), None),
        (SOF, bytes(5) + b"\x03", 17),
        (SOS, b"", None),
        (SOS, b"\x04", 14),
        (APP5, b"anything", None),
    ],
)
def test_natural_length_counts_what_is_whole_and_valid(marker, data, length):
    assert natural_length(marker, data) == length


def test_quantisation_tables_of_both_precisions_stand_side_by_side():
    tables, sound = quantisation_tables(b"\x02" + STEPS + b"\x13" + WIDE)
    assert tables == {2: tuple(range(1, 65)), 3: tuple(range(1000, 1064))}
    assert sound


def test_the_last_table_of_a_destination_counts():
    tables, sound = quantisation_tables(b"\0" + STEPS + b"\0" + bytes([9]) * 64)
    assert tables == {0: (9,) * 64}
    assert sound


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        (b"", 0),
        (b"\0" + STEPS[:-1], 0),
        (b"\x20" + STEPS, 0),
        (b"\x04" + STEPS, 0),
        (b"\0" + STEPS + b"\1", 1),
        (b"\0" + STEPS + b"\x11" + WIDE[:-1], 1),
        (b"\0" + STEPS[:-1] + b"\0", 1),
        (b"\x10" + WIDE[:-2] + b"\0\0", 1),
    ],
    ids=["empty", "cut", "precision", "destination", "rest", "second_cut", "zero_step", "wide_zero_step"],
)
def test_quantisation_tables_that_are_damaged_are_said_to_be(payload, kept):
    tables, sound = quantisation_tables(payload)
    assert len(tables) == kept
    assert not sound


def test_huffman_tables_are_told_apart_by_class_and_destination():
    tables, sound = huffman_tables(table(0x00) + table(0x10) + table(0x03) + table(0x13, symbols=b"abc"))
    assert tables == {(0, 0): TABLE, (1, 0): TABLE, (0, 3): TABLE, (1, 3): HuffmanTable(tuple(COUNTS), (97, 98, 99))}
    assert sound


@pytest.mark.parametrize(
    ("broken", "key"),
    [
        (table(0x10, b"\x03" + bytes(15)), (1, 0)),
        (table(0x10, bytes(16), b""), (1, 0)),
        (table(0x30), (1, 0)),
        (table(0x04), (0, 0)),
    ],
    ids=["no_prefix_code", "no_codes", "class", "destination"],
)
def test_a_broken_huffman_table_replaces_the_older_one_and_not_the_next(broken, key):
    tables, sound = huffman_tables(table(key[0] << 4) + broken + table(0x01))
    assert tables == {key: None, (0, 1): TABLE}
    assert not sound


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", {}),
        (table(0x00) + bytes(16), {(0, 0): TABLE}),
        (table(0x00) + table(0x01)[:-1], {(0, 0): TABLE, (0, 1): None}),
    ],
    ids=["empty", "rest", "symbols_cut"],
)
def test_huffman_payloads_that_are_cut_are_said_to_be(payload, expected):
    assert huffman_tables(payload) == (expected, False)


@pytest.mark.parametrize(
    ("marker", "process"), [(0xC1, "extended"), (0xC2, "progressive"), (0xCA, "progressive_arithmetic")]
)
def test_frame_header_fields(marker, process):
    frame = frame_header(marker, b"\x0c\x01\x02\x03\x04\x02\x52\x41\x03\x07\x12\x00")
    assert (frame.process, frame.precision, frame.height, frame.width) == (process, 12, 0x102, 0x304)
    assert frame.components == (Component(0x52, 4, 1, 3), Component(7, 1, 2, 0))


def test_scan_header_fields():
    header = scan_header(b"\x02\x52\x13\x07\x20\x05\x3f\x21beyond")
    assert header.components == ((0x52, 1, 3), (7, 2, 0))
    assert (header.spectral_start, header.spectral_end) == (5, 63)
    assert (header.approximation_high, header.approximation_low) == (2, 1)


@pytest.mark.parametrize("payload", [b"", bytes(6), b"\5" + bytes(20), b"\1\1\0\0\x3f", b"\4" + bytes(10)])
def test_scan_headers_whose_count_and_length_contradict_each_other_are_refused(payload):
    assert scan_header(payload) is None
