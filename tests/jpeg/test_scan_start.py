import io

import numpy as np
import pytest
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.scan_start import TAIL, find_scan_start
from tests.jpeg.samples import photo, picture, scan_start, with_thumbnail
from tests.jpeg.siblings import FILE, SIBLING, START, array

TAIL_BYTES = SIBLING[START - TAIL : START]
SOS_LENGTH = 14
LARGE = photo(640, 480)


def found(data: bytes, tail: bytes = TAIL_BYTES) -> int | None:
    """With what a parse of `data` knows, as if it had no scan header."""
    segments = tuple(s for s in parse(data).segments if s.marker not in (0xDA, 0xD9))
    return find_scan_start(array(data), segments, tail, SOS_LENGTH)


def noise(length: int, seed: int = 3) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, length, np.uint8).tobytes()


@pytest.mark.parametrize("before", [0, 1, 700, 60_000])
def test_behind_what_half_equals_the_siblings_header(before: int) -> None:
    tail = bytearray(FILE[START - TAIL : START])
    tail[32:] = noise(32)
    assert found(noise(before) + bytes(tail) + FILE[START:]) == before + TAIL


def test_not_behind_a_previews_header_nor_that_of_a_file_that_follows() -> None:
    whole, _ = with_thumbnail(seed=1)
    own = len(whole) - len(FILE) + START
    data = whole[: own - 20] + noise(20, 5).replace(b"\xff", b"\0") + whole[own:]
    assert found(data + FILE) == own


def test_inside_the_siblings_scan_header() -> None:
    for kept in range(3, TAIL):
        assert found(FILE[START - kept :]) == kept


def test_a_scan_headers_length_behind_the_last_segment() -> None:
    unlike = noise(TAIL, 7)
    data = FILE[: START - SOS_LENGTH] + noise(SOS_LENGTH, 5).replace(b"\xff", b"\0") + FILE[START:]
    assert found(data, unlike) == START


def test_the_first_byte_of_a_scan_alone() -> None:
    assert found(FILE[START:], noise(TAIL, 7)) == 0
    assert found(LARGE[scan_start(LARGE) + 5000 :], noise(TAIL, 7)) == 0


def test_zeros_in_place_of_the_header_end_where_the_scan_begins() -> None:
    assert found(bytes(3 * 4096) + FILE[START:], noise(TAIL, 7)) == 3 * 4096
    assert found(bytes(1000) + FILE[START:], noise(TAIL, 7)) == 1000


@pytest.mark.parametrize("length", [900, 5000, 70_000])
def test_garbage_is_left_out_up_to_its_last_stray_marker(length: int) -> None:
    garbage = noise(length - 2) + b"\xff\x77"
    start = found(garbage + LARGE[scan_start(LARGE) :], noise(TAIL, 7))
    assert start is not None
    assert length - 300 <= start <= length


def test_a_scan_that_begins_flat_and_one_before_another_file() -> None:
    buffer = io.BytesIO()
    pixels = np.asarray(picture(640, 480)).copy()
    pixels[:200] = 90
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    flat = buffer.getvalue()
    assert found(flat[scan_start(flat) :]) == 0
    large = photo(1280, 960, quality=92)
    assert found(large[scan_start(large) :] + FILE) == 0


def test_a_scan_of_a_few_bytes() -> None:
    small = photo(64, 48, quality=50)
    assert found(small[scan_start(small) :], noise(TAIL, 7)) == 0


def test_what_holds_no_scan_has_no_start() -> None:
    for data in (b"", b"\xff", bytes(20_000), b"text and more text " * 2000, noise(100_000)):
        assert found(data) is None
        assert found(data, b"") is None
