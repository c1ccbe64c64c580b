"""Protects which images behind a picture its header may claim, and that no header leads the carver astray."""

import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegrescue.carve.pointers import PointedImage, pointed_images
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.view import Memory
from tests.carve.samples import filler, mpf_index, with_mpf
from tests.jpeg.samples import exif, insert, photo, segment

PICTURE = photo()
SECOND = photo(64, 48, 2)
THIRD = photo(80, 48, 3)
LITTLE, BIG = "<", ">"


def pointed(header, tail):
    """Images that `header` points to in `tail`, which follows the picture, as (kind, start, end, found, whole).

    Starts and ends are counted from the end of the picture.
    """
    data = insert(PICTURE, header)
    images = list(pointed_images(Memory(data + tail), parse(data), len(data)))
    return [(i.kind, i.start - len(data), i.end - len(data), i.found, i.whole) for i in images]


def indexed(images, tail, order=LITTLE):
    """What an MPF index of (size, place in `tail`) pairs leads to."""
    length = len(mpf_index(order, [(0, 0)] * len(images)))
    behind = len(PICTURE) + length - (2 + 8)  # the picture's end, from the TIFF head of the index
    return pointed(mpf_index(order, [(size, behind + at) for size, at in images]), tail)


def makernote(value, order=LITTLE, near=b""):
    """Exif whose maker note holds a LONG of `value`, and `near` behind it; its TIFF head lies at byte 12."""
    return exif(b"", order, struct.pack(order + "HHII", 0x7777, 4, 1, value) + near)


def previewed(tail, order=LITTLE, at=0, near=b""):
    """What a LONG that points at `at` in `tail` leads to."""
    behind = len(insert(PICTURE, makernote(0, order, near))) - 12
    return pointed(makernote(behind + at, order, near), tail)


def test_an_index_names_its_images_in_its_order():
    tail = bytes(7) + SECOND + THIRD
    second = (7, 7 + len(SECOND))
    assert indexed([(len(THIRD), second[1]), (len(SECOND), 7)], tail, BIG) == [
        ("mpf", second[1], len(tail), True, True),
        ("mpf", *second, True, True),
    ]


def test_the_picture_itself_and_what_lies_in_it_are_not_behind_it():
    data = insert(PICTURE, mpf_index(LITTLE, [(len(PICTURE), 0), (9, 100)]))
    assert list(pointed_images(Memory(data), parse(data), len(data))) == []
    assert indexed([(9, -1)], SECOND) == []
    assert len(indexed([(9, 0)], SECOND)) == 1


@pytest.mark.parametrize("at", [1, len(SECOND), 1 << 20, 0xF0000000])
def test_an_image_that_is_not_there_is_not_found(at):
    assert indexed([(len(SECOND), at)], SECOND) == [("mpf", at, at, False, False)]


def test_an_indexed_image_does_not_reach_past_the_end():
    assert indexed([(len(SECOND) + 200, 0)], SECOND) == [("mpf", 0, len(SECOND), True, True)]


@pytest.mark.parametrize("padding", [1, 4000])
def test_padding_of_an_indexed_image_belongs_to_it(padding):
    assert indexed([(len(SECOND) + padding, 0)], SECOND + bytes(5000)) == [
        ("mpf", 0, len(SECOND) + padding, True, True)
    ]


def test_an_indexed_image_that_breaks_off_ends_there():
    big = photo(640, 480, 3)
    tail = big[:20_000] + filler("text", 200_000)
    ((kind, start, end, found, whole),) = indexed([(len(big), 0)], tail)
    assert (kind, start, found, whole) == ("mpf", 0, True, False)
    assert abs(end - 20_000) < 100


def test_an_indexed_image_without_a_scan_has_no_length():
    assert indexed([(5000, 0)], b"\xff\xd8\xff" + filler("text", 9000)) == [("mpf", 0, 0, True, False)]


def test_a_huge_size_ends_at_the_eoi():
    ((_, start, end, found, whole),) = indexed([(0xFFFFFFFF, 0)], SECOND + filler("random", 9000))
    assert (start, end, found, whole) == (0, len(SECOND), True, False)


def ifd(entries, order=LITTLE, first=8, magic=None):
    """MPF with a TIFF head and raw IFD `entries`."""
    head = {LITTLE: b"II*\0", BIG: b"MM\0*"}[order] if magic is None else magic
    return segment(0xE2, b"MPF\0" + head + struct.pack(order + "I", first) + entries)


MANY = struct.pack("<IIIHH", 0, 9, 1 << 24, 0, 0)


@pytest.mark.parametrize(
    ("header", "images"),
    [
        (ifd(struct.pack("<HHHII", 1, 0xB002, 7, 16, 22) + MANY), 1),
        (ifd(struct.pack("<HHHII", 1, 0xB002, 7, 16, 22) + MANY[:-1]), 0),
        (ifd(struct.pack("<HHHII", 1, 0xB001, 7, 16, 22) + MANY), 0),
        (ifd(struct.pack("<HHHII", 1, 0xB002, 7, 15, 22) + MANY), 0),
        (ifd(struct.pack("<HHHII", 1, 0xB002, 7, 0xFFFFFFFF, 22) + MANY * 3), 3),
        (ifd(struct.pack("<HHHII", 1, 0xB002, 7, 0xFFFFFFFF, 22) + MANY * 4000), 1000),
        (ifd(struct.pack("<HHHII", 1, 0xB002, 7, 16, 0xFFFFFFF0) + MANY), 0),
        (ifd(struct.pack("<HHHII", 0xFFFF, 0xB002, 7, 16, 22) + MANY), 1),
        (ifd(struct.pack("<H", 0)), 0),
        (ifd(b"", first=0xFFFFFFFF), 0),
        (ifd(struct.pack("<HHHII", 1, 0xB002, 7, 16, 22) + MANY, magic=b"XX*\0"), 0),
        (segment(0xE2, b"MPF\0"), 0),
        (segment(0xE3, ifd(struct.pack("<HHHII", 1, 0xB002, 7, 16, 22) + MANY)[4:]), 0),
    ],
    ids=[
        "one",
        "table_cut",
        "other_tag",
        "less_than_an_entry",
        "count_past_the_end",
        "more_than_1000",
        "table_past_the_end",
        "entries_past_the_end",
        "no_entries",
        "ifd_past_the_end",
        "no_tiff",
        "empty",
        "other_segment",
    ],
)
def test_an_index_is_read_within_its_segment_and_its_bounds(header, images):
    assert len(pointed(header, b"")) == images


