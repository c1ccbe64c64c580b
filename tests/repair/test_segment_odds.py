"""Protects what segments are worth: typical and tailor-made ones more than damaged ones, and the less damaged more."""

import io

import numpy as np
import pytest
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.repair.segment_odds import SegmentOdds, segment_odds
from jpegrescue.score.plausibility import NAT
from tests.resync.damaged import encoded, photo

DQT, DHT, SOF, SOS, APP0 = 0xDB, 0xC4, 0xC0, 0xDA, 0xE0
K1_DARKER_CORNER = 4  # first step of tables that are usual ones otherwise, in some cameras


def payloads(jpeg: bytes, marker: int) -> list[bytes]:
    return [jpeg[s.offset + 4 : s.end] for s in parse(jpeg).segments if s.marker == marker]


def optimised(quality: int = 85) -> bytes:
    out = io.BytesIO()
    photo("coffee").save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def odds(marker: int, payload: bytes) -> SegmentOdds:
    return segment_odds(marker, payload, 0, len(payload))


def garbled(payload: bytes, at: int, size: int, seed: int = 3) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()
    return payload[:at] + noise + payload[at + size :]


@pytest.mark.parametrize("marker", [DQT, DHT, SOF, SOS, APP0])
@pytest.mark.parametrize("made", [encoded("coffee"), optimised(), encoded("chelsea", mode="L", quality=100)])
def test_what_encoders_write_is_sound_and_worth_more_than_garbled(marker: int, made: bytes) -> None:
    for payload in payloads(made, marker):
        whole = odds(marker, payload)
        at = min(16, len(payload) // 3)

        assert whole.sound
        assert whole.value > 20 * NAT
        assert odds(marker, garbled(payload, at, min(16, len(payload) - at))).value < whole.value - 10 * NAT
        assert not odds(marker, garbled(payload, at, min(16, len(payload) - at))).sound


@pytest.mark.parametrize("marker", [DQT, DHT])
def test_less_damage_is_worth_more(marker: int) -> None:
    payload = max(payloads(encoded("coffee"), marker), key=len)
    one, two = garbled(payload, 18, 16), garbled(garbled(payload, 18, 16), 40, 16)

    assert odds(marker, payload).value > odds(marker, one).value + 80 * NAT > odds(marker, two).value + 160 * NAT


def test_a_single_odd_symbol_of_a_typical_table_tells() -> None:
    payload = max(payloads(encoded("coffee"), DHT), key=len)
    odd = bytearray(payload)
    odd[100] ^= 0x10

    assert odds(DHT, bytes(odd)).value < odds(DHT, payload).value - 8 * NAT
    assert not odds(DHT, bytes(odd)).sound


def test_scaled_tables_of_cameras_are_sound() -> None:
    """Nikon's and Panasonic's: usual ones, but for the first step and how they are rounded."""
    usual = payloads(encoded("coffee", quality=75), DQT)[0]
    camera = bytes([usual[0], K1_DARKER_CORNER, *usual[2:]])

    assert odds(DQT, camera).sound
    assert odds(DQT, camera).value > 200 * NAT


def test_a_table_of_an_encoders_own_is_sound_if_it_is_even() -> None:
    even = bytes([0, *(min(3 + k // 3, 255) for k in range(64))])

    assert odds(DQT, even).sound
    assert not odds(DQT, garbled(even, 20, 16)).sound
    assert not odds(DQT, even[:30] + b"\0" + even[31:]).sound


def test_tables_without_codes_are_worth_nothing() -> None:
    """A stretch of zeros seemed a row of tables, each well foretold."""
    assert odds(DHT, bytes(17 * 30)).value < 0


@pytest.mark.parametrize("name", [b"JFIF\0\1\1\0\0\1\0\1\0\0", b"JFIF\0\1\2\1\0\x48\0\x48\0\0"])
def test_names_of_application_segments(name: bytes) -> None:
    assert odds(APP0, name).sound
    assert odds(APP0, name).value > odds(APP0, garbled(name, 2, 6)).value + 30 * NAT
    assert not odds(APP0, garbled(name, 2, 6)).sound


@pytest.mark.parametrize("marker", [DQT, DHT, SOF, SOS, 0xDD, 0xE1, 0xFE, 0xCC, 0x01])
def test_no_content_raises(marker: int) -> None:
    rng = np.random.default_rng(marker)
    for size in (*range(24), 66, 133, 300, 2000):
        odds(marker, rng.integers(0, 256, size, np.uint8).tobytes())
        odds(marker, bytes(size))


def test_the_picture_itself_is_not_asked() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")

    assert all(odds(DHT, payload).sound for payload in payloads(out.getvalue(), DHT))
