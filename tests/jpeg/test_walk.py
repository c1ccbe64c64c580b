"""Protects the order of markers: what a file may hold where, how the walk goes on past damage, and when it gives up."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jpegrescue.jpeg.scans import ScanStop, scan_end
from jpegrescue.jpeg.view import Memory
from jpegrescue.jpeg.walk import walk
from jpegrescue.model.problem import Problem
from tests.carve.samples import filler
from tests.jpeg.samples import exif, insert, photo, scan_start, segment, with_thumbnail
from tests.jpeg.views import Narrow

EOI = b"\xff\xd9"
FILE = photo()
SOF_AT, SOS_AT, DHT_AT = (FILE.index(bytes([0xFF, code])) for code in (0xC0, 0xDA, 0xC4))
GARBAGE = b"no marker here. " * 64


def walked(data, reach=None):
    return walk(Memory(data), scan_end, reach)


def kinds(structure):
    return {problem.kind for problem in structure.problems}


def contexts(data):
    """What the walk tells the judge of scan ends: where each scan begins, and its context."""
    seen = []

    def judge(view, start, context):
        seen.append((start, context))
        return scan_end(view, start, context)

    walk(Memory(data), judge)
    return seen


def one_scan(component, coded=b"\x55" * 50):
    return segment(0xDA, bytes([1, component, 0, 0, 63, 0])) + coded


@settings(max_examples=40)
@given(st.sampled_from([FILE, photo(64, 48, progressive=True), with_thumbnail()[0]]), st.integers(2, 5000), st.data())
def test_a_file_reads_the_same_however_its_bytes_come(data, step, drawn):
    for _ in range(drawn.draw(st.integers(0, 4))):
        at = drawn.draw(st.integers(0, len(data) - 1))
        data = data[:at] + bytes([drawn.draw(st.sampled_from([0, 0xFF, 0xD8, 0xC4, 0x41]))]) + data[at + 1 :]
    for reach in (None, 4096):
        assert walk(Narrow(data, step), scan_end, reach) == walked(data, reach)


def test_the_judge_of_scan_ends_is_asked_and_believed():
    problem = Problem("odd", "info", "Odd.", 700)
    start = scan_start(FILE)

    def judge(_view, begin, _context):
        return ScanStop(begin + 100, len(FILE) - 2, (problem,))

    structure = walk(Memory(FILE), judge)
    assert [(scan.start, scan.end) for scan in structure.scans] == [(start, start + 100)]
    assert structure.problems == (problem,)
    assert structure.eoi == len(FILE) - 2


def test_more_scans_can_come_until_all_components_are_there():
    head = FILE[:SOS_AT]
    data = head + one_scan(1) + one_scan(2) + one_scan(3) + EOI
    assert [context.more_scans for _, context in contexts(data)] == [True, True, False]
    assert [scan.components[0].index for scan in walked(data).scans] == [0, 1, 2]
    assert not contexts(FILE)[0][1].more_scans
    assert all(context.more_scans for _, context in contexts(photo(progressive=True)))


def test_zeros_are_said_to_decode_where_both_tables_begin_with_symbol_zero():
    grey = np.full((64, 256), 128, np.uint8)
    grey[:8, :8] = np.random.default_rng(1).integers(0, 256, (8, 8))
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", optimize=True)
    assert contexts(buffer.getvalue())[0][1].zeros_decode
    assert not contexts(FILE)[0][1].zeros_decode


def test_a_scan_without_a_frame_is_kept_but_nothing_is_known_of_it():
    structure = walked(FILE[:SOF_AT] + FILE[DHT_AT:])
    assert kinds(structure) == {"missing_frame", "unknown_component"}
    assert [c.index for c in structure.scans[0].components] == [0, 1, 2]
    assert structure.scans[0].components[0].ac_table is not None


@pytest.mark.parametrize("addition", [b"\xff\x01", b"\xff" * 9, segment(0xFE, b"x"), segment(0xE9, b"")])
@pytest.mark.parametrize("at", [2, SOF_AT, SOS_AT])
def test_what_may_stand_between_segments_changes_nothing(addition, at):
    structure = walked(insert(FILE, addition, at))
    assert structure.problems == ()
    assert structure.frame == walked(FILE).frame
    assert structure.scans[0].components == walked(FILE).scans[0].components


def test_a_restart_interval_holds_for_the_scans_behind_it():
    dri = segment(0xDD, b"\0\5")
    data = FILE[:SOS_AT] + one_scan(1) + dri + one_scan(2) + segment(0xDD, b"\0\0") + one_scan(3) + EOI
    assert [scan.restart_interval for scan in walked(data).scans] == [0, 5, 0]


@pytest.mark.parametrize(("payload", "interval"), [(b"\0\7\0", 7), (b"\7", 0), (b"", 0)])
def test_a_restart_interval_of_the_wrong_size_is_a_problem(payload, interval):
    structure = walked(insert(FILE, segment(0xDD, payload), SOS_AT))
    assert kinds(structure) == {"bad_restart_interval"}
    assert structure.scans[0].restart_interval == interval


def test_the_adobe_segment_must_be_whole():
    assert walked(insert(FILE, segment(0xEE, b"Adobe\0\x64\0\0\0\0\2"))).adobe_transform == 2
    assert walked(insert(FILE, segment(0xEE, b"Adobe\0\x64\0\0\0\0"))).adobe_transform is None
    assert walked(insert(FILE, segment(0xED, b"Adobe\0\x64\0\0\0\0\2"))).adobe_transform is None


@pytest.mark.parametrize(("lines", "problems"), [(240, set()), (241, {"bad_line_count"}), (0, {"bad_line_count"})])
def test_dnl_does_not_overrule_the_frame_header(lines, problems):
    data = FILE[:SOS_AT] + one_scan(1) + segment(0xDC, lines.to_bytes(2)) + one_scan(2) + one_scan(3) + EOI
    structure = walked(data)
    assert structure.frame.height == 240
    assert kinds(structure) == problems


def test_a_height_that_never_comes_is_a_problem():
    structure = walked(FILE[: SOF_AT + 5] + b"\0\0" + FILE[SOF_AT + 7 :])
    assert structure.frame.height == 0
    assert kinds(structure) == {"missing_height"}


@pytest.mark.parametrize(("width", "kept"), [(321, 321), (319, 320)])
def test_of_two_frames_before_the_scan_the_larger_counts(width, kept):
    frame = FILE[SOF_AT : SOF_AT + 7] + width.to_bytes(2) + FILE[SOF_AT + 9 : SOF_AT + 19]
    structure = walked(insert(FILE, frame, SOF_AT + 19))
    assert structure.frame.width == kept
    assert kinds(structure) == {"repeated_frame"}


def test_a_frame_behind_a_scan_never_counts():
    frame = FILE[SOF_AT : SOF_AT + 7] + b"\x7f\xff" + FILE[SOF_AT + 9 : SOF_AT + 19]
    data = FILE[:SOS_AT] + one_scan(1) + frame + one_scan(2) + one_scan(3) + EOI
    assert walked(data).frame.width == 320
    assert kinds(walked(data)) == {"repeated_frame"}


def test_a_frame_that_makes_no_sense_is_left_out():
    structure = walked(FILE[: SOF_AT + 11] + b"\x99" + FILE[SOF_AT + 12 :])
    assert structure.frame is None
    assert kinds(structure) >= {"bad_frame", "missing_frame"}


def test_dhp_makes_the_picture_hierarchical():
    dhp = b"\xff\xde" + FILE[SOF_AT + 2 : SOF_AT + 19]
    structure = walked(insert(FILE, dhp, SOF_AT))
    assert structure.frame.process == "hierarchical"
    assert structure.problems == ()


@pytest.mark.parametrize("count", [0, 5, 0xFF])
def test_a_damaged_component_count_of_a_scan_follows_from_its_length(count):
    structure = walked(FILE[: SOS_AT + 4] + bytes([count]) + FILE[SOS_AT + 5 :])
    assert structure.scans == walked(FILE).scans
    assert [(p.kind, p.severity, p.offset) for p in structure.problems] == [("bad_scan_header", "warning", SOS_AT)]


def test_a_scan_header_without_any_sense_is_skipped():
    structure = walked(FILE[: SOS_AT + 2] + b"\0\7\0" + FILE[SOS_AT + 5 :])
    assert structure.scans == ()
    assert kinds(structure) >= {"bad_scan_header", "missing_scan"}


def test_a_component_that_two_names_claim_is_given_once():
    data = FILE[: SOS_AT + 7] + b"\1" + FILE[SOS_AT + 8 :]
    assert [c.index for c in walked(data).scans[0].components] == [0, 1, 2]
    assert kinds(walked(data)) == {"unknown_component"}


def test_eoi_before_the_scan_is_stepped_over_if_a_file_goes_on():
    structure = walked(insert(FILE, EOI, SOF_AT))
    assert structure.eoi == len(FILE)
    assert kinds(structure) == {"early_eoi", "garbage_skipped"}
    assert structure.scans[0].end == len(FILE)


def test_eoi_before_any_scan_ends_a_file_that_does_not_go_on():
    structure = walked(FILE[:SOF_AT] + EOI)
    assert structure.eoi == SOF_AT
    assert kinds(structure) == {"early_eoi", "structure_lost", "missing_frame", "missing_scan"}


def test_a_file_between_segments_is_skipped_as_a_whole():
    inner = photo(64, 48)
    structure = walked(insert(FILE, inner, SOF_AT))
    assert structure.frame.width == 320
    assert [(p.kind, p.offset) for p in structure.problems] == [("embedded_file", SOF_AT)]


def test_a_preview_in_a_broken_segment_is_not_the_picture():
    """Skipping the damaged Exif, the walk meets the preview's own markers."""
    thumbnail = photo(160, 120, 2)
    data = insert(FILE, exif(thumbnail))
    damaged = data[:4] + b"\0\x30" + data[6:]
    for reach in (None, 1 << 17):
        structure = walked(damaged, reach)
        assert (structure.frame.width, structure.eoi) == (320, len(damaged) - 2)
        assert "garbage_skipped" in kinds(structure)


