import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jpegrescue.jpeg import _kernels_write as kernels
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.write import ExtendedTable, Written, write_jpeg
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.problem import Problem
from tests.jpeg.rewritten import array, assert_holds, coefficients, planes_of, rewrite, with_blocks
from tests.jpeg.samples import exif, insert, photo, segment, with_thumbnail
from tests.oracles.encoder import ZIGZAG, Plan, encode, random_planes

SAMPLINGS = (
    ((1, 1),),
    ((2, 2),),
    ((1, 1), (1, 1), (1, 1)),
    ((2, 1), (1, 1), (1, 1)),
    ((2, 2), (1, 1), (1, 1)),
    ((1, 2), (1, 1), (1, 1)),
    ((2, 2), (2, 1), (1, 2)),
    ((4, 1), (1, 1), (1, 1)),
    ((1, 1),) * 4,
    ((2, 2), (1, 1), (1, 1), (2, 2)),
)
COLOUR = ((2, 2), (1, 1), (1, 1))
FLAT = photo(64, 48, quality=5, optimize=True, subsampling=0)  # few symbols


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    return Plan(
        width=draw(st.integers(1, 70)),
        height=draw(st.integers(1, 40)),
        factors=draw(st.sampled_from(SAMPLINGS)),
        restart=draw(st.sampled_from([0, 0, 1, 2, 7])),
        interleaved=draw(st.booleans()),
    )


def own_shape(plan: Plan, index: int) -> tuple[int, int]:
    return plan.own_blocks(index) if len(plan.factors) == 1 else plan.blocks(index)


