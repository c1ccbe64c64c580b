"""Protects what XMP may announce behind a picture: by the rules of its formats, and nothing else."""

import pytest

from jpegrescue.carve.containers import find_image, find_motion_photo
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.view import Memory
from tests.carve.samples import mp4, xmp
from tests.jpeg.samples import insert, photo, segment

PICTURE = photo()
VIDEO = mp4(9000)
IMAGE = photo(64, 48)


def item(mime, length, form='<Container:Item Item:Mime="{mime}" Item:Length="{length}"/>'):
    return form.format(mime=mime, length=length)


def found(find, header, tail):
    """How many bytes of `tail`, which follows a picture with `header`, are named."""
    data = insert(PICTURE, header)
    end = find(Memory(data + tail), parse(data), len(data))
    return None if end is None else end - len(data)


@pytest.mark.parametrize(
    "body",
    [
        'GCamera:MicroVideoOffset="9000"',
        "MicroVideoOffset = '9000'",
        "<GCamera:MicroVideoOffset>9000</GCamera:MicroVideoOffset>",
        item("video/mp4", 9000),
        item("video/quicktime", 9000),
        item("video/mp4", 9000, "<rdf:li><Item Length='9000'\n Semantic='x' Mime='{mime}'></Item>"),
        item("image/jpeg", 0) + item("image/jpeg", 777) + item("video/mp4", 9000),
    ],
)
def test_a_video_has_the_length_that_the_xmp_gives_it(body):
    assert found(find_motion_photo, xmp(body), VIDEO) == 9000


@pytest.mark.parametrize(
    "body",
    [
        "",
        'GCamera:MicroVideoOffset="0"',
        'GCamera:MicroVideoOffset="-9000"',
        'GCamera:MicroVideoOffset="many"',
        'GCamera:NoMicroVideoOffset="9000"',
        item("image/jpeg", 9000),
        item("video/mp4", 9000, '<Container:Item Item:Mime="{mime}"/> Item:Length="{length}"'),
        item("video/mp4", 9000, '<Container:Items Item:Mime="{mime}" Item:Length="{length}"/>'),
    ],
)
def test_xmp_that_gives_a_video_no_length_announces_none(body):
    assert found(find_motion_photo, xmp(body), VIDEO) is None


@pytest.mark.parametrize("tail", [b"", VIDEO[:6], b"\0" + VIDEO, VIDEO[8:], IMAGE])
def test_a_video_begins_with_its_file_type_box(tail):
    assert found(find_motion_photo, xmp(item("video/mp4", 9000)), tail) is None


def test_xmp_stands_in_an_app1_of_its_own_name():
    body = xmp(item("video/mp4", 9000))
    named = body[4:]
    assert found(find_motion_photo, segment(0xE1, named), VIDEO) == 9000
    assert found(find_motion_photo, segment(0xE2, named), VIDEO) is None
    assert found(find_motion_photo, segment(0xFE, named), VIDEO) is None
    assert found(find_motion_photo, segment(0xE1, b"Exif\0\0" + named), VIDEO) is None


def test_the_first_packet_that_announces_something_counts():
    packets = xmp("nothing") + xmp(item("video/mp4", 9000)) + xmp(item("video/mp4", 5000))
    assert found(find_motion_photo, packets, VIDEO) == 9000


def test_an_offset_counts_before_a_directory():
    assert found(find_motion_photo, xmp(item("video/mp4", 5) + 'MicroVideoOffset="9000"'), VIDEO) == 9000


def test_absurd_lengths_are_bounded():
    length = found(find_motion_photo, xmp(item("video/mp4", "9" * 4000)), VIDEO)
    assert length is None or length < 10**10


@pytest.mark.parametrize("mime", ["image/jpeg"])
@pytest.mark.parametrize(
    "form", ['<Item Mime="{mime}" Length="{length}">', "<a:Item b:Length='{length}' b:Mime='{mime}' />"]
)
def test_an_image_has_the_length_that_the_xmp_gives_it(mime, form):
    header = xmp(item("image/jpeg", 0, form) + item(mime, len(IMAGE), form))
    assert found(find_image, header, IMAGE + b"behind") == len(IMAGE)


@pytest.mark.parametrize("length", [0, 4, len(IMAGE) - 1, len(IMAGE) + 1, 10**9])
def test_an_image_whose_length_does_not_lead_to_an_eoi_is_not_believed(length):
    assert found(find_image, xmp(item("image/jpeg", length)), IMAGE + b"behind") is None


def test_of_several_images_the_one_that_fits_is_taken():
    header = xmp(item("image/jpeg", 1234) + item("image/heic", len(IMAGE)) + item("image/jpeg", len(IMAGE)))
    assert found(find_image, header, IMAGE) == len(IMAGE)
    assert found(find_image, xmp(item("image/heic", len(IMAGE))), IMAGE) is None


@pytest.mark.parametrize("tail", [b"", b"\0" + IMAGE, IMAGE[:2] + b"\0" + IMAGE[3:]])
def test_an_image_begins_with_soi(tail):
    assert found(find_image, xmp(item("image/jpeg", len(tail))), tail) is None


def test_the_least_image_is_longer_than_soi_and_eoi():
    tail = b"\xff\xd8\xff\xd9"
    assert found(find_image, xmp(item("image/jpeg", 4)), tail) is None
    assert found(find_image, xmp(item("image/jpeg", 5)), tail[:3] + tail[2:]) == 5
