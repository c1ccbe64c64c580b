import random
from dataclasses import replace

import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pieces import CodedScan, cut, segment_bytes, table_bytes
from jpegrescue.jpeg.reference import with_reference
from jpegrescue.jpeg.standard import STANDARD_TABLES, with_standard_tables
from jpegrescue.jpeg.write import Written
from jpegrescue.model.jpeg import JpegStructure, Scan
from jpegrescue.resync.decode import decode, picture_frame
from tests.jpeg.rewritten import array, assert_accepted, assert_holds, planes_of, rewrite
from tests.jpeg.samples import insert, photo, segment
from tests.jpeg.siblings import reference
from tests.oracles.encoder import Plan, encode, random_planes

COLOUR = ((2, 2), (1, 1), (1, 1))
ALL_ALIKE = ((1, 1), (1, 1), (1, 1))
PHOTO = photo(64, 48)


def example(*, interleaved: bool = True, restart: int = 0, factors: tuple[tuple[int, int], ...] = COLOUR) -> bytes:
    plan = Plan(40, 24, factors, restart, interleaved)
    return encode(plan, random_planes(plan, np.random.default_rng(7)))


def kinds(written: Written) -> list[str]:
    return [problem.kind for problem in written.problems]


def place(data: bytes, marker: int, number: int = 0) -> tuple[int, int]:
    """Begin and end of a segment that the structure has."""
    found = [s for s in parse(data).segments if s.marker == marker][number]
    return found.offset, found.end


def replaced(data: bytes, marker: int, new: bytes, number: int = 0) -> bytes:
    begin, end = place(data, marker, number)
    return data[:begin] + new + data[end:]


def repaired(data: bytes, truth: bytes, structure: JpegStructure | None = None) -> Written:
    """What is written of `data` with the coefficients of the sound file `truth`, which it must hold."""
    planes = planes_of(truth)
    written = rewrite(data, planes, structure)
    assert_holds(written.data, planes)
    return written


def test_pieces_are_the_file() -> None:
    data = example(interleaved=False) + b"behind"
    structure = parse(data)
    assert structure.frame is not None
    pieces = cut(array(data), structure, planes_of(data), picture_frame(structure.frame))
    joined = b""
    for piece in pieces.pieces:
        if isinstance(piece, bytes):
            joined += piece
        else:
            joined += piece.original.tobytes() if isinstance(piece, CodedScan) else piece.original
    assert joined + pieces.tail == data
    assert pieces.tail.endswith(b"behind")
    assert pieces.tail_at == structure.eoi == len(joined)
    assert pieces.problems == ()
    assert [(d.kind, d.destination, d.inserted) for d in pieces.definitions] == [
        (0, 0, False), (1, 0, False), (0, 1, False), (1, 1, False),
    ]  # fmt: skip
    scans = [piece for piece in pieces.pieces if isinstance(piece, CodedScan)]
    assert [scan.tables for scan in scans] == [((0, 1),), ((2, 3),), ((2, 3),)]


def test_segments_have_their_length() -> None:
    assert segment_bytes(0xFE, b"abc") == segment(0xFE, b"abc")
    table = STANDARD_TABLES[0, 1]
    expected = segment(0xC4, b"\x01" + bytes(table.counts) + bytes(table.symbols))
    assert table_bytes([(0, 1, table)]) == expected
    assert table_bytes([]) == b""


@pytest.mark.parametrize("lost", [1, 2, 200])
def test_a_missing_end_is_added(lost: int) -> None:
    assert repaired(PHOTO[:-lost], PHOTO) == Written(PHOTO, (), repaired(PHOTO[:-lost], PHOTO).problems)
    assert kinds(repaired(PHOTO[:-lost], PHOTO)) == ["eoi_added"]


def test_a_missing_beginning_is_added() -> None:
    assert rewrite(PHOTO[2:], planes_of(PHOTO)).data == PHOTO


@pytest.mark.parametrize("between", [b"\0\0\0", b"garbage \xff\0", b"\xff\xd8\xff\xd9"])
def test_garbage_between_segments_is_left_out(between: bytes) -> None:
    begin, _ = place(PHOTO, 0xC0)
    data = insert(PHOTO, between, begin)
    written = repaired(data, PHOTO)
    assert written.data == PHOTO
    (problem,) = written.problems
    assert (problem.kind, problem.severity, problem.offset) == ("bytes_left_out", "warning", begin)
    assert problem.detail.startswith(f"{len(between)} bytes")


def test_a_second_beginning_is_left_out() -> None:
    written = repaired(b"\xff\xd8" + PHOTO, PHOTO)
    assert written.data == PHOTO
    assert kinds(written) == ["bytes_left_out"]


