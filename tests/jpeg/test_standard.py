import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.standard import STANDARD_TABLES, with_standard_tables
from jpegrescue.resync.decode import decode
from tests.jpeg.samples import photo
from tests.oracles.encoder import TABLES, Plan, encode, random_planes


def without(data: bytes, marker: int) -> bytes:
    """`data` without its segments of a kind."""
    out, at = data[:2], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        out += data[at:end] if data[at + 1] != marker else b""
        at = end
    return out + data[at:]


def test_the_tables_are_those_that_libjpeg_writes() -> None:
    ours = {kind << 4 | to: (table.counts, table.symbols) for (kind, to), table in STANDARD_TABLES.items()}
    assert ours == TABLES


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_file_without_tables_decodes_like_the_file_with_them(mode: str) -> None:
    whole, bare = (np.frombuffer(data, np.uint8) for data in (photo(mode=mode), without(photo(mode=mode), 0xC4)))
    assert decode(bare, parse(bare)) is None
    structure = with_standard_tables(bare, parse(bare))
    ours, truth = decode(bare, structure), decode(whole, parse(whole))
    assert ours is not None
    assert truth is not None
    assert not ours.damaged
    for one, other in zip(ours.planes, truth.planes, strict=True):
        np.testing.assert_array_equal(one.blocks, other.blocks)
    (problem,) = [p for p in structure.problems if p.kind == "standard_tables"]
    assert problem.severity == "warning"
    assert ("AC 1" in problem.detail) == (mode == "RGB")


def test_only_what_is_missing_is_filled_in() -> None:
    data = bytearray(photo())
    at = data.rindex(b"\xff\xc4")
    data[at + 1] = 0xEF
    whole = parse(photo())
    structure = with_standard_tables(np.frombuffer(bytes(data), np.uint8), parse(bytes(data)))
    (scan,), (truth,) = structure.scans, whole.scans
    assert parse(bytes(data)).scans[0].components[1].ac_table is None
    assert scan.components == truth.components
    (problem,) = [p for p in structure.problems if p.kind == "standard_tables"]
    assert problem.detail.endswith("tables AC 1")


def test_whole_files_stay_as_they_are() -> None:
    data = np.frombuffer(photo(), np.uint8)
    structure = parse(data)
    assert with_standard_tables(data, structure) is structure


def test_destinations_without_a_typical_table_stay_empty() -> None:
    data = bytearray(without(photo(), 0xC4))
    at = data.index(b"\xff\xda")
    data[at + 6] = data[at + 8] = data[at + 10] = 0x22
    array = np.frombuffer(bytes(data), np.uint8)
    structure = parse(array)
    assert with_standard_tables(array, structure) is structure


def test_scans_that_need_tables_of_their_own_stay_without() -> None:
    for options in ({"optimize": True}, {"optimize": True, "quality": 40}, {"progressive": True}):
        bare = np.frombuffer(without(photo(640, 480, **options), 0xC4), np.uint8)
        structure = parse(bare)
        assert with_standard_tables(bare, structure) is structure


def test_several_scans_are_filled_in_alike() -> None:
    plan = Plan(40, 40, ((2, 2), (1, 1), (1, 1)), interleaved=False)
    data = encode(plan, random_planes(plan, np.random.default_rng(1)))
    bare = np.frombuffer(without(data, 0xC4), np.uint8)
    scans = with_standard_tables(bare, parse(bare)).scans
    assert [scan.components for scan in scans] == [scan.components for scan in parse(data).scans]
