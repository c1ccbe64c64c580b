"""Sector numbers under CBC, from the sectors that tell what their first block was."""

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.source.crypt.ballot import Solved
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.solve_cbc import solve_cbc
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key
from tests.source.crypt.media import CBC, EXIF_BIG, EXIF_LITTLE, JFIF, JFIF_PLAIN, KEY, cipher, encrypted, medium
from tests.source.memory import MemorySource

ESSIV, PLAIN, PLAIN64 = "aes-cbc-essiv:sha256", "aes-cbc-plain", "aes-cbc-plain64"


def solve(name: str, source: MemorySource, start: int = 0, sector_size: int = 512, iv_unit: int = 512) -> Solved | None:
    return solve_cbc(source, cipher(name, sector_size, iv_unit), start, source.size)


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


@pytest.mark.parametrize("name", [ESSIV, PLAIN64])
@pytest.mark.parametrize("iv_unit", [512, 4096])
def test_large_sectors_count_in_their_unit(name: str, iv_unit: int) -> None:
    source = medium(name, {100: JFIF, 200: EXIF_BIG}, 4096, sectors=300, sector_size=4096, iv_unit=iv_unit, lead=777)
    assert solve(name, source, 777, 4096, iv_unit) == Solved(4096, 2, "jpeg")


def test_volume_that_begins_after_the_start_has_a_negative_base() -> None:
    source = medium(ESSIV, {5: JFIF, 9: bytes(512)}, 0, lead=512 * 64)
    assert solve(ESSIV, source) == Solved(-64, 2, "jpeg+fill")


def test_reading_stops_when_three_sectors_agree() -> None:
    source = medium(ESSIV, dict.fromkeys((1, 2, 3), bytes(512)), 5, sectors=8192)
    assert solve(ESSIV, source) == Solved(5, 3, "fill")
    assert sum(length for _, length in source.reads) < source.size


def test_reading_goes_on_while_too_many_contradict() -> None:
    liar = {1: bytes([9]) + bytes(511)}
    source = medium(PLAIN, liar | dict.fromkeys((2, 3, 4, 4000), bytes(512)), 5, sectors=4096)
    assert solve(PLAIN, source) == Solved(5, 4, "fill")


@pytest.mark.parametrize("name", [PLAIN, PLAIN64])
def test_sectors_that_only_look_constant_are_outvoted(name: str) -> None:
    """With plain IVs a small number before a run of zeros passes for an IV."""
    liars = {index: bytes([index % 200 + 1]) + bytes(511) for index in range(0, 40, 10)}
    source = medium(name, {**liars, **dict.fromkeys(range(1000, 1040), bytes(512))}, 70)
    solved = solve(name, source)
    assert solved is not None
    assert (solved.first_sector, solved.votes) == (70, 40)


def test_headers_of_two_volumes_that_contradict_each_other_tell_nothing() -> None:
    joined = encrypted(ESSIV, {5: JFIF}, 1000, sectors=100) + encrypted(ESSIV, {5: JFIF}, 7000, sectors=100)
    assert solve(ESSIV, MemorySource(joined)) is None
    more = encrypted(ESSIV, {5: JFIF}, 1000, sectors=100) + encrypted(ESSIV, {5: JFIF, 6: EXIF_BIG}, 7000, sectors=100)
    assert solve(ESSIV, MemorySource(more)) == Solved(6900, 2, "jpeg")


def test_only_the_given_range_votes() -> None:
    source = medium(ESSIV, {5: JFIF, 50: EXIF_BIG, 95: JFIF}, 1000, sectors=100)
    assert solve_cbc(source, cipher(ESSIV), 6 * 512, 95 * 512) == Solved(1006, 1, "jpeg")
    assert solve_cbc(source, cipher(ESSIV), 6 * 512, 51 * 512 - 1) is None, "sector 50 is cut"


@pytest.mark.parametrize("base", [(1 << 40) - 200, (1 << 40) + 200])
@pytest.mark.parametrize("name", [ESSIV, PLAIN64])
def test_numbers_beyond_any_medium_are_not_believed(name: str, base: int) -> None:
    solved = solve(name, medium(name, {10: JFIF}, base, sectors=100))
    assert solved == (Solved(base, 1, "jpeg") if base < 1 << 40 else None)


@pytest.mark.parametrize(
    "head",
    [
        JFIF[:11] + b"\1\3" + JFIF[13:],
        JFIF[:13] + b"\3" + JFIF[14:],
        JFIF[:18] + b"\1" + JFIF[19:],
        JFIF[:20] + b"\xff\xbf",
        JFIF[:5] + b"\x11" + JFIF[6:],
        b"\0" + JFIF,
        EXIF_BIG[:20] + b"\0\0" + EXIF_BIG[22:],
        EXIF_BIG[:19] + b"\x09" + EXIF_BIG[20:],
        EXIF_LITTLE[:20] + b"\x41\0" + EXIF_LITTLE[22:],
        bytes(511) + b"\1",
    ],
    ids=["minor", "unit", "thumbnail", "marker", "bit", "shifted", "no_entries", "offset", "65_entries", "last_byte"],
)
def test_what_is_not_quite_known_does_not_vote(head: bytes) -> None:
    assert solve(ESSIV, medium(ESSIV, {10: head, 60: head}, 5, sectors=100)) is None


@pytest.mark.parametrize("entries", [b"\1\0", b"\x40\0"])
def test_an_exif_directory_has_1_to_64_entries(entries: bytes) -> None:
    head = EXIF_LITTLE[:20] + entries
    assert solve(ESSIV, medium(ESSIV, {10: head}, 5, sectors=100)) == Solved(5, 1, "jpeg")


@pytest.mark.parametrize("name", [ESSIV, PLAIN64])
def test_wrong_key_solves_nothing(name: str) -> None:
    source = medium(name, {5: JFIF, 6: bytes(512), 7: bytes(512)}, 3)
    assert solve_cbc(source, SectorCipher(SPECS[name], Key(bytes(16))), 0, source.size) is None


def test_many_exif_lookalikes_do_not_stall_it() -> None:
    lookalike = bytes(16) + b"\x08\0\0\0\x0b\0"
    source = medium(ESSIV, dict.fromkeys(range(2000), lookalike) | {2001: JFIF}, 6)
    counting = CountingCipher(SPECS[ESSIV], Key(KEY))
    assert solve_cbc(source, counting, 0, source.size) == Solved(6, 1, "jpeg")
    assert counting.numbers < 20 << 16
