import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.jpeg.codes import code_arrays, extended, keeps_codes
from jpegrescue.jpeg.standard import STANDARD_TABLES
from jpegrescue.model.jpeg import HuffmanTable
from tests.oracles.encoder import CODES, codes

SMALL = HuffmanTable((0, 2, 1, *[0] * 13), (0, 1, 2))  # 00, 01, 100
COMPLETE = HuffmanTable((1, 2, *[0] * 14), (0, 1, 2))  # 0, 10, 11: the last is forbidden


def bits_of(table: HuffmanTable) -> dict[int, str]:
    return codes((table.counts, table.symbols))


def assert_legal(table: HuffmanTable) -> None:
    """A prefix code of 16 bits at most without the code of all ones (T.81 annex C)."""
    found = list(bits_of(table).values())
    assert len(found) == len(table.symbols) == sum(table.counts)
    assert all(len(code) <= 16 and "0" in code for code in found)
    assert not any(b.startswith(a) for a, b in itertools.permutations(found, 2))


@st.composite
def tables(draw: st.DrawFn) -> HuffmanTable:
    """Any legal table: lengths drawn as far as the code space goes."""
    left = (1 << 16) - 1
    lengths = []
    for length in draw(st.lists(st.integers(1, 16), min_size=1, max_size=60)):
        if 1 << (16 - length) <= left:
            lengths.append(length)
            left -= 1 << (16 - length)
    lengths = sorted(lengths or [16])
    symbols = draw(st.permutations(range(256)))[: len(lengths)]
    return HuffmanTable(tuple(lengths.count(n) for n in range(1, 17)), tuple(symbols))


@pytest.mark.parametrize("key", STANDARD_TABLES)
def test_codes_are_those_of_annex_c(key: tuple[int, int]) -> None:
    values, lengths = code_arrays(STANDARD_TABLES[key])
    expected = CODES[key[0] << 4 | key[1]]
    assert {s: f"{values[s]:0{lengths[s]}b}" for s in range(256) if lengths[s]} == expected


def test_the_first_of_two_codes_of_a_symbol_is_used() -> None:
    values, lengths = code_arrays(HuffmanTable((0, 2, 1, *[0] * 13), (7, 3, 7)))
    assert (values[7], lengths[7]) == (0, 2)


@pytest.mark.parametrize("needed", [[], [1], [2, 0]])
def test_a_table_with_all_symbols_is_left_alone(needed: list[int]) -> None:
    assert extended(SMALL, needed, is_ac=True) is SMALL


def test_new_codes_stand_behind_those_there_are() -> None:
    table = extended(SMALL, [0, 9, 8], is_ac=True)
    assert bits_of(table) == {0: "00", 1: "01", 2: "100", 8: "101", 9: "110"}


def test_new_codes_are_longer_where_the_greatest_length_is_used_up() -> None:
    table = extended(SMALL, [6, 7, 8, 9], is_ac=True)
    assert bits_of(table) == {0: "00", 1: "01", 2: "100", 6: "1010", 7: "1011", 8: "1100", 9: "1101"}


def test_a_full_table_gets_longer_codes() -> None:
    full = STANDARD_TABLES[1, 0]
    assert 0x0B not in full.symbols
    table = extended(full, [0x0B], is_ac=True)
    assert_legal(table)
    assert set(table.symbols) == {*full.symbols, 0x0B}
    assert not keeps_codes(full, table)
    changed = [symbol for symbol, code in bits_of(full).items() if len(bits_of(table)[symbol]) != len(code)]
    assert changed == [0x82]  # one code of 15 bits becomes one of 16


def test_the_forbidden_code_is_vacated() -> None:
    table = extended(COMPLETE, [1], is_ac=True)
    assert_legal(table)
    assert sorted(table.symbols) == [0, 1, 2]


def test_dc_symbols_that_decoders_refuse_are_left_out() -> None:
    table = HuffmanTable((0, 2, 1, *[0] * 13), (0, 99, 2))
    assert extended(table, [0], is_ac=True) is table
    mended = extended(table, [0], is_ac=False)
    assert_legal(mended)
    assert sorted(mended.symbols) == [0, 2]


@given(tables(), st.sets(st.integers(0, 255)))
def test_any_table_takes_any_symbols(table: HuffmanTable, needed: set[int]) -> None:
    after = extended(table, needed, is_ac=True)
    assert_legal(after)
    assert set(after.symbols) == needed | set(table.symbols)
    before_bits, after_bits = bits_of(table), bits_of(after)
    assert keeps_codes(table, after) == (before_bits == {s: after_bits[s] for s in before_bits})
    if not keeps_codes(table, after):  # then there was no room at 16 bits
        free = (1 << 16) - sum(1 << (16 - len(code)) for code in before_bits.values())
        assert free <= len(needed - set(table.symbols))
