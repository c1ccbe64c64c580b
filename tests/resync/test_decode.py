from dataclasses import replace

import jpeglib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegrescue.jpeg.parse import parse
from jpegrescue.model.decode import Decode
from jpegrescue.resync.decode import decode
from tests.oracles import robust
from tests.oracles.encoder import Plan, encode, random_planes

COLOUR = ((2, 1), (1, 1), (1, 1))
BLOCKS_PER_MCU = [0, 0, 1, 2]


def _decode(data: bytes) -> Decode:
    outcome = decode(np.frombuffer(data, np.uint8), parse(data))
    assert outcome is not None
    return outcome


def _damaged(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    """Overwrite entropy-coded bytes; no FF, so that the stuffing (tested elsewhere) stays as it is."""
    scan = parse(data).scans[0]
    out = bytearray(data)
    for position, value in edits:
        at = scan.start + position % (scan.end - scan.start - 1)
        if out[at] != 0xFF and out[at - 1] != 0xFF:
            out[at] = value % 255
    return bytes(out)


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("restart", [0, 2])
def test_coefficients_equal_libjpegs(tmp_path, interleaved: bool, restart: int) -> None:
    plan = Plan(70, 45, ((2, 2), (1, 1), (1, 1)), restart, interleaved)
    planes = random_planes(plan, np.random.default_rng(2))
    data = encode(plan, planes)
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    reference = jpeglib.read_dct(str(path))
    for ours, theirs in zip(_decode(data).planes, (reference.Y, reference.Cb, reference.Cr), strict=True):
        rows, columns = theirs.shape[:2]
        np.testing.assert_array_equal(ours.blocks[:rows, :columns].reshape(theirs.shape), theirs)


@pytest.mark.parametrize("kept", [1, 2])
def test_a_scan_that_names_a_component_too_many_is_left_out(kept: int) -> None:
    plan = Plan(48, 40, ((1, 1), (1, 1), (1, 1)), interleaved=False)
    data = encode(plan, random_planes(plan, np.random.default_rng(4)))
    structure = parse(data)
    assert structure.frame is not None
    frame = replace(structure.frame, components=structure.frame.components[:kept])

    outcome = decode(np.frombuffer(data, np.uint8), replace(structure, frame=frame))
    alone = decode(np.frombuffer(data, np.uint8), replace(structure, frame=frame, scans=structure.scans[kept:]))

    assert outcome is not None
    assert (len(outcome.scans), len(outcome.planes), outcome.lost_mcus) == (kept, kept, 0)
    for ours, whole in zip(outcome.planes, _decode(data).planes, strict=False):
        np.testing.assert_array_equal(ours.blocks, whole.blocks)
    assert alone is None


@settings(max_examples=60)
@given(
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 254)), min_size=1, max_size=8),
    seed=st.integers(0, 50),
)
def test_damage_is_decoded_by_the_published_rule(edits: list[tuple[int, int]], seed: int) -> None:
    plan = Plan(64, 40, COLOUR)
    data = _damaged(encode(plan, random_planes(plan, np.random.default_rng(seed))), edits)
    structure = parse(data)
    scan = structure.scans[0]
    stream = data[scan.start : scan.end].replace(b"\xff\x00", b"\xff")
    expected = robust.decode(stream, BLOCKS_PER_MCU, count=20)
    outcome = _decode(data)
    ours = outcome.scans[0]
    assert ours.placed.tolist() == list(range(len(expected.mcus)))
    assert outcome.lost_mcus == 20 - len(expected.mcus)
    points = [p.mcu for p in ours.resync_points if p.cause != "data_left_over"]
    assert points == [mcu for _, mcu in expected.resyncs]
    for index, mcu in enumerate(expected.mcus):
        row, column = divmod(index, 4)
        places = [(0, 2 * column), (0, 2 * column + 1), (1, column), (2, column)]
        for (component, block), (plane, x) in zip(mcu, places, strict=True):
            assert component == plane
            got = outcome.planes[plane].blocks[row, x].tolist()
            assert got == np.array(block).astype(np.int16).tolist()


def test_an_intact_file_is_one_segment_from_first_to_last_bit() -> None:
    plan = Plan(64, 40, COLOUR, restart=3)
    data = encode(plan, random_planes(plan, np.random.default_rng(4)))
    outcome = _decode(data)
    (segment,) = outcome.scans[0].segments
    scan = parse(data).scans[0]
    assert (segment.mcu_start, segment.mcu_end, segment.shift, segment.grade) == (0, 20, 0, "consistent")
    assert segment.bit_start == 8 * scan.start
    assert 8 * (scan.end - 1) < segment.bit_end <= 8 * scan.end
    assert not outcome.damaged


