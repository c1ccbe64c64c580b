"""What the robust decoder hands on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Grade = Literal["intact", "exact", "aligned", "placed", "consistent", "uncertain", "filled", "synthetic"]
Cause = Literal["invalid_code", "coefficient_overflow", "data_left_over", "out_of_data", "restart_mismatch"]


@dataclass(frozen=True, slots=True)
class ResyncPoint:
    """Where decoding failed and went on.

    `bit`: absolute bit address in the file, stuffing included, 0 = most significant, at which the failing MCU began;
    `byte` = bit // 8; `mcu`: index in the decoded stream; `skipped_bits`: bits (without stuffing) until an MCU decoded
    again.
    """

    bit: int
    byte: int
    mcu: int
    skipped_bits: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of MCUs `[mcu_start, mcu_end)` of a scan's decoded stream between two interruptions.

    MCUs are those of scan number `scan`: a scan of one component has blocks of it for MCUs (ITU-T T.81 A.2.2).

    `bit_start`/`bit_end`: absolute bits in the file; `placed_at`: raster index of its first MCU in the picture;
    `shift` = placed_at − mcu_start; `dc_offset`: quantiser steps added per component, `None` while unknown;
    `confidence`: calibrated probability of the placement, `None` where no calibrated engine spoke; `engine`: what
    placed it (`decoder` = position in the stream, `restart` = restart marker). `grade` `consistent`: in a file that
    nothing contradicts, which proves nothing: errors that leave no trace in decoding are common.
    """

    scan: int
    mcu_start: int
    mcu_end: int
    bit_start: int
    bit_end: int
    placed_at: int
    shift: int
    dc_offset: tuple[int, ...] | None
    confidence: float | None
    engine: str
    grade: Grade


@dataclass(frozen=True, slots=True)
class ComponentPlane:
    """Quantised coefficients of one component.

    `blocks`: int16, shape (block rows, block columns, 64), natural (row-major) order, padded to whole MCUs;
    `quantisation`: uint16, shape (64,), natural order.
    """

    blocks: NDArray[np.int16]
    quantisation: NDArray[np.uint16]
    horizontal: int
    vertical: int


@dataclass(frozen=True, slots=True)
class ScanDecode:
    """Outcome of one scan.

    `mcu_bit`: int64, shape (MCUs decoded,), absolute bit address in the file of every decoded MCU in stream order;
    `placed`: int64, same shape, raster index of each; `mcus`: MCUs that the scan should hold.
    """

    mcus: int
    mcu_bit: NDArray[np.int64]
    placed: NDArray[np.int64]
    resync_points: tuple[ResyncPoint, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Decode:
    """Outcome of a file: planes in frame order, scans in file order, and MCUs that nothing was decoded for."""

    planes: tuple[ComponentPlane, ...]
    scans: tuple[ScanDecode, ...]
    lost_mcus: int
    damaged: bool
