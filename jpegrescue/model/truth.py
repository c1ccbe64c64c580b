"""Ground truth of a simulated data set: one value object per part of `truth.json` (schema_version 1).

Nothing but `lab` reads it: a search that saw it would prove nothing.
"""

from dataclasses import dataclass, field
from typing import Literal

from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import OutputFile, RunState

DamageKind = Literal["flips", "sector", "codeword", "page", "foreign", "tail"]
Where = Literal["scan", "file"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How files are damaged; with the bytes of a file it decides everything.

    `bit_error_rate`: probability with which each bit flips, on its own, whatever `damage` adds to it; `count`: sectors,
    codewords, pages or clusters hit; `cipher`: name of the sector cipher, `None` for files that lie unencrypted;
    `sector_size` (also that of a zeroed sector) and `iv_unit` in bytes; `first_sector`: number of the sector that a
    file begins with.
    """

    damage: DamageKind
    bit_error_rate: float
    where: Where
    count: int
    seed: int
    cipher: str | None
    sector_size: int
    first_sector: int
    iv_unit: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """Where foreign bytes came from: `[start, end)` of the file with this SHA-256."""

    sha256: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Making:
    """How the original came about.

    `encoder`: what encoded the picture, its thumbnail or both; `None` where neither was, but the source was taken as it
    is. `thumbnail`: `keep`, `none` or the long side in pixels of one that was made. The others are `None` for JPEG
    sources, whose picture is never encoded anew.
    """

    encoder: str | None
    quality: int | None
    sampling: str | None
    restart_interval: int | None
    thumbnail: str


@dataclass(frozen=True, slots=True)
class TrueImage:
    """One file of the set.

    `size`, `sha256`: of the original; `scan`: its bytes from the first scan's data to behind EOI; `flipped_bits`:
    absolute bits (0 = most significant of byte 0), ascending, and `overwritten`: ranges of bytes, one per sector,
    page or cluster hit, ascending, both in the evidence, which is the ciphertext, or the file itself where there is
    no cipher; `foreign`: what came into each overwritten cluster, in the same order; `changed`: ranges of bytes of
    the file as it decrypts in which it differs from the original, a missing tail included. `outputs` have the kinds
    `original`, `evidence` (the ciphertext with its errors; not written without a cipher) and `damaged` (what it
    decrypts to).
    """

    name: str
    source: str
    source_sha256: str
    making: Making
    size: int
    sha256: str
    scan: ByteRange
    recipe: Recipe
    flipped_bits: tuple[int, ...]
    overwritten: tuple[ByteRange, ...]
    foreign: tuple[Foreign, ...]
    changed: tuple[ByteRange, ...]
    outputs: tuple[OutputFile, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """The whole of `truth.json`. It never holds the key; `key_file` names the file of one that was made up.

    `key_sha256`: of that file, by which a later run tells that it is the one that was written here.
    """

    version: str
    state: RunState
    recipe: Recipe
    key_file: str | None
    images: tuple[TrueImage, ...]
    problems: tuple[Problem, ...]
    key_sha256: str | None = field(default=None, kw_only=True)
    schema_version: Literal[1] = field(default=1, kw_only=True)
