"""A scan made ready for being placed: its stream, and what that says about itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align.evidence import Evidence, Preview, contrast
from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.pixels import ColourSpace
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.jpeg import Frame, JpegStructure, Scan
from jpegrescue.resync.decode import picture_frame
from jpegrescue.resync.restarts import Intervals, anchor
from jpegrescue.resync.stream import Stream, decode_stream
from jpegrescue.score.borders import ComponentLayout, component_layouts, look_at_borders
from jpegrescue.score.neighbours import left_odds
from jpegrescue.score.plausibility import NAT
from jpegrescue.score.soundness import Soundness, calibrated_odds, of_mcus
from jpegrescue.score.symbols import weigh

UNREADABLE, BEGUN = -10 * NAT, -1  # the least that lets runs begin
GARBAGE = -20 * NAT  # where decoding begins anew, an MCU is made of garbage in part, nearly always


@dataclass(frozen=True, slots=True)
class Reading:
    """`frame` as its scan uses it; `bit_start`, `bit_end`: int64 (MCUs,), absolute bits in the file."""

    frame: Frame
    scan: Scan
    layouts: tuple[ComponentLayout, ...]
    stream: Stream
    evidence: Evidence
    bit_start: NDArray[np.int64]
    bit_end: NDArray[np.int64]


def read_scan(
    data: NDArray[np.uint8],
    structure: JpegStructure,
    space: ColourSpace = "ycc",
    bad: Sequence[ByteRange] = (),
) -> Reading | None:
    """Read the one scan of a file; `None` where there is not exactly one with all components, or nothing decodes.

    `bad`: byte ranges of the file that are known to be unreadable; nothing that was decoded from them counts.
    """
    if structure.frame is None or len(structure.scans) != 1:
        return None
    frame, scan = picture_frame(structure.frame), structure.scans[0]
    if len(scan.components) != len(frame.components):
        return None
    layout = entropy.scan_layout(frame, scan)
    if layout is None or layout.mcus == 0:
        return None
    stripped = entropy.scan_bytes(data, scan)
    ends = structure.eoi is not None
    intervals = anchor(stripped, layout.mcus, scan.restart_interval, ends=ends)
    odds = calibrated_odds(stripped, intervals.bits, layout, scan)
    stream = decode_stream(stripped, layout, intervals)
    if stream.bit_start.size == 0:
        return None
    layouts = component_layouts(structure, frame, scan, space)
    start, end = stripped.file_bits(stream.bit_start), stripped.file_bits(stream.bit_end - 1) + 1
    hit = np.zeros(start.size, np.bool_)
    for part in bad:
        hit |= (start < 8 * part.end) & (end > 8 * part.start)
    symbols = of_mcus(weigh(stripped, intervals.bits, layout.mcus, layout, odds), stream.bit_start, stream.bit_end)
    begun = stream.fresh & ~np.isin(stream.bit_start, intervals.bits[:, 0])
    begun[1:] |= begun[:-1] & (symbols.dip[1:] < 0)  # and so may be the next
    symbols = replace(symbols, dip=np.where(begun, np.minimum(symbols.dip, GARBAGE), symbols.dip))
    evidence = _evidence(stream, layout, layouts, intervals, hit, symbols, ends=ends)
    return Reading(frame, scan, layouts, stream, evidence, start, end)


def _evidence(
    stream: Stream,
    layout: entropy.ScanLayout,
    layouts: Sequence[ComponentLayout],
    intervals: Intervals,
    hit: NDArray[np.bool_],
    symbols: Soundness,
    *,
    ends: bool,
) -> Evidence:
    borders = look_at_borders(stream.coefficients, layouts)
    left, above = left_odds(borders, stream.fresh, layout.columns)
    left[hit | np.concatenate((np.zeros(1, np.bool_), hit[:-1]))] = UNREADABLE
    first_mcu, first_bit = intervals.first_mcu, intervals.bits[:, 0]
    opens = np.searchsorted(stream.interval, np.arange(first_mcu.size))
    forced = np.full(left.size, -1, np.int64)
    inside = opens < left.size
    number, first = np.flatnonzero(inside), opens[inside]
    begun = (stream.interval[first] == number) & (stream.bit_start[first] == first_bit[number])
    forced[first[begun]] = first_mcu[number[begun]]
    plain, closed = contrast(left)
    left[1:][stream.fresh[1:] & (forced[1:] < 0)] += BEGUN
    limit = np.append(first_mcu[1:], layout.mcus)[stream.interval]
    return Evidence(
        borders=borders,
        above=above,
        left=left,
        bit_start=stream.bit_start,
        bit_end=stream.bit_end,
        forced=forced,
        certain=intervals.sure[stream.interval],
        limit=limit,
        preview=Preview.none(borders.kinds.size),
        width=layout.columns,
        places=layout.mcus,
        ends=ends,
        hit=hit,
        plain=plain,
        closed=closed,
        soundness=symbols,
        anchored=bool(forced[0] >= 0),
    )
