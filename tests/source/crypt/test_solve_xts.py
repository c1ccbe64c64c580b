"""Sector numbers under XTS, found by trying."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.source.crypt.ballot import Solved
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.solve_xts import solve_xts
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key
from tests.source.crypt.media import EXIF_BIG, EXIF_LITTLE, JFIF, JFIF_PLAIN, KEY, XTS, cipher, encrypted, medium
from tests.source.memory import MemorySource

PLAIN64 = "aes-xts-plain64"


def solve(name: str, source: MemorySource, start: int = 0, sector_size: int = 512, iv_unit: int = 512) -> Solved | None:
    return solve_xts(source, cipher(name, sector_size, iv_unit), start, source.size)


@pytest.mark.parametrize("name", XTS)
def test_two_constant_sectors_tell_the_base(name: str) -> None:
    assert solve(name, medium(name, {0: bytes(512), 1: b"\xff" * 512}, 70_000)) == Solved(70_000, 2, "fill")


@pytest.mark.parametrize("header", [JFIF, JFIF_PLAIN, EXIF_LITTLE, EXIF_BIG], ids=["jfif", "jfif-1.01", "II", "MM"])
def test_one_jpeg_header_tells_the_base(header: bytes) -> None:
    assert solve(PLAIN64, medium(PLAIN64, {0: header}, 40_000, sectors=1)) == Solved(40_000, 1, "jpeg")


def test_the_base_may_be_negative_and_sectors_large() -> None:
    contents = dict.fromkeys(range(20), bytes(4096))
    source = medium(PLAIN64, contents, 0, sectors=20, sector_size=4096, lead=4096 * 2)
    solved = solve(PLAIN64, source, 0, 4096)
    assert solved is not None
    assert (solved.first_sector, solved.method) == (-2 * 8, "fill")


@pytest.mark.parametrize("iv_unit", [512, 4096])
def test_numbers_are_tried_in_the_steps_of_a_sector(iv_unit: int) -> None:
    base = 3000 * (4096 // iv_unit)
    source = medium(PLAIN64, {0: JFIF}, base, sectors=1, sector_size=4096, iv_unit=iv_unit)
    assert solve(PLAIN64, source, 0, 4096, iv_unit) == Solved(base, 1, "jpeg")


@pytest.mark.parametrize(
    ("base", "found"), [(0, True), ((1 << 20) - 1, True), (1 << 20, False), (-1, True), (-(1 << 20), True)]
)
def test_a_million_numbers_on_either_side_are_tried(base: int, found: bool) -> None:
    source = MemorySource(encrypted(PLAIN64, {0: JFIF}, base, sectors=1))
    assert solve(PLAIN64, source) == (Solved(base, 1, "jpeg") if found else None)


@pytest.mark.parametrize("contents", [{0: bytes(512)}, {0: bytes(15) + b"\1"}, {0: JFIF[:9] + b"!" + JFIF[10:]}, {}])
def test_one_constant_sector_or_noise_tells_nothing(contents: dict[int, bytes]) -> None:
    assert solve(PLAIN64, medium(PLAIN64, contents, 500, sectors=2)) is None


def test_sectors_that_contradict_each_other_tell_nothing() -> None:
    parts = [encrypted(PLAIN64, {0: bytes(512)}, base, sectors=1) for base in (500, 7000)]
    assert solve(PLAIN64, MemorySource(b"".join(parts))) is None
    third = encrypted(PLAIN64, {0: bytes(512)}, 502, sectors=1)
    assert solve(PLAIN64, MemorySource(b"".join([*parts, third]))) == Solved(500, 2, "fill")


class IdleCipher(SectorCipher):
    """Tries no number at all."""

    def sector_ivs(self, first_number: int, sectors: int) -> NDArray[np.uint64]:
        return super().sector_ivs(first_number, sectors)[:0]


def test_the_sample_is_spread_over_the_range_and_bounded() -> None:
    source = MemorySource(bytes(3000 * 512))
    assert solve_xts(source, IdleCipher(SPECS[PLAIN64], Key(KEY)), 0, source.size) is None
    sectors = [offset // 512 for offset, _ in source.reads]
    assert sectors[:16] == list(range(16))
    assert sectors[-1] == 2999
    assert max(later - earlier for earlier, later in pairwise(sectors)) <= 3000 // 47 + 1
    assert len(sectors) <= 64
    assert {length for _, length in source.reads} == {16}


def test_only_the_given_range_is_tried() -> None:
    source = medium(PLAIN64, {0: JFIF, 1: JFIF_PLAIN, 2: JFIF}, 500, sectors=3, lead=100)
    assert solve_xts(source, cipher(PLAIN64), 100 + 512, 100 + 1024) == Solved(501, 1, "jpeg")
    assert solve_xts(source, cipher(PLAIN64), 100, 100 + 511) is None
