"""A baseline encoder for coefficients (T.81 annex F.1): any sampling, interleaving and restart interval."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))


def standard_tables() -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
    """The typical tables of T.81 K.3, as libjpeg writes them: {class << 4 | destination: (counts, symbols)}."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    data = buffer.getvalue()
    tables = {}
    position = 2
    while data[position + 1] != 0xDA:
        length = int.from_bytes(data[position + 2 : position + 4])
        payload = data[position + 4 : position + 2 + length]
        while data[position + 1] == 0xC4 and payload:
            counts = tuple(payload[1:17])
            tables[payload[0]] = (counts, tuple(payload[17 : 17 + sum(counts)]))
            payload = payload[17 + sum(counts) :]
        position += 2 + length
    return tables


TABLES = standard_tables()


def codes(table: tuple[tuple[int, ...], tuple[int, ...]]) -> dict[int, str]:
    """{symbol: bits} (T.81 annex C)."""
    counts, symbols = table
    result = {}
    code = index = 0
    for length, count in enumerate(counts, start=1):
        for _ in range(count):
            result[symbols[index]] = f"{code:0{length}b}"
            code += 1
            index += 1
        code <<= 1
    return result


CODES = {key: codes(table) for key, table in TABLES.items()}


@dataclass(frozen=True)
class Plan:
    """What to encode: `factors` (H, V) per component; `restart` MCUs per interval, 0 for none."""

    width: int
    height: int
    factors: tuple[tuple[int, int], ...]
    restart: int = 0
    interleaved: bool = True
    adobe: int | None = None
    jfif: bool = False
    quantiser: int = 8

    @property
    def maxima(self) -> tuple[int, int]:
        return max(h for h, _ in self.factors), max(v for _, v in self.factors)

    @property
    def mcu_grid(self) -> tuple[int, int]:
        """MCU columns and rows."""
        across, down = self.maxima
        return -(-self.width // (8 * across)), -(-self.height // (8 * down))

    def blocks(self, index: int) -> tuple[int, int]:
        """Block rows and columns of a component, padded to whole MCUs."""
        columns, rows = self.mcu_grid
        return rows * self.factors[index][1], columns * self.factors[index][0]

    def own_blocks(self, index: int) -> tuple[int, int]:
        """Block rows and columns of a component in a scan of its own."""
        (across, down), (most_across, most_down) = self.factors[index], self.maxima
        rows = math.ceil(self.height * down / most_down)
        columns = math.ceil(self.width * across / most_across)
        return math.ceil(rows / 8), math.ceil(columns / 8)


def random_planes(plan: Plan, rng: np.random.Generator, busy: float = 0.15) -> list[NDArray[np.int16]]:
    """Random coefficients, shape (rows, columns, 64), natural order; a share `busy` of them is not zero."""
    planes = []
    for index in range(len(plan.factors)):
        shape = (*plan.blocks(index), 64)
        planes.append(np.where(rng.random(shape) < busy, rng.integers(-40, 41, shape), 0).astype(np.int16))
    return planes


class _Bits:
    def __init__(self) -> None:
        self.bits: list[str] = []
        self.done = bytearray()

    def flush(self) -> None:
        text = "".join(self.bits)
        text += "1" * (-len(text) % 8)
        raw = int(text, 2).to_bytes(len(text) // 8) if text else b""
        self.done += raw.replace(b"\xff", b"\xff\x00")
        self.bits = []

    def block(self, block: Sequence[int], predictor: int, table: int) -> None:
        difference = block[0] - predictor
        size = abs(difference).bit_length()
        self.bits.append(CODES[table][size] + _magnitude(difference, size))
        run = 0
        for index in ZIGZAG[1:]:
            if block[index] == 0:
                run += 1
                continue
            while run > 15:
                self.bits.append(CODES[0x10 | table][0xF0])
                run -= 16
            size = abs(block[index]).bit_length()
            self.bits.append(CODES[0x10 | table][run << 4 | size] + _magnitude(block[index], size))
            run = 0
        if run:
            self.bits.append(CODES[0x10 | table][0])


def _magnitude(value: int, size: int) -> str:
    if size == 0:
        return ""
    return f"{value if value > 0 else value + (1 << size) - 1:0{size}b}"


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload


def encode(plan: Plan, planes: Sequence[NDArray[np.int16]]) -> bytes:
    """The JPEG file."""
    out = bytearray(b"\xff\xd8")
    if plan.jfif:
        out += _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    if plan.adobe is not None:
        out += _segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes((plan.adobe,)))
    out += _segment(0xDB, b"\0" + bytes([plan.quantiser] * 64))
    count = len(plan.factors)
    components = b"".join(bytes((i + 1, h << 4 | v, 0)) for i, (h, v) in enumerate(plan.factors))
    out += _segment(0xC0, bytes((8,)) + plan.height.to_bytes(2) + plan.width.to_bytes(2) + bytes((count,)) + components)
    for key, (counts, symbols) in TABLES.items():
        out += _segment(0xC4, bytes((key,)) + bytes(counts) + bytes(symbols))
    if plan.restart:
        out += _segment(0xDD, plan.restart.to_bytes(2))
    scans = [list(range(count))] if plan.interleaved else [[i] for i in range(count)]
    for scan in scans:
        selectors = b"".join(bytes((i + 1, 0x11 if i else 0)) for i in scan)
        out += _segment(0xDA, bytes((len(scan),)) + selectors + b"\0\x3f\0")
        out += _scan(plan, planes, scan)
    return bytes(out + b"\xff\xd9")


def _scan(plan: Plan, planes: Sequence[NDArray[np.int16]], scan: list[int]) -> bytes:
    sink = _Bits()
    predictors = dict.fromkeys(scan, 0)
    for number, mcu in enumerate(_mcus(plan, scan)):
        if plan.restart and number and number % plan.restart == 0:
            sink.flush()
            sink.done += bytes((0xFF, 0xD0 + (number // plan.restart - 1) % 8))
            predictors = dict.fromkeys(scan, 0)
        for component, row, column in mcu:
            block = planes[component][row, column].tolist()
            sink.block(block, predictors[component], 1 if component else 0)
            predictors[component] = block[0]
    sink.flush()
    return bytes(sink.done)


def _mcus(plan: Plan, scan: list[int]) -> list[list[tuple[int, int, int]]]:
    if len(scan) == 1:
        rows, columns = plan.own_blocks(scan[0])
        return [[(scan[0], row, column)] for row in range(rows) for column in range(columns)]
    mcu_columns, mcu_rows = plan.mcu_grid
    return [
        [
            (c, y * plan.factors[c][1] + v, x * plan.factors[c][0] + h)
            for c in scan
            for v in range(plan.factors[c][1])
            for h in range(plan.factors[c][0])
        ]
        for y in range(mcu_rows)
        for x in range(mcu_columns)
    ]