def new_planes(plan: Plan, seed: int, busy: float, magnitude: int = 1023) -> list[NDArray[np.int16]]:
    """Sparse coefficients of all sizes that 8-bit samples can give."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(len(plan.factors)):
        shape = (*own_shape(plan, index), 64)
        sizes = rng.integers(0, magnitude.bit_length() + 1, shape)
        values = np.clip(rng.integers(-(1 << sizes), (1 << sizes) + 1), -magnitude, magnitude)
        found.append(np.where(rng.random(shape) < busy, values, 0).astype(np.int16))
    return found


def flat_with(blocks: dict[int, int]) -> tuple[bytes, tuple[ComponentPlane, ...]]:
    """FLAT, and its planes with some coefficients of one block set, by their natural index."""
    planes = planes_of(FLAT)
    changed = [plane.blocks.copy() for plane in planes]
    for index, value in blocks.items():
        changed[0][2, 3, index] = value
    return FLAT, with_blocks(planes, changed)


def segments(data: bytes) -> list[tuple[int, bytes]]:
    return [(s.marker, data[s.offset : s.end]) for s in parse(data).segments]


@settings(max_examples=150)
@given(plans(), st.integers(0, 1000), st.sampled_from([0.0, 0.02, 0.3, 0.9]))
def test_new_coefficients_are_coded_as_the_plain_encoder_does(plan: Plan, seed: int, busy: float) -> None:
    before = encode(plan, random_planes(plan, np.random.default_rng(seed)))
    blocks = new_planes(plan, seed, busy)
    written = rewrite(before, with_blocks(planes_of(before), blocks))
    assert written == Written(encode(plan, blocks), (), ())


@settings(max_examples=25)
@given(plans(), st.integers(0, 1000))
def test_libjpeg_reads_what_was_written(plan: Plan, seed: int) -> None:
    before = encode(plan, random_planes(plan, np.random.default_rng(seed)))
    planes = with_blocks(planes_of(before), new_planes(plan, seed, 0.2))
    assert_holds(rewrite(before, planes).data, planes)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "options", [{}, {"optimize": True}, {"restart_marker_blocks": 5}, {"quality": 100}, {"comment": b"x" * 99}]
)
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_intact_files_come_back_byte_for_byte(mode: str, options: dict[str, object], subsampling: int) -> None:
    data = photo(75, 50, mode=mode, subsampling=subsampling, **options)
    assert rewrite(data) == Written(data, (), ())


@pytest.mark.parametrize("interleaved", [True, False])
def test_all_that_is_no_scan_is_kept(interleaved: bool) -> None:
    plan = Plan(40, 24, COLOUR, 3, interleaved, jfif=True)
    before = encode(plan, random_planes(plan, np.random.default_rng(1)))
    extra = exif(photo(32, 32)) + b"\xff\xff\xff" + segment(0xEC, b"anything \xff\xd8\xff\xda") + segment(0xFE, b"")
    before = insert(before, extra, 20) + b"trailer \xff\xd8\xff"
    blocks = new_planes(plan, 5, 0.3)
    written = rewrite(before, with_blocks(planes_of(before), blocks))
    assert written == Written(insert(encode(plan, blocks), extra, 20) + b"trailer \xff\xd8\xff", (), ())


def test_the_thumbnail_is_kept() -> None:
    data, thumbnail = with_thumbnail()
    planes = with_blocks(planes_of(data), [np.zeros_like(plane.blocks) for plane in planes_of(data)])
    after = rewrite(data, planes).data
    (kept,) = parse(after).thumbnails
    assert after[kept.start : kept.end] == thumbnail


@pytest.mark.parametrize("restart", [0, 1])
def test_unusual_padding_is_kept_where_nothing_else_changes(restart: int) -> None:
    plan = Plan(24, 8, ((1, 1),), restart)
    blocks = [np.zeros((1, 3, 64), np.int16)]  # 6 bits a block
    data = encode(plan, blocks)
    scan = parse(data).scans[0]
    stream = bytearray(data)
    ends = range(scan.start, scan.end, 3) if restart else [scan.end - 1]
    for end in ends:
        assert stream[end] & 3 == 3
        stream[end] &= 0xFC
    assert rewrite(bytes(stream)).data == bytes(stream)
    blocks[0][0, 1, 5] = 1
    assert rewrite(bytes(stream), with_blocks(planes_of(data), blocks)).data == encode(plan, blocks)


def test_one_changed_interval_leaves_the_bytes_of_the_others() -> None:
    data = photo(64, 64, subsampling=0, restart_marker_rows=1)
    planes = planes_of(data)
    changed = [plane.blocks.copy() for plane in planes]
    changed[0][3, 2, 1] += 1
    scan = parse(data).scans[0]
    after = rewrite(data, with_blocks(planes, changed)).data
    before_parts = data[scan.start : scan.end].split(b"\xff\xd3")
    assert after[scan.start :].startswith(data[scan.start : scan.end].split(b"\xff\xd2")[0] + b"\xff\xd2")
    assert after.endswith(b"\xff\xd3" + before_parts[1] + b"\xff\xd9")
    assert after != data


def test_a_missing_symbol_is_appended_to_the_table() -> None:
    data, planes = flat_with({63: 700})
    written = rewrite(data, planes)
    assert_holds(written.data, planes)
    assert written.problems == ()
    (change,) = written.extended_tables
    assert (change.kind, change.destination, change.scan, change.change) == ("ac", 0, 0, "appended")
    assert change.symbols > 0
    before, after = (parse(d).scans[0].components for d in (data, written.data))
    assert before[1:] == after[1:]
    old, new = before[0].ac_table, after[0].ac_table
    assert old is not None
    assert new is not None
    assert new.symbols[: len(old.symbols)] == old.symbols
    assert len(new.symbols) - len(old.symbols) == change.symbols
    others = [(one, other) for one, other in zip(segments(data), segments(written.data), strict=True) if one != other]
    assert [one[0] for one, _ in others] == [0xC4]


def test_a_missing_dc_size_is_reported_as_such() -> None:
    data, planes = flat_with({0: 1000})
    written = rewrite(data, planes)
    assert_holds(written.data, planes)
    assert [(c.kind, c.destination, c.change) for c in written.extended_tables] == [("dc", 0, "appended")]


def test_a_table_without_room_is_rebuilt() -> None:
    plan = Plan(32, 16, ((1, 1), (1, 1), (1, 1)))
    data = encode(plan, random_planes(plan, np.random.default_rng(3), busy=0.01))
    last = data.index(b"\xff\xc4\x00\xb5\x10") + 2 + 0xB5 - 1
    assert data[last] == 0xFA
    data = data[:last] + b"\x0b" + data[last + 1 :]  # a size that 8-bit samples never need has the last code
    planes = planes_of(data)
    planes[0].blocks[1, 2, 1:] = 0
    planes[0].blocks[1, 2, 5] = 600  # its zigzag index is 15: a run of 14
    planes[0].blocks[1, 3, 1:] = 0
    planes[0].blocks[1, 3, 12] = -600  # 16: a run of 15
    planes[0].blocks[0, 0, 1:] = 0
    planes[0].blocks[0, 0, 33] = 600  # 19: a run of 16, and one of 2
    written = rewrite(data, planes)
    assert_holds(written.data, planes)
    assert written.extended_tables == (ExtendedTable("ac", 0, 0, 1, "rebuilt"),)


def test_tables_shared_by_scans_are_extended_once() -> None:
    plan = Plan(32, 16, ((1, 1), (1, 1), (1, 1)), interleaved=False)
    data = encode(plan, [np.zeros((2, 4, 64), np.int16)] * 3)
    lean = segment(0xC4, b"\x11" + bytes((0, 1, *[0] * 14)) + b"\0")  # end of block alone
    at = data.index(b"\xff\xc4\x00\xb5\x11")
    data = data[:at] + lean + data[at + 183 :]
    blocks = [np.zeros((2, 4, 64), np.int16) for _ in range(3)]
    structure = parse(data)
    planes = with_blocks(planes_of(encode(plan, blocks)), blocks)
    blocks[1][0, 0, 1] = 3
    blocks[2][1, 1, 63] = -3
    written = rewrite(data, planes, structure)
    assert_holds(written.data, planes)
    assert written.extended_tables == (ExtendedTable("ac", 1, 1, 3, "appended"),)


def test_a_table_that_uses_the_forbidden_code_is_rebuilt() -> None:
    plan = Plan(8, 8, ((1, 1),))
    data = encode(plan, [np.zeros((1, 1, 64), np.int16)])
    at = data.index(b"\xff\xc4\x00\x1f\x00")
    full = segment(0xC4, b"\0" + bytes((2, *[0] * 15)) + b"\0\1")
    scan = parse(data).scans[0].start
    data = data[:at] + full + data[at + 33 : scan] + b"\x5f\xff\xd9"  # 0, 1010
    planes = planes_of(data)
    written = rewrite(data, planes)
    assert_holds(written.data, planes)
    assert written.extended_tables == (ExtendedTable("dc", 0, 0, 0, "rebuilt"),)


def test_values_out_of_range_are_clamped_and_counted() -> None:
    plan = Plan(40, 8, ((1, 1),))
    blocks = [np.zeros((1, 5, 64), np.int16)]
    data = encode(plan, blocks)
    blocks[0][0, :, 0] = 3000, 3000, 3000, -2048, 32767
    blocks[0][0, 1, 7:10] = 1023, -1024, 32767
    written = rewrite(data, with_blocks(planes_of(data), blocks))
    (plane,) = coefficients(written.data)
    values = plane.reshape(5, 64)
    assert values[:, 0].tolist() == [2047, 3000, 3000, 953, 3000]  # back on course as soon as a step reaches that far
    assert values[1, 7:10].tolist() == [1023, -1023, 1023]
    (problem,) = written.problems
    assert (problem.kind, problem.severity) == ("coefficient_clamped", "warning")
    assert problem.detail.startswith("3 DC differences and 2 AC coefficients")
    assert written.extended_tables == ()


def test_restarts_reset_the_prediction_of_clamped_values_too() -> None:
    plan = Plan(24, 8, ((1, 1),), restart=1)
    blocks = [np.zeros((1, 3, 64), np.int16)]
    blocks[0][0, :, 0] = 2047, 2048, -2047
    data = encode(plan, [np.zeros_like(blocks[0])])
    (plane,) = coefficients(rewrite(data, with_blocks(planes_of(data), blocks)).data)
    assert plane.reshape(3, 64)[:, 0].tolist() == [2047, 2047, -2047]


@settings(max_examples=40)
@given(
    st.sampled_from([(COLOUR, 0), (COLOUR, 2), (((1, 1),), 4)]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=12),
    st.integers(0, 400),
)
def test_a_damaged_scan_becomes_a_whole_one(
    kind: tuple[tuple[tuple[int, int], ...], int], edits: list[tuple[int, int]], lost: int
) -> None:
    plan = Plan(48, 40, kind[0], kind[1])
    blocks = new_planes(plan, 1, 0.1, 40)
    intact = encode(plan, blocks)
    scan = parse(intact).scans[0]
    damaged = bytearray(intact)
    for position, value in edits:
        damaged[scan.start + position % (scan.end - scan.start)] = value
    cut = bytes(damaged[: len(damaged) - lost])
    structure = parse(cut)
    planes = planes_of(cut, structure)
    clear = with_blocks(planes, [np.clip(plane.blocks, -1000, 1000) for plane in planes])
    written = rewrite(cut, clear, structure)
    assert_holds(written.data, clear)
    truth = rewrite(cut, with_blocks(planes, blocks), structure)
    assert truth.data == intact


def test_false_markers_and_wrong_restarts_are_gone() -> None:
    plan = Plan(64, 40, COLOUR, 2)
    blocks = new_planes(plan, 1, 0.1)
    intact = encode(plan, blocks)
    damaged = bytearray(intact.replace(b"\xff\xd3", b"\xff\xd6"))
    at = parse(intact).scans[0].start + 200
    damaged[at : at + 4] = b"\xff\xe1\xff\xc4"
    assert rewrite(bytes(damaged), with_blocks(planes_of(intact), blocks)) == Written(intact, (), ())


def test_what_the_addresses_of_further_pictures_are_worth_is_said() -> None:
    data = insert(photo(64, 48), segment(0xE2, b"MPF\0II*\0")) + photo(32, 32)
    planes = planes_of(data)
    assert rewrite(data, planes).problems == ()
    empty = with_blocks(planes, [np.zeros_like(plane.blocks) for plane in planes])
    assert [(p.kind, p.severity) for p in rewrite(data, empty).problems] == [("trailer_moved", "info")]
    assert rewrite(photo(64, 48) + photo(32, 32), empty).problems == ()


def test_read_only_and_strided_planes_are_taken() -> None:
    data = photo(64, 48)
    planes = planes_of(data)
    odd = [np.repeat(plane.blocks, 2, axis=1)[:, ::2] for plane in planes]
    odd[1].setflags(write=False)
    assert rewrite(data, with_blocks(planes, odd)).data == data


def test_writing_is_deterministic_and_leaves_the_planes_alone() -> None:
    data, planes = flat_with({0: 3000, 63: 700})
    before = [plane.blocks.copy() for plane in planes]
    assert rewrite(data, planes) == rewrite(data, planes)
    assert all(itertools.starmap(np.array_equal, zip(before, (p.blocks for p in planes), strict=True)))


def plain_symbols(blocks: NDArray[np.int16], restart: int) -> tuple[Counter[tuple[int, int]], list[int]]:
    """(table, symbol) of a lone component, DC in table 0, and values out of range, as T.81 F.1.2 has it."""
    found: Counter[tuple[int, int]] = Counter()
    clamped = [0, 0]
    predictor = 0
    for number, block in enumerate(blocks.reshape(-1, 64).tolist()):
        predictor = 0 if restart and number % restart == 0 else predictor
        difference = max(-2047, min(2047, block[0] - predictor))
        clamped[0] += difference != block[0] - predictor
        predictor += difference
        found[0, abs(difference).bit_length()] += 1
        rest = [block[index] for index in ZIGZAG[1:]]
        while any(rest):
            run = next(i for i, value in enumerate(rest) if value)
            found[1, 0xF0] += run // 16
            clamped[1] += abs(rest[run]) > 1023
            found[1, run % 16 << 4 | min(1023, abs(rest[run])).bit_length()] += 1
            rest = rest[run + 1 :]
        found[1, 0] += bool(rest)
    return +found, clamped


@given(
    st.integers(0, 1000), st.sampled_from([0.01, 0.05, 0.5, 1.0]), st.integers(0, 4), st.sampled_from([40, 1023, 32767])
)
def test_symbols_are_counted_as_they_are_written(seed: int, busy: float, restart: int, magnitude: int) -> None:
    (blocks,) = new_planes(Plan(24, 16, ((1, 1),)), seed, busy, magnitude)
    counts, clamped = np.zeros((2, 256), np.int64), np.zeros(2, np.int64)
    layout = np.array([[0, 0, 1, 1, 0, 0, 0, 1]])
    kernels.count_symbols(
        (blocks,) * 4, layout, 3, 2, restart, np.array(ZIGZAG, np.uint8), kernels.SIZES, counts, clamped
    )
    expected, out_of_range = plain_symbols(blocks, restart)
    assert {(int(t), int(s)): int(counts[t, s]) for t, s in np.argwhere(counts)} == expected
    assert clamped.tolist() == out_of_range


@pytest.mark.parametrize("case", ["progressive", "planes", "height", "frame"])
def test_what_cannot_be_written_is_refused(case: str) -> None:
    data = photo(64, 48, progressive=case == "progressive")
    planes = planes_of(photo(64, 48))
    structure = parse(data)
    if case == "planes":
        planes = planes[:2]
    elif case == "height":
        assert structure.frame is not None
        structure = replace(structure, frame=replace(structure.frame, height=0))
    elif case == "frame":
        structure = replace(structure, frame=None)
    refused = write_jpeg(array(data), structure, planes)
    assert isinstance(refused, Problem)
    assert (refused.kind, refused.severity) == ("not_written", "error")