@pytest.mark.parametrize("between", [b"\xff", b"\xff\xff\xff", b"\xff\x01"])
def test_fill_bytes_are_kept(between: bytes) -> None:
    data = insert(insert(PHOTO, between, place(PHOTO, 0xC0)[0]), between, place(PHOTO, 0xDA)[0] + len(between))
    assert rewrite(data) == Written(data, (), ())


def test_fill_bytes_before_the_end_are_kept() -> None:
    data = insert(PHOTO, b"\xff\xff", len(PHOTO) - 2)
    assert rewrite(data) == Written(data, (), ())


def test_a_wrong_length_is_set_right() -> None:
    comment = segment(0xFE, b"a comment of some length")
    data = insert(PHOTO, comment)
    written = repaired(data[:4] + b"\xff\xf0" + data[6:], PHOTO)  # points behind the end
    assert written.data == data
    assert kinds(written) == ["segment_rewritten"]
    written = repaired(data[:4] + b"\0\x09" + data[6:], PHOTO)  # too short: what follows is garbage
    assert written.data == insert(PHOTO, segment(0xFE, b"a comme"))
    assert kinds(written) == ["bytes_left_out"]


@pytest.mark.parametrize("marker", [0xC0, 0xC4, 0xDB, 0xDA])
def test_wrong_lengths_of_headers_are_set_right(marker: int) -> None:
    begin, _ = place(PHOTO, marker)
    damaged = PHOTO[: begin + 3] + bytes((PHOTO[begin + 3] ^ 1,)) + PHOTO[begin + 4 :]
    written = repaired(damaged, PHOTO)
    assert written.data == PHOTO
    assert kinds(written) == ["segment_rewritten"]


def test_missing_huffman_tables_are_the_typical_ones() -> None:
    data = replaced(PHOTO, 0xC4, b"", 1)
    bare = parse(data)
    filled = with_standard_tables(array(data), bare)
    for structure in (bare, filled):
        written = repaired(data, PHOTO, structure)
        assert written.problems == ()
        (change,) = written.extended_tables
        assert (change.kind, change.destination, change.scan, change.change) == ("ac", 0, 0, "inserted")
    begin, _ = place(written.data, 0xDA)
    assert written.data[:begin].endswith(table_bytes([(1, 0, STANDARD_TABLES[1, 0])]))


@pytest.mark.parametrize("payload", [b"", b"\x10" + b"\xff" * 40, b"\x10" + bytes(16), b"\x10\0\3"])
def test_a_huffman_table_that_cannot_be_read_is_left_out(payload: bytes) -> None:
    data = replaced(PHOTO, 0xC4, segment(0xC4, payload), 1)
    written = repaired(data, PHOTO)
    assert kinds(written) == ["segment_rewritten"]
    assert [(c.kind, c.destination, c.change) for c in written.extended_tables] == [("ac", 0, "inserted")]


def test_the_good_table_of_a_bad_segment_is_kept() -> None:
    begin, end = place(PHOTO, 0xC4, 1)
    data = replaced(PHOTO, 0xC4, segment(0xC4, PHOTO[begin + 4 : end] + b"\x11\xff"), 1)
    written = repaired(data, PHOTO)
    assert written.data == PHOTO
    assert written.extended_tables == ()


def test_conflicting_tables_get_destinations_of_their_own() -> None:
    structure = parse(PHOTO)
    scan = structure.scans[0]
    parts = list(scan.components)
    parts[2] = replace(parts[2], ac_table=STANDARD_TABLES[1, 0])
    written = repaired(PHOTO, PHOTO, replace(structure, scans=(replace(scan, components=tuple(parts)),)))
    assert parse(written.data).scans[0].components == tuple(parts)
    assert kinds(written) == ["segment_rewritten"]


def test_a_missing_quantisation_table_is_one_of_ones() -> None:
    data = replaced(PHOTO, 0xDB, b"", 1)
    planes = planes_of(data)
    written = rewrite(data, planes)
    assert_holds(written.data, planes)
    assert kinds(written) == ["quantisation_missing", "segment_added"]
    assert written.problems[0].severity == "error"
    assert parse(written.data).quantisation[1] == (1,) * 64


def test_a_quantisation_table_from_elsewhere_is_written() -> None:
    structure = parse(PHOTO)
    steps = tuple(range(200, 264))  # needs 16 bits
    quantisation = (steps, *structure.quantisation[1:])
    written = rewrite(PHOTO, structure=replace(structure, quantisation=quantisation))
    assert parse(written.data).quantisation == quantisation
    assert kinds(written) == ["segment_added"]
    assert_accepted(written.data, parse(written.data))


