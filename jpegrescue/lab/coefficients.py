"""What is true of single MCUs: which of them damage touched, which a run has right, and which it says it has right."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.flow.grade import cannot_decode
from jpegrescue.jpeg.entropy import component_size, scan_layout
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.decode import ComponentPlane, Decode, Segment
from jpegrescue.model.jpeg import Frame, JpegStructure, Scan
from jpegrescue.model.problem import Problem
from jpegrescue.resync.decode import decode, picture_frame

CLAIMED_GRADES = frozenset({"intact", "exact", "aligned"})
"""Grades that say all coefficients are right."""
PLACED_GRADES = CLAIMED_GRADES | {"placed"}
"""Grades that say MCUs lie at their place and their AC coefficients are right."""


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """A file as the project's own decoder has it; `frame` as its scans use it (see `resync.decode.picture_frame`)."""

    structure: JpegStructure
    frame: Frame
    outcome: Decode

    @property
    def mcus(self) -> int:
        """MCUs of the picture, counted as in interleaved scans."""
        return self.frame.mcu_columns * self.frame.mcu_rows


@dataclass(frozen=True, slots=True)
class Agreement:
    """Where blocks agree with the original's: per component, bool (block rows, block columns).

    `exact`: all coefficients are equal; `placed`: all AC coefficients are; `near`: these are, and the DC coefficients
    differ by one quantiser step at most. Where quantisation tables differ, coefficients times their steps are compared:
    equal numbers would not mean equal blocks.
    """

    exact: tuple[NDArray[np.bool_], ...]
    placed: tuple[NDArray[np.bool_], ...]
    near: tuple[NDArray[np.bool_], ...]

    @classmethod
    def nowhere(cls, original: Decode) -> "Agreement":
        """With a file that has nothing in common with `original`."""
        none = tuple(np.zeros(plane.blocks.shape[:2], np.bool_) for plane in original.planes)
        return cls(none, none, none)


@dataclass(frozen=True, slots=True)
class Claims:
    """bool, (MCUs,): MCUs of which a segment with a claim covers a block, and those in which such a block is wrong.

    `placed`, `placed_wrong`: by `PLACED_GRADES`; `claimed`, `wrong`: by `CLAIMED_GRADES`; `far`: those among `wrong` in
    which such a block is not even near.
    """

    placed: NDArray[np.bool_]
    placed_wrong: NDArray[np.bool_]
    claimed: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    far: NDArray[np.bool_]


def decode_file(data: NDArray[np.uint8]) -> DecodedFile | Problem:
    """Decode the file `data` (uint8), or say why it cannot be decoded."""
    structure = parse(data)
    obstacle = cannot_decode(structure, data.size)
    if obstacle is not None or structure.frame is None:
        return obstacle or Problem("no_frame", "error", "no frame header that the decoder knows")
    outcome = decode(data, structure)
    if outcome is None:
        return Problem("no_tables", "error", "a Huffman table that the scan needs is missing or damaged")
    return DecodedFile(structure, picture_frame(structure.frame), outcome)


def same_geometry(one: Frame, other: Frame) -> bool:
    """Whether blocks of two frames lie on the same grid."""
    return _geometry(one) == _geometry(other)


def _geometry(frame: Frame) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    return frame.width, frame.height, tuple((c.horizontal, c.vertical) for c in frame.components)


def agreement(original: Decode, other: Decode) -> Agreement:
    """Compare the blocks of two files of the same geometry."""
    pairs = [_compared(a, b) for a, b in zip(original.planes, other.planes, strict=True)]
    exact, placed, near = zip(*pairs, strict=True)
    return Agreement(exact, placed, near)


