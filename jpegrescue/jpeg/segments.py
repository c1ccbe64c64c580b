"""Parameters of single marker segments (ITU-T T.81 B.2), read tolerantly: what cannot be read is left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jpegrescue.jpeg.markers import DHT, DNL, DQT, DRI, PROCESS, SOS, huffman_counts_valid
from jpegrescue.model.jpeg import Component, Frame, HuffmanTable

_REMEMBERED = 64  # payloads: most files of a medium come from few encoders


@dataclass(frozen=True, slots=True)
class ScanHeader:
    """SOS parameters (T.81 B.2.3): component identifiers with their DC and AC table destinations."""

    components: tuple[tuple[int, int, int], ...]
    spectral_start: int
    spectral_end: int
    approximation_high: int
    approximation_low: int


def natural_length(marker: int, data: bytes) -> int | None:
    """Length field that the parameters in `data` (which may go on beyond the segment) ask for by themselves.

    `None` where the content does not say. Holds for DQT and DHT as far as their tables follow one another validly.
    """
    if marker in PROCESS:
        return 8 + 3 * data[5] if len(data) > 5 else None
    if marker == SOS:
        return 6 + 2 * data[0] if data else None
    if marker in (DRI, DNL):
        return 4
    if marker == DQT:
        return 2 + _tables_length(data, _quantisation_length)
    if marker == DHT:
        return 2 + _tables_length(data, _huffman_length)
    return None


def _tables_length(data: bytes, length_of: Callable[[bytes, int], int | None]) -> int:
    position = 0
    while (length := length_of(data, position)) is not None:
        position += length
    return position


def _quantisation_length(data: bytes, position: int) -> int | None:
    if position >= len(data) or data[position] >> 4 > 1 or data[position] & 15 > 3:
        return None
    length = 129 if data[position] >> 4 else 65
    return length if position + length <= len(data) else None


def _huffman_length(data: bytes, position: int) -> int | None:
    if position + 17 > len(data) or data[position] & 0xEC:
        return None
    counts = data[position + 1 : position + 17]
    length = 17 + sum(counts)
    return length if huffman_counts_valid(counts) and position + length <= len(data) else None


@lru_cache(_REMEMBERED)
def quantisation_tables(payload: bytes) -> tuple[Mapping[int, tuple[int, ...]], bool]:
    """DQT: tables of 64 steps in zigzag order by destination, and whether the whole payload could be read."""
    tables: dict[int, tuple[int, ...]] = {}
    position = 0
    while (length := _quantisation_length(payload, position)) is not None:
        body = payload[position + 1 : position + length]
        wide = length == 129
        tables[payload[position] & 3] = tuple(
            int.from_bytes(body[i : i + 2]) if wide else body[i] for i in range(0, len(body), 2 if wide else 1)
        )
        position += length
    sound = position == len(payload) and bool(tables) and all(all(table) for table in tables.values())
    return tables, sound


@lru_cache(_REMEMBERED)
def huffman_tables(payload: bytes) -> tuple[Mapping[tuple[int, int], HuffmanTable | None], bool]:
    """DHT: tables by (class, destination), and whether the whole payload could be read.

    A table that is no prefix code, or runs past the segment, is `None`: it must not leave an older one in force.
    """
    tables: dict[tuple[int, int], HuffmanTable | None] = {}
    position = 0
    while position + 17 <= len(payload):
        head = payload[position]
        counts = payload[position + 1 : position + 17]
        key = (head >> 4 & 1, head & 3)
        symbols = payload[position + 17 : position + 17 + sum(counts)]
        valid = not head & 0xEC and huffman_counts_valid(counts) and len(symbols) == sum(counts)
        tables[key] = HuffmanTable(tuple(counts), tuple(symbols)) if valid else None
        position += 17 + sum(counts)
    return tables, position == len(payload) and bool(tables) and None not in tables.values()


def frame_header(marker: int, payload: bytes) -> Frame:
    """SOFn (T.81 B.2.2); `payload` must be plausible for it (`markers.segment_plausible`)."""
    components = tuple(
        Component(payload[i], payload[i + 1] >> 4, payload[i + 1] & 15, payload[i + 2])
        for i in range(6, 6 + 3 * payload[5], 3)
    )
    return Frame(
        process=PROCESS[marker],
        precision=payload[0],
        height=int.from_bytes(payload[1:3]),
        width=int.from_bytes(payload[3:5]),
        components=components,
    )


def scan_header(payload: bytes) -> ScanHeader | None:
    """SOS (T.81 B.2.3); `None` where the component count contradicts the length."""
    if len(payload) < 6 or not 1 <= payload[0] <= 4 or len(payload) < 4 + 2 * payload[0]:
        return None
    count = payload[0]
    components = tuple((payload[i], payload[i + 1] >> 4, payload[i + 1] & 15) for i in range(1, 1 + 2 * count, 2))
    start, end, approximation = payload[1 + 2 * count : 4 + 2 * count]
    return ScanHeader(components, start, end, approximation >> 4, approximation & 15)
