"""The structure of one JPEG file as its markers describe it (ITU-T T.81 annex B)."""

from dataclasses import dataclass
from typing import Literal

from jpegrescue.model.problem import Problem

Process = Literal[
    "baseline",
    "extended",
    "progressive",
    "lossless",
    "hierarchical",
    "extended_arithmetic",
    "progressive_arithmetic",
    "lossless_arithmetic",
]


@dataclass(frozen=True, slots=True)
class MarkerSegment:
    """A marker and its parameters: `offset` of its FF byte, `end` after the last byte of its parameters."""

    marker: int
    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class HuffmanTable:
    """DHT entry (T.81 B.2.4.2): `counts` of codes of 1…16 bits, then the symbols in order of their codes."""

    counts: tuple[int, ...]
    symbols: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """Component of the frame (T.81 B.2.2): identifier, sampling factors and quantisation table selector."""

    identifier: int
    horizontal: int
    vertical: int
    quantisation: int


@dataclass(frozen=True, slots=True)
class Frame:
    """Frame header (T.81 B.2.2)."""

    process: Process
    precision: int
    width: int
    height: int
    components: tuple[Component, ...]

    @property
    def horizontal_max(self) -> int:
        """Largest horizontal sampling factor."""
        return max(c.horizontal for c in self.components)

    @property
    def vertical_max(self) -> int:
        """Largest vertical sampling factor."""
        return max(c.vertical for c in self.components)

    @property
    def mcu_columns(self) -> int:
        """Interleaved MCUs per row."""
        return -(-self.width // (8 * self.horizontal_max))

    @property
    def mcu_rows(self) -> int:
        """Rows of interleaved MCUs."""
        return -(-self.height // (8 * self.vertical_max))


@dataclass(frozen=True, slots=True)
class ScanComponent:
    """Component of a scan: its index in the frame and the Huffman tables in force at its SOS."""

    index: int
    dc_table: HuffmanTable | None
    ac_table: HuffmanTable | None


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan (T.81 B.2.3): entropy-coded bytes are `[start, end)` of the file, stuffing and RSTn included."""

    components: tuple[ScanComponent, ...]
    spectral_start: int
    spectral_end: int
    approximation_high: int
    approximation_low: int
    restart_interval: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """Embedded preview. `kind`: `exif`, `jfif` (raw RGB), `jfxx`; bytes `[start, end)` of the parent file."""

    kind: str
    start: int
    end: int
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class JpegStructure:
    """What the markers of one file say. Quantisation tables are in zigzag order, by destination, as last defined."""

    segments: tuple[MarkerSegment, ...]
    frame: Frame | None
    quantisation: tuple[tuple[int, ...] | None, ...]
    scans: tuple[Scan, ...]
    jfif: bool
    adobe_transform: int | None
    thumbnails: tuple[Thumbnail, ...]
    eoi: int | None
    problems: tuple[Problem, ...]