def _compared(
    original: ComponentPlane, other: ComponentPlane
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    if np.array_equal(original.quantisation, other.quantisation):
        equal = original.blocks == other.blocks
    else:
        equal = _dequantised(original) == _dequantised(other)
    placed = equal[..., 1:].all(axis=-1)
    ours, theirs = (p.blocks[..., 0].astype(np.int64) * int(p.quantisation[0]) for p in (original, other))
    return placed & equal[..., 0], placed, placed & (np.abs(ours - theirs) <= int(original.quantisation[0]))


def _dequantised(plane: ComponentPlane) -> NDArray[np.int32]:
    return plane.blocks.astype(np.int32) * plane.quantisation.astype(np.int32)


def exact_mcus(frame: Frame, blocks: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """bool, (MCUs,): whether every block of every component in an MCU is exact; `blocks` as in `Agreement.exact`."""
    whole = np.ones(frame.mcu_rows * frame.mcu_columns, np.bool_)
    for index, exact in enumerate(blocks):
        whole &= _by_mcu(frame, index, exact)
    return whole


def _by_mcu(frame: Frame, index: int, exact: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool, (MCUs,): whether all blocks of component `index` in an MCU are exact."""
    component = frame.components[index]
    shape = (frame.mcu_rows, component.vertical, frame.mcu_columns, component.horizontal)
    whole: NDArray[np.bool_] = exact.reshape(shape).all(axis=(1, 3)).reshape(-1)
    return whole


def altered_bits(original: NDArray[np.uint8], damaged: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Absolute bits of `original` that `damaged` has otherwise or not at all, ascending (0 = most significant)."""
    shared = min(original.size, damaged.size)
    difference = original[:shared] ^ damaged[:shared]
    at = np.flatnonzero(difference)
    byte, bit = np.nonzero(np.unpackbits(difference[at]).reshape(-1, 8))
    return np.concatenate((8 * at[byte] + bit, np.arange(8 * shared, 8 * original.size)))


def touched_mcus(original: DecodedFile, data: NDArray[np.uint8], bits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool, (MCUs,): MCUs of the undamaged file `data` that hold one of `bits`, absolute and ascending.

    An MCU reaches from its first bit to that of the next one in its scan or to the marker before it; so stuffing and
    padding behind an MCU count for it, and restart markers for none.
    """
    touched = np.zeros(original.mcus, np.bool_)
    for scan, outcome in zip(_decoded_scans(original), original.outcome.scans, strict=True):
        if outcome.mcu_bit.size == 0:
            continue
        ends = _mcu_ends(scan, outcome.mcu_bit, outcome.placed, data)
        inside = bits[np.searchsorted(bits, outcome.mcu_bit[0]) : np.searchsorted(bits, 8 * scan.end)]
        index = np.searchsorted(outcome.mcu_bit, inside, side="right") - 1
        held = np.unique(index[inside < ends[index]])
        touched[_mcu_of(original.frame, scan)[outcome.placed[held]]] = True
    return touched


def _decoded_scans(file: DecodedFile) -> Iterator[Scan]:
    """The scans that `resync.decode` has an outcome for."""
    return (scan for scan in file.structure.scans if scan_layout(file.frame, scan) is not None)


def _mcu_ends(
    scan: Scan, starts: NDArray[np.int64], placed: NDArray[np.int64], data: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Absolute bits behind the MCUs of a scan without damage."""
    ends = np.append(starts[1:], 8 * scan.end)
    if scan.restart_interval > 0:
        before_marker = np.flatnonzero((placed[:-1] + 1) % scan.restart_interval == 0)
        byte = ends[before_marker] // 8 - 2
        while (fill := data[byte - 1] == 0xFF).any():  # before a marker, data never end in FF: they would be stuffed
            byte -= fill
        ends[before_marker] = 8 * byte
    return ends


def _mcu_of(frame: Frame, scan: Scan) -> NDArray[np.int64]:
    """For every MCU of `scan`, in raster order, the MCU of the picture that it is, or is a block of."""
    if len(scan.components) > 1:
        return np.arange(frame.mcu_rows * frame.mcu_columns)
    index = scan.components[0].index
    component = frame.components[index]
    rows, columns = _blocks_of(frame, index)
    row, column = np.divmod(np.arange(rows * columns), columns)
    owner: NDArray[np.int64] = row // component.vertical * frame.mcu_columns + column // component.horizontal
    return owner


def _blocks_of(frame: Frame, index: int) -> tuple[int, int]:
    """(rows, columns) of blocks of a component as a scan of its own has them, without padding to whole MCUs."""
    columns, rows = component_size(frame, index)
    return -(-rows // 8), -(-columns // 8)


def judge_claims(
    frame: Frame, scans: Sequence[Scan], segments: Iterable[Segment], blocks: Agreement
) -> tuple[Claims, tuple[Problem, ...]]:
    """Hold what a report says of MCUs against `blocks`.

    `frame`, `scans`: of the file that `segments` speak of. A segment that reaches out of the picture, or is of a scan
    that there is not, is a problem; what of it lies in the picture is judged.
    """
    claims = Claims(*np.zeros((5, frame.mcu_rows * frame.mcu_columns), np.bool_))
    by_scan: dict[int, list[Segment]] = {}
    for segment in segments:
        if segment.grade in PLACED_GRADES:
            by_scan.setdefault(segment.scan, []).append(segment)
    astray = 0
    for number, placed in by_scan.items():
        if not 0 <= number < len(scans):
            astray += len(placed)
            continue
        astray += _judge_scan(frame, scans[number], placed, blocks, claims)
    detail = "segments are graded right that do not lie in the picture"
    return claims, (Problem("segment_astray", "error", f"{astray} {detail}"),) if astray else ()


def _judge_scan(frame: Frame, scan: Scan, segments: Sequence[Segment], blocks: Agreement, claims: Claims) -> int:
    """Note in `claims` what `segments` of `scan` say, and how true it is; how many of them do not lie in the scan."""
    mcu_of = _mcu_of(frame, scan)
    exact, placed, near = (_right_in_scan(frame, scan, part) for part in (blocks.exact, blocks.placed, blocks.near))
    covered, outside = _covered(segments, mcu_of.size)
    claims.placed[mcu_of[covered]] = True
    claims.placed_wrong[mcu_of[covered & ~placed]] = True
    claimed, _ = _covered([segment for segment in segments if segment.grade in CLAIMED_GRADES], mcu_of.size)
    claims.claimed[mcu_of[claimed]] = True
    claims.wrong[mcu_of[claimed & ~exact]] = True
    claims.far[mcu_of[claimed & ~near]] = True
    return outside


def _covered(segments: Iterable[Segment], size: int) -> tuple[NDArray[np.bool_], int]:
    """Which of the `size` MCUs of a scan `segments` cover, bool (`size`,), and how many of them do not lie in it."""
    begins, ends = np.zeros((2, size + 1), np.int64)  # counted, as overlapping segments may be many
    outside = 0
    for segment in segments:
        start, end = segment.placed_at, segment.placed_at + segment.mcu_end - segment.mcu_start
        outside += not 0 <= start < end <= size
        start, end = min(max(start, 0), size), min(max(end, 0), size)
        if start < end:
            begins[start] += 1
            ends[end] += 1
    return np.cumsum(begins - ends)[:size] > 0, outside


def _right_in_scan(frame: Frame, scan: Scan, blocks: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """For every MCU of `scan`, in raster order, whether all blocks that the scan has in it are right by `blocks`."""
    if len(scan.components) > 1:
        whole = np.ones(frame.mcu_rows * frame.mcu_columns, np.bool_)
        for part in scan.components:
            whole &= _by_mcu(frame, part.index, blocks[part.index])
        return whole
    index = scan.components[0].index
    rows, columns = _blocks_of(frame, index)
    return blocks[index][:rows, :columns].reshape(-1)


def mcu_pixels(frame: Frame, mcus: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool, (height, width): the pixels of `mcus`, their rectangles cropped to the picture."""
    grid = mcus.reshape(frame.mcu_rows, frame.mcu_columns)
    tall = np.repeat(grid, 8 * frame.vertical_max, axis=0)[: frame.height]
    return np.repeat(tall, 8 * frame.horizontal_max, axis=1)[:, : frame.width]
