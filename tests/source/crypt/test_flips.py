"""A flipped bit of ciphertext changes the plaintext as a second decryption says, whatever the sector and its place."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jpegrescue.source.crypt.flips import BITS, ONE_BIT, Ciphertext, Part, PlainBits
from jpegrescue.source.crypt.sector import BLOCK, SECTOR_SIZES, SectorCipher
from jpegrescue.source.crypt.source import DecryptedSource
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key
from tests.source.memory import MemorySource

KEY = Key(np.random.default_rng(3).bytes(32))
NOISE = np.random.default_rng(4).integers(0, 256, 16_384, dtype=np.uint8)


@dataclass(frozen=True)
class Medium:
    """Ciphertext from a sector's start on, and the file that lies `start` bytes into it."""

    cipher: SectorCipher
    raw: NDArray[np.uint8]
    number: int
    start: int
    size: int

    def open(self) -> Ciphertext:
        return Ciphertext(self.cipher, self.raw, self.number, self.start, self.size)

    def decrypted(self, bits: tuple[int, ...] = ()) -> NDArray[np.uint8]:
        """All of it, with bits of the ciphertext flipped, counted from the file's first block on."""
        raw, plain = self.raw.copy(), np.empty_like(self.raw)
        first = self.start // BLOCK
        for bit in bits:
            raw[BLOCK * first + (bit >> 3)] ^= 0x80 >> (bit & 7)
        self.cipher.decrypt_into(raw, self.number, plain)
        return plain

    def file(self, bits: tuple[int, ...] = ()) -> NDArray[np.uint8]:
        return self.decrypted(bits)[self.start : self.start + self.size]


@st.composite
def media(draw: st.DrawFn) -> Medium:
    name = draw(st.sampled_from(sorted(SPECS)))
    sector_size = draw(st.sampled_from(SECTOR_SIZES))
    unit = draw(st.sampled_from((512, sector_size)))
    number = draw(st.one_of(st.integers(0, 100), st.just((1 << 32) - 2), st.just(-2)))
    start = draw(st.integers(0, sector_size - 1))
    size = draw(st.integers(BLOCK, 9000))
    slack = draw(st.one_of(st.integers(0, 40), st.integers(0, sector_size)))
    return Medium(SectorCipher(SPECS[name], KEY, sector_size, unit), NOISE[: start + size + slack], number, start, size)


