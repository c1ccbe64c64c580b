"""Protects the reading of structure: right on sound files, and never lost, hung or fooled on damaged ones."""

import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jpegrescue.jpeg.parse import parse
from tests.jpeg.samples import ZIGZAG, exif, insert, photo, scan_start, segment, with_thumbnail


def kinds(structure):
    return {problem.kind for problem in structure.problems}


def with_bytes(data, at, new):
    return data[:at] + new + data[at + len(new) :]


LAYOUTS = [
    {"mode": "L"},
    {"mode": "CMYK"},
    *({"subsampling": s} for s in (0, 1, 2)),
    {"progressive": True},
    {"progressive": True, "subsampling": 0},
    {"restart_marker_blocks": 7},
    {"optimize": True},
]


@pytest.mark.parametrize("options", LAYOUTS, ids=str)
def test_structure_of_sound_files_is_what_pillow_reads(options):
    data = photo(97, 61, **options)
    structure = parse(data)
    image = Image.open(io.BytesIO(data))
    assert (structure.frame.width, structure.frame.height) == image.size
    assert [(c.identifier, c.horizontal, c.vertical, c.quantisation) for c in structure.frame.components] == [
        tuple(layer) for layer in image.layer
    ]
    for destination, steps in image.quantization.items():
        assert [structure.quantisation[destination][ZIGZAG.index(i)] for i in range(64)] == list(steps)
    assert structure.eoi == len(data) - 2
    assert structure.scans[-1].end == len(data) - 2
    assert structure.jfif == ("jfif" in image.info)
    assert structure.adobe_transform == image.info.get("adobe_transform")
    assert structure.problems == ()


def test_scans_carry_the_tables_and_interval_in_force():
    structure = parse(photo(progressive=True, restart_marker_blocks=5))
    assert structure.frame.process == "progressive"
    assert len(structure.scans) == 10  # libjpeg's script for three components
    assert {scan.restart_interval for scan in structure.scans} == {5}
    first_ac = next(scan for scan in structure.scans if scan.spectral_start > 0)
    last_ac = structure.scans[-1]
    assert first_ac.components[0].ac_table != last_ac.components[0].ac_table
    assert [scan.start for scan in structure.scans] == sorted(scan.start for scan in structure.scans)


def test_arrays_and_views_are_read_like_bytes():
    data = photo()
    assert parse(np.frombuffer(data, np.uint8)) == parse(memoryview(data)) == parse(bytearray(data)) == parse(data)


def test_dnl_supplies_the_height():
    data = photo()
    sof = data.index(b"\xff\xc0")
    headless = with_bytes(data, sof + 5, b"\0\0")[:-2] + segment(0xDC, (240).to_bytes(2)) + b"\xff\xd9"
    structure = parse(headless)
    assert structure.frame.height == 240
    assert structure.scans[0].end == len(data) - 2
    assert structure.problems == ()


@pytest.mark.parametrize("fill", [1, 5, 5000])
def test_fill_bytes_before_markers_belong_to_them(fill):
    data = photo()
    dht = data.index(b"\xff\xc4")
    padded = insert(data[:-2] + b"\xff" * fill + data[-2:], b"\xff" * fill, dht)
    structure = parse(padded)
    assert structure.eoi == len(padded) - 2
    assert structure.scans[0].end == len(data) - 2 + fill
    assert structure.problems == ()


def test_garbage_between_segments_is_stepped_over():
    data = photo()
    structure = parse(insert(data, b"garbage \xff\x00\xff\xe0 here", data.index(b"\xff\xc0")))
    assert structure.frame == parse(data).frame
    assert "garbage_skipped" in kinds(structure)


def test_a_missing_soi_costs_nothing_else():
    structure = parse(photo()[2:])
    assert structure.frame == parse(photo()).frame
    assert kinds(structure) == {"missing_soi"}


def test_a_duplicate_soi_is_noted():
    assert kinds(parse(b"\xff\xd8" + photo())) == {"duplicate_soi"}


def test_a_missing_eoi_ends_the_scan_with_the_data():
    data = photo()[:-2]
    structure = parse(data)
    assert structure.eoi is None
    assert structure.scans[0].end == len(data)
    assert kinds(structure) == {"missing_eoi"}


@pytest.mark.parametrize("damage", [b"\x7f\xff", b"\x00\x13", b"\x00\x00"], ids=["long", "short", "nil"])
@pytest.mark.parametrize("marker", [0xDB, 0xC4, 0xC0, 0xDA])
def test_a_damaged_length_of_a_table_is_read_from_its_content(marker, damage):
    data = photo()
    at = data.index(bytes([0xFF, marker]))
    structure = parse(with_bytes(data, at + 2, damage))
    sound = parse(data)
    assert "segment_length" in kinds(structure)
    assert structure.frame == sound.frame
    assert structure.scans == sound.scans
    assert structure.quantisation == sound.quantisation


@pytest.mark.parametrize("length", [0x4000, 0xFFF0, 0x0200, 0])
def test_a_damaged_exif_length_does_not_let_the_thumbnail_pass_for_the_picture(length):
    data, thumbnail = with_thumbnail()
    structure = parse(with_bytes(data, 4, length.to_bytes(2)))
    assert (structure.frame.width, structure.frame.height) == (320, 240)
    assert structure.scans == parse(data).scans
    if length > len(thumbnail):
        assert structure.thumbnails == parse(data).thumbnails


