"""Single MCUs, against brute force: every bit of a small file is flipped to see which MCU reads it."""

import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.coefficients import (
    Agreement,
    DecodedFile,
    agreement,
    altered_bits,
    decode_file,
    exact_mcus,
    judge_claims,
    mcu_pixels,
    same_geometry,
    touched_mcus,
)
from jpegrescue.model.decode import ComponentPlane, Decode, Segment
from jpegrescue.model.problem import Problem
from jpegrescue.resync.decode import decode
from tests.flow.conftest import photo
from tests.oracles.encoder import Plan, encode, random_planes

INTERLEAVED = Plan(40, 33, ((2, 2), (1, 1), (1, 1)))
RESTARTS = replace(INTERLEAVED, restart=2)
SEPARATE = Plan(40, 33, ((2, 2), (1, 1), (1, 1)), interleaved=False)
SEPARATE_RESTARTS = replace(SEPARATE, restart=3)
GREY = Plan(33, 20, ((1, 1),))


def decoded(data: bytes) -> DecodedFile:
    result = decode_file(np.frombuffer(data, np.uint8))
    assert isinstance(result, DecodedFile)
    return result


def made(plan: Plan, seed: int = 1) -> bytes:
    return encode(plan, random_planes(plan, np.random.default_rng(seed), busy=0.05))


def touched(data: bytes, *bits: int) -> list[int]:
    array = np.frombuffer(data, np.uint8)
    return np.flatnonzero(touched_mcus(decoded(data), array, np.array(bits, np.int64))).tolist()