@settings(max_examples=80)
@given(media(), st.data())
def test_variants_are_what_a_second_decryption_gives(medium: Medium, data: st.DataObject) -> None:
    file, plain = medium.open(), medium.decrypted()
    block = data.draw(st.integers(0, file.blocks() - 1))
    bit = data.draw(st.integers(0, BITS - 1))
    at = BLOCK * (medium.start // BLOCK + block)

    variants = file.variants(block)

    expected = medium.decrypted((BITS * block + bit,))
    touched = slice(at, at + variants.shape[1])
    assert variants.shape[0] == BITS
    np.testing.assert_array_equal(variants[bit], expected[touched])
    changed = np.flatnonzero(expected != plain)
    assert touched.start <= changed.min()
    assert changed.max() < touched.stop
    np.testing.assert_array_equal(file.plain, medium.file())  # asking changes nothing


@settings(max_examples=60)
@given(media(), st.data())
def test_flips_add_up_and_undo_themselves(medium: Medium, data: st.DataObject) -> None:
    file = medium.open()
    bits = data.draw(st.lists(st.integers(0, BITS * file.blocks() - 1), min_size=1, max_size=6))
    near = data.draw(st.integers(0, 2 * BITS))
    bits.append(min(bits[0] + near, BITS * file.blocks() - 1))

    for bit in bits:
        file.flip(bit)
    np.testing.assert_array_equal(file.plain, medium.file(tuple(bits)))

    for bit in bits:
        file.flip(bit)
    np.testing.assert_array_equal(file.plain, medium.file())


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_block_with_a_flip_in_it_has_the_right_variants(name: str) -> None:
    medium = Medium(SectorCipher(SPECS[name], KEY), NOISE[:2000], 9, 37, 1900)
    file = medium.open()
    file.flip(30 * BITS + 5)  # the next block is the first of another sector
    file.flip(29 * BITS + 7)

    for block in (28, 29, 30):
        expected = medium.file((30 * BITS + 5, 29 * BITS + 7, BITS * block + 99))
        at = BLOCK * block - file.lead
        found = file.variants(block)[99]
        np.testing.assert_array_equal(found, expected[at : at + found.size])


def test_several_bits_at_once() -> None:
    medium = Medium(SectorCipher(SPECS["aes-cbc-essiv:sha256"], KEY), NOISE[:512], 1, 0, 512)
    file = medium.open()

    (pair,) = file.variants(4, ONE_BIT[3:4] ^ ONE_BIT[77:78])

    np.testing.assert_array_equal(pair, medium.decrypted((4 * BITS + 3, 4 * BITS + 77))[64:96])


@pytest.mark.parametrize(("name", "inside", "last"), [("aes-cbc-plain64", 32, 16), ("aes-xts-plain64", 16, 16)])
def test_the_chain_ends_with_the_sector(name: str, inside: int, last: int) -> None:
    file = Medium(SectorCipher(SPECS[name], KEY, 1024), NOISE[:3000], 1, 0, 3000).open()

    widths = [file.variants(block).shape[1] for block in range(file.blocks())]

    ends = {63, 127, 186}  # the third sector ends with eight bytes that are no block
    assert widths == [last if block in ends else inside for block in range(187)]


@settings(max_examples=60)
@given(media())
def test_blocks_hold_all_of_the_file_that_is_encrypted(medium: Medium) -> None:
    file = medium.open()

    whole = medium.raw.size - medium.raw.size % BLOCK
    held = BLOCK * file.blocks() - file.lead
    assert file.lead == medium.start % BLOCK
    assert held >= min(medium.size, whole - medium.start)
    assert held - BLOCK < medium.size


def test_one_bit_counts_from_the_most_significant() -> None:
    assert ONE_BIT.shape == (BITS, BLOCK)
    assert np.unpackbits(ONE_BIT, axis=1).tolist() == np.eye(BITS, dtype=int).tolist()


@given(st.integers(BLOCK, 200), st.data())
def test_plain_bits_change_themselves_only(size: int, data: st.DataObject) -> None:
    given_bytes = NOISE[:size]
    file = PlainBits(given_bytes)
    bit = data.draw(st.integers(0, BITS * file.blocks() - 1))
    block, inside = divmod(bit, BITS)
    expected = given_bytes.copy()
    expected[bit // 8] ^= 0x80 >> (bit % 8)

    assert file.blocks() == size // BLOCK
    assert file.variants(block)[inside].tobytes() == expected[BLOCK * block : BLOCK * (block + 1)].tobytes()
    file.flip(bit)
    np.testing.assert_array_equal(file.plain, expected)
    file.flip(bit)
    np.testing.assert_array_equal(file.plain, given_bytes)


@settings(max_examples=60)
@given(media(), st.data())
def test_a_part_flips_with_the_whole(medium: Medium, data: st.DataObject) -> None:
    file = medium.open()
    start = data.draw(st.integers(0, medium.size - 1))
    end = data.draw(st.integers(start + 1, medium.size))
    part = Part(file, start, end)
    np.testing.assert_array_equal(part.plain, medium.file()[start:end])
    if part.blocks() < 1:  # in a rest that is no block
        return
    bit = data.draw(st.integers(0, BITS * part.blocks() - 1))
    at = BLOCK * (bit // BITS) - part.lead
    variants = part.variants(bit // BITS)

    part.flip(bit)

    np.testing.assert_array_equal(file.plain, medium.file((part.outer(bit),)))
    np.testing.assert_array_equal(part.plain, file.plain[start:end])
    inside = slice(max(at, 0), at + variants.shape[1])
    held = part.plain[inside]
    np.testing.assert_array_equal(variants[bit % BITS][inside.start - at :][: held.size], held)


@settings(max_examples=80)
@given(
    name=st.sampled_from(("aes-cbc-essiv:sha256", "aes-cbc-plain64", "aes-xts-plain64")),
    sector_size=st.sampled_from((512, 4096)),
    crypt=st.tuples(st.integers(0, 700), st.integers(6_000, 16_384)),
    place=st.tuples(st.integers(0, 5_000), st.integers(BLOCK, 12_000)),
    data=st.data(),
)
def test_what_is_stored_is_what_the_source_decrypts(
    name: str, sector_size: int, crypt: tuple[int, int], place: tuple[int, int], data: st.DataObject
) -> None:
    cipher = SectorCipher(SPECS[name], KEY, sector_size)
    (start, end), low, high = crypt, place[0], sum(place)
    medium = NOISE.copy()
    source = DecryptedSource(MemorySource(medium.tobytes()), cipher, start=start, end=end, first_sector=40)

    stored = source.stored(low, high)

    if low < start or high > end:
        assert stored is None
        return
    assert stored is not None
    file = stored.open()
    assert file.plain.tobytes() == source.read(low, high - low)
    assert medium[stored.offset :][: len(stored.raw)].tobytes() == stored.raw
    assert stored.offset + stored.start == low

    bit = data.draw(st.integers(0, BITS * file.blocks() - 1))
    file.flip(bit)
    medium[stored.offset + BLOCK * (stored.start // BLOCK) + (bit >> 3)] ^= 0x80 >> (bit & 7)
    worn = DecryptedSource(MemorySource(medium.tobytes()), cipher, start=start, end=end, first_sector=40)
    assert file.plain.tobytes() == worn.read(low, high - low)


def test_nothing_is_stored_outside_what_is_encrypted() -> None:
    cipher = SectorCipher(SPECS["aes-xts-plain64"], KEY)
    source = DecryptedSource(MemorySource(NOISE.tobytes()), cipher, start=512, end=4096, first_sector=0)

    for start, end in ((511, 900), (4000, 4097), (600, 600), (700, 600), (5000, 5100)):
        assert source.stored(start, end) is None
    assert source.stored(512, 4096) is not None


def test_neither_key_nor_ciphertext_is_shown() -> None:
    cipher = SectorCipher(SPECS["aes-xts-plain64"], KEY)
    stored = DecryptedSource(MemorySource(NOISE.tobytes()), cipher, start=0, end=4096, first_sector=0).stored(0, 600)

    assert repr(stored.raw) not in repr(stored)  # type: ignore[union-attr]
    assert KEY.reveal().hex() not in repr(stored)
    assert len(repr(stored)) < 300
