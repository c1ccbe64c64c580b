"""All single bits of a cipher block, tried."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.repair import _kernels_candidates as kernels
from jpegrescue.repair.track import Track, scratch
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.sector import BLOCK

MOST_MCUS, MOST_BYTES = 80, 16384
BACK_MCUS, DOUBTFUL = 4, 2 * NAT
"""MCUs before a block that decoding begins further back where what precedes is doubtful itself, and what counts as
doubtful, of one MCU."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Candidates of one block.

    `gain`: int64 (candidates,), what the scan's value would grow by, 1/NAT nat; `first`: MCU that decoding began at;
    `joined`: int64 (candidates,), MCU from which on nothing changes, -1 where that is not known; `mcus`: int64
    (candidates,), MCUs decoded until then; `own`: int64 (candidates,), log-odds of the changed bytes themselves;
    `whole`: int64 (candidates,), of all those MCUs.
    """

    gain: NDArray[np.int64]
    first: int
    joined: NDArray[np.int64]
    mcus: NDArray[np.int64]
    own: NDArray[np.int64]
    whole: NDArray[np.int64]


def try_flips(
    track: Track, data: NDArray[np.uint8], at: int, variants: NDArray[np.uint8], own: int | None = None
) -> Tried | None:
    """Try what the bytes from file offset `at` on may be instead.

    Args:
        track: of the scan as it stands.
        data: uint8, the file as it stands.
        at: may lie before the file's first byte, or outside the scan in part.
        variants: uint8 (candidates, bytes).
        own: how many of the bytes count as a candidate's own; all without it.

    Returns:
        The candidates, or `None` where the scan is too far from an MCU that could be decoded.
    """
    scan = track.plan.scan
    low, high = max(at, scan.start), min(at + variants.shape[1], scan.end)
    if low >= high:
        return None
    left, right = _settled(data, low, high, scan.start, scan.end)
    raw = np.repeat(data[None, left:right], variants.shape[0], axis=0)
    raw[:, low - left : high - left] = variants[:, low - at : high - at]
    head, tail = track.stripped_at(np.array([left, right])).tolist()
    first = _first_mcu(track, 8 * head)
    begin = int(track.weighed.resumed[first]) >> 3
    if head - begin > MOST_BYTES // 2:
        return None
    heard = raw.shape[1] if own is None else max(at + own - left, 0)
    return _tried(track, raw, (min(begin, head), head), tail, first, (left, right), heard)


def _settled(data: NDArray[np.uint8], low: int, high: int, start: int, end: int) -> tuple[int, int]:
    """`[low, high)` widened so that no stuffed pair reaches over either end, whatever stands inside."""
    while low > start and data[low - 1] == 0xFF:
        low -= 1
    high = min(high + 1, end)
    while high < end and data[high - 1] == 0xFF:
        high += 1
    return low, high


def _first_mcu(track: Track, bit: int) -> int:
    """The MCU that begins at or before `bit`, or one further back where what lies between is doubtful."""
    weighed = track.weighed
    first = max(int(np.searchsorted(weighed.resumed, bit, side="right")) - 1, 0)
    least = max(first - BACK_MCUS, 0)
    while first > least and (weighed.failed[first] or weighed.failed[first - 1] or weighed.odds[first - 1] < DOUBTFUL):
        first -= 1
    return first


def _tried(
    track: Track,
    raw: NDArray[np.uint8],
    head: tuple[int, int],
    tail: int,
    first: int,
    window: tuple[int, int],
    heard: int,
) -> Tried:
    count = raw.shape[0]
    bodies, cuts = np.empty_like(raw), np.empty((count, kernels.CUTS), np.int64)
    lengths, cut_counts = np.empty((2, count), np.int64)
    ended = np.empty(count, np.bool_)
    plan, weighed = track.plan, track.weighed
    kernels.strip_candidates(raw, plan.scan.restart_interval > 0, bodies, lengths, cuts, cut_counts, ended)
    value, joined, mcus, own, whole = np.empty((5, count), np.int64)
    first_bit = int(weighed.resumed[first])
    lookups = plan.layout.lookups
    kernels.try_block(
        track.stripped.data,
        np.array(head, np.int64),
        bodies,
        lengths,
        cuts,
        cut_counts,
        ended,
        tail,
        first_bit,
        first,
        weighed.states[first],
        weighed.start,
        track.before,
        track.behind,
        track.cuts,
        int(np.searchsorted(8 * track.cuts, first_bit, side="right")),
        int(np.searchsorted(track.cut_at, window[0], side="right")),
        min(int(np.searchsorted(track.cut_at, window[1] + 2)), track.cuts.size - 1),
        plan.ends,
        plan.layout.blocks,
        lookups.fast,
        lookups.code_max,
        lookups.code_delta,
        lookups.symbols,
        plan.odds.ac,
        plan.odds.dc,
        MOST_MCUS,
        heard,
        scratch(MOST_BYTES),
        value,
        joined,
        mcus,
        own,
        whole,
    )
    return Tried(value - track.value, first, joined, mcus, own, whole)


def block_offset(block: int, lead: int) -> int:
    """File offset of a block's first byte, negative if it precedes the file."""
    return BLOCK * block - lead


def standing(data: NDArray[np.uint8], at: int, size: int) -> NDArray[np.uint8]:
    """Bytes `[at, at + size)` of a file, zeros outside of it."""
    out = np.zeros(size, np.uint8)
    low, high = max(at, 0), min(at + size, data.size)
    out[low - at : high - at] = data[low:high]
    return out