def test_the_tag_may_stand_behind_others_but_not_too_far():
    other = struct.pack("<HHII", 0xB000, 7, 4, 0)
    for count, images in ((63, 1), (64, 0)):
        table = struct.pack("<HHII", 0xB002, 7, 16, 8 + 2 + 12 * (count + 1))
        assert len(pointed(ifd(struct.pack("<H", count + 1) + other * count + table + MANY), b"")) == images


@pytest.mark.parametrize("order", [LITTLE, BIG])
@pytest.mark.parametrize("at", [0, 1, 900])
def test_a_long_that_points_at_a_whole_file_names_a_preview(order, at):
    tail = filler("text", at) + SECOND + b"behind"
    assert previewed(tail, order, at) == [("preview", at, at + len(SECOND), True, True)]


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"\0" + SECOND,
        b"\xff\xd8\xff\xe0 no file" * 9,
        SECOND[:-2],
        b"\xff\xd8" + SECOND,
        b"\xff\xd8" + segment(0xFE, b"comment only"),
    ],
    ids=["nothing", "beside", "soi_alone", "cut", "soi_twice", "comment"],
)
def test_a_long_that_points_at_nothing_whole_says_nothing(tail):
    assert previewed(tail) == []


def test_a_preview_before_the_end_of_the_picture_is_none_behind_it():
    data = insert(PICTURE, makernote(0))
    whole = insert(PICTURE, makernote(len(data) - 12)) + SECOND
    structure = parse(whole[: len(data)])
    assert [i.start for i in pointed_images(Memory(whole), structure, len(data))] == [len(data)]
    assert list(pointed_images(Memory(whole), structure, len(data) + 1)) == []


@pytest.mark.parametrize(("at", "images"), [((16 << 20) - 1, 1), (16 << 20, 0)])
def test_previews_lie_within_16_mib(at, images):
    assert len(previewed(bytes(at) + SECOND, at=at)) == images


def test_many_pointers_to_one_preview_name_it_once():
    behind = len(insert(PICTURE, makernote(0, near=bytes(120)))) - 12
    again = struct.pack("<HHII", 0x8888, 4, 1, behind) * 10
    assert len(previewed(SECOND, near=again)) == 1


@pytest.mark.parametrize(("length", "end"), [(0, 0), (-1, 0), (300, 300), (4096, 4096), (4097, 0)])
def test_a_preview_is_as_long_as_a_field_beside_its_pointer_says_if_that_fits(length, end):
    near = struct.pack("<HHII", 0x7778, 4, 1, len(SECOND) + length)
    assert previewed(SECOND + bytes(9000), near=near) == [("preview", 0, len(SECOND) + end, True, True)]


def test_a_length_far_from_the_pointer_says_nothing():
    near = bytes(100) + struct.pack("<HHII", 0x7778, 4, 1, len(SECOND) + 300)
    assert previewed(SECOND + bytes(9000), near=near) == [("preview", 0, len(SECOND), True, True)]


def test_offsets_may_be_counted_from_a_makernotes_own_tiff_head():
    def header(value):
        return makernote(1, near=b"Nikon\0II*\0\x08\0\0\0" + struct.pack("<HHII", 0x0201, 4, 1, value))

    own = header(0).index(b"Nikon") + 6 + 2
    behind = len(insert(PICTURE, header(0))) - own
    assert pointed(header(behind), SECOND) == [("preview", 0, len(SECOND), True, True)]


def test_pointers_outside_exif_say_nothing():
    body = makernote(0)
    value = len(insert(PICTURE, body)) - 12
    hidden = segment(0xE1, b"Other\0" + makernote(value)[10:])
    assert pointed(hidden, SECOND) == []


def test_a_segment_full_of_pointers_takes_bounded_time():
    heads = b"II*\0MM\0*" * 500
    longs = struct.pack("<HHII", 0, 4, 1, 0xFFFFFF) * 4000
    data = insert(PICTURE, segment(0xE1, b"Exif\0\0" + heads + longs))
    began = time.process_time()
    assert list(pointed_images(Memory(data + bytes(1 << 20)), parse(data), len(data))) == []
    assert time.process_time() - began < 2


@settings(max_examples=100)
@given(st.data())
def test_no_damage_to_an_index_or_a_makernote_raises(drawn):
    head = drawn.draw(st.sampled_from([with_mpf(PICTURE, b""), insert(PICTURE, makernote(len(PICTURE) + 60))]))
    damaged = bytearray(head)
    for _ in range(drawn.draw(st.integers(1, 9))):
        damaged[drawn.draw(st.integers(2, 110))] = drawn.draw(st.sampled_from([0, 1, 2, 0x10, 0x7F, 0xFF]))
    view = Memory(bytes(damaged) + SECOND)
    for image in pointed_images(view, parse(bytes(damaged)), len(head)):
        assert isinstance(image, PointedImage)
        assert len(head) <= image.start <= image.end
        assert image.found or not image.whole