def test_scans_of_foreign_components_are_no_place_to_go_on():
    foreign = segment(0xDA, b"\1\x77\0\0\x3f\0")
    structure = walked(insert(FILE, GARBAGE + foreign + GARBAGE, FILE.index(b"\xff\xc4", DHT_AT + 2)))
    assert structure.scans[0].components == walked(FILE).scans[0].components
    assert len(structure.scans) == 1


def test_a_second_soi_ends_a_file_only_where_its_end_is_not_known():
    large = photo(1200, 900, 4, quality=90)
    data = insert(large, b"\xff\xd8", large.index(b"\xff\xc0"))
    assert walked(data).frame.width == 1200
    assert walked(data, 1 << 17).frame is None
    assert kinds(walked(data)) == {"second_soi"}
    doubled = b"\xff\xd8" + FILE
    assert kinds(walked(doubled)) == {"duplicate_soi"}
    assert walked(doubled, 1 << 17).frame is None


@pytest.mark.parametrize(("reach", "found"), [(len(GARBAGE) + 1, True), (len(GARBAGE), False), (None, True)])
def test_no_more_than_the_reach_is_skipped(reach, found):
    structure = walked(insert(FILE, GARBAGE), reach)
    assert (structure.frame is not None) == found
    assert ("structure_lost" in kinds(structure)) != found


