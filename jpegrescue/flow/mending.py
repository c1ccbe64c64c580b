"""Flipped bits of one file undone: what to search, and what the report says of it."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.carve.extent import measure
from jpegrescue.flow.found import FoundFile
from jpegrescue.flow.here import Here
from jpegrescue.flow.options import EffortName
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.model.repair import Repair, VerifiedRange
from jpegrescue.repair.change import Change
from jpegrescue.repair.headers import HeaderChange, mend_header
from jpegrescue.repair.repair import EFFORTS, Repaired, StructureOf, repair
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable, Part, PlainBits
from jpegrescue.source.crypt.sector import BLOCK
from jpegrescue.source.memory import MemorySource

SEVERAL = 3  # doubtful places, all of them unexplained, from which on the key is doubted
RAW_PREVIEW = "jfif"  # kind of a preview of plain pixels


@dataclass(frozen=True, slots=True)
class Mended:
    """A file with flipped bits undone.

    `data`: uint8, its bytes; `end`: how they end, as in `model.carve.CarvedFile`; `repairs`: the bits; `verified`: what
    is known of its bytes; `exact`: whether the scan may be called the original's; `contradicted`: whether something in
    it looks wrong still; `unexplained`: whether it looks wrong in several places, and no bit explains any of them.
    """

    data: NDArray[np.uint8]
    end: str
    structure: JpegStructure
    repairs: tuple[Repair, ...]
    verified: tuple[VerifiedRange, ...]
    exact: bool
    contradicted: bool
    unexplained: bool


def mend(
    found: FoundFile, structure_of: StructureOf, *, effort: EffortName, jobs: int, header_only: bool = False
) -> Mended | None:
    """Search a file and its previews for flipped bits; `None` where nothing speaks for any.

    `structure_of`: what to make of its bytes; `effort`: name in `repair.EFFORTS`; `jobs`: threads; `header_only`: its
    scan is not worth a search unless the header turns out to be what is wrong.
    """
    stored = found.stored
    file: Flippable = PlainBits(np.frombuffer(found.data, np.uint8)) if stored is None else stored.open()
    with _pool(jobs) as pool:
        changes, outcome = _searched(file, structure_of, pool, effort, header_only=header_only)
        if header_only and not changes:
            return None
        structure = structure_of(file.plain) if outcome is None else outcome.structure
        for thumbnail in structure.thumbnails:
            if thumbnail.kind != RAW_PREVIEW:
                part = Part(file, thumbnail.start, min(thumbnail.end, file.plain.size))
                inner, _ = _searched(part, parse, pool, effort)
                changes |= {part.outer(flip): change for flip, change in inner.items()}
    if outcome is None and not changes:
        return None
    size, end = _extent(file, found) if changes else (len(found.data), found.end)
    origin = found.runs[0].start if stored is None else stored.offset + BLOCK * (stored.start // BLOCK)
    data = file.plain[:size].copy()
    return Mended(
        data=data,
        end=end,
        structure=structure_of(data),
        repairs=tuple(_repairs(changes, file, origin)),
        verified=tuple(_verified(outcome, size)) if outcome is not None else (),
        exact=outcome is not None and outcome.verdict.exact,
        contradicted=outcome is not None and outcome.verdict.risk >= 1,
        unexplained=outcome is not None and not changes and len(outcome.verdict.doubtful) >= SEVERAL,
    )


@contextmanager
def _pool(jobs: int) -> Iterator[Executor]:
    if jobs == 1:
        yield Here()
        return
    with ThreadPoolExecutor(jobs, "repair") as pool:
        yield pool


def _extent(file: Flippable, found: FoundFile) -> tuple[int, str]:
    """Size of the repaired file and how it ends, which a flipped bit may have hidden before."""
    carved = measure(MemorySource(file.plain), 0, file.plain.size)
    return (len(found.data), found.end) if carved is None else (carved.runs[-1].end, carved.end)


def _searched(
    file: Flippable, structure_of: StructureOf, pool: Executor, effort: EffortName, *, header_only: bool = False
) -> tuple[dict[int, Change | HeaderChange], Repaired | None]:
    """What every bit that is flipped now belongs to, and what came of the scan."""
    headers = mend_header(file) if file.garbles else ()
    search = headers or not header_only
    outcome = repair(file, structure_of, pool, EFFORTS[effort], damaged=bool(headers)) if search else None
    changes: dict[int, Change | HeaderChange] = {flip: change for change in headers for flip in change.flips}
    if outcome is not None:
        changes |= {flip: change for change in outcome.changes for flip in change.flips if flip in outcome.flipped}
    return changes, outcome


def _repairs(changes: dict[int, Change | HeaderChange], file: Flippable, origin: int) -> Iterator[Repair]:
    for flip, change in sorted(changes.items()):
        block = flip // BITS
        start, end = BLOCK * block - file.lead, BLOCK * (block + 2) - file.lead
        if not file.garbles:
            start, end = flip >> 3, (flip >> 3) + 1
        yield Repair(
            evidence_byte=origin + (flip >> 3),
            evidence_bit=8 * origin + flip,
            cipher_block=origin + BLOCK * block if file.garbles else None,
            start=max(start, 0),
            end=min(end, file.plain.size),
            gain=round(change.gain / NAT, 2),
            margin=round(change.margin / NAT, 2),
            mcus=0 if isinstance(change, HeaderChange) else max(change.last - change.first, 1),
        )


def _verified(outcome: Repaired, size: int) -> Iterator[VerifiedRange]:
    """The file from its first byte to its last, in order; of a scan that is not exact nothing is verified."""
    scan = outcome.track.plan.scan
    doubtful = outcome.verdict.doubtful if outcome.verdict.exact else (ByteRange(scan.start, scan.end),)
    yield VerifiedRange(ByteRange(0, min(scan.start, size)), "parsed")
    at = scan.start
    last = min(scan.end, size)
    for doubt in doubtful:
        start, end = max(doubt.start, at), min(doubt.end, last)
        if start >= end:
            continue
        if at < start:
            yield VerifiedRange(ByteRange(at, start), "verified")
        yield VerifiedRange(ByteRange(start, end), "doubtful")
        at = end
    if at < last:
        yield VerifiedRange(ByteRange(at, last), "verified")
    if last < size:
        yield VerifiedRange(ByteRange(last, size), "unverifiable")
