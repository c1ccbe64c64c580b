"""Where MCUs of a damaged scan are in step again: earlier than the robust rule finds by itself.

Behind garbage the robust rule decodes what it comes upon, and is in step a few MCUs late, by chance. But what lies in
between is sound, and there is only one way to read it: as MCUs that follow each other without a gap up to where all is
in step, each of which looks like a picture's by its symbols. Only the first of such a chain is made of garbage in part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.entropy import ScanBytes, ScanLayout
from jpegrescue.resync import _kernels as kernels
from jpegrescue.score._kernels_symbols import FAILURE
from jpegrescue.score.plausibility import NAT
from jpegrescue.score.soundness import of_mcus
from jpegrescue.score.symbols import SymbolOdds, Weighed

UNLIKELY = -8 * NAT  # odds of the worst bits of an MCU from which on it may be garbage


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where decoding is to begin anew: int64 (n,), ascending bits in `ScanBytes.data`.

    `at`: there; `lost`: where the garbage before it begins, behind an MCU that is sound as far as that can be told;
    `known`: int64 (MCUs,), where MCUs begin by the robust rule alone.
    """

    at: NDArray[np.int64]
    lost: NDArray[np.int64]
    known: NDArray[np.int64]


def resume(stripped: ScanBytes, layout: ScanLayout, odds: SymbolOdds, weighed: Weighed) -> Resumption:
    """Find such chains behind everything in `weighed` that does not look like a picture by `odds`."""
    count = weighed.count
    if not count:
        return Resumption(*np.zeros((3, 0), np.int64))
    bad = (of_mcus(weighed, weighed.start[:count], weighed.resumed[1:]).dip < UNLIKELY) | weighed.failed[:count]
    edges = np.flatnonzero(np.diff(np.concatenate(([False], bad, [False])).astype(np.int8)))
    begin, stop = edges[::2], edges[1::2]
    begin, stop = begin[stop < count], stop[stop < count]
    interval = np.searchsorted(weighed.first, [begin, stop], side="right")
    inside = interval[0] == interval[1]
    begin, stop = begin[inside], stop[inside]
    lost, last = weighed.resumed[begin], weighed.start[stop]
    worth = np.append(0, np.cumsum(weighed.odds - kernels.LEAST - FAILURE * weighed.failed[:count]))
    at = np.empty_like(last)
    lookups = layout.lookups
    kernels.resume_points(
        stripped.data,
        lost,
        last,
        worth[stop] - worth[begin],
        layout.blocks,
        lookups.fast,
        lookups.code_max,
        lookups.code_delta,
        lookups.symbols,
        odds.ac,
        odds.dc,
        at,
    )
    moved = (at < last) & ~np.isin(at, weighed.start)
    return Resumption(at[moved], lost[moved], weighed.start[:count])
