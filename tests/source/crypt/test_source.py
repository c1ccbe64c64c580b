"""The decrypted view: any cut of it equals the whole, and nothing is read twice without need."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jpegrescue.model.evidence import Gap, Layer
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.source import DecryptedSource
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key
from tests.source import reference
from tests.source.memory import MemorySource

RNG = np.random.default_rng(11)
KEY = RNG.bytes(32)
PLAIN = RNG.bytes(50_000)


def view(
    name: str, size: int, start: int, end: int, sector_size: int = 512, iv_unit: int = 512, first_sector: int = 40
) -> tuple[MemorySource, DecryptedSource]:
    """A medium whose bytes `[start, end)` are encrypted, and the view that shows `PLAIN[:size]`."""
    end = max(start, min(end, size))
    middle = reference.encrypt(name, KEY, PLAIN[start:end], first_sector, sector_size, iv_unit)
    parent = MemorySource(PLAIN[:start] + middle + PLAIN[end:size])
    cipher = SectorCipher(SPECS[name], Key(KEY), sector_size, iv_unit)
    return parent, DecryptedSource(parent, cipher, start=start, end=end, first_sector=first_sector)


cuts = {
    "name": st.sampled_from(("aes-cbc-essiv:sha256", "aes-cbc-plain64", "aes-xts-plain64")),
    "size": st.one_of(st.integers(0, 50_000), st.sampled_from((0, 30_000, 50_000))),
    "start": st.integers(0, 9_000),
    "end": st.one_of(st.integers(0, 60_000), st.just(60_000)),
    "sector_size": st.sampled_from((512, 4096)),
    "whole_sectors": st.booleans(),
    "offset": st.integers(0, 50_100),
    "length": st.integers(0, 20_000),
}


@settings(max_examples=150, deadline=None)
@given(**cuts)
@example("aes-cbc-plain64", 50_000, 100, 60_000, 4096, True, 100 + 8192, 9_000)
@example("aes-xts-plain64", 50_000, 100, 60_000, 4096, True, 5_001, 9_001)
@example("aes-cbc-essiv:sha256", 50_000, 100, 40_000, 4096, False, 5_001, 40_000)
def test_any_cut_reads_and_transforms_to_the_plaintext(
    name: str, size: int, start: int, end: int, sector_size: int, whole_sectors: bool, offset: int, length: int
) -> None:
    start = min(start, size)
    parent, source = view(name, size, start, end, sector_size, sector_size if whole_sectors else 512)
    expected = PLAIN[:size][offset : offset + length]
    assert source.read(offset, length) == expected
    raw = np.frombuffer(parent.read(offset, length), np.uint8)
    out = np.full(len(raw), 0xEE, np.uint8)
    source.transform(offset, raw, out)
    assert out.tobytes() == expected


@pytest.mark.parametrize("name", ["aes-cbc-essiv:sha256", "aes-xts-plain64"])
@pytest.mark.parametrize("length", [4096, 4096 * 5, 4096 * 3 + 16 * 7])
def test_chunks_at_sector_boundaries_are_transformed_without_reading(name: str, length: int) -> None:
    parent, source = view(name, 50_000, 1000, 50_000, 4096)
    raw = parent.data[1000 + 4096 :][:length].copy()
    parent.reads.clear()
    out = np.empty_like(raw)
    source.transform(1000 + 4096, raw, out)
    assert out.tobytes() == PLAIN[1000 + 4096 :][:length]
    assert parent.reads == []


def test_long_reads_pass_over_the_medium_once() -> None:
    size = (3 << 20) + 5000
    parent = MemorySource(np.random.default_rng(5).bytes(size))
    cipher = SectorCipher(SPECS["aes-cbc-essiv:sha256"], Key(KEY))
    source = DecryptedSource(parent, cipher, start=100, end=size, first_sector=9)
    whole = source.read(0, size)
    assert sum(length for _, length in parent.reads) == size
    assert cipher.encrypt(whole[100:], 9) == parent.data[100:].tobytes()
    assert whole[:100] == parent.data[:100].tobytes()


def test_read_into_is_clipped_and_leaves_the_rest_of_the_buffer() -> None:
    _, source = view("aes-xts-plain64", 9_999, 512, 9_999)
    buffer = np.full(1000, 0x77, np.uint8)
    assert source.read_into(9_500, buffer) == 499
    assert buffer.tobytes() == PLAIN[9_500:9_999] + b"\x77" * 501
    assert source.read_into(10_000, buffer) == 0


def test_sectors_before_the_volume_do_not_disturb_it() -> None:
    """A solved base may be negative: the range then begins before the volume."""
    lead = 2048
    parent, _ = view("aes-cbc-essiv:sha256", 30_000, lead, 30_000, first_sector=0)
    cipher = SectorCipher(SPECS["aes-cbc-essiv:sha256"], Key(KEY))
    source = DecryptedSource(parent, cipher, start=0, end=30_000, first_sector=-lead // 512)
    assert source.read(lead, 30_000) == PLAIN[lead:30_000]


def test_layers_gaps_and_closing_are_handed_through() -> None:
    gap = Gap(10, 20, "Input/output error")
    parent = MemorySource(bytes(5000), (gap,))
    cipher = SectorCipher(SPECS["aes-xts-plain64"], Key(KEY), 4096)
    source = DecryptedSource(parent, cipher, start=100, end=10_000, first_sector=8)
    assert source.gaps == (gap,)
    assert source.size == 5000
    parameters: dict[str, str | int] = {
        "cipher": "aes-xts-plain64",
        "key_bits": 256,
        "sector_size": 4096,
        "iv_unit": 512,
        "first_sector": 8,
    }
    assert source.layers == (Layer("raw", 0, 5000, {}), Layer("decrypt", 100, 5000, parameters))
    assert KEY.hex() not in repr(source.layers)
    with source:
        assert not parent.closed
    assert parent.closed
