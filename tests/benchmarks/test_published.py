import numpy as np
import pytest
from PIL import Image

from benchmarks.published import ROWS, SIZES, corrupt, decode_photo, encode, stretched


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    y, x = np.mgrid[:256, :512]
    waves = np.stack([128 + 80 * np.sin(x / 17 + k) * np.cos(y / 23) for k in range(3)], -1)
    noise = np.random.default_rng(2).normal(0, 9, waves.shape)
    return encode(Image.fromarray(np.clip(waves + noise, 0, 255).astype(np.uint8)), SIZES[0])


def test_errors_begin_behind_the_header(jpeg: bytes) -> None:
    start = jpeg.index(b"\xff\xda")
    data = corrupt(jpeg, 1e-3, 1)
    assert data[:start].tobytes() == jpeg[:start]
    assert data.tobytes() != jpeg
    assert np.array_equal(data, corrupt(jpeg, 1e-3, 1))
    assert not np.array_equal(data, corrupt(jpeg, 1e-3, 2))


def test_every_row_is_a_picture_and_no_two_are_the_same(jpeg: bytes) -> None:
    decoded = decode_photo(corrupt(jpeg, 2e-4, 3))
    pictures = [make(decoded) for make in ROWS.values()]
    assert {picture.shape for picture in pictures} == {(256, 512, 3)}
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_stretched_fills_the_range(jpeg: bytes) -> None:
    picture = stretched(decode_photo(np.frombuffer(jpeg, np.uint8)))
    assert (picture.min(), picture.max()) == (0, 255)