def test_another_files_beginning_is_not_skipped():
    """Of the files in open evidence none may claim the next one; between known bounds there is no next one."""
    inner = photo(640, 480)[:-2]
    data = FILE[:SOF_AT] + GARBAGE + inner
    assert walked(data, 1 << 20).frame is None
    assert walked(data).frame.width == 640


def test_garbage_full_of_markers_is_given_up_sooner_in_open_evidence():
    noise = b"\xff\xc4\x12\x34" * 1100
    data = insert(FILE, noise, SOF_AT)
    assert walked(data).frame is not None
    assert walked(data, 1 << 17).frame is None


@pytest.mark.parametrize(
    ("unit", "count", "limit", "part"),
    [(segment(0xFE, b""), 10_500, 10_000, "segments"), (one_scan(1, b"\x55\x55"), 1050, 1000, "scans")],
    ids=["segments", "scans"],
)
def test_segments_and_scans_are_limited(unit, count, limit, part):
    progressive = FILE[:SOF_AT] + b"\xff\xc2" + FILE[SOF_AT + 2 : SOS_AT]
    structure = walked(progressive + unit * count + EOI)
    assert len(getattr(structure, part)) == limit
    assert "too_many_segments" in kinds(structure)
    assert "too_many_segments" not in kinds(walked(progressive + unit * (limit // 2) + EOI))


def test_problems_are_limited():
    structure = walked(FILE[:SOS_AT] + segment(0xDD, b"") * 2000 + FILE[SOS_AT:])
    assert len(structure.problems) == 1000
    assert structure.eoi is not None


def test_what_is_missing_is_said():
    assert kinds(walked(filler("text", 500))) == {
        "missing_soi",
        "structure_lost",
        "missing_frame",
        "missing_scan",
        "missing_eoi",
    }