def test_a_table_that_is_no_prefix_code_is_left_out():
    data = photo()
    at = data.index(b"\xff\xc4")
    structure = parse(with_bytes(data, at + 5, b"\x03"))
    assert "bad_huffman_table" in kinds(structure)
    assert structure.scans[0].components[0].dc_table is None
    assert structure.scans[0].components[0].ac_table is not None


def test_an_unknown_component_takes_its_place_by_order():
    data = photo()
    at = data.index(b"\xff\xda")
    structure = parse(with_bytes(data, at + 7, b"\x77"))
    assert [c.index for c in structure.scans[0].components] == [0, 1, 2]
    assert "unknown_component" in kinds(structure)


def test_segments_inside_a_single_scan_are_data():
    data = photo()
    middle = (scan_start(data) + len(data)) // 2
    for foreign in (segment(0xDB, bytes(65)), segment(0xFE, b"comment"), photo(64, 64)[:200], b"\xff\xd8\xff\xe0"):
        structure = parse(insert(data, foreign, middle))
        assert len(structure.scans) == 1
        assert structure.eoi == len(data) + len(foreign) - 2
        assert "stray_markers" in kinds(structure)


def test_a_false_eoi_in_the_middle_is_data_and_noted():
    data = photo(640, 480)
    middle = (scan_start(data) + len(data)) // 2
    structure = parse(insert(data, b"\xff\xd9", middle))
    assert structure.eoi == len(data)
    assert [(p.severity, p.offset) for p in structure.problems if p.kind == "false_eoi"] == [("warning", middle)]


@pytest.mark.parametrize("left", [40, 300, 3000])
def test_a_false_eoi_shortly_before_the_true_one_is_seen(left):
    data = photo(640, 480)
    structure = parse(insert(data, b"\xff\xd9", len(data) - left))
    assert structure.eoi == len(data)


@pytest.mark.parametrize(
    "trailer",
    [bytes(9000), b"text " * 3000, photo(64, 64), b"\0" * 79 + photo(64, 64)],
    ids=["zeros", "text", "photo", "padded photo"],
)
def test_what_follows_the_true_eoi_does_not_move_it(trailer):
    data = photo()
    structure = parse(data + trailer)
    assert structure.eoi == len(data) - 2
    assert structure.problems == ()


def test_random_bytes_behind_the_eoi_do_not_move_it():
    data = photo()
    assert parse(data + np.random.default_rng(3).bytes(100_000)).eoi == len(data) - 2


def test_a_false_marker_between_progressive_scans_is_data():
    data = photo(progressive=True)
    at = parse(data).scans[3].start + 20
    structure = parse(insert(data, b"\xff\xc4\x12\x34\xff\xda\x00\x08", at))
    assert len(structure.scans) == 10


def test_a_repeated_frame_does_not_replace_the_one_in_use():
    data = photo()
    sof = data.index(b"\xff\xc0")
    again = with_bytes(data[sof : sof + 19], 5, b"\0\x10\0\x10")
    structure = parse(insert(data, again, sof + 19))
    assert structure.frame.width == 320
    assert "repeated_frame" in kinds(structure)


def test_tables_only_and_empty_input_are_problems():
    for data in (b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"not a jpeg at all"):
        assert "missing_scan" in kinds(parse(data))


SEEDS = [
    photo(64, 48),
    photo(64, 48, progressive=True),
    photo(64, 48, restart_marker_blocks=2),
    with_thumbnail()[0],
    insert(photo(48, 48), exif(photo(32, 32), ">")),
]


@settings(max_examples=150)
@given(st.sampled_from(SEEDS), st.data())
def test_no_mutation_makes_the_parser_raise_or_lie_about_bounds(seed, data):
    damaged = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "double", "marker"]))
        if kind == "set":
            damaged[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del damaged[at : at + data.draw(st.integers(1, 64))]
        elif kind == "double":
            damaged[at:at] = damaged[at : at + data.draw(st.integers(1, 512))]
        else:
            damaged[at : at + 2] = bytes([0xFF, data.draw(st.integers(0xC0, 0xFE))])
        if not damaged:
            break
    structure = parse(bytes(damaged))
    for scan in structure.scans:
        assert 0 <= scan.start <= scan.end <= len(damaged)
    for part in (*structure.segments, *structure.thumbnails):
        assert 0 <= (part.start if hasattr(part, "start") else part.offset) <= part.end <= len(damaged)
    for problem in structure.problems:
        assert problem.offset is None or 0 <= problem.offset <= len(damaged)


@pytest.mark.parametrize(
    "unit",
    [
        b"\xff\xe0\xff\xe0",
        b"\xff\xd8\xff\xdb",
        b"\xff\xd9",
        b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
        b"\xff\xe1\x00\x04..",
        b"\xff",
        photo(16, 16),
    ],
    ids=["app0", "soi", "eoi", "sos", "segments", "fill", "files"],
)
@pytest.mark.parametrize("head", [b"\xff\xd8", photo(64, 48)[:-2], photo(64, 48, progressive=True)[:-2]])
def test_hostile_repetition_takes_bounded_time_and_memory(unit, head):
    parse(head + unit * 10)
    began = time.process_time()
    structure = parse(head + unit * (2_000_000 // len(unit)))
    assert time.process_time() - began < 8
    assert len(structure.scans) <= 1000
    assert len(structure.segments) <= 10_001
    assert len(structure.problems) <= 1001