def test_tables_that_change_between_scans_stay_as_they_are() -> None:
    data = example(interleaved=False)
    begin, _ = place(data, 0xDA, 1)
    data = insert(data, segment(0xDB, b"\0" + bytes(range(1, 65))), begin)
    assert rewrite(data) == Written(data, (), ())


def test_a_cut_quantisation_segment_keeps_its_whole_tables() -> None:
    begin, end = place(PHOTO, 0xDB)
    data = replaced(PHOTO, 0xDB, segment(0xDB, PHOTO[begin + 4 : end] + b"\1\2\3"))
    written = repaired(data, PHOTO)
    assert written.data == PHOTO
    assert kinds(written) == ["segment_rewritten"]


def test_the_restart_interval_of_the_structure_is_written() -> None:
    data = example(restart=2)
    bare = replaced(data, 0xDD, b"")
    structure = parse(data)
    written = repaired(bare, data, with_interval(parse(bare), 2))
    assert parse(written.data).scans[0].restart_interval == structure.scans[0].restart_interval
    assert kinds(written) == ["segment_added"]
    wrong = replaced(data, 0xDD, segment(0xDD, b"\0\0"))
    assert parse(repaired(wrong, data, with_interval(parse(wrong), 2)).data).scans[0].restart_interval == 2


def with_interval(structure: JpegStructure, interval: int) -> JpegStructure:
    return replace(structure, scans=tuple(replace(scan, restart_interval=interval) for scan in structure.scans))


def test_an_odd_restart_segment_is_rewritten() -> None:
    data = example(restart=2)
    written = repaired(replaced(data, 0xDD, segment(0xDD, b"\0\2\0")), data)
    assert written.data == data
    assert kinds(written) == ["segment_rewritten"]


def test_the_frame_of_the_structure_is_written() -> None:
    structure = parse(PHOTO)
    assert structure.frame is not None
    begin, end = place(PHOTO, 0xC0)
    for damaged in (PHOTO[: begin + 5] + b"\1\1" + PHOTO[begin + 7 :], PHOTO[:begin] + PHOTO[end:]):
        described = replace(parse(damaged), frame=structure.frame)
        written = repaired(damaged, PHOTO, replace(described, scans=with_scans(described, structure)))
        assert parse(written.data).frame == structure.frame
        assert "segment_added" in kinds(written)


def with_scans(structure: JpegStructure, truth: JpegStructure) -> tuple[Scan, ...]:
    """The scans of `structure` with the components that they truly have."""
    pairs = zip(structure.scans, truth.scans, strict=True)
    return tuple(replace(scan, components=other.components) for scan, other in pairs)


def test_a_second_frame_header_is_left_out() -> None:
    begin, end = place(PHOTO, 0xC0)
    data = insert(PHOTO, PHOTO[begin:end], end)
    written = repaired(data, PHOTO)
    assert written.data == PHOTO
    assert kinds(written) == ["bytes_left_out"]


def test_a_height_that_a_dnl_segment_gives_stands_in_the_frame_header() -> None:
    begin, _ = place(PHOTO, 0xC0)
    height = PHOTO[begin + 5 : begin + 7]
    late = PHOTO[: begin + 5] + b"\0\0" + PHOTO[begin + 7 : -2] + segment(0xDC, height) + b"\xff\xd9"
    written = repaired(late, PHOTO)
    assert written.data == PHOTO
    assert kinds(written) == ["segment_rewritten", "bytes_left_out"]


@pytest.mark.parametrize("tail", [b"\1\x3f\0", b"\0\x3e\0", b"\0\x3f\x10"])
def test_a_garbled_scan_header_is_rewritten(tail: bytes) -> None:
    _, end = place(PHOTO, 0xDA)
    written = repaired(PHOTO[: end - 3] + tail + PHOTO[end:], PHOTO)
    assert written.data == PHOTO
    assert kinds(written) == ["segment_rewritten"]


def test_an_unknown_component_of_a_scan_gets_its_name() -> None:
    begin, _ = place(PHOTO, 0xDA)
    data = PHOTO[: begin + 7] + b"\x82" + PHOTO[begin + 8 :]
    assert repaired(data, PHOTO).data == PHOTO


def test_a_component_without_scan_gets_one() -> None:
    data = example(interleaved=False)
    begin, _ = place(data, 0xDA, 2)
    damaged = data[:begin] + b"\xff\xd9"
    written = repaired(damaged, data)
    assert len(parse(written.data).scans) == 3
    assert kinds(written) == ["scan_added"]
    assert written.data == data


