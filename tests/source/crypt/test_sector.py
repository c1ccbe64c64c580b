"""The batched ciphers against one cipher object per sector."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegrescue.errors import UsageError
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key
from tests.source import reference

RNG = np.random.default_rng(20240131)
POOL = RNG.bytes(3 << 20)


def decrypt(cipher: SectorCipher, data: bytes, first_number: int) -> bytes:
    out = np.empty(len(data), np.uint8)
    cipher.decrypt_into(np.frombuffer(data, np.uint8), first_number, out)
    return out.tobytes()


@st.composite
def setups(draw: st.DrawFn) -> tuple[str, bytes, int, int]:
    name = draw(st.sampled_from(sorted(SPECS)))
    size = draw(st.sampled_from(reference.KEY_SIZES[name]))
    sector_size = draw(st.sampled_from((512, 1024, 2048, 4096)))
    key = np.random.default_rng(draw(st.integers(0, 1 << 32))).bytes(size)  # halves that differ, as the oracle wants
    return name, key, sector_size, draw(st.sampled_from((512, sector_size)))


numbers = st.one_of(
    st.integers(0, 1 << 20),
    st.integers((1 << 32) - 20, (1 << 32) + 20),
    st.integers((1 << 64) - 20, (1 << 64) - 1),
    st.integers(-20, -1),
)


@settings(max_examples=150, deadline=None)
@given(setup=setups(), first_number=numbers, length=st.integers(0, 20_000), skip=st.integers(0, 100))
def test_decrypt_and_encrypt_equal_one_cipher_per_sector(
    setup: tuple[str, bytes, int, int], first_number: int, length: int, skip: int
) -> None:
    name, key, sector_size, iv_unit = setup
    cipher = SectorCipher(SPECS[name], Key(key), sector_size, iv_unit)
    plain = POOL[skip : skip + length]
    encrypted = reference.encrypt(name, key, plain, first_number, sector_size, iv_unit)
    assert cipher.encrypt(plain, first_number) == encrypted
    assert decrypt(cipher, encrypted, first_number) == plain


@pytest.mark.parametrize("name", ["aes-cbc-essiv:sha256", "aes-cbc-plain64", "aes-xts-plain64"])
@pytest.mark.parametrize("sector_size", [512, 4096])
def test_runs_longer_than_a_piece_join_seamlessly(name: str, sector_size: int) -> None:
    key = RNG.bytes(32)
    plain = POOL[: (2 << 20) + 777]
    encrypted = reference.encrypt(name, key, plain, 99, sector_size)
    assert decrypt(SectorCipher(SPECS[name], Key(key), sector_size), encrypted, 99) == plain


@pytest.mark.parametrize("offset", [1, 8, 15])
@pytest.mark.parametrize("name", ["aes-cbc-essiv:sha256", "aes-xts-plain64"])
def test_buffers_may_lie_at_any_address_and_nothing_beside_out_is_touched(name: str, offset: int) -> None:
    key = RNG.bytes(32)
    plain = POOL[:5003]
    room = np.full(6000, 0xA5, np.uint8)
    given_room = np.zeros(6000, np.uint8)
    data = given_room[offset : offset + len(plain)]
    data[:] = np.frombuffer(reference.encrypt(name, key, plain, 5), np.uint8)
    data.flags.writeable = False
    SectorCipher(SPECS[name], Key(key)).decrypt_into(data, 5, room[offset : offset + len(plain)])
    assert room[offset : offset + len(plain)].tobytes() == plain
    assert (room[:offset] == 0xA5).all()
    assert (room[offset + len(plain) :] == 0xA5).all()


def test_ieee_1619_vector_1_with_equal_key_halves() -> None:
    """IEEE Std 1619-2007 annex B, vector 1: both keys zero, data unit 0, 32 zero bytes."""
    expected = bytes.fromhex("917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e")
    cipher = SectorCipher(SPECS["aes-xts-plain64"], Key(bytes(32)))
    assert cipher.encrypt(bytes(32), 0) == expected
    assert decrypt(cipher, expected, 0) == bytes(32)


def test_a_flipped_bit_of_cbc_garbles_one_block_and_flips_one_bit_in_the_same_sector() -> None:
    cipher = SectorCipher(SPECS["aes-cbc-essiv:sha256"], Key(RNG.bytes(16)))
    plain = POOL[:1536]
    encrypted = bytearray(cipher.encrypt(plain, 7))
    encrypted[512 + 490] ^= 0x10
    changed = np.frombuffer(decrypt(cipher, bytes(encrypted), 7), np.uint8) ^ np.frombuffer(plain, np.uint8)
    assert set(np.flatnonzero(changed)) <= {*range(992, 1008), 1018}
    assert np.count_nonzero(changed[992:1008]) > 8
    assert changed[1018] == 0x10
    encrypted = bytearray(cipher.encrypt(plain, 7))
    encrypted[511] ^= 1
    changed = np.frombuffer(decrypt(cipher, bytes(encrypted), 7), np.uint8) ^ np.frombuffer(plain, np.uint8)
    assert np.flatnonzero(changed).min() >= 496
    assert np.flatnonzero(changed).max() < 512


@pytest.mark.parametrize("name", ["aes-cbc-essiv:sha256", "aes-xts-plain64"])
def test_threads_share_a_cipher(name: str) -> None:
    key = RNG.bytes(32)
    cipher = SectorCipher(SPECS[name], Key(key))
    parts = [(number, POOL[number * 4096 : number * 4096 + 65536]) for number in range(24)]
    encrypted = [reference.encrypt(name, key, part, number) for number, part in parts]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda job: decrypt(cipher, job[0], job[1][0]), zip(encrypted, parts, strict=True)))
    assert results == [part for _, part in parts]


@pytest.mark.parametrize(
    "name", ["aes-cbc-essiv:sha256", "aes-cbc-plain64", "aes-cbc-plain", "aes-cbc-essivbe32:sha256"]
)
def test_ivs_lead_back_to_their_numbers(name: str) -> None:
    cipher = SectorCipher(SPECS[name], Key(RNG.bytes(16)), 4096, 512)
    found, valid = cipher.numbers_from_ivs(cipher.sector_ivs(1234, 50))
    assert valid.all()
    assert (found == 1234 + 8 * np.arange(50, dtype=np.uint64)).all()
    noise = np.frombuffer(os.urandom(16 * 4096), np.uint64).reshape(-1, 2)
    assert not cipher.numbers_from_ivs(noise)[1].any()


@pytest.mark.parametrize("name", ["aes-cbc-essiv:sha256", "aes-cbc-plain64"])
def test_numbers_beyond_any_medium_are_not_believed(name: str) -> None:
    cipher = SectorCipher(SPECS[name], Key(RNG.bytes(16)))
    _, valid = cipher.numbers_from_ivs(cipher.sector_ivs((1 << 40) - 3, 6))
    assert valid.tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("sector_size", "iv_unit", "option"),
    [(0, 512, "--sector-size"), (500, 512, "--sector-size"), (8192, 512, "--sector-size"), (4096, 1024, "--iv-unit")],
)
def test_impossible_geometry_is_refused(sector_size: int, iv_unit: int, option: str) -> None:
    with pytest.raises(UsageError) as caught:
        SectorCipher(SPECS["aes-cbc-plain"], Key(bytes(16)), sector_size, iv_unit)
    assert caught.value.option == option


def test_unfit_key_is_refused_and_none_is_shown() -> None:
    with pytest.raises(UsageError, match="32 bytes"):
        SectorCipher(SPECS["aes-xts-plain64"], Key(bytes(16)))
    assert "abab" not in repr(SectorCipher(SPECS["aes-cbc-plain"], Key(b"\xab" * 16)))
