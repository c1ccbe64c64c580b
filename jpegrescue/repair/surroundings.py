"""Whether a candidate's picture fits what surrounds it: the borders of its MCUs, and of a row of MCUs behind them.

Symbols know nothing of the picture. A wrong bit that decodes well leaves a DC offset or a shifted row behind, and both
disagree with the row above over the picture's whole width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.pixels import colour_space
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.repair.track import DOUBTFUL, Track
from jpegrescue.resync.decode import picture_frame
from jpegrescue.resync.restarts import Intervals
from jpegrescue.resync.stream import Stream, decode_stream
from jpegrescue.score.borders import ComponentLayout, component_layouts, look_at_borders
from jpegrescue.score.neighbours import beside_odds, calibrated_to, stacked_odds
from jpegrescue.score.plausibility import BorderModel

ROWS_BEFORE, ROWS_BEHIND, SLACK_MCUS = 1, 1, 4
SAMPLE_MCUS = 20_000  # of the scan, that models are calibrated to


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How borders look in this file: `beside` and `above`, and the components' `layouts`."""

    layouts: tuple[ComponentLayout, ...]
    beside: BorderModel
    above: BorderModel


def look_around(track: Track, data: NDArray[np.uint8], structure: JpegStructure) -> Surroundings:
    """Calibrate to the scan as it stands."""
    assert structure.frame is not None  # noqa: S101  (there is a track)
    space = colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    layouts = component_layouts(structure, picture_frame(structure.frame), track.plan.scan, space)
    stream = _decoded(track, data, 0, min(track.weighed.count, SAMPLE_MCUS))
    borders = look_at_borders(stream.coefficients, layouts)
    beside, above = calibrated_to(borders, stream.fresh, track.plan.layout.columns)
    return Surroundings(layouts, beside, above)


def fit(
    track: Track,
    surroundings: Surroundings,
    data: NDArray[np.uint8],
    first: int,
    last: int,
    patches: Sequence[tuple[int, NDArray[np.uint8]] | None],
) -> list[int]:
    """How well the picture fits together, 1/NAT nat, with each patch in place (`None`: as it stands).

    What lies beyond another doubtful MCU does not count, nor what lies below something before one: between errors all
    is right but for shifts and offsets that are not known yet.

    Args:
        track: of the scan as it stands.
        surroundings: of the file.
        data: uint8, the file as it stands.
        first: MCU of the stream from which on any of the patches changes something.
        last: MCU from which on none does.
        patches: file offset and bytes, uint8.
    """
    columns = track.plan.layout.columns
    begin = _interval_start(track, first - ROWS_BEFORE * columns - SLACK_MCUS)
    end = min(last + ROWS_BEHIND * columns + SLACK_MCUS, track.weighed.count)
    doubtful = np.flatnonzero(track.weighed.failed[begin:end] | (track.weighed.odds[begin:end] < DOUBTFUL)) + begin
    before, behind = doubtful[doubtful < first], doubtful[doubtful > last]
    heard = int(before[-1]) + 1 if before.size else begin
    stop = int(behind[0]) if behind.size else end
    fits = []
    for patch in patches:
        stream = _decoded(track, data if patch is None else _patched(data, *patch), begin, end)
        borders = look_at_borders(stream.coefficients, surroundings.layouts)
        odds = beside_odds(borders, stream.fresh, surroundings.beside)
        above = stacked_odds(borders, columns, surroundings.above)
        above[: max(heard + columns - begin, 0)] = 0
        odds += above
        # counted from the end, where all are in step
        fits.append(int(odds[first - begin : odds.size - (end - stop)].sum()))
    return fits


def _patched(data: NDArray[np.uint8], at: int, changed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    cut = slice(max(at, 0), min(at + changed.size, data.size))
    patched = data.copy()
    patched[cut] = changed[cut.start - at : cut.stop - at]
    return patched


def _interval_start(track: Track, mcu: int) -> int:
    """The MCU itself, or where its restart interval begins: predictors of all that follows are absolute then."""
    mcu = max(mcu, 0)
    first = track.weighed.first
    if first.size == 2:
        return mcu
    return int(first[max(int(np.searchsorted(first[:-1], mcu, side="right")) - 1, 0)])


def _decoded(track: Track, data: NDArray[np.uint8], begin: int, end: int) -> Stream:
    """MCUs `[begin, end)` of the scan as it stands, from `data` instead."""
    bits = track.stripped.file_bits(track.weighed.resumed[[begin, end]])
    first_bit, last_bit = bits.tolist()
    scan = replace(track.plan.scan, start=first_bit >> 3, end=min(-(-last_bit // 8) + 1, track.plan.scan.end))
    stripped = entropy.scan_bytes(data, scan)
    edges = 8 * np.concatenate((np.zeros(1, np.int64), stripped.restart_at, [stripped.size]))
    edges[0] = first_bit & 7
    number = edges.size - 1
    intervals = Intervals(
        bits=np.stack((edges[:-1], edges[1:]), axis=1),
        first_mcu=np.zeros(number, np.int64),
        count=np.full(number, end - begin + SLACK_MCUS),
        anchored=np.ones(number, np.bool_),
        sure=np.ones(number, np.bool_),
    )
    return decode_stream(stripped, track.plan.layout, intervals)
