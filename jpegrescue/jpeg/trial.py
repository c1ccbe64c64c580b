"""Do headers fit the entropy-coded data? Decoding a piece of it tells, whatever the picture's size may be."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import _kernels_entropy as kernels
from jpegrescue.jpeg import entropy
from jpegrescue.model.jpeg import Frame, Scan

FEWEST_BITS = 2
"""Bits that a block takes at least: a code for its DC difference, one for its end."""
TRIED = 32 << 10
"""Bytes of a scan that are decoded on trial."""
_SKIPPED = 256


def failures(data: NDArray[np.uint8], frame: Frame, scan: Scan) -> float:
    """How badly the first 32 KiB of `scan` decode: failures, and one for every 256 bits skipped after them.

    Infinite where a Huffman table is lacking.
    """
    piece = replace(scan, end=min(scan.end, scan.start + TRIED))
    raw = _decode(data, frame, piece, 8 * TRIED)
    if raw is None:
        return math.inf
    real = raw.events[raw.events[:, 4] != kernels.OUT_OF_DATA]
    return float(real.shape[0] + real[:, 3].sum() / _SKIPPED)


def count_mcus(data: NDArray[np.uint8], frame: Frame, scan: Scan, limit: int) -> int:
    """MCUs that the scan's data decode to, `limit` at most; 0 if it lacks a Huffman table."""
    raw = _decode(data, frame, scan, limit)
    return 0 if raw is None else int(raw.interval_done.sum())


def _decode(data: NDArray[np.uint8], frame: Frame, scan: Scan, limit: int) -> entropy.RawDecode | None:
    """Decode all intervals between restart markers, `limit` MCUs at most, into a picture as high as they need."""
    blocks = sum(c.horizontal * c.vertical for c in frame.components) if len(scan.components) > 1 else 1
    stripped = entropy.scan_bytes(data, scan)
    edges = np.concatenate((np.zeros(1, np.int64), stripped.restart_at, [stripped.size]))
    bits = np.stack((edges[:-1], edges[1:]), axis=1) * 8
    counts = (bits[:, 1] - bits[:, 0]) // (FEWEST_BITS * blocks) + 1
    if scan.restart_interval:
        counts = np.minimum(counts, scan.restart_interval)
    ends = np.minimum(np.cumsum(counts), limit)
    first = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    columns = 8 * frame.horizontal_max * 64
    rows = -(-int(ends[-1]) // 64)
    tall = replace(frame, width=columns, height=8 * frame.vertical_max * rows)
    layout = entropy.scan_layout(tall, scan)
    if layout is None:
        return None
    shapes = entropy.component_blocks(tall)
    flat = np.zeros(64 * sum(down * across for down, across in shapes), np.int16)
    return entropy.decode_intervals(stripped, layout, bits, first, ends - first, flat)
