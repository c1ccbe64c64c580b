"""Robust decoding of a whole file: scans, resynchronisation points and the segments between them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import _kernels_entropy as kernels
from jpegrescue.jpeg import entropy
from jpegrescue.model.decode import Cause, ComponentPlane, Decode, ResyncPoint, ScanDecode, Segment
from jpegrescue.model.jpeg import Frame, JpegStructure, Scan
from jpegrescue.resync.restarts import Intervals, anchor

_CAUSES: dict[int, Cause] = {
    kernels.INVALID_CODE: "invalid_code",
    kernels.COEFFICIENT_OVERFLOW: "coefficient_overflow",
    kernels.OUT_OF_DATA: "out_of_data",
}


def picture_frame(frame: Frame) -> Frame:
    """The frame as its scans use it: a lone component is never interleaved, so its factors count as 1 (T.81 A.2.2)."""
    if len(frame.components) > 1:
        return frame
    return replace(frame, components=(replace(frame.components[0], horizontal=1, vertical=1),))


def decode(data: NDArray[np.uint8], structure: JpegStructure) -> Decode | None:
    """Decode every scan of a sequential Huffman file by the robust rule.

    Args:
        data: uint8, the whole file.
        structure: what `jpeg.parse` made of it; its frame must be sequential Huffman, 8 bit, with no more than four
            components (`flow` checks).

    Returns:
        The decode, or `None` if no scan has the tables it needs. Scans that lack one, or name a component that the
        frame lacks, are left out.
    """
    assert structure.frame is not None  # noqa: S101  (the caller's duty, see above)
    frame = picture_frame(structure.frame)
    shapes = entropy.component_blocks(frame)
    flat = np.zeros(64 * sum(rows * columns for rows, columns in shapes), np.int16)
    lost = np.ones((len(shapes), frame.mcu_rows, frame.mcu_columns), np.bool_)
    scans: list[ScanDecode] = []
    for number, scan in enumerate(structure.scans):
        layout = entropy.scan_layout(frame, scan)
        if layout is None:
            continue
        scans.append(_decode_scan(data, scan, number, layout, flat, ends=structure.eoi is not None))
        _mark_decoded(lost, frame, scan, layout, scans[-1])
    if not scans:
        return None
    lost_mcus = int(np.count_nonzero(lost.any(axis=0)))
    return Decode(
        planes=_planes(flat, shapes, structure, frame),
        scans=tuple(scans),
        lost_mcus=lost_mcus,
        damaged=lost_mcus > 0 or any(segment.grade == "uncertain" for scan in scans for segment in scan.segments),
    )


def _planes(
    flat: NDArray[np.int16], shapes: tuple[tuple[int, int], ...], structure: JpegStructure, frame: Frame
) -> tuple[ComponentPlane, ...]:
    planes = []
    offset = 0
    for (rows, columns), component in zip(shapes, frame.components, strict=True):
        zigzag_values = structure.quantisation[component.quantisation] or (1,) * 64
        quantisation = np.empty(64, np.uint16)
        quantisation[kernels.ZIGZAG] = zigzag_values
        size = 64 * rows * columns
        planes.append(
            ComponentPlane(
                blocks=flat[offset : offset + size].reshape(rows, columns, 64),
                quantisation=quantisation,
                horizontal=component.horizontal,
                vertical=component.vertical,
            )
        )
        offset += size
    return tuple(planes)


def _decode_scan(
    data: NDArray[np.uint8],
    scan: Scan,
    number: int,
    layout: entropy.ScanLayout,
    flat: NDArray[np.int16],
    *,
    ends: bool,
) -> ScanDecode:
    stripped = entropy.scan_bytes(data, scan)
    intervals = anchor(stripped, layout.mcus, scan.restart_interval, ends=ends)
    raw = entropy.decode_intervals(stripped, layout, intervals.bits, intervals.first_mcu, intervals.count, flat)
    points, clean = _resync_points(stripped, intervals, raw)
    return ScanDecode(
        mcus=layout.mcus,
        mcu_bit=stripped.file_bits(raw.mcu_bit),
        placed=raw.placed,
        resync_points=points,
        segments=_segments(stripped, raw, clean, number),
    )


def _resync_points(
    stripped: entropy.ScanBytes, intervals: Intervals, raw: entropy.RawDecode
) -> tuple[tuple[ResyncPoint, ...], NDArray[np.bool_]]:
    """Points in file order, and per interval whether nothing speaks against it."""
    complete = raw.interval_done == intervals.count
    left = intervals.bits[:, 1] - raw.interval_end
    clean = complete & intervals.anchored & (left < 8)
    clean[raw.events[:, 0]] = False
    found = [
        (int(bit), int(stream), int(skipped), _CAUSES[int(status)])
        for _, stream, bit, skipped, status in raw.events.tolist()
    ]
    stream_end = np.cumsum(raw.interval_done)
    over = np.flatnonzero(complete & (left >= 8))
    found += [(int(raw.interval_end[i]), int(stream_end[i]), int(left[i]), "data_left_over") for i in over]
    found.sort()
    bits = stripped.file_bits(np.array([f[0] for f in found], np.int64)).tolist()
    points = tuple(
        ResyncPoint(bit=bit, byte=bit // 8, mcu=stream, skipped_bits=skipped, cause=cause)
        for bit, (_, stream, skipped, cause) in zip(bits, found, strict=True)
    )
    return points, clean


def _segments(
    stripped: entropy.ScanBytes,
    raw: entropy.RawDecode,
    clean: NDArray[np.bool_],
    scan: int,
) -> tuple[Segment, ...]:
    """Cut the decoded stream at every event and wherever clean and doubtful intervals meet.

    In a scan with any sign of damage every segment is uncertain: a fifth to a half of all garbles of 16 bytes leave
    no trace in the decoding of their restart interval (`benchmarks/silent.py`).
    """
    decoded = raw.mcu_bit.size
    if decoded == 0:
        return ()
    stream_end = np.cumsum(raw.interval_done)
    joins = np.ones(clean.size, np.bool_)
    joins[1:] = ~(clean[1:] & clean[:-1])
    cuts = np.unique(np.concatenate(((stream_end - raw.interval_done)[joins], raw.events[:, 1], [decoded])))
    starts = cuts[cuts < decoded]
    stops = np.concatenate((starts[1:], [decoded]))
    owner = np.searchsorted(stream_end, starts, side="right")
    columns = (
        starts,
        stops,
        stripped.file_bits(raw.mcu_bit[starts]),
        stripped.file_bits(raw.mcu_end[stops - 1] - 1) + 1,
        raw.placed[starts],
        owner,
    )
    sound = bool(clean.all())
    return tuple(
        Segment(
            scan=scan,
            mcu_start=start,
            mcu_end=stop,
            bit_start=bit_start,
            bit_end=bit_end,
            placed_at=placed,
            shift=placed - start,
            dc_offset=None,
            confidence=None,
            engine="decoder" if sound or interval == 0 else "restart",
            grade="consistent" if sound else "uncertain",
        )
        for start, stop, bit_start, bit_end, placed, interval in zip(*(c.tolist() for c in columns), strict=True)
    )


def _mark_decoded(
    lost: NDArray[np.bool_], frame: Frame, scan: Scan, layout: entropy.ScanLayout, decoded: ScanDecode
) -> None:
    """Clear `lost` (component, MCU row, MCU column) where the scan delivered."""
    if len(scan.components) > 1:
        for part in scan.components:
            lost[part.index].reshape(-1)[decoded.placed] = False
        return
    component = frame.components[scan.components[0].index]
    missing = np.ones(layout.mcus, np.bool_)
    missing[decoded.placed] = False
    rows, columns = np.nonzero(missing.reshape(layout.rows, layout.columns))
    target = lost[scan.components[0].index]
    target[:] = False
    target[rows // component.vertical, columns // component.horizontal] = True
