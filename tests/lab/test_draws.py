"""Draws are the same for ever, fair, and apart from each other."""

import hashlib
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.lab.draws import Draws


def test_the_stream_never_changes() -> None:
    """A change of these values changes every data set that was ever made."""
    draws = Draws("jpegrescue simulate", 7, "ab", "flips")

    assert draws.octets(8).hex() == "86b1a5dc908f6a29"
    assert [draws.below(limit) for limit in (1, 10, 1000, 1 << 64)] == [0, 2, 535, 14176877294456873120]
    assert draws.distinct(100, 5) == (19, 63, 68, 90, 98)
    assert draws.bits(1000, 0.005).tolist() == [154, 166, 297, 303, 329, 352, 536, 652, 985]


def keystream(labels: tuple[str | int, ...], count: int) -> bytes:
    """AES-CTR, block by block from ECB."""
    raw = b"".join(str(len(str(label).encode())).encode() + b":" + str(label).encode() for label in labels)
    aes = Cipher(algorithms.AES(hashlib.sha256(raw).digest()), modes.ECB()).encryptor()  # noqa: S305
    return b"".join(aes.update(counter.to_bytes(16, "big")) for counter in range(-(-count // 16)))[:count]


@given(st.lists(st.text(max_size=4) | st.integers(0, 99), max_size=3), st.lists(st.integers(0, 50), max_size=4))
def test_octets_are_the_key_stream_whatever_the_pieces(labels: list[str | int], pieces: list[int]) -> None:
    draws = Draws(*labels)

    assert b"".join(map(draws.octets, pieces)) == keystream(tuple(labels), sum(pieces))


def test_labels_cannot_run_into_each_other() -> None:
    streams = [Draws(*labels).octets(16) for labels in [("a", "b"), ("ab",), ("ab", ""), ("", "ab"), ("1:a",), ()]]

    assert len(set(streams)) == len(streams)


def test_below_is_fair() -> None:
    draws = Draws("fair")

    counts = Counter(draws.below(7) for _ in range(14_000))

    assert set(counts) == set(range(7))
    assert sum((count - 2000) ** 2 / 2000 for count in counts.values()) < 22.5  # chi square, 6 degrees, p = 0.001


def test_below_rejects_the_words_of_the_uneven_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 3 << 62  # three quarters of all words
    words = iter([limit, (1 << 64) - 1, limit - 1])
    draws = Draws()
    monkeypatch.setattr(draws, "octets", lambda _: next(words).to_bytes(8, "little"))

    assert draws.below(limit) == limit - 1


@given(st.integers(0, 40), st.data())
def test_distinct_numbers_are_distinct_ascending_and_in_range(limit: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, limit))

    drawn = Draws(limit, count).distinct(limit, count)

    assert len(drawn) == len(set(drawn)) == count
    assert list(drawn) == sorted(drawn)
    assert all(0 <= number < limit for number in drawn)


def test_every_set_is_equally_likely() -> None:
    draws = Draws("sets")

    counts = Counter(draws.distinct(5, 2) for _ in range(10_000))

    assert len(counts) == 10
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 27.9  # 9 degrees, p = 0.001


@given(st.integers(0, 3000), st.floats(0, 1), st.integers(0, 9))
def test_bits_are_those_whose_word_is_below_the_probability(count: int, probability: float, seed: int) -> None:
    stream = keystream((seed,), 8 * count)
    words = [int.from_bytes(stream[8 * n : 8 * n + 8], "little") for n in range(count)]
    threshold = Fraction(probability) * (1 << 64) // 1

    assert Draws(seed).bits(count, probability).tolist() == [n for n, word in enumerate(words) if word < threshold]


def test_pieces_leave_no_seam() -> None:
    count = (1 << 17) + 5
    words = np.frombuffer(keystream(("long",), 8 * count), "<u8")

    assert np.array_equal(Draws("long").bits(count, 0.25), np.flatnonzero(words < 1 << 62))


def test_the_share_of_bits_is_the_probability() -> None:
    hit = len(Draws("many").bits(2_000_000, 1e-3))

    assert abs(hit - 2000) < 4 * 2000**0.5


def test_errors_of_a_lower_rate_are_among_those_of_a_higher() -> None:
    few, many = (set(Draws("age").bits(100_000, rate).tolist()) for rate in (1e-3, 1e-2))

    assert few < many
