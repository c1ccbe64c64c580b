import numpy as np
import pytest

from jpegrescue.jpeg._kernels_entropy import FAST_BITS
from jpegrescue.jpeg.tables import build_lookups
from jpegrescue.model.jpeg import HuffmanTable
from tests.oracles.encoder import TABLES, codes


def _look_up(fast: np.ndarray, bits: str) -> tuple[int, int, int, int]:
    entry = int(fast[int(bits.ljust(FAST_BITS, "0")[:FAST_BITS], 2)])
    return entry >> 16, (entry >> 9) & 15, (entry >> 5) & 15, entry & 31


@pytest.mark.parametrize("key", sorted(TABLES))
def test_every_code_is_found_by_the_fast_or_the_canonical_way(key: int) -> None:
    is_ac = key >= 0x10
    lookups = build_lookups(((HuffmanTable(*TABLES[key]), is_ac),))
    for symbol, bits in codes(TABLES[key]).items():
        length, size = len(bits), symbol & 15
        if length > FAST_BITS:
            assert lookups.fast[0, int(bits[:FAST_BITS], 2)] == 0
            assert lookups.symbols[0, int(bits, 2) + lookups.code_delta[0, length]] == symbol
            assert int(bits, 2) <= lookups.code_max[0, length]
            continue
        value, run, stored_size, consumed = _look_up(lookups.fast[0], bits)
        assert run == (symbol >> 4 if is_ac else 0)
        if is_ac and size and length + size <= FAST_BITS:
            assert (value, consumed) == (1 - (1 << size), length + size)  # magnitude bits 0…0
        else:
            assert (value, stored_size, consumed) == (0, size, length)


def test_magnitudes_that_fit_are_decoded_with_their_code() -> None:
    lookups = build_lookups(((HuffmanTable(*TABLES[0x10]), True),))
    bits = codes(TABLES[0x10])[0x12]  # one zero, then two bits of magnitude
    for magnitude, value in (("00", -3), ("01", -2), ("10", 2), ("11", 3)):
        assert _look_up(lookups.fast[0], bits + magnitude)[:2] == (value, 1)


def test_a_dc_symbol_above_fifteen_stays_invalid() -> None:
    table = HuffmanTable((1, *[0] * 15), (0x13,))
    size = _look_up(build_lookups(((table, False),)).fast[0], "0")[2]
    assert size > 11
