"""Huffman tables as look-ups for the entropy kernels (ITU-T T.81 annex C and F.2.2.3)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg._kernels_entropy import FAST_BITS
from jpegrescue.model.jpeg import HuffmanTable


@dataclass(frozen=True, slots=True)
class LookupTables:
    """Look-ups of several Huffman tables, stacked along the first axis.

    `fast`: int32 (n, 2**FAST_BITS), indexed by the next bits: 0 where the code is longer; otherwise bits 0–4 hold the
    bits consumed, 5–8 the magnitude's size, 9–12 the run of zeros and 16–31 the coefficient where code and magnitude
    fit together (the bits consumed then cover both). `code_max`, `code_delta`: int64 (n, 18), by code length.
    `symbols`: uint8 (n, 256).
    """

    fast: NDArray[np.int32]
    code_max: NDArray[np.int64]
    code_delta: NDArray[np.int64]
    symbols: NDArray[np.uint8]


@lru_cache(maxsize=64)
def build_lookups(tables: tuple[tuple[HuffmanTable, bool], ...]) -> LookupTables:
    """Look-ups of `(table, is_ac)` pairs; kept, because most files of a medium share theirs. Not to be written to."""
    count = len(tables)
    lookups = LookupTables(
        fast=np.zeros((count, 1 << FAST_BITS), np.int32),
        code_max=np.full((count, 18), -1, np.int64),
        code_delta=np.zeros((count, 18), np.int64),
        symbols=np.zeros((count, 256), np.uint8),
    )
    for index, (table, is_ac) in enumerate(tables):
        lookups.symbols[index, : len(table.symbols)] = table.symbols
        code = position = 0
        for length, codes in enumerate(table.counts, start=1):
            lookups.code_delta[index, length] = position - code
            if length <= FAST_BITS:
                for symbol in table.symbols[position : position + codes]:
                    _fill(lookups.fast[index], code, length, symbol, is_ac)
                    code += 1
            else:
                code += codes
            if codes:
                lookups.code_max[index, length] = code - 1
            position += codes
            code <<= 1
    return lookups


def _fill(fast: NDArray[np.int32], code: int, length: int, symbol: int, is_ac: bool) -> None:
    """Enter one code; an AC code whose magnitude also fits carries its coefficient."""
    first = code << (FAST_BITS - length)
    last = first + (1 << (FAST_BITS - length))
    size = symbol & 15
    run = symbol >> 4 if is_ac else 0
    spare = FAST_BITS - length - size
    if not is_ac or size == 0 or spare < 0:
        # a DC symbol above 15 cannot be stored in four bits; it is invalid and must not look like a smaller one
        fast[first:last] = (run << 9) | ((size if is_ac or symbol <= 15 else 15) << 5) | length
        return
    values = np.arange(1 << size, dtype=np.int32)
    values[: 1 << (size - 1)] -= (1 << size) - 1
    fast[first:last] = np.repeat((values << 16) | (run << 9) | (size << 5) | (length + size), 1 << spare)