def test_a_point_names_the_bit_in_the_file_where_the_mcu_began() -> None:
    plan = Plan(64, 40, COLOUR)
    data = bytearray(encode(plan, random_planes(plan, np.random.default_rng(4))))
    intact = _decode(bytes(data)).scans[0]
    at = int(intact.mcu_bit[7]) // 8 + 1
    data[at : at + 4] = b"\xfe\xfe\xfe\xfe"  # 16 ones in a row hold no code
    point = _decode(bytes(data)).scans[0].resync_points[0]
    assert point.bit <= 8 * (at + 4)
    assert point.byte == point.bit // 8
    assert point.mcu in (6, 7)
    assert point.bit == intact.mcu_bit[point.mcu]
    assert point.skipped_bits > 0


def test_restart_markers_confine_damage_to_their_interval() -> None:
    plan = Plan(64, 80, COLOUR, restart=5)  # 40 MCUs, 8 intervals
    planes = random_planes(plan, np.random.default_rng(4))
    data = encode(plan, planes)
    scan = parse(data).scans[0]
    third = data.index(b"\xff\xd1", scan.start) + 2
    broken = data[:third] + b"\x55" * 6 + data[third + 6 :]
    outcome = _decode(broken)
    places = {(s.placed_at, s.mcu_end - s.mcu_start): s.engine for s in outcome.scans[0].segments}
    assert places[0, 10] == "decoder"
    assert places[15, 25] == "restart"
    assert {s.grade for s in outcome.scans[0].segments} == {"uncertain"}  # silent damage leaves no trace
    for plane, original in zip(outcome.planes, planes, strict=True):
        blocks, truth = plane.blocks.reshape(-1, 64), original.reshape(-1, 64)
        share = blocks.shape[0] // 40
        np.testing.assert_array_equal(blocks[: 10 * share], truth[: 10 * share])
        np.testing.assert_array_equal(blocks[15 * share :], truth[15 * share :])


def test_a_missing_interval_is_found_by_its_number() -> None:
    plan = Plan(64, 80, COLOUR, restart=5)
    planes = random_planes(plan, np.random.default_rng(4))
    data = encode(plan, planes)
    scan = parse(data).scans[0]
    first, second = data.index(b"\xff\xd1", scan.start), data.index(b"\xff\xd2", scan.start)
    outcome = _decode(data[:first] + data[second:])
    assert outcome.lost_mcus == 5
    np.testing.assert_array_equal(outcome.planes[1].blocks[15 // 4 + 1 :], planes[1][15 // 4 + 1 :])
    last = outcome.scans[0].segments[-1]
    assert (last.placed_at, last.shift, last.engine, last.grade) == (15, 5, "restart", "uncertain")


def test_bytes_left_over_before_the_end_are_damage() -> None:
    plan = Plan(16, 8, COLOUR)
    data = encode(plan, random_planes(plan, np.random.default_rng(4)))
    outcome = _decode(data[:-2] + b"\x12\x34\x56" + data[-2:])
    assert [p.cause for p in outcome.scans[0].resync_points] == ["data_left_over"]
    assert outcome.scans[0].segments[0].grade == "uncertain"


def test_a_cut_file_loses_its_tail_only() -> None:
    plan = Plan(64, 80, COLOUR)
    planes = random_planes(plan, np.random.default_rng(4))
    data = encode(plan, planes)
    scan = parse(data).scans[0]
    outcome = _decode(data[: (scan.start + scan.end) // 2])
    done = outcome.scans[0].placed.size
    assert 10 < done < 30
    assert outcome.lost_mcus == 40 - done
    assert outcome.scans[0].resync_points[-1].cause == "out_of_data"
    np.testing.assert_array_equal(outcome.planes[1].blocks.reshape(-1, 64)[:done], planes[1].reshape(-1, 64)[:done])


@settings(max_examples=60)
@given(noise=st.binary(max_size=300), restart=st.sampled_from([0, 1, 4]), interleaved=st.booleans())
def test_noise_in_the_scan_breaks_no_promise(noise: bytes, restart: int, interleaved: bool) -> None:
    plan = Plan(40, 24, ((2, 2), (1, 1), (1, 1)), restart, interleaved)
    data = encode(plan, random_planes(plan, np.random.default_rng(4)))
    start = parse(data).scans[0].start
    outcome = _decode(data[:start] + noise + b"\xff\xd9")
    for scan in outcome.scans:
        assert scan.mcu_bit.size == scan.placed.size <= scan.mcus
        assert np.all(np.diff(scan.placed) > 0)
        assert np.all(np.diff(scan.mcu_bit) > 0)
        covered = [(s.mcu_start, s.mcu_end) for s in scan.segments]
        assert [end for _, end in covered[:-1]] == [start for start, _ in covered[1:]]
        assert all(s.shift == s.placed_at - s.mcu_start and s.bit_start < s.bit_end for s in scan.segments)
