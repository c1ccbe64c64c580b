"""Sector numbers are looked for as the cipher asks, and never past the medium."""

import pytest

from jpegrescue.source.crypt.ballot import Solved
from jpegrescue.source.crypt.solve import solve_first_sector
from jpegrescue.source.crypt.spec import SPECS
from tests.source.crypt.media import EXIF_LITTLE, cipher, medium
from tests.source.memory import MemorySource


@pytest.mark.parametrize("name", SPECS)
def test_every_cipher_is_solved(name: str) -> None:
    source = medium(name, {0: EXIF_LITTLE}, 40_000, sectors=20)
    assert solve_first_sector(source, cipher(name), 0, source.size) == Solved(40_000, 1, "jpeg")


@pytest.mark.parametrize("name", SPECS)
def test_the_medium_ends_the_range(name: str) -> None:
    source = medium(name, {0: EXIF_LITTLE}, 40_000, sectors=1)
    assert solve_first_sector(source, cipher(name), 0, 1 << 40) == Solved(40_000, 1, "jpeg")


@pytest.mark.parametrize("name", ["aes-cbc-essiv:sha256", "aes-xts-plain64"])
@pytest.mark.parametrize("size", [0, 511, 4096])
def test_too_little_or_nothing_known_solves_nothing(name: str, size: int) -> None:
    assert solve_first_sector(MemorySource(bytes(size)), cipher(name), 0, size) is None
