"""Protects the reading of a header: the chain leads to the scan, over breaks too, and patches are read like bytes."""

import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.repair.chain import Chain, described
from jpegrescue.score.plausibility import NAT
from tests.resync.damaged import encoded


def chain_of(data: bytes) -> Chain:
    return Chain(np.frombuffer(data, np.uint8))


def offset_of(jpeg: bytes, marker: int, number: int = 0) -> int:
    return [segment.offset for segment in parse(jpeg).segments if segment.marker == marker][number]


@pytest.mark.parametrize("options", [{}, {"mode": "L"}, {"restart": 4}])
def test_a_header_is_read_as_the_parser_reads_it(options: dict[str, object]) -> None:
    jpeg = encoded("coffee", **options)  # type: ignore[arg-type]
    structure = parse(jpeg)
    reading = chain_of(jpeg).stands
    header = described(jpeg, reading, len(jpeg))

    assert reading.breaks == ()
    assert reading.fits
    assert [(s.code, s.start, s.end) for s in reading.steps] == [
        (s.marker, s.offset, s.end) for s in structure.segments[1:-1]
    ]
    assert header is not None
    assert header.frame == structure.frame
    assert header.scan.components == structure.scans[0].components
    assert header.scan.restart_interval == structure.scans[0].restart_interval


@pytest.mark.parametrize(("marker", "inside"), [(0xDB, 0), (0xDB, 2), (0xC0, 1), (0xC4, 3), (0xE0, 0)])
def test_a_break_costs_its_segment_and_says_where_it_is(marker: int, inside: int) -> None:
    jpeg = encoded("coffee")
    at = offset_of(jpeg, marker)
    broken = bytearray(jpeg)
    broken[at + inside] ^= 0x41
    whole, reading = chain_of(jpeg).stands, chain_of(bytes(broken)).stands

    assert reading.scan_start == whole.scan_start
    assert any(at <= place <= at + 4 for place in reading.breaks)
    assert reading.value < whole.value - 9 * NAT
    assert not reading.sound


def test_a_lost_start_is_a_break_at_the_first_byte() -> None:
    jpeg = encoded("coffee")
    reading = chain_of(bytes(16) + jpeg[16:]).stands

    assert reading.breaks[0] == 0
    assert reading.scan_start == parse(jpeg).scans[0].start


def test_patches_are_read_like_bytes_that_stand_there() -> None:
    jpeg = encoded("coffee")
    broken = bytearray(jpeg)
    broken[160:176] = bytes(range(16))
    chain = chain_of(bytes(broken))
    rng = np.random.default_rng(2)
    patches = [jpeg[160:176], *(rng.integers(0, 256, 16, np.uint8).tobytes() for _ in range(40))]
    for patch in patches:
        reading = chain.read(160, patch)
        anew = chain_of(bytes(broken[:160]) + patch + bytes(broken[176:])).stands

        assert (reading.value, reading.scan_start, reading.sound) == (anew.value, anew.scan_start, anew.sound)


def test_a_patch_before_the_file_is_cut() -> None:
    jpeg = encoded("coffee")
    chain = chain_of(bytes(4) + jpeg[4:])

    assert chain.read(-3, bytes(3) + jpeg[:13]).value == chain_of(jpeg).stands.value
    assert chain.read(len(jpeg) + 9, b"abc") == chain.read(0, b"")


def test_the_preview_is_not_taken_for_the_picture() -> None:
    inner, outer = encoded("chelsea", size=(64, 48)), encoded("coffee")
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + inner
    jpeg = bytearray(outer[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + outer[2:])
    jpeg[3] ^= 0x10  # the marker of the segment around it
    scan = parse(outer).scans[0].start + len(exif) + 4

    assert chain_of(bytes(jpeg)).stands.scan_start == scan


def test_tables_that_nobody_defines_do_not_fit() -> None:
    jpeg = bytearray(encoded("coffee"))
    jpeg[offset_of(bytes(jpeg), 0xDA) + 8] = 0x22  # tables of the second component
    reading = chain_of(bytes(jpeg)).stands

    assert not reading.fits
    assert reading.value < chain_of(encoded("coffee")).stands.value - 20 * NAT


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", bytes(300), b"\xff" * 300, b"\xff\xc0" * 5000])
def test_junk(data: bytes) -> None:
    assert chain_of(data).stands.scan_start is None
