"""Errors found and false changes, with the bytes that each must be about written down by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.lab.tally import Tally, _errors, reachable, tally
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.truth import TrueImage
from tests.flow.conftest import photo

from .truths import CBC, XTS, cipher_of, decrypted, flipped, true_image

ORIGINAL = photo(120, 90)
SIZE = len(ORIGINAL)
BIT = 8 * 1605 + 3  # byte 1605: sector [1536, 2048), cipher block [1600, 1616), byte 5 of it
LAST_BLOCK_BIT = 8 * 2040  # in the last cipher block of that sector


def array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def damaged_by(cipher: str | None, bits: Sequence[int]) -> bytes:
    """What the file decrypts to with `bits` of its evidence flipped."""
    if cipher is None:
        return flipped(ORIGINAL, bits)
    evidence = cipher_of(cipher).encrypt(ORIGINAL + bytes(-SIZE % 512), 0)
    return decrypted(cipher, flipped(evidence, bits), SIZE)


def patched(data: bytes, start: int, end: int, source: bytes = ORIGINAL) -> bytes:
    return data[:start] + source[start:end] + data[end:]


def make(folder: Path, cipher: str | None, *bits: int, **rest: object) -> tuple[TrueImage, bytes]:
    truth = true_image(folder, "a", ORIGINAL, cipher=cipher, bits=bits, **rest)  # type: ignore[arg-type]
    return truth, (folder / "a.damaged.jpg").read_bytes()


def count(truth: TrueImage, damaged: bytes, best: bytes) -> Tally:
    return tally(truth, array(ORIGINAL), array(damaged), array(best))


def test_the_photo_is_as_the_numbers_here_suppose() -> None:
    assert SIZE > 4000
    assert SIZE % 16


@pytest.mark.parametrize("cipher", [None, CBC, XTS])
def test_nothing_done_and_all_done(tmp_path: Path, cipher: str | None) -> None:
    truth, damaged = make(tmp_path, cipher, BIT, BIT + 8 * 700)

    assert count(truth, damaged, damaged) == Tally(2, 0, 0)
    assert count(truth, damaged, ORIGINAL) == Tally(2, 2, 0)


def test_cbc_needs_both_blocks(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, CBC, BIT)
    differs = np.flatnonzero(array(damaged) != array(ORIGINAL))

    assert differs.min() >= 1600
    assert differs.max() == 1621
    assert count(truth, damaged, patched(damaged, 1600, 1616)) == Tally(1, 0, 0)
    assert count(truth, damaged, patched(damaged, 1621, 1622)) == Tally(1, 0, 0)
    assert count(truth, damaged, patched(damaged, 1600, 1622)) == Tally(1, 1, 0)


def test_cbc_does_not_reach_into_the_next_sector(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, CBC, LAST_BLOCK_BIT)

    assert count(truth, damaged, patched(damaged, 2032, 2048)) == Tally(1, 1, 0)
    assert count(truth, damaged, patched(ORIGINAL, 2032, 2048, damaged)) == Tally(1, 0, 0)


def test_cbc_errors_of_neighbouring_sectors_are_apart(tmp_path: Path) -> None:
    """The second error lies where the first one's flipped bit would be, were it not for the boundary."""
    truth, damaged = make(tmp_path, CBC, LAST_BLOCK_BIT, 8 * 2056)

    assert count(truth, damaged, patched(damaged, 2032, 2048)) == Tally(2, 1, 0)
    assert count(truth, damaged, patched(damaged, 2048, 2080)) == Tally(2, 1, 0)


def test_cbc_two_flips_in_one_block_are_two_errors(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, CBC, BIT, BIT + 16)

    assert count(truth, damaged, patched(damaged, 1600, 1622)) == Tally(2, 1, 0)
    assert count(truth, damaged, patched(damaged, 1600, 1632)) == Tally(2, 2, 0)


def test_cbc_undoing_one_flip_of_two_leaves_another_wrong_block(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, CBC, BIT, BIT + 16)

    assert count(truth, damaged, damaged_by(CBC, [BIT])) == Tally(2, 0, 1)


def test_cbc_a_false_flip_elsewhere_is_two_false_blocks(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, CBC, BIT)

    assert count(truth, damaged, damaged_by(CBC, [BIT + 4096])) == Tally(1, 1, 2)
    assert count(truth, damaged, damaged_by(CBC, [BIT, BIT + 4096])) == Tally(1, 0, 2)
    assert count(truth, damaged, damaged_by(CBC, [BIT, LAST_BLOCK_BIT])) == Tally(1, 0, 1)


