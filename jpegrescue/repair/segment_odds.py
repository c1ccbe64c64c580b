"""How much a marker segment looks like one that an encoder wrote: log-odds of its bytes against random ones.

Every byte is worth what it could be foretold by: much in a typical table, little in a picture's size, nothing in
parameters of which nothing is known. A segment that damage has hit in part keeps the worth of the rest.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg._kernels_entropy import ZIGZAG
from jpegrescue.jpeg.markers import APP0, APP1, APP2, APP14, APP15, COM, DHT, DQT, DRI, PROCESS, SOS
from jpegrescue.jpeg.markers import huffman_counts_valid as is_prefix_code
from jpegrescue.jpeg.standard import STANDARD_TABLES
from jpegrescue.jpeg.usual import usual_tables
from jpegrescue.score.plausibility import NAT

_BYTE = math.log(256)
_MISS = 0.01
_HIT, _MISSED = _BYTE + math.log1p(-_MISS), math.log(_MISS)
"""Nats of a byte that is as foretold, and of one that is not, as one of a hundred may be for all that is known."""
_LENGTH = 9.0  # of a length field that fits what the segment holds
_TYPICAL = math.log(0.5 / 4)
_USUAL = math.log(0.5 / 200)
_OWN = math.log(0.2)
_SCALED = math.log(0.3 / 200)
_STEPS = 64
_ROUNDED, _SCALE = 0.4, 0.03  # by how much a scaled step is off, and its logarithm
_STRAYS_MOST = (0, 2)  # steps of a scaled table, and of an encoder's own, that may be off all others
_SPREAD, _STRAY_STEP = 0.2, 0.03  # of the logarithm of a step against its neighbours', and how many are off it
_MISSES_MOST = 40  # symbols that cannot stand in a table, more than which no error makes
_SORTED = 1.5  # nats of a symbol in a table that is sorted beyond doubt
_EMPTY = -20.0  # of a table without codes
_COMPLETE = 5.0  # of code lengths that leave one code free, as T.81 K.2 makes them
_SHARES = {DQT: 0.2, DHT: 0.25, 0xC0: 0.12, SOS: 0.12, APP0: 0.06, APP1: 0.1, APP2: 0.03, DRI: 0.03}
_SHARES |= {0xC1: 0.01, 0xC2: 0.02, APP0 + 13: 0.02, APP14: 0.02, COM: 0.02}
_RARE = 5e-4
_TYPICAL_SHARE = 0.75  # of what a typical table is worth, beyond which a table is none that an encoder has of its own
_DC_SYMBOLS = tuple(range(12))
_AC_SYMBOLS = tuple(sorted({0x00, 0xF0} | {run << 4 | size for run in range(16) for size in range(1, 11)}))
_FACTORS = {0x11: 0.25, 0x21: 0.27, 0x22: 0.45, 0x12: 0.02}
_SOF_TRIPLES = 3
_TABLE_HEAD = 17
_TEMPLATES: dict[int, tuple[tuple[bytes, ...], ...]] = {
    APP0: (
        (*(bytes([c]) for c in b"JFIF\0\1"), b"\0\1\2", b"\0\1\2", b"\0\1\2", bytes(range(256)), b"\0\1\2",
         bytes(range(256)), b"\0", b"\0"),
        (*(bytes([c]) for c in b"JFXX\0"), b"\x10\x11\x13"),
    ),
    APP1: (
        (*(bytes([c]) for c in b"Exif\0\0II*\0\x08\0\0\0"), bytes(range(3, 40)), b"\0"),
        (*(bytes([c]) for c in b"Exif\0\0MM\0*\0\0\0\x08\0"), bytes(range(3, 40))),
        tuple(bytes([c]) for c in b"http://ns.adobe.com/xap/1.0/\0<?xpacket begin="),
        tuple(bytes([c]) for c in b"http://ns.adobe.com/xmp/extension/\0"),
    ),
    APP2: (
        (*(bytes([c]) for c in b"ICC_PROFILE\0"), b"\1\2\3\4", b"\1\2\3\4", b"\0", b"\0"),
        (*(bytes([c]) for c in b"MPF\0"), b"IM", b"IM", b"*\0", b"*\0"),
        tuple(bytes([c]) for c in b"FPXR\0"),
    ),
    APP0 + 13: (tuple(bytes([c]) for c in b"Photoshop 3.0\x008BIM"),),
    APP14: ((*(bytes([c]) for c in b"Adobe\0"), b"\x64\x65", b"\0\x40\x80\xc0", b"\0", b"\0", b"\0", b"\0\1\2"),),
}  # fmt: skip
"""What the parameters of application segments begin with, each byte one of some."""
_NAMED = 3  # bytes as foretold that are no chance
_ALWAYS_NAMED = (APP0, APP1)
FREE_HEAD = 48
"""Bytes of the parameters of application segments that are looked at."""
_FIXED = {b"JFIF\0": 14, b"Adobe": 12}


@dataclass(frozen=True, slots=True)
class SegmentOdds:
    """`value`: 1/NAT nat; `sound`: whether nothing in it is odd."""

    value: int
    sound: bool


def segment_odds(code: int, data: bytes, start: int, end: int) -> SegmentOdds:
    """Odds of a segment with marker `code` and parameters `[start, end)` of `data`, marker and length included."""
    if is_free(code):
        return _free(code, data[start : min(end, start + FREE_HEAD)], end - start)
    return _structural(code, data[start:end])


def is_free(code: int) -> bool:
    """Whether T.81 leaves open what a segment's parameters say."""
    return APP0 <= code <= APP15 or code == COM


