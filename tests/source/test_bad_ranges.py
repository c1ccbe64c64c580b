"""Maps of unreadable bytes, and what they make unknown in a file; the oracle marks byte by byte."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.errors import UsageError
from jpegrescue.model.evidence import ByteRange
from jpegrescue.source import bad_ranges
from jpegrescue.source.bad_ranges import CipherRange, bad_in_file, load_bad_ranges, merge_ranges, parse_bad_ranges
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key

MANUAL = b"""\
# Mapfile. Created by GNU ddrescue version 1.27
# Command line: ddrescue -d -c18 /dev/fd0 fdimage mapfile
# Start time:   2023-01-09 16:45:24
# Current time: 2023-01-09 16:47:16
# Copying non-tried blocks... Pass 1 (forwards)
# current_pos  current_status  current_pass
0x00120000     ?               1
#      pos        size  status
0x00000000  0x00117000  +
0x00117000  0x00000200  -
0x00117200  0x00001000  /
0x00118200  0x00007E00  *
0x00120000  0x00048000  ?
"""
EDITED = b"""\
# Rescue Logfile. Created by GNU ddrescue version 1.19
0  +
0 010000 + # octal: 4096
4096 512 -
0x1200\t0xE00 +
"""


def parse(text: bytes) -> tuple[ByteRange, ...]:
    return parse_bad_ranges("m", text.splitlines(keepends=True))


def pairs(ranges: tuple[ByteRange, ...]) -> list[tuple[int, int]]:
    return [(item.start, item.end) for item in ranges]


def test_whatever_ddrescue_did_not_rescue_is_bad() -> None:
    assert pairs(parse(MANUAL)) == [(0x117000, 0x168000)]


def test_numbers_are_written_as_in_c_and_old_maps_lack_the_pass() -> None:
    assert pairs(parse(EDITED)) == [(4096, 4608)]


def test_a_list_is_sorted_and_merged() -> None:
    text = b"# seen by the reader\n0x400 1536 # two sectors\n0 16\n\n1000 1030\n7 7\n"
    assert pairs(parse(text)) == [(0, 16), (1000, 1536)]


def test_an_empty_map_is_one_without_bad_bytes() -> None:
    assert parse(b"# nothing\n\n") == ()
    assert parse(MANUAL[: MANUAL.index(b"0x00000000")]) == ()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (b"rubbish\n", 1, "neither"),
        (b"0 ? 1 7\n", 1, "neither"),
        (b"0x0 + x\n", 1, "neither"),
        (b"0 16\n0 16 +\n", 2, "START"),
        (b"0 16\n# \n-1 16\n", 3, "START"),
        (b"16 8\n", 1, "ends before"),
        (b"0 9999999999999999999\n", 1, "beyond"),
        (b"0 +\n0 512\n", 2, "block"),
        (b"0 +\n0 512 !\n", 2, "block"),
        (b"0 +\n0 089 +\n", 2, "block"),
        (b"0 + 1\n0 512 +\n513 512 -\n", 3, "513"),
        (b"0 +\n0x7FFFFFFFFFFFFFFF 1 -\n", 2, "beyond"),
        (b"#" + b"x" * 5000, 1, "longer"),
        ("0 ١٢\n".encode(), 1, "START"),
    ],
)
def test_what_is_no_map_is_a_usage_error_with_its_line(text: bytes, line: int, says: str) -> None:
    with pytest.raises(UsageError, match=rf"line {line} of the map m: .*{says}") as error:
        parse(text)
    assert error.value.option == "--bad-ranges"


def test_the_number_of_lines_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad_ranges, "_MAX_LINES", 3)
    assert len(parse(b"0 1\n2 3\n4 5\n")) == 3
    with pytest.raises(UsageError, match="line 4"):
        parse(b"0 1\n2 3\n4 5\n\n")


def test_maps_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "map").write_bytes(MANUAL)
    assert load_bad_ranges(tmp_path / "map") == parse(MANUAL)
    (tmp_path / "long").write_bytes(b"x" * 100_000)
    with pytest.raises(UsageError, match="line 1 of"):
        load_bad_ranges(tmp_path / "long")
    with pytest.raises(UsageError, match="No such file"):
        load_bad_ranges(tmp_path / "none")
    with pytest.raises(UsageError, match="cannot be read"):
        load_bad_ranges(tmp_path)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("?*/-+")), max_size=20))
def test_every_block_of_a_map_counts(blocks: list[tuple[int, str]]) -> None:
    lines, at, bad = ["0x0 ? 1"], 0, set()
    for size, status in blocks:
        lines.append(f"{at:#x} {size:#x} {status}")
        bad |= set(range(at, at + size)) if status != "+" else set()
        at += size
    parsed = parse("\n".join(lines).encode())
    assert {byte for item in parsed for byte in range(item.start, item.end)} == bad
    assert parsed == merge_ranges(*parsed)


@given(st.binary(max_size=200))
def test_no_map_raises_anything_else(text: bytes) -> None:
    with contextlib.suppress(UsageError):
        parse(text)


RANGES = st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 700)), max_size=6).map(
    lambda items: merge_ranges(*(ByteRange(start, start + length) for start, length in items))
)
RUNS = st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 900)), min_size=1, max_size=3).map(
    lambda items: tuple(ByteRange(start, start + length) for start, length in items)
)


def marked(bad: tuple[ByteRange, ...], runs: tuple[ByteRange, ...], spec: str | None, span: tuple[int, int]) -> bytes:
    """Oracle: which bytes of the file change when unreadable bytes of the ciphertext read as something else.

    Each is changed in three ways, so that no plaintext byte stays the same by chance.
    """
    size = 4096
    start, end = span
    rng = np.random.default_rng(0)
    plain = rng.integers(0, 256, size, np.uint8)
    changed = np.zeros(size, np.bool_)
    versions = [plain.copy()]
    for flip in (0x01, 0x5A, 0xC3):
        versions.append(plain.copy())
        for item in bad:
            versions[-1][item.start : item.end] ^= flip
    if spec is not None:
        cipher = SectorCipher(parse_spec(spec), Key(bytes(range(32))), 512)
        for version in versions:
            out = np.empty(end - start, np.uint8)
            cipher.decrypt_into(version[start:end].copy(), 0, out)
            version[start:end] = out
    for version in versions[1:]:
        changed |= version != versions[0]
    return b"".join(changed[run.start : run.end].tobytes() for run in runs)


@given(RANGES, RUNS, st.sampled_from([None, "aes-cbc-essiv:sha256", "aes-xts-plain64"]), st.integers(0, 40))
def test_what_is_unknown_is_what_changes_with_the_unreadable_bytes(
    bad: tuple[ByteRange, ...], runs: tuple[ByteRange, ...], spec: str | None, rest: int
) -> None:
    span = (100, 100 + 2048 + rest)
    cipher = None if spec is None else CipherRange(*span, 512, chained="cbc" in spec)
    found = bad_in_file(bad, runs, cipher)

    truth = np.frombuffer(marked(bad, runs, spec, span), np.bool_)
    ours = np.zeros(truth.size, np.bool_)
    for item in found:
        ours[item.start : item.end] = True
    assert not np.any(truth & ~ours)
    # of the block after an unreadable one only the same bytes change; it is given up whole
    allowed = 0 if spec is None else 16 * 2 * len(bad) * len(runs)
    assert np.count_nonzero(ours & ~truth) <= allowed
    assert found == merge_ranges(*found)


def test_an_unreadable_sector_of_cbc_takes_nothing_else_and_half_of_one_a_block() -> None:
    cipher = CipherRange(1000, 9000, 512, chained=True)
    runs = (ByteRange(1000, 5000),)
    assert pairs(bad_in_file((ByteRange(1512, 2024),), runs, cipher)) == [(512, 1024)]
    assert pairs(bad_in_file((ByteRange(1512, 1768),), runs, cipher)) == [(512, 784)]
    assert pairs(bad_in_file((ByteRange(1513, 1514),), runs, cipher)) == [(512, 544)]
    xts = CipherRange(1000, 9000, 512, chained=False)
    assert pairs(bad_in_file((ByteRange(1513, 1514),), runs, xts)) == [(512, 528)]


def test_runs_are_put_end_to_end() -> None:
    runs = (ByteRange(5000, 5100), ByteRange(100, 300))
    assert pairs(bad_in_file((ByteRange(0, 110), ByteRange(5090, 6000)), runs)) == [(90, 110)]