def test_xts_is_one_block(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, XTS, BIT)

    assert count(truth, damaged, patched(damaged, 1600, 1616)) == Tally(1, 1, 0)
    assert count(truth, damaged, patched(damaged, 1601, 1616)).found == 0
    assert count(truth, damaged, damaged_by(XTS, [BIT + 4096])) == Tally(1, 1, 1)


def test_plain_is_one_byte(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, None, BIT, BIT + 8)

    assert count(truth, damaged, patched(damaged, 1605, 1606)) == Tally(2, 1, 0)
    assert count(truth, damaged, flipped(damaged, [BIT + 9])) == Tally(2, 0, 1)
    assert count(truth, damaged, flipped(damaged, [80, 81, 88])) == Tally(2, 0, 2)


def test_two_plain_flips_in_one_byte_are_found_together(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, None, BIT, BIT + 1)

    assert count(truth, damaged, flipped(damaged, [BIT])) == Tally(2, 0, 1)
    assert count(truth, damaged, ORIGINAL) == Tally(2, 2, 0)


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_errors_in_the_padding_do_not_count(tmp_path: Path, cipher: str) -> None:
    padding = -SIZE % 512
    assert padding > 36
    truth, damaged = make(tmp_path, cipher, 8 * (SIZE + padding - 20))

    assert damaged == ORIGINAL
    assert count(truth, damaged, damaged) == Tally(0, 0, 0)


@pytest.mark.parametrize(("cipher", "end"), [(None, 1600), (XTS, 1600), (CBC, 1616)])
def test_an_overwritten_range_is_one_error_with_what_depends_on_it(
    tmp_path: Path, cipher: str | None, end: int
) -> None:
    truth, damaged = make(tmp_path, cipher, overwritten=[ByteRange(1552, 1600)])

    assert ORIGINAL[end - 1] != damaged[end - 1]
    assert count(truth, damaged, damaged) == Tally(1, 0, 0)
    assert count(truth, damaged, patched(damaged, 1552, end)) == Tally(1, 1, 0)
    assert count(truth, damaged, patched(damaged, 1552, end - 1)).found == 0


def test_a_missing_end_is_one_error(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, CBC, BIT, size=3072)

    assert len(damaged) == 3072
    assert count(truth, damaged, damaged) == Tally(2, 0, 0)
    assert count(truth, damaged, patched(damaged, 1600, 1622)) == Tally(2, 1, 0)
    assert count(truth, damaged, ORIGINAL) == Tally(2, 2, 0)
    assert count(truth, damaged, damaged + bytes(32)) == Tally(2, 0, 2)


def test_bytes_that_a_carved_file_lacks_or_has_behind_are_no_false_changes(tmp_path: Path) -> None:
    truth, damaged = make(tmp_path, CBC, BIT)

    assert count(truth, damaged, damaged[:1610]) == Tally(1, 0, 0)
    assert count(truth, damaged, damaged + b"slack") == Tally(1, 0, 0)
    assert count(truth, damaged, ORIGINAL + b"slack") == Tally(1, 1, 0)


@pytest.mark.parametrize("cipher", [None, CBC, XTS])
@pytest.mark.parametrize("size", [None, 3072])
def test_what_is_reachable_is_what_each_error_reaches(tmp_path: Path, cipher: str | None, size: int | None) -> None:
    parts = [ByteRange(512, 530), ByteRange(2030, 2048), ByteRange(2048, 2100)]
    truth, damaged = make(tmp_path, cipher, BIT, BIT + 16, LAST_BLOCK_BIT, overwritten=parts, size=size)

    expected = np.zeros(SIZE + 1024, np.bool_)
    for places in _errors(truth, len(damaged)):
        expected[places] = True
    assert np.array_equal(reachable(truth, len(damaged)), expected[:SIZE])
    assert not reachable(replace(truth, flipped_bits=(), overwritten=()), SIZE).any()


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_errors_in_the_padding_reach_the_last_cipher_block(tmp_path: Path, cipher: str) -> None:
    truth, _ = make(tmp_path, cipher, 8 * SIZE)

    assert np.flatnonzero(reachable(truth, SIZE)).tolist() == list(range(SIZE // 16 * 16, SIZE))
