"""Marker codes and the plausibility of single marker segments (ITU-T T.81 B.1.1.3 and B.2)."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.jpeg import Process

TEM = 0x01
SOF0, SOF1, SOF2, SOF3 = 0xC0, 0xC1, 0xC2, 0xC3
DHT = 0xC4
JPG = 0xC8
DAC = 0xCC
RST0, RST7 = 0xD0, 0xD7
SOI, EOI, SOS, DQT, DNL, DRI, DHP, EXP = 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF
APP0, APP1, APP2, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
COM = 0xFE

PROCESS: dict[int, Process] = {
    0xC0: "baseline",
    0xC1: "extended",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xC9: "extended_arithmetic",
    0xCA: "progressive_arithmetic",
    0xCB: "lossless_arithmetic",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "hierarchical",
}
_SEGMENTS = frozenset({*PROCESS, DHT, DAC, SOS, DQT, DNL, DRI, DHP, EXP, *range(APP0, APP15 + 1), COM})


def is_segment_marker(marker: int) -> bool:
    """Whether T.81 gives this marker a length and parameters that occur outside entropy-coded data."""
    return marker in _SEGMENTS


def _table(codes: Iterable[int]) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(codes)] = True
    return table


ANY_MARKER = _table(set(range(1, 0xFF)) - set(range(RST0, RST7 + 1)))
"""Look-up by code (bool, shape (256,)): whatever cannot follow an FF in entropy-coded data (T.81 B.1.1.5)."""
STRUCTURE = _table(_SEGMENTS | {SOI, EOI})
"""Look-up by code: the markers that say where segments, scans and files begin and end."""
SCAN_LIMITS = _table({SOI, EOI, DNL})
"""Look-up by code: the markers that have a place behind the last scan of a sequential picture."""


def segment_plausible(marker: int, payload: bytes) -> bool:
    """Whether `payload` (the parameters after the length field) can be those of `marker`.

    Used to tell a marker from damage: in garbled entropy-coded data an FF byte is followed by any value, but rarely by
    a segment that also parses.
    """
    check = _PLAUSIBLE.get(marker)
    return is_segment_marker(marker) and (check is None or check(payload))


def _frame_plausible(payload: bytes) -> bool:
    if len(payload) < 9 or payload[0] not in range(2, 17):
        return False
    count = payload[5]
    if not 1 <= count <= 255 or len(payload) != 6 + 3 * count or payload[3:5] == b"\0\0":
        return False
    factors = payload[7::3]
    return all(1 <= f >> 4 <= 4 and 1 <= f & 15 <= 4 for f in factors) and all(q < 4 for q in payload[8::3])


def _huffman_plausible(payload: bytes) -> bool:
    position = 0
    while position < len(payload):
        if position + 17 > len(payload) or payload[position] & 0xEC:
            return False
        counts = payload[position + 1 : position + 17]
        if not huffman_counts_valid(counts):
            return False
        position += 17 + sum(counts)
    return position == len(payload) and position > 0


def huffman_counts_valid(counts: bytes | tuple[int, ...]) -> bool:
    """Whether the code lengths form a prefix code: no length holds more codes than are left (T.81 annex C)."""
    code = 0
    for length, count in enumerate(counts, start=1):
        code += count
        if code > 1 << length:
            return False
        code <<= 1
    return 0 < sum(counts) <= 256


def _quantisation_plausible(payload: bytes) -> bool:
    position = 0
    while position < len(payload):
        head = payload[position]
        if head >> 4 > 1 or head & 15 > 3:
            return False
        position += 1 + (128 if head >> 4 else 64)
    return position == len(payload) and position > 0


def _scan_plausible(payload: bytes) -> bool:
    if not payload or not 1 <= payload[0] <= 4 or len(payload) != 4 + 2 * payload[0]:
        return False
    selectors = payload[2 : 2 + 2 * payload[0] : 2]
    start, end, approximation = payload[-3:]
    tables_valid = all(s >> 4 < 4 and s & 15 < 4 for s in selectors)
    return tables_valid and start <= 63 and end <= 63 and approximation >> 4 <= 13 and approximation & 15 <= 13


def _conditioning_plausible(payload: bytes) -> bool:
    return len(payload) > 0 and len(payload) % 2 == 0 and all(b >> 4 < 2 and b & 15 < 4 for b in payload[::2])


_PLAUSIBLE: dict[int, Callable[[bytes], bool]] = {
    **dict.fromkeys((*PROCESS, DHP), _frame_plausible),
    DHT: _huffman_plausible,
    DQT: _quantisation_plausible,
    SOS: _scan_plausible,
    DAC: _conditioning_plausible,
    **dict.fromkeys((DRI, DNL), lambda payload: len(payload) == 2),
    EXP: lambda payload: len(payload) == 1,
}