def test_a_scan_that_adds_nothing_is_left_out() -> None:
    data = example(interleaved=False)
    begin, _ = place(data, 0xDA, 1)
    end, _ = place(data, 0xDA, 2)
    twice = insert(data, data[begin:end], end)
    written = repaired(twice, data)
    assert written.data == data
    assert kinds(written) == ["bytes_left_out"]


def test_scans_without_end_do_not_multiply() -> None:
    data = example(interleaved=False)
    begin, end = place(data, 0xDA)
    many = data[:end] + b"\x55" + (data[begin:end] + b"\x55") * 900 + data[end:]
    planes = planes_of(data)
    assert len(parse(many).scans) > 900
    assert len(rewrite(many, planes).data) < len(many)


def test_mcus_of_too_many_blocks_are_split_into_scans() -> None:
    factors = ((4, 2), (2, 1), (1, 1))
    data = example(factors=factors)
    planes = planes_of(data)
    written = rewrite(data, planes)
    after = planes_of(written.data)
    assert len(parse(written.data).scans) == 3
    for before, now in zip(planes, after, strict=True):
        rows, columns = 3 * before.vertical // 2, 5 * before.horizontal // 4
        np.testing.assert_array_equal(before.blocks[:rows, :columns], now.blocks[:rows, :columns])


def test_what_a_sibling_gave_is_written() -> None:
    own, sibling = photo(seed=1), photo(seed=5)
    scan = parse(own).scans[0]
    headless = own[scan.start :]
    structure = with_reference(array(headless), parse(headless), reference(sibling))
    written = repaired(headless, own, structure)
    assert parse(written.data).jfif
    assert parse(written.data).quantisation == parse(own).quantisation
    assert {change.change for change in written.extended_tables} == {"inserted"}


def test_colours_of_a_sibling_are_written() -> None:
    own = photo(64, 48, mode="CMYK")
    structure = parse(own)
    assert structure.adobe_transform is not None
    bare = replaced(own, 0xEE, b"")
    written = repaired(bare, own, replace(parse(bare), adobe_transform=structure.adobe_transform))
    assert parse(written.data).adobe_transform == structure.adobe_transform
    assert kinds(written) == ["segment_added"]


@pytest.mark.parametrize(
    ("marker", "payload"), [(0xE0, b"JFIF\0\1"), (0xE0, b"JFIF"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe")]
)
def test_cut_metadata_that_decoders_stumble_over_are_left_out(marker: int, payload: bytes) -> None:
    written = repaired(insert(PHOTO, segment(marker, payload), place(PHOTO, 0xDB)[0]), PHOTO)
    assert written.data == PHOTO
    assert kinds(written) == ["bytes_left_out"]


def bases() -> list[bytes]:
    return [
        PHOTO,
        photo(64, 48, optimize=True, subsampling=0),
        photo(64, 48, mode="L", restart_marker_blocks=3),
        photo(64, 48, mode="CMYK"),
        example(interleaved=False, restart=2),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_garbled_headers_become_valid_ones(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  (a repeatable choice of damage)
    written_files = 0
    for _ in range(60):
        data = bytearray(rng.choice(bases()))
        limit = parse(bytes(data)).scans[0].start
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(2, limit)
            new = rng.randbytes(rng.choice([0, 1, 1, 5]))
            data[at : at + rng.choice([0, 1, 1, 9])] = new
        written_files += _written_validly(bytes(data))
    assert written_files > 20


def _written_validly(data: bytes) -> bool:
    structure = with_standard_tables(array(data), parse(data))
    frame = structure.frame
    if frame is None or frame.process not in ("baseline", "extended") or frame.precision != 8:
        return False
    if not frame.height or frame.width * frame.height > 1 << 18 or len(frame.components) > 4:
        return False
    outcome = decode(array(data), structure)
    if outcome is None:
        return False
    written = rewrite(data, outcome.planes, structure)
    again = parse(written.data)
    assert {problem.kind for problem in again.problems} <= {"bad_quantisation_table"}  # a step of 0 is kept
    after = decode(array(written.data), again)
    assert after is not None
    assert not after.damaged
    for before, now in zip(outcome.planes, after.planes, strict=True):
        np.testing.assert_array_equal(before.quantisation, now.quantisation)
        if len(again.scans) == 1 and "coefficient_clamped" not in kinds(written):
            np.testing.assert_array_equal(before.blocks, now.blocks)
    assert rewrite(written.data, after.planes) == Written(written.data, (), ())
    return True
