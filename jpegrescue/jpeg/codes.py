"""Huffman codes to write with (ITU-T T.81 annex C), and tables that get codes for symbols they lack."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.jpeg import HuffmanTable

_LONGEST = 16
_DC_SYMBOL_MAX = 15  # decoders refuse greater magnitude categories, whatever the sample precision


def code_arrays(table: HuffmanTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Code and its length in bits by symbol, int64 (256,) each; length 0 where there is none.

    Where a symbol has two codes the shorter, first one counts.
    """
    codes, lengths = np.zeros(256, np.int64), np.zeros(256, np.int64)
    code = position = 0
    for length, count in enumerate(table.counts, start=1):
        for symbol in table.symbols[position : position + count]:
            if lengths[symbol] == 0:
                codes[symbol], lengths[symbol] = code, length
            code += 1
        position += count
        code <<= 1
    return codes, lengths


def extended(table: HuffmanTable, needed: Collection[int], *, is_ac: bool) -> HuffmanTable:
    """`table` with codes for all `needed` symbols, which must be legal ones; the same object if it has them all.

    Existing codes stay as they are as long as the code space has room for the new ones behind them; otherwise codes
    are lengthened, the longest first. A table that no decoder takes is mended likewise: one that uses the code of all
    ones (forbidden by T.81 annex C), or has DC symbols above 15, which are left out.
    """
    missing = sorted(set(needed) - set(table.symbols))
    sound = _spare_code(table) and (is_ac or max(table.symbols) <= _DC_SYMBOL_MAX)
    if sound and not missing:
        return table
    return (_appended(table, missing) if sound else None) or _lengthened(table, missing, is_ac=is_ac)


def keeps_codes(before: HuffmanTable, after: HuffmanTable) -> bool:
    """Whether every symbol of `before` has the same code in `after`."""
    (codes, lengths), (codes_after, lengths_after) = code_arrays(before), code_arrays(after)
    used = lengths > 0
    return bool((codes[used] == codes_after[used]).all() and (lengths[used] == lengths_after[used]).all())


def _behind(table: HuffmanTable) -> tuple[int, int]:
    """The first code behind the existing ones, and the greatest length in use."""
    code = longest = behind = 0
    for length, count in enumerate(table.counts, start=1):
        code = (code << 1) + count
        if count:
            longest, behind = length, code
    return behind, longest


def _spare_code(table: HuffmanTable) -> bool:
    """Whether the code of all ones is free."""
    behind, longest = _behind(table)
    return behind < 1 << longest


def _appended(table: HuffmanTable, missing: list[int]) -> HuffmanTable | None:
    """With `missing` at the shortest length that has room for all of them but the code of all ones."""
    behind, longest = _behind(table)
    for length in range(longest, _LONGEST + 1):
        if (1 << length) - (behind << (length - longest)) > len(missing):
            counts = list(table.counts)
            counts[length - 1] += len(missing)
            return HuffmanTable(tuple(counts), (*table.symbols, *missing))
    return None


def _lengthened(table: HuffmanTable, missing: list[int], *, is_ac: bool) -> HuffmanTable:
    """With `missing` at 16 bits, and as many other codes lengthened as that takes (Kraft's inequality)."""
    _, lengths = code_arrays(table)
    symbols = [s for s in dict.fromkeys(table.symbols) if is_ac or s <= _DC_SYMBOL_MAX] + missing
    bits = [int(lengths[symbol]) or _LONGEST for symbol in symbols]
    taken = sum(1 << (_LONGEST - b) for b in bits)
    while taken >= 1 << _LONGEST:
        longest = max(b for b in bits if b < _LONGEST)
        chosen = max(i for i, b in enumerate(bits) if b == longest)
        bits[chosen] += 1
        taken -= 1 << (_LONGEST - bits[chosen])
    order = sorted(range(len(symbols)), key=lambda i: bits[i])
    counts = tuple(bits.count(length) for length in range(1, _LONGEST + 1))
    return HuffmanTable(counts, tuple(symbols[i] for i in order))
