"""Protects headers: their errors are found wherever the tables and the chain of segments tell, and no others are."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.repair.chain import Chain
from jpegrescue.repair.headers import mend_header
from jpegrescue.repair.payload import likely_flips
from jpegrescue.source.crypt.flips import Part
from jpegrescue.source.crypt.sector import BLOCK
from tests.repair.flipped import CBC, XTS, ciphertext, flip_name
from tests.resync.damaged import encoded


def with_exif(jpeg: bytes, fields: int = 12, padding: int = 400, preview: bytes = b"") -> bytes:
    """With an Exif segment behind the SOI: `fields` numbers, then zeros, then a preview."""
    entries = b"".join(struct.pack("<HHII", 0x0100 + k, 4, 1, k) for k in range(fields))
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", fields) + entries + bytes(4 + padding) + preview
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def optimised(jpeg: bytes, quality: int = 85) -> bytes:
    """Encoded again, with tables made for the picture."""
    out = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def header_blocks(jpeg: bytes, lead: int = 0) -> range:
    return range((parse(jpeg).scans[0].start - 1 + lead) // BLOCK + 1)


def block_of(jpeg: bytes, marker: int, inside: int, lead: int = 0) -> int:
    """The block of byte `inside` of the first segment with a marker."""
    segment = next(segment for segment in parse(jpeg).segments if segment.marker == marker)
    return (segment.offset + inside + lead) // BLOCK


def found(jpeg: bytes, bits: list[int], cipher: str = CBC, lead: int = 0) -> set[int]:
    """What is flipped back; the file must be the original if that is all."""
    file = ciphertext(jpeg, bits, cipher, lead)
    flips = {flip for change in mend_header(file) for flip in change.flips}
    assert (file.plain.tobytes() == jpeg) == (flips == set(bits))
    return flips


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize("lead", [0, 5])
def test_any_block_of_a_plain_header_is_mended(cipher: str, lead: int) -> None:
    jpeg = encoded("coffee")
    for block in header_blocks(jpeg, lead)[lead % 3 :: 4]:
        bit = flip_name(block, 7 * block % 128)

        assert found(jpeg, [bit], cipher, lead) == {bit}


@pytest.mark.parametrize("options", [{"mode": "L"}, {"subsampling": 0}, {"restart": 5}])
def test_other_layouts(options: dict[str, object]) -> None:
    jpeg = encoded("chelsea", **options)  # type: ignore[arg-type]
    for block in header_blocks(jpeg)[1::7]:
        bit = flip_name(block, 50)

        assert found(jpeg, [bit]) == {bit}


def test_tables_made_for_the_picture() -> None:
    jpeg = optimised(encoded("astronaut"))
    for block in header_blocks(jpeg)[1::3]:
        bit = flip_name(block, 20)

        assert found(jpeg, [bit], XTS) == {bit}


@pytest.mark.parametrize("pair", [(1, 30), (6, 7), (20, 22), (0, 38)])
def test_two_errors_are_found_one_after_the_other(pair: tuple[int, int]) -> None:
    jpeg = encoded("astronaut")
    bits = [flip_name(block, 33) for block in pair]

    assert found(jpeg, bits) == set(bits)


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_what_holds_an_exif_segment_together(cipher: str) -> None:
    jpeg = with_exif(encoded("coffee"), preview=encoded("chelsea", size=(96, 64)))
    for block in (0, 1, block_of(jpeg, 0xE0, 0), block_of(jpeg, 0xDB, 0), block_of(jpeg, 0xC0, 3)):
        bit = flip_name(block, 90)

        assert found(jpeg, [bit], cipher) == {bit}


def test_zeros_and_numbers_that_nothing_depends_on_are_mended_too() -> None:
    jpeg = with_exif(encoded("coffee"), fields=20)
    for inside in (120, 400, 500):
        bit = flip_name(block_of(jpeg, 0xE1, inside), 61)

        assert found(jpeg, [bit]) == {bit}


def test_noise_that_nothing_depends_on_is_left_alone() -> None:
    noise = np.random.default_rng(5).integers(0, 255, 900, np.uint8).tobytes()
    plain = encoded("coffee")
    jpeg = plain[:2] + b"\xff\xe5" + struct.pack(">H", len(noise) + 2) + noise + plain[2:]

    assert found(jpeg, [flip_name(30, 5)]) == set()
    assert found(jpeg, []) == set()


def test_text_inside_padding_is_no_error() -> None:
    payload = bytes(200) + b"Jenny, 14 May 2019: x7#qP" + bytes(200)
    plain = encoded("coffee")
    jpeg = plain[:2] + b"\xff\xe5" + struct.pack(">H", len(payload) + 2) + payload + plain[2:]

    assert found(jpeg, []) == set()
    assert found(jpeg, [], XTS, 7) == set()


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_errors_in_the_scan_make_none_in_the_header(cipher: str) -> None:
    jpeg = with_exif(encoded("astronaut"))
    first = parse(jpeg).scans[0].start // BLOCK + 1
    rng = np.random.default_rng(1)
    for _ in range(4):
        bits = [flip_name(first + int(rng.integers(60)), int(rng.integers(128))) for _ in range(3)]

        assert mend_header(ciphertext(jpeg, bits, cipher)) == ()


def test_a_table_with_a_symbol_twice_seems_no_better_than_the_true_one() -> None:
    """A common symbol that stands again among the rare ones was weighed as if it were one of them."""
    jpeg = encoded("coffee", subsampling=0)
    tables = [segment for segment in parse(jpeg).segments if segment.marker == 0xC4]
    for bit in (3, 45, 99, 126):
        flip = flip_name((tables[1].offset + 130) // BLOCK, bit)

        assert found(jpeg, [flip]) == {flip}


def test_a_preview_is_mended_as_a_file_of_its_own() -> None:
    inner = encoded("chelsea", size=(96, 64))
    jpeg = with_exif(encoded("coffee"), preview=inner)
    start = jpeg.index(inner)
    bit = flip_name((start + 300) // BLOCK, 17)
    file = ciphertext(jpeg, [bit])

    assert mend_header(file) == ()
    part = Part(file, start, start + len(inner))
    assert [part.outer(change.flips[0]) for change in mend_header(part)] == [bit]
    assert file.plain.tobytes() == jpeg


def test_sound_headers_are_seen_as_such() -> None:
    coffee = encoded("coffee")
    for jpeg in (coffee, optimised(encoded("astronaut")), with_exif(encoded("chelsea"), preview=coffee)):
        reading = Chain(np.frombuffer(jpeg, np.uint8)).stands

        assert reading.sound
        assert reading.scan_start == parse(jpeg).scans[0].start


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8" + bytes(30),
        b"\xff\xd8" + b"\xff\xc0" * 9000,
        b"\xff\xd8\xff" * 9000,
        b"\xff\xd8" + b"\xff\xda\0\x08" * 5000,
        b"\xff\xd8" + b"\xff\xe1\0\x04ab" * 5000,
    ],
)
def test_junk_is_left_alone(junk: bytes) -> None:
    assert mend_header(ciphertext(junk)) == ()


def test_nothing_is_likely_in_ranges_that_are_too_short() -> None:
    file = ciphertext(encoded("coffee"))

    assert list(likely_flips(file, [(0, 0), (4, 20), (50, 80)])) == []


def test_one_bit_of_two_in_a_block_is_not_enough() -> None:
    """Another bit made some of a tailor-made table legal, and was kept though the rest stayed odd."""
    jpeg = optimised(encoded("astronaut"))
    table = max((s for s in parse(jpeg).segments if s.marker == 0xC4), key=lambda s: s.end - s.offset)
    for pair in ((19, 71), (97, 98), (3, 60), (30, 120)):
        bits = [flip_name((table.offset + 40) // BLOCK, bit) for bit in pair]

        assert found(jpeg, bits) == set()
