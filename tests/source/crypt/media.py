"""Encrypted media whose true base is known."""

import numpy as np

from jpegrescue.source.crypt.sector import SectorCipher
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


def encrypted(
    name: str,
    contents: dict[int, bytes],
    base: int,
    *,
    sectors: int = 3000,
    sector_size: int = 512,
    iv_unit: int = 512,
) -> bytes:
    """Random sectors, but those in `contents` (by index), the first of them numbered `base`."""
    plain = bytearray(np.random.default_rng(23).bytes(sectors * sector_size))
    for index, content in contents.items():
        plain[index * sector_size : index * sector_size + len(content)] = content
    return reference.encrypt(name, KEY, bytes(plain), base, sector_size, iv_unit)


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
    """What `encrypted` makes, behind `lead` plain bytes."""
    made = encrypted(name, contents, base, sectors=sectors, sector_size=sector_size, iv_unit=iv_unit)
    return MemorySource(bytes(lead) + made)


def cipher(name: str, sector_size: int = 512, iv_unit: int = 512) -> SectorCipher:
    """The right cipher and key for such a medium."""
    return SectorCipher(SPECS[name], Key(KEY), sector_size, iv_unit)