@lru_cache(8192)
def _structural(code: int, payload: bytes) -> SegmentOdds:
    if code == DQT:
        value, sound = _quantisation(payload)
    elif code == DHT:
        value, sound = _huffman(payload)
    elif code in PROCESS:
        value, sound = _frame(payload)
    elif code == SOS:
        value, sound = _scan(payload)
    elif code == DRI:
        value, sound = (_LENGTH, True) if len(payload) == 2 else (_MISSED, False)
    else:
        value, sound = 0.0, True
    return SegmentOdds(round((_marker(code) + value) * NAT), sound)


def _marker(code: int) -> float:
    return 2 * _BYTE + math.log(_SHARES.get(code, _RARE))


@lru_cache(8192)
def _free(code: int, head: bytes, length: int) -> SegmentOdds:
    best, sound = 0.0, code not in _ALWAYS_NAMED
    for template in _TEMPLATES.get(code, ()):
        pairs = list(zip(head, template, strict=False))
        misses = sum(byte not in known for byte, known in pairs)
        value = math.log(0.9 / len(_TEMPLATES[code]))
        value += sum(_HIT - math.log(len(known)) if byte in known else _MISSED for byte, known in pairs)
        for name, fixed in _FIXED.items():
            if bytes(known[0] for known in template[: len(name)]) == name:
                value += _LENGTH if length == fixed else _MISSED
        if value > best or (best == 0 and len(pairs) - misses >= _NAMED):
            best, sound = max(value, best), misses == 0
    return SegmentOdds(round((_marker(code) + best) * NAT), sound)


def _chance(byte: int, known: dict[int, float]) -> float:
    return _BYTE + math.log((1 - _MISS) * known.get(byte, 0.0) + _MISS / 256)


