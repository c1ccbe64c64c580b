"""Protects that what belongs to a file stays with it, and that nothing else does."""

import struct

import numpy as np
import pytest

from tests.carve.samples import (
    afcp,
    canon_vrd,
    carve,
    filler,
    foto_station,
    mie,
    mp4,
    photo_mechanic,
    samsung,
    spans,
    with_mpf,
    xmp,
)
from tests.jpeg.samples import exif, insert, photo, with_thumbnail

PRIMARY = photo()
SECOND = photo(160, 120, 2)
NOISE = filler("random", 3000, seed=9)

TRAILERS = {
    "samsung": samsung([("Image_UTC_Data", b"1700000000000"), ("MotionPhoto_Data", mp4(200_000))]),
    "canon_vrd": canon_vrd(NOISE),
    "afcp": afcp(len(PRIMARY), NOISE),
    "photo_mechanic": photo_mechanic(b"\x1c\x02" + NOISE),
    "foto_station": foto_station(NOISE),
    "mie": mie(NOISE),
}


def only(data, **options):
    (file,) = carve(data, **options)
    return file


def embedded(file, after):
    before = filler("random", 5003, seed=1)
    return len(before), before + file + filler(after, 150_001, seed=2)


@pytest.mark.parametrize("after", ["random", "zero", "text"])
@pytest.mark.parametrize("kind", TRAILERS)
def test_self_described_trailers_stay_with_the_file(kind, after):
    data = PRIMARY + TRAILERS[kind]
    start, evidence = embedded(data, after)
    file = only(evidence)
    assert spans([file]) == [(start, start + len(data))]
    assert file.end == f"trailer:{kind}"
    assert file.entropy_end == len(PRIMARY) - 2


@pytest.mark.parametrize("kind", TRAILERS)
def test_a_trailer_with_a_damaged_foot_is_not_believed(kind):
    data = PRIMARY + TRAILERS[kind][:-64] + bytes(64)
    start, evidence = embedded(data, "zero")
    assert spans([only(evidence)]) == [(start, start + len(PRIMARY))]


def test_little_endian_afcp_is_read():
    data = PRIMARY + afcp(len(PRIMARY), NOISE, b"AXS*")
    assert only(data).end == "trailer:afcp"


def test_several_trailers_are_named_in_order():
    data = PRIMARY + TRAILERS["photo_mechanic"] + TRAILERS["canon_vrd"]
    start, evidence = embedded(data, "random")
    file = only(evidence)
    assert spans([file]) == [(start, start + len(data))]
    assert file.end == "trailer:photo_mechanic+canon_vrd"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("gap", [0, 79])
def test_mpf_images_stay_with_the_file(order, gap):
    data = with_mpf(PRIMARY, SECOND, order, gap)
    start, evidence = embedded(data, "random")
    file = only(evidence)
    assert spans([file]) == [(start, start + len(data))]
    assert file.end == "trailer:mpf"


def test_mpf_images_are_followed_by_other_trailers():
    data = with_mpf(PRIMARY, SECOND) + TRAILERS["samsung"]
    start, evidence = embedded(data, "zero")
    file = only(evidence)
    assert spans([file]) == [(start, start + len(data))]
    assert file.end == "trailer:mpf+samsung"


def test_an_mpf_image_that_is_gone_is_a_problem_and_not_guessed():
    whole = with_mpf(PRIMARY, SECOND)
    data = whole[: -len(SECOND)] + filler("random", len(SECOND))
    file = only(data)
    assert file.runs[0].end == len(whole) - len(SECOND)
    assert [p.kind for p in file.problems] == ["trailer_missing"]


def test_an_mpf_image_overwritten_by_a_photo_does_not_swallow_it():
    second = photo(640, 480, 3)
    whole = with_mpf(PRIMARY, second)
    cut = len(whole) - len(second) + 8000
    first, other = carve(whole[:cut] + PRIMARY + filler("random", 400_000))
    assert spans([first, other]) == [(0, cut), (cut, cut + len(PRIMARY))]
    assert [p.kind for p in first.problems] == ["trailer_damaged"]


@pytest.mark.parametrize("pad", [0, 200])
@pytest.mark.parametrize("order", ["<", ">"])
def test_previews_that_a_makernote_points_at_stay_with_the_file(order, pad):
    def build(offset):
        entry = struct.pack(order + "HHIIHHII", 0x88, 4, 1, offset, 0x89, 4, 1, len(SECOND) + pad)
        return insert(PRIMARY, exif(photo(80, 60), order, makernote=entry))

    offset = len(build(0)) - 12
    data = build(offset) + SECOND + bytes(pad)
    start, evidence = embedded(data, "random")
    file = only(evidence)
    assert spans([file]) == [(start, start + len(data))]
    assert file.end == "trailer:preview"


def test_an_exif_thumbnail_is_no_preview_behind_the_file():
    data, _ = with_thumbnail()
    assert only(data + photo(64, 64)[:100] + bytes(5000)).end == "eoi"


VIDEO = mp4(150_000)
MOTION = {
    "micro_video": f'<rdf:Description GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(VIDEO)}"/>',
    "element": f"<GCamera:MicroVideoOffset>{len(VIDEO)}</GCamera:MicroVideoOffset>",
    "container": '<rdf:li><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary" Item:Length="0"/></rdf:li>'
    f'<rdf:li><Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="{len(VIDEO)}"/></rdf:li>',
}


@pytest.mark.parametrize("form", MOTION)
def test_motion_photos_keep_their_video(form):
    data = insert(PRIMARY, xmp(MOTION[form])) + VIDEO
    start, evidence = embedded(data, "random")
    file = only(evidence)
    assert spans([file]) == [(start, start + len(data))]
    assert file.end == "trailer:motion_photo"


def test_a_video_nothing_announces_is_no_trailer():
    assert only(PRIMARY + VIDEO).end == "eoi"


def test_an_announced_video_that_is_not_there_is_not_guessed():
    data = insert(PRIMARY, xmp(MOTION["container"]))
    assert only(data + filler("random", 300_000)).runs[0].end == len(data)


def test_gain_maps_of_the_container_directory_stay_with_the_file():
    items = (
        '<Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/>'
        f'<Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="{len(SECOND)}"/>'
        f'<Container:Item Item:Semantic="MotionPhoto" Item:Mime="video/mp4" Item:Length="{len(VIDEO)}"/>'
    )
    data = insert(PRIMARY, xmp(items)) + SECOND + VIDEO
    file = only(data + filler("random", 9000))
    assert file.runs[0].end == len(data)
    assert file.end == "trailer:gain_map+motion_photo"


@pytest.mark.parametrize("tail", [b"\0", bytes(511), bytes(100_000)])
def test_zero_padding_is_cut(tail):
    assert only(PRIMARY + tail).runs[0].end == len(PRIMARY)


def test_a_photo_right_behind_is_a_file_of_its_own():
    assert spans(carve(PRIMARY + SECOND)) == [(0, len(PRIMARY)), (len(PRIMARY), len(PRIMARY) + len(SECOND))]


def test_trailers_cut_by_the_end_of_the_evidence_are_not_extended_past_it():
    for data in (PRIMARY + TRAILERS["canon_vrd"], with_mpf(PRIMARY, SECOND), PRIMARY + TRAILERS["samsung"]):
        for cut in np.linspace(1, 400, 5, dtype=int):
            (file, *_) = carve(data[: -int(cut)])
            assert file.runs[0].end <= len(data) - cut
