"""Sector numbers recovered from media whose true base is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.source.crypt.ballot import Ballot, Solved
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.solve import solve_first_sector
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key
from tests.source import reference
from tests.source.memory import MemorySource

KEY = np.random.default_rng(17).bytes(32)
CBC = [name for name in SPECS if "cbc" in name]
XTS = [name for name in SPECS if "xts" in name]
JFIF = bytes.fromhex("FFD8 FFE0 0010 4A46494600 01 02 01 0048 0048 0000 FFDB 0043 00")
JFIF_PLAIN = bytes.fromhex("FFD8 FFE0 0010 4A46494600 01 01 00 0001 0001 0000 FFDB 0043 00")
EXIF_LITTLE = b"\xff\xd8\xff\xe1\x2f\xfeExif\0\0II*\0\x08\0\0\0\x0b\0\x0e\x01"
EXIF_BIG = b"\xff\xd8\xff\xe1\x01\x02Exif\0\0MM\0*\0\0\0\x08\0\x07\x01\x0f"


def medium(
    name: str,
    contents: dict[int, bytes],
    base: int,
    *,
    sectors: int = 3000,
    sector_size: int = 512,
    iv_unit: int = 512,
    lead: int = 0,
) -> MemorySource:
    """Random sectors, but those in `contents` (by index), all encrypted after `lead` plain bytes."""
    plain = bytearray(np.random.default_rng(23).bytes(sectors * sector_size))
    for index, content in contents.items():
        plain[index * sector_size : index * sector_size + len(content)] = content
    return MemorySource(bytes(lead) + reference.encrypt(name, KEY, bytes(plain), base, sector_size, iv_unit))


def solve(name: str, source: MemorySource, start: int = 0, sector_size: int = 512, iv_unit: int = 512) -> Solved | None:
    return solve_first_sector(source, SectorCipher(SPECS[name], Key(KEY), sector_size, iv_unit), start, source.size)


class CountingCipher(SectorCipher):
    numbers = 0

    def numbers_from_ivs(self, ivs: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        self.numbers += len(ivs)
        return super().numbers_from_ivs(ivs)


@pytest.mark.parametrize("name", CBC)
@pytest.mark.parametrize("header", [JFIF, JFIF_PLAIN, EXIF_LITTLE, EXIF_BIG], ids=["jfif", "jfif-1.01", "II", "MM"])
def test_one_jpeg_header_tells_the_base(name: str, header: bytes) -> None:
    assert solve(name, medium(name, {2500: header}, 123_456)) == Solved(123_456, 1, "jpeg")


@pytest.mark.parametrize("name", CBC)
@pytest.mark.parametrize("fill", [0x00, 0xFF, 0x20])
def test_constant_sectors_tell_the_base_and_one_alone_does_not(name: str, fill: int) -> None:
    content = bytes([fill]) * 512
    assert solve(name, medium(name, {7: content, 2900: content}, 99)) == Solved(99, 2, "fill")
    assert solve(name, medium(name, {7: content}, 99)) is None


@pytest.mark.parametrize("name", ["aes-cbc-essiv:sha256", "aes-cbc-plain64"])
@pytest.mark.parametrize("iv_unit", [512, 4096])
def test_large_sectors_count_in_their_unit(name: str, iv_unit: int) -> None:
    source = medium(name, {100: JFIF, 200: EXIF_BIG}, 4096, sectors=300, sector_size=4096, iv_unit=iv_unit, lead=777)
    assert solve(name, source, 777, 4096, iv_unit) == Solved(4096, 2, "jpeg")


def test_volume_that_begins_after_the_start_has_a_negative_base() -> None:
    source = medium("aes-cbc-essiv:sha256", {5: JFIF, 9: bytes(512)}, 0, lead=512 * 64)
    assert solve("aes-cbc-essiv:sha256", source) == Solved(-64, 2, "jpeg+fill")


def test_reading_stops_when_three_sectors_agree() -> None:
    source = medium("aes-cbc-essiv:sha256", dict.fromkeys((1, 2, 3), bytes(512)), 5, sectors=8192)
    assert solve("aes-cbc-essiv:sha256", source) == Solved(5, 3, "fill")
    assert sum(length for _, length in source.reads) < source.size


@pytest.mark.parametrize("name", ["aes-cbc-plain", "aes-cbc-plain64"])
def test_sectors_that_only_look_constant_are_outvoted(name: str) -> None:
    """With plain IVs a small number before a run of zeros passes for an IV."""
    liars = {index: bytes([index % 200 + 1]) + bytes(511) for index in range(0, 40, 10)}
    source = medium(name, {**liars, **dict.fromkeys(range(1000, 1040), bytes(512))}, 70)
    solved = solve(name, source)
    assert solved is not None
    assert (solved.first_sector, solved.votes) == (70, 40)


@pytest.mark.parametrize("name", ["aes-cbc-essiv:sha256", "aes-cbc-plain64"])
def test_wrong_key_or_noise_solves_nothing(name: str) -> None:
    source = medium(name, {5: JFIF, 6: bytes(512), 7: bytes(512)}, 3)
    cipher = SectorCipher(SPECS[name], Key(bytes(16)))
    assert solve_first_sector(source, cipher, 0, source.size) is None
    assert solve_first_sector(MemorySource(b""), cipher, 0, 0) is None
    assert solve_first_sector(MemorySource(bytes(511)), cipher, 0, 511) is None
    assert solve_first_sector(MemorySource(bytes(4096)), cipher, 0, 4096) is None


def test_many_exif_lookalikes_do_not_stall_it() -> None:
    lookalike = bytes(16) + b"\x08\0\0\0\x0b\0"
    source = medium("aes-cbc-essiv:sha256", dict.fromkeys(range(2000), lookalike) | {2001: JFIF}, 6)
    cipher = CountingCipher(SPECS["aes-cbc-essiv:sha256"], Key(KEY))
    assert solve_first_sector(source, cipher, 0, source.size) == Solved(6, 1, "jpeg")
    assert cipher.numbers < 20 << 16


@pytest.mark.parametrize("name", XTS)
def test_xts_base_is_found_by_trying(name: str) -> None:
    boot = medium(name, {0: bytes(512), 1: bytes(512)}, 70_000)
    assert solve(name, boot) == Solved(70_000, 2, "fill")
    photo = medium(name, {0: EXIF_LITTLE}, 40_000, sectors=20)
    assert solve(name, photo) == Solved(40_000, 1, "jpeg")


def test_xts_base_may_be_negative_and_sectors_large() -> None:
    contents = dict.fromkeys(range(100), bytes(4096))
    source = medium("aes-xts-plain64", contents, 0, sectors=100, sector_size=4096, lead=4096 * 16)
    solved = solve("aes-xts-plain64", source, 0, 4096)
    assert solved is not None
    assert (solved.first_sector, solved.method) == (-16 * 8, "fill")


def test_ballot_wants_a_majority_and_bounds_its_memory() -> None:
    ballot = Ballot()
    assert ballot.verdict() is None
    ballot.add("fill", 4, 2)
    assert ballot.verdict() == Solved(4, 2, "fill")
    ballot.add("jpeg", 3)
    ballot.add("jpeg", 9)
    assert ballot.verdict() is None, "two of four is no majority"
    ballot.add("jpeg", 4)
    assert ballot.verdict() == Solved(4, 3, "jpeg+fill")
    for value in range(100, 20_000):
        ballot.add("fill", value)
    assert ballot.leader() == (4, 3, 2 + 19_900)
    assert sum(map(len, ballot._votes.values())) <= 4096 + 64