def _frame(payload: bytes) -> tuple[float, bool]:
    """T.81 B.2.2."""
    if len(payload) < 6:
        return _MISSED, False
    count = payload[5]
    fits = len(payload) == 6 + _SOF_TRIPLES * count
    value = _LENGTH if fits else _MISSED
    value += _chance(payload[0], {8: 0.98, 12: 0.02})
    for at in (1, 3):  # few sides reach 8192, fewer 16384
        value += _chance(payload[at], {high: 1 / 40 if high < 32 else 0.2 / 32 for high in range(64)})
    value += _chance(count, {3: 0.9, 1: 0.08, 4: 0.02})
    parts = [payload[at : at + 3] for at in range(6, min(len(payload) - 2, 18), 3)]
    for index, (name, factors, table) in enumerate(parts):
        value += _chance(name, {index + 1: 0.95, index: 0.03, b"RGBK"[index]: 0.02})
        value += _chance(factors, _FACTORS if index == 0 else {0x11: 0.97, 0x22: 0.01, 0x21: 0.01, 0x12: 0.01})
        value += _chance(table, {min(index, 1): 0.9, 0: 0.08, index: 0.02})
    legal = all(1 <= f >> 4 <= 4 and 1 <= f & 15 <= 4 and q < 4 for _, f, q in parts)
    sides = int.from_bytes(payload[3:5]) > 0
    return value, fits and legal and sides and payload[0] in (8, 12)


def _scan(payload: bytes) -> tuple[float, bool]:
    """T.81 B.2.3."""
    if len(payload) < 4:
        return _MISSED, False
    count = payload[0]
    fits = 1 <= count <= 4 and len(payload) == 4 + 2 * count
    value = (_LENGTH if fits else _MISSED) + _chance(count, {3: 0.9, 1: 0.08, 4: 0.02})
    parts = [payload[at : at + 2] for at in range(1, min(len(payload) - 4, 9), 2)]
    legal = True
    for index, (name, tables) in enumerate(parts):
        value += _chance(name, {index + 1: 0.95, index: 0.03, b"RGBK"[index]: 0.02})
        value += _chance(tables, {0x11 * min(index, 1): 0.9, 0: 0.06, 0x11: 0.02, 0x10: 0.02})
        legal = legal and tables >> 4 < 4 and tables & 15 < 4
    start, end, approximation = payload[-3:]
    value += _chance(start, {0: 0.97, 1: 0.03}) + _chance(end, {63: 0.97, 0: 0.02})
    value += _chance(approximation, {0: 0.97, 1: 0.02})
    return value, fits and legal and start <= end <= 63


def _quantisation(payload: bytes) -> tuple[float, bool]:
    """T.81 B.2.4.1."""
    position, value, sound = 0, _LENGTH, True
    while position < len(payload):
        head = payload[position]
        wide = 0x10 <= head <= 0x13
        length = 1 + (2 * _STEPS if wide else _STEPS)
        if position + length > len(payload):
            return value - _LENGTH + _MISSED, False
        value += _chance(head, {0: 0.5, 1: 0.45, 2: 0.02, 0x10: 0.01, 0x11: 0.01})
        sound = sound and (head < 4 or wide)
        body = payload[position + 1 : position + length]
        steps = tuple(int.from_bytes(body[i : i + 2]) for i in range(0, len(body), 2)) if wide else tuple(body)
        worth, smooth = _steps(steps, wide=wide)
        value += worth
        sound = sound and smooth
        position += length
    return value, sound and position > 0


@cache
def _usual() -> NDArray[np.int64]:
    return np.array(sorted(usual_tables()), np.int64)  # type: ignore[type-var]


@lru_cache(1024)
def _steps(steps: tuple[int, ...], *, wide: bool) -> tuple[float, bool]:
    """A usual table, one scaled by another rule, or one that an encoder has of its own: the likeliest of them."""
    table, nats = np.array(steps, np.float64), (2 if wide else 1) * _BYTE
    alike = (_usual() == table).sum(axis=1).max()
    usual = _USUAL + alike * (_HIT - _BYTE + nats) + (_STEPS - alike) * _MISSED
    if alike == _STEPS:
        return usual, True
    best, sound = usual, False
    for strays, (share, foretold, spread) in zip(_STRAYS_MOST, (_scaled(table), _smooth(table)), strict=True):
        odds = _around(np.maximum(table, 0.5), foretold, spread, nats)
        odds[table < 1] = _MISSED
        best = max(best, share + float(odds.sum()))
        sound = sound or int(np.count_nonzero(odds[1:] < 0)) <= strays  # cameras have ideas about the first
    return float(best), sound and min(steps) > 0


