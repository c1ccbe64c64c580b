"""Protects the search of what no decoder reads: only where the surroundings foretell the bytes."""

import numpy as np
import pytest

from jpegrescue.repair.payload import Likely, likely_flips
from jpegrescue.score.plausibility import NAT
from tests.repair.flipped import CBC, XTS, ciphertext, flip_name
from tests.resync.damaged import encoded

TEXT = b"It was a bright cold day in April, and the clocks were striking thirteen. Winston walked home again. " * 6
NUMBERS = b"".join((500 + k % 9).to_bytes(2, "little") for k in range(300))
NOISE = np.random.default_rng(4).integers(0, 256, 600, np.uint8).tobytes()


def best(payload: bytes, bits: list[int], cipher: str = CBC, lead: int = 0) -> list[Likely]:
    return list(likely_flips(ciphertext(payload, bits, cipher, lead), [(0, len(payload))]))


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize("lead", [0, 9])
@pytest.mark.parametrize("payload", [bytes(600), TEXT, NUMBERS, b"\0\x20" * 300])
def test_the_true_bit_is_likeliest(payload: bytes, cipher: str, lead: int) -> None:
    for block in (5, 17, 29):
        bit = flip_name(block, 4 * block)
        found = best(payload, [bit], cipher, lead)

        assert [likely.flip for likely in found if likely.gain > 25 * NAT] == [bit]
        assert min(likely.margin for likely in found) > 12 * NAT


@pytest.mark.parametrize("payload", [bytes(600), TEXT, NUMBERS, NOISE])
def test_nothing_is_likely_where_nothing_is_wrong(payload: bytes) -> None:
    assert all(likely.gain < 12 * NAT for likely in best(payload, []))


def test_noise_foretells_nothing() -> None:
    assert best(NOISE, [flip_name(20, 7)]) == []


def test_something_else_in_the_middle_of_zeros_is_no_error() -> None:
    for size in (5, 16, 40):
        assert all(likely.gain < 12 * NAT for likely in best(bytes(300) + NOISE[:size] + bytes(300), []))


def test_embedded_files_are_left_out() -> None:
    """They are files of their own, in which zeros mean something."""
    inner = encoded("chelsea", size=(64, 48))
    payload = bytes(320) + inner + bytes(320)
    behind = (320 + len(inner)) // 16 + 6

    assert best(payload, [flip_name(320 // 16 + 10, 40)]) == []
    assert [likely.flip for likely in best(payload, [flip_name(behind, 40)])] == [flip_name(behind, 40)]
