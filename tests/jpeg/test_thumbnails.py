"""Protects the finding of previews: at their exact bytes, and in spite of damaged pointers."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.thumbnails import jpeg_size
from tests.jpeg.samples import exif, insert, photo, segment, with_thumbnail


def only(data):
    (thumbnail,) = parse(data).thumbnails
    return thumbnail


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_thumbnails_are_found_where_ifd1_says(order):
    data, thumbnail = with_thumbnail(order=order)
    found = only(data)
    assert data[found.start : found.end] == thumbnail
    assert (found.kind, found.width, found.height) == ("exif", 160, 120)
    assert Image.open(io.BytesIO(data[found.start : found.end])).size == (160, 120)


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, b"XX"), (4, b"\xff\xff\xff\x7f"), (8, b"\xff\xff"), (36, b"\x00\x00"), (36, b"\xf0\xff\xff\x7f")],
    ids=["order", "ifd0", "count", "pointer_low", "pointer"],
)
def test_damaged_tiff_pointers_fall_back_on_the_soi(place, value):
    data, thumbnail = with_thumbnail()
    at = 12 + place
    found = only(data[:at] + value + data[at + len(value) :])
    assert data[found.start : found.end] == thumbnail


@pytest.mark.parametrize("length", [2, 100, 1 << 30])
def test_a_damaged_length_is_replaced_by_the_eoi(length):
    data, thumbnail = with_thumbnail()
    at = data.index(struct.pack("<I", len(thumbnail)))
    found = only(data[:at] + struct.pack("<I", length) + data[at + 4 :])
    assert data[found.start : found.start + len(thumbnail)] == thumbnail
    assert (found.width, found.height) == (160, 120)


def test_jfif_raster_thumbnails_are_measured():
    raster = bytes(range(7 * 5 * 3))
    app0 = segment(0xE0, b"JFIF\0\x01\x02\0\0\x01\0\x01" + bytes([7, 5]) + raster)
    data = insert(photo(), app0)
    found = only(data)
    assert (found.kind, found.width, found.height) == ("jfif", 7, 5)
    assert data[found.start : found.end] == raster


@pytest.mark.parametrize(
    ("code", "body", "size"),
    [
        (0x10, photo(40, 30), (40, 30)),
        (0x11, bytes([9, 4]) + bytes(768) + bytes(36), (9, 4)),
        (0x13, bytes([9, 4]) + bytes(108), (9, 4)),
    ],
)
def test_jfxx_thumbnails_of_all_three_kinds_are_measured(code, body, size):
    data = insert(photo(), segment(0xE0, b"JFXX\0" + bytes([code]) + body), 20)
    found = only(data)
    assert (found.kind, (found.width, found.height)) == ("jfxx", size)
    assert data[found.start : found.end] == (body if code == 0x10 else body[2:])


def test_rasters_larger_than_their_segment_are_refused():
    data = insert(photo(), segment(0xE0, b"JFXX\0\x13" + bytes([200, 200]) + bytes(50)), 20)
    assert parse(data).thumbnails == ()


def test_exif_without_a_thumbnail_has_none():
    assert parse(insert(photo(), exif(b""))).thumbnails == ()


def test_size_of_what_is_no_jpeg_is_unknown():
    assert jpeg_size(b"") == jpeg_size(b"\xff\xd8\xff\xd9") == (None, None)
    assert jpeg_size(photo(33, 17)) == (33, 17)


@settings(max_examples=100)
@given(st.binary(max_size=400), st.integers(0, 200))
def test_no_exif_payload_raises(payload, at):
    body = exif(photo(32, 32))[4:]
    data = insert(photo(48, 48), segment(0xE1, body[:at] + payload + body[at + len(payload) :]))
    for found in parse(data).thumbnails:
        assert 0 <= found.start <= found.end <= len(data)