def _scaled(steps: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Near the usual table that comes closest."""
    near = _usual()[np.minimum(np.abs(_usual() - steps), _usual() / 2 + 2).sum(axis=1).argmin()].astype(np.float64)
    return _SCALED, np.log(near), _ROUNDED / near + _SCALE


def _smooth(steps: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Steps grow from the corner on, evenly."""
    logs = np.zeros(_STEPS)
    logs[ZIGZAG] = np.log(np.maximum(steps, 0.5))
    square = logs.reshape(8, 8)
    foretold = np.full((8, 8), np.log(8))
    foretold[0, 1:], foretold[1:, 0] = square[0, :-1], square[:-1, 0]
    foretold[1:, 1:] = (square[:-1, 1:] + square[1:, :-1]) / 2
    spread = np.full(_STEPS, _SPREAD)
    spread[0] = 1.0
    return _OWN, foretold.reshape(-1)[ZIGZAG], spread


def _around(
    steps: NDArray[np.float64], foretold: NDArray[np.float64], spread: NDArray[np.float64], nats: float
) -> NDArray[np.float64]:
    """Log-odds of every step, of which a logarithm is `foretold`."""
    low, high = np.log(np.maximum(steps - 0.5, 0.25)) - foretold, np.log(steps + 0.5) - foretold
    chance = _laplace(high / spread) - _laplace(low / spread)
    odds: NDArray[np.float64] = np.log((1 - _STRAY_STEP) * chance + _STRAY_STEP * math.exp(-nats)) + nats
    return odds


def _laplace(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Its distribution function."""
    tail = 0.5 * np.exp(-np.abs(x))
    return np.where(x < 0, tail, 1 - tail)


def _huffman(payload: bytes) -> tuple[float, bool]:
    """T.81 B.2.4.2."""
    position, value, sound = 0, _LENGTH, True
    while position < len(payload):
        if position + _TABLE_HEAD >= len(payload):
            return value - _LENGTH + _MISSED, False
        head = payload[position]
        value += _chance(head, {0: 0.24, 1: 0.24, 0x10: 0.24, 0x11: 0.24, 2: 0.01, 0x12: 0.01})
        worth, length, well = _code_table(head >> 4, payload[position + 1 : position + 290])
        value += worth
        sound = sound and well and not head & 0xEC
        position += 1 + length
        if position > len(payload):
            return value - _LENGTH + _MISSED, False
    return value, sound and position > 0


@lru_cache(4096)
def _code_table(kind: int, body: bytes) -> tuple[float, int, bool]:
    """What begins with counts of codes: its odds, its length, and whether nothing is odd."""
    best, length, sound = float(-math.inf), 0, False
    for typical in _typical_tables():
        known = min(len(typical), len(body))
        alike = int(np.count_nonzero(np.frombuffer(body, np.uint8, known) == typical[:known]))
        value = _TYPICAL + alike * _HIT + (len(typical) - alike) * _MISSED
        if value > best:
            best, length, sound = value, len(typical), alike == len(typical)
    counts = body[:16]
    symbols = body[16 : 16 + sum(counts)]
    legal = _AC_SYMBOLS if kind == 1 or (kind > 1 and sum(counts) > len(_DC_SYMBOLS) + 4) else _DC_SYMBOLS
    well = is_prefix_code(counts) and len(symbols) == sum(counts) == len(set(symbols)) and set(symbols) <= set(legal)
    sound = sound or (well and len(symbols) + 16 == length)
    if best > _TYPICAL_SHARE * length * _HIT:
        return best, length, sound
    own = _own_table(counts, symbols, legal) + _OWN
    if len(symbols) < sum(counts):
        own += 2 * _MISSED
    return (own, 16 + sum(counts), well) if own > best else (best, length, sound)


@cache
def _typical_tables() -> tuple[NDArray[np.uint8], ...]:
    return tuple(np.array((*table.counts, *table.symbols), np.uint8) for table in STANDARD_TABLES.values())


@cache
def _count_odds() -> tuple[float, ...]:
    shares = np.array([0.35] + [0.4 / (c + 1.5) for c in range(1, 12)] + [0.3 / (c + 10) for c in range(12, 256)])
    return tuple((np.log(shares / shares.sum()) + _BYTE).tolist())


@lru_cache(4096)
def _own_table(counts: bytes, symbols: bytes, legal: tuple[int, ...]) -> float:
    """Of a table that an encoder made for the picture, or always uses."""
    if not any(counts):
        return _EMPTY
    value = sum(_count_odds()[count] for count in counts)
    left = (1 << 16) - sum(count << (15 - i) for i, count in enumerate(counts))
    longest = max(i for i, count in enumerate(counts) if count)
    if left == 1 << (15 - longest):
        value += _COMPLETE
    elif not is_prefix_code(counts):
        value += 4 * _MISSED
    if sum(counts) > len(legal) + (1 if legal is _AC_SYMBOLS else 4):
        value += 2 * _MISSED
    misses = len(symbols) - len(set(symbols) & set(legal))
    if misses > _MISSES_MOST:
        return value + misses * _MISSED
    sorted_odds = _ascending(counts, symbols, legal)
    if sorted_odds > _SORTED * len(symbols):
        return value + sorted_odds - math.log(2)
    return value + max(sorted_odds, _ranked(symbols, legal)) - math.log(2)


def _ascending(counts: bytes, symbols: bytes, legal: tuple[int, ...]) -> float:
    """Of symbols that are sorted within each code length, as libjpeg writes tables made for a picture."""
    free = list(legal)
    value, position = 0.0, 0
    for count in counts:
        group = symbols[position : position + count]
        position += count
        above = 0  # the first of `free` that may follow
        kept: list[int] = []
        last = -1
        for place, symbol in enumerate(group):
            wanted = len(group) - place
            at = bisect_right(free, symbol) - 1
            room = len(free) - above
            if at < above or at < 0 or free[at] != symbol or len(free) - at < wanted:
                value += _MISSED
                if at >= 0 and at < len(free) and free[at] == symbol and symbol > last:
                    kept.append(symbol)
                continue
            value += _HIT + _ways(len(free) - at - 1, wanted - 1) - _ways(room, wanted)
            kept.append(symbol)
            last, above = symbol, at + 1
        for symbol in kept:
            at = bisect_right(free, symbol) - 1
            if at >= 0 and free[at] == symbol:
                del free[at]
    return value


def _ways(of: int, chosen: int) -> float:
    """Logarithm of the binomial coefficient."""
    if not 0 <= chosen <= of:
        return -50.0
    return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)


@cache
def _weights() -> dict[int, float]:
    """How early a symbol comes, by the typical tables."""
    weights = dict.fromkeys(range(256), 0.0)
    for (kind, _), table in STANDARD_TABLES.items():
        if kind == 1:
            for rank, symbol in enumerate(table.symbols):
                weights[symbol] += math.exp(-rank / 25) + 0.01
    return weights


def _ranked(symbols: bytes, legal: tuple[int, ...]) -> float:
    """Of symbols in any order, the frequent ones first."""
    weights = _weights() if len(legal) > 100 else dict.fromkeys(legal, 1.0)
    free = list(legal)
    room = sum(weights[symbol] for symbol in free)
    value = 0.0
    for symbol in symbols:
        at = bisect_right(free, symbol) - 1
        if at < 0 or free[at] != symbol:
            value += _MISSED
            continue
        value += _HIT + math.log(weights[symbol] / max(room, weights[symbol]))
        room -= weights[symbol]
        del free[at]
    return value
