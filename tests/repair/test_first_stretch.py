"""Protects the look at what a header decodes: its own scan is a photo, and what other tables make of it is none."""

from dataclasses import replace

import numpy as np
import pytest

from jpegrescue.jpeg.standard import STANDARD_TABLES
from jpegrescue.model.jpeg import HuffmanTable, ScanComponent
from jpegrescue.repair.chain import Chain, Described, described
from jpegrescue.repair.first_stretch import first_stretch, weighable
from jpegrescue.score.plausibility import NAT
from tests.resync.damaged import encoded


def header_of(jpeg: bytes) -> Described:
    header = described(jpeg, Chain(np.frombuffer(jpeg, np.uint8)).stands, len(jpeg))
    assert header is not None
    return header


def with_table(header: Described, table: HuffmanTable) -> Described:
    components = tuple(ScanComponent(c.index, c.dc_table, table) for c in header.scan.components)
    return replace(header, scan=replace(header.scan, components=components))


@pytest.mark.parametrize("options", [{}, {"mode": "L"}, {"subsampling": 0}, {"restart": 3}, {"size": (32, 16)}])
def test_a_photo_by_its_own_header(options: dict[str, object]) -> None:
    jpeg = encoded("coffee", **options)  # type: ignore[arg-type]
    seen = first_stretch(np.frombuffer(jpeg, np.uint8), 0, b"", header_of(jpeg))

    assert seen is not None
    assert seen[1]


def test_no_photo_by_other_tables() -> None:
    jpeg = encoded("coffee")
    seen = first_stretch(np.frombuffer(jpeg, np.uint8), 0, b"", with_table(header_of(jpeg), STANDARD_TABLES[1, 1]))

    assert seen is not None
    assert not seen[1]


def test_patches_count() -> None:
    jpeg = encoded("coffee")
    header, data = header_of(jpeg), np.frombuffer(jpeg, np.uint8)
    at = header.scan.start
    whole = first_stretch(data, at, jpeg[at : at + 400], header)
    noise = np.random.default_rng(1).integers(0, 255, 400, np.uint8).tobytes()
    garbled = first_stretch(data, at, noise, header)

    assert whole is not None
    assert garbled is not None
    assert whole == first_stretch(data, 0, b"", header)
    assert garbled[0] < whole[0] - 100 * NAT


def test_common_symbols_that_stand_twice_do_not_pass_for_rare_ones() -> None:
    jpeg = encoded("coffee")
    header, data = header_of(jpeg), np.frombuffer(jpeg, np.uint8)
    own = STANDARD_TABLES[1, 0]
    twice = HuffmanTable(own.counts, (*own.symbols[:-8], *own.symbols[:8]))
    before, after = (first_stretch(data, 0, b"", with_table(header, table)) for table in (own, twice))

    assert before is not None
    assert after is not None
    assert after[0] < before[0] + 20 * NAT


def test_what_is_not_sequential_is_not_looked_at() -> None:
    jpeg = encoded("coffee")
    header = header_of(jpeg)
    progressive = replace(header, frame=replace(header.frame, process="progressive"))

    assert weighable(header)
    assert not weighable(progressive)
    assert first_stretch(np.frombuffer(jpeg, np.uint8), 0, b"", progressive) is None
    assert first_stretch(np.frombuffer(jpeg[:100], np.uint8), 0, b"", header) is None