def reader(data: bytes, file: DecodedFile, scan: int, bit: int) -> int:
    """The MCU of a scan that reads `bit`: with it flipped, the first to fail, end or come out otherwise."""
    array = np.frombuffer(data, np.uint8).copy()
    array[bit // 8] ^= 0x80 >> bit % 8
    changed = decode(array, file.structure)
    assert changed is not None
    starts, others = file.outcome.scans[scan].mcu_bit, changed.scans[scan].mcu_bit
    points = [point for point in changed.scans[scan].resync_points if point.mcu < starts.size]
    suspects = [point.mcu for point in points if point.bit == starts[point.mcu]]
    shared = min(starts.size, others.size)
    moved = np.flatnonzero(starts[:shared] != others[:shared]).tolist()
    suspects += [moved[0] - 1] if moved and moved[0] not in suspects else []  # the one before it had another length
    for part in file.structure.scans[scan].components:
        differs = (file.outcome.planes[part.index].blocks != changed.planes[part.index].blocks).any(axis=-1)
        suspects += [scan_mcu(file, scan, part.index, int(row), int(column)) for row, column in np.argwhere(differs)]
    return min(suspects)


def scan_mcu(file: DecodedFile, scan: int, component: int, row: int, column: int) -> int:
    factors = file.frame.components[component]
    if len(file.structure.scans[scan].components) > 1:
        return row // factors.vertical * file.frame.mcu_columns + column // factors.horizontal
    samples = -(-file.frame.width * factors.horizontal // file.frame.horizontal_max)
    return row * -(-samples // 8) + column


def picture_mcu(file: DecodedFile, scan: int, mcu: int) -> int:
    """The MCU of the picture that an MCU of a scan lies in."""
    parts = file.structure.scans[scan].components
    if len(parts) > 1:
        return mcu
    factors = file.frame.components[parts[0].index]
    samples = -(-file.frame.width * factors.horizontal // file.frame.horizontal_max)
    row, column = divmod(mcu, -(-samples // 8))
    return row // factors.vertical * file.frame.mcu_columns + column // factors.horizontal


@pytest.mark.parametrize("plan", [INTERLEAVED, RESTARTS, SEPARATE, SEPARATE_RESTARTS, GREY])
@pytest.mark.parametrize("mcu", [0, 3, -1])
def test_a_bit_touches_the_mcu_that_reads_it(plan: Plan, mcu: int) -> None:
    data = made(plan)
    file = decoded(data)
    checked = 0
    for number, outcome in enumerate(file.outcome.scans):
        starts = outcome.mcu_bit.tolist()
        scan = file.structure.scans[number]
        index = mcu % len(starts)
        end = starts[index + 1] if index + 1 < len(starts) else outcome.segments[-1].bit_end
        if plan.restart and (index + 1) % plan.restart == 0 and index + 1 < len(starts):
            end -= 16 + 8  # the marker, and padding that nothing reads
        for bit in range(starts[index], end):
            if 0xFF in data[bit // 8 - 1 : bit // 8 + 2]:
                continue  # stuffing: such a flip can make a marker or unmake one
            assert reader(data, file, number, bit) == index
            assert touched(data, bit) == [picture_mcu(file, number, index)], (scan.start, bit)
            checked += 1
    assert checked > 15


@pytest.mark.parametrize("plan", [RESTARTS, SEPARATE_RESTARTS])
def test_restart_markers_are_of_no_mcu_and_what_lies_before_them_is(plan: Plan) -> None:
    data = made(plan)
    file = decoded(data)
    seen = 0
    for scan in file.structure.scans:
        for at in range(scan.start, scan.end - 1):
            if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7:
                assert touched(data, *range(8 * at, 8 * at + 16)) == []
                assert len(touched(data, 8 * at - 1)) == len(touched(data, 8 * at + 16)) == 1
                seen += 1
    assert seen > 2


def test_fill_bytes_before_a_restart_marker_are_of_no_mcu() -> None:
    data = made(RESTARTS)
    at = data.index(b"\xff\xd0", decoded(data).structure.scans[0].start)
    filled = data[:at] + b"\xff\xff" + data[at:]

    assert touched(filled, 8 * at, 8 * at + 8, 8 * at + 16, 8 * at + 24) == []
    assert touched(filled, 8 * at - 1) == touched(data, 8 * at - 1) == [1]


@pytest.mark.parametrize("plan", [INTERLEAVED, SEPARATE])
def test_bits_outside_the_scans_touch_nothing_and_all_bits_touch_everything(plan: Plan) -> None:
    data = made(plan)
    scans = decoded(data).structure.scans
    inside = {bit for scan in scans for bit in range(8 * scan.start, 8 * scan.end)}

    assert touched(data, *(bit for bit in range(8 * len(data)) if bit not in inside)) == []
    assert touched(data, *range(8 * len(data))) == list(range(decoded(data).mcus))


def test_altered_bits() -> None:
    one = np.array([0b10000000, 0xFF, 0, 7], np.uint8)

    assert altered_bits(one, one).tolist() == []
    assert altered_bits(one, np.array([0b00000001, 0xFF, 0, 7, 9], np.uint8)).tolist() == [0, 7]
    assert altered_bits(one, np.array([0b10000000, 0xFE], np.uint8)).tolist() == [15, *range(16, 32)]


def with_blocks(file: DecodedFile, index: int, blocks: NDArray[np.int16]) -> Decode:
    planes = list(file.outcome.planes)
    planes[index] = replace(planes[index], blocks=blocks)
    return replace(file.outcome, planes=tuple(planes))


def exact(file: DecodedFile, other: Decode) -> list[int]:
    return np.flatnonzero(exact_mcus(file.frame, agreement(file.outcome, other).exact)).tolist()


def test_after_a_shift_by_one_mcu_only_what_lies_before_it_is_exact() -> None:
    file = decoded(photo(96, 80, subsampling=2))
    shifted = []
    for plane in file.outcome.planes:
        v, h = plane.vertical, plane.horizontal
        grid = plane.blocks.reshape(file.frame.mcu_rows, v, file.frame.mcu_columns, h, 64).transpose(0, 2, 1, 3, 4)
        mcus = grid.reshape(file.mcus, v, h, 64).copy()
        mcus[8:] = mcus[7:-1].copy()
        back = mcus.reshape(file.frame.mcu_rows, file.frame.mcu_columns, v, h, 64).transpose(0, 2, 1, 3, 4)
        shifted.append(replace(plane, blocks=np.ascontiguousarray(back).reshape(plane.blocks.shape)))

    assert file.mcus == 30
    assert exact(file, file.outcome) == list(range(30))
    assert exact(file, replace(file.outcome, planes=tuple(shifted))) == list(range(8))


@pytest.mark.parametrize(("component", "block", "mcu"), [(0, (3, 5), 8), (1, (1, 2), 8), (2, (0, 0), 0)])
def test_one_wrong_coefficient_spoils_one_mcu(component: int, block: tuple[int, int], mcu: int) -> None:
    file = decoded(photo(96, 80, subsampling=2))
    blocks = file.outcome.planes[component].blocks.copy()
    blocks[(*block, 63)] += 1

    assert exact(file, with_blocks(file, component, blocks)) == [n for n in range(30) if n != mcu]


def test_another_quantiser_makes_other_blocks_of_the_same_numbers() -> None:
    plan = Plan(16, 8, ((1, 1),))
    zero, ones = np.zeros((1, 2, 64), np.int16), np.zeros((1, 2, 64), np.int16)
    ones[0, 1, 0] = 4
    file, other = decoded(encode(plan, [ones])), decoded(encode(replace(plan, quantiser=16), [ones]))
    doubled = decoded(encode(replace(plan, quantiser=4), [2 * ones]))

    assert exact(file, other.outcome) == [0]
    assert exact(file, doubled.outcome) == [0, 1]
    assert exact(file, decoded(encode(plan, [zero])).outcome) == [0]


def test_products_do_not_overflow() -> None:
    plane = decoded(encode(Plan(8, 8, ((1, 1),)), [np.zeros((1, 1, 64), np.int16)])).outcome.planes[0]
    one = replace(plane, blocks=np.full((1, 1, 64), 1024, np.int16), quantisation=np.full(64, 128, np.uint16))
    other = replace(plane, blocks=np.zeros((1, 1, 64), np.int16), quantisation=np.full(64, 1, np.uint16))

    def outcome(of: ComponentPlane) -> Decode:
        return Decode((of,), (), 0, damaged=False)

    compared = agreement(outcome(one), outcome(other))
    assert not any(part[0].any() for part in (compared.exact, compared.placed, compared.near))


def test_a_dc_offset_leaves_blocks_placed_and_one_step_near() -> None:
    plan = Plan(40, 8, ((1, 1),), quantiser=6)
    blocks = np.random.default_rng(1).integers(-9, 9, (1, 5, 64), np.int16)
    other = blocks.copy()
    other[0, 1:4, 0] += np.array([1, -1, 2], np.int16)
    other[0, 4, 1] += 1
    compared = agreement(decoded(encode(plan, [blocks])).outcome, decoded(encode(plan, [other])).outcome)

    assert compared.exact[0].tolist() == [[True, False, False, False, False]]
    assert compared.placed[0].tolist() == [[True, True, True, True, False]]
    assert compared.near[0].tolist() == [[True, True, True, False, False]]


def test_geometry() -> None:
    frame = decoded(made(INTERLEAVED)).frame

    assert same_geometry(frame, decoded(made(SEPARATE)).frame)
    assert not same_geometry(frame, replace(frame, width=41))
    assert not same_geometry(frame, decoded(made(replace(INTERLEAVED, factors=((2, 1), (1, 1), (1, 1))))).frame)


def segment(scan: int, placed_at: int, count: int, grade: str = "intact") -> Segment:
    return Segment(scan, 0, count, 0, 0, placed_at, placed_at, None, None, "decoder", grade)  # type: ignore[arg-type]


def claims(file: DecodedFile, blocks: list[NDArray[np.bool_]], *segments: Segment) -> tuple[list[int], list[int], int]:
    where = tuple(blocks)
    found, problems = judge_claims(file.frame, file.structure.scans, segments, Agreement(where, where, where))
    return np.flatnonzero(found.claimed).tolist(), np.flatnonzero(found.wrong).tolist(), len(problems)


def all_exact(file: DecodedFile) -> list[NDArray[np.bool_]]:
    return [np.ones(plane.blocks.shape[:2], np.bool_) for plane in file.outcome.planes]


@pytest.mark.parametrize("grade", ["intact", "exact", "aligned"])
def test_a_claimed_mcu_with_one_wrong_block_is_a_wrong_claim(grade: str) -> None:
    file = decoded(made(INTERLEAVED))
    blocks = all_exact(file)
    blocks[2][1, 1] = False  # MCU 4 of 3 × 3

    assert claims(file, blocks, segment(0, 2, 4, grade)) == ([2, 3, 4, 5], [4], 0)
    assert claims(file, blocks, segment(0, 5, 4, grade)) == ([5, 6, 7, 8], [], 0)


def test_placed_mcus_claim_their_place_and_aligned_ones_both() -> None:
    file = decoded(made(INTERLEAVED))
    right = all_exact(file)
    dc_off, elsewhere, far_off = all_exact(file), all_exact(file), all_exact(file)
    dc_off[0][0, :2] = dc_off[0][0, 2:4] = False  # MCUs 0 and 1 of 3 × 3
    elsewhere[1][1, 1] = dc_off[1][1, 1] = far_off[1][1, 1] = False  # MCU 4
    far_off[0][0, 2] = False  # MCU 1
    blocks = Agreement(tuple(dc_off), tuple(elsewhere), tuple(far_off))
    segments = (segment(0, 0, 5, "aligned"), segment(0, 5, 3, "placed"))

    found, _ = judge_claims(file.frame, file.structure.scans, segments, blocks)
    assert np.flatnonzero(found.placed).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert np.flatnonzero(found.placed_wrong).tolist() == [4]
    assert np.flatnonzero(found.claimed).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(found.wrong).tolist() == [0, 1, 4]
    assert np.flatnonzero(found.far).tolist() == [1, 4]

    (found, _) = judge_claims(file.frame, file.structure.scans, (segment(0, 0, 9, "placed"),), blocks)
    assert (found.placed.all(), found.claimed.any(), found.wrong.any()) == (True, False, False)
    assert all(part.all() for part in right)


@pytest.mark.parametrize("grade", ["uncertain", "filled", "synthetic", "consistent"])
def test_other_grades_claim_nothing(grade: str) -> None:
    file = decoded(made(INTERLEAVED))

    assert claims(file, [~exact for exact in all_exact(file)], segment(0, 0, 9, grade)) == ([], [], 0)


def test_a_scan_of_one_component_claims_its_blocks_and_no_others() -> None:
    file = decoded(made(SEPARATE))  # luma: 5 × 5 blocks of its own, 6 × 6 with padding; 3 × 3 MCUs
    blocks = all_exact(file)
    blocks[0][2, 3] = False  # luma block 13, in MCU 4
    blocks[1][0, 0] = False  # blue, MCU 0
    blocks[0][:, 5] = False  # padding, which no scan has

    assert claims(file, blocks, segment(0, 0, 5)) == ([0, 1, 2], [], 0)
    assert claims(file, blocks, segment(0, 12, 2)) == ([4], [4], 0)
    assert claims(file, blocks, segment(0, 12, 1)) == ([4], [], 0)
    assert claims(file, blocks, segment(1, 0, 2)) == ([0, 1], [0], 0)
    assert claims(file, blocks, segment(2, 0, 9)) == (list(range(9)), [], 0)


@pytest.mark.parametrize(
    ("astray", "claimed"),
    [
        (segment(0, 7, 5), [7, 8]),
        (segment(0, -2, 3), [0]),
        (segment(0, 9, 1), []),
        (segment(0, 1 << 60, 1 << 60), []),
        (segment(0, 3, -2), []),
        (segment(1, 0, 1), []),
        (segment(-1, 0, 1), []),
    ],
)
def test_segments_outside_the_picture_are_named(astray: Segment, claimed: list[int]) -> None:
    file = decoded(made(INTERLEAVED))

    assert claims(file, all_exact(file), astray) == (claimed, [], 1)


def test_a_great_many_claims_are_judged_in_no_time() -> None:
    """As many segments, and as many scans, as a forged report can name: time must not grow with their product."""
    file = decoded(made(INTERLEAVED))
    overlapping = [segment(0, 0, 9)] * 50_000
    elsewhere = [segment(scan, 0, 1) for scan in range(1, 50_001)]

    before = time.process_time()
    assert claims(file, all_exact(file), *overlapping, *elsewhere) == (list(range(9)), [], 1)
    assert time.process_time() - before < 2


def test_pixels_of_mcus_are_cropped_to_the_picture() -> None:
    file = decoded(made(INTERLEAVED))  # 40 × 33 in 3 × 3 MCUs of 16 × 16
    mcus = np.zeros(9, np.bool_)
    mcus[[1, 8]] = True
    expected = np.zeros((33, 40), np.bool_)
    expected[0:16, 16:32] = True
    expected[32:33, 32:40] = True

    assert np.array_equal(mcu_pixels(file.frame, mcus), expected)


def test_what_cannot_be_decoded_is_named() -> None:
    data = photo(64, 64, progressive=True)
    no_tables = bytearray(made(GREY))
    while (at := no_tables.find(b"\xff\xc4")) >= 0:
        no_tables[at + 1] = 0xEF

    kinds = [decode_file(np.frombuffer(bytes(each), np.uint8)) for each in (data, b"", no_tables)]
    assert [each.kind for each in kinds if isinstance(each, Problem)] == [
        "unsupported_process",
        "no_frame",
        "no_tables",
    ]


def test_a_scan_without_tables_does_not_shift_the_others() -> None:
    """The decoder passes over such a scan, so outcomes and scans must not be paired by number alone."""
    data = made(SEPARATE)
    first = parse(data).scans[0]
    selectors = data.rindex(b"\xff\xda", 0, first.start) + 6
    broken = data[:selectors] + b"\x33" + data[selectors + 1 :]
    file = decoded(broken)

    assert (len(file.structure.scans), len(file.outcome.scans)) == (3, 2)
    second = file.structure.scans[1]
    assert touched(broken, 8 * second.start) == [0]
