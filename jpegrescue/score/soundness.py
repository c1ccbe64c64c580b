"""Whether single MCUs of a damaged stream are sound, by their Huffman symbols alone: no pixel is looked at.

Other than borders, symbols know nothing of places. They tell garbage from picture to within a block or two, also where
a picture is smooth or full of grass, and wherever an MCU may belong.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.entropy import ScanBytes, ScanLayout
from jpegrescue.model.jpeg import Scan
from jpegrescue.score.borders import CHROMA, LUMA
from jpegrescue.score.plausibility import NAT
from jpegrescue.score.symbols import SymbolOdds, Weighed, count_symbols, learnt_odds, symbol_odds, weigh

SMOOTHED = 5  # MCUs over which odds are summed to see whether they are a photo's
BIN, WINDOW = 64, 128  # bits
GARBLED = -6 * NAT  # odds of a window that is hardly a photo's
FAR = 1 << 20


@dataclass(frozen=True, slots=True)
class Soundness:
    """Of the MCUs of a stream, int64 (MCUs,) each.

    `odds`: of their symbols, 1/NAT nat; `dip`: of the worst `WINDOW` bits that they have a part in; `since`, `until`:
    bits from the last garbled window that begins before an MCU, and to the next that ends behind it: below 0 where that
    reaches into it, `FAR` at most.
    """

    odds: NDArray[np.int64]
    dip: NDArray[np.int64]
    since: NDArray[np.int64]
    until: NDArray[np.int64]

    def mirrored(self) -> "Soundness":
        """The same of the stream read backwards."""
        return Soundness(self.odds[::-1], self.dip[::-1], self.until[::-1], self.since[::-1])


def calibrated_odds(stripped: ScanBytes, intervals: NDArray[np.int64], layout: ScanLayout, scan: Scan) -> SymbolOdds:
    """Odds of a scan's symbols, calibrated to what of it looks like a photo.

    Args:
        stripped: bytes of the scan.
        intervals: int64 (n, 2), bits of its restart intervals.
        layout: of the scan.
        scan: with all tables that it needs.
    """
    tables = tuple((part.dc_table, part.ac_table) for part in scan.components if part.dc_table and part.ac_table)
    kinds = tuple(LUMA if index in (0, 3) else CHROMA for index in range(len(tables)))
    rough = weigh(stripped, intervals, layout.mcus, layout, learnt_odds(tables, kinds))
    if not rough.count:
        return learnt_odds(tables, kinds)
    near = np.convolve(rough.odds, np.ones(SMOOTHED, np.int64), "same")[: rough.count]
    return symbol_odds(tables, kinds, count_symbols(stripped, rough, near > 0, layout, kinds))


def of_mcus(weighed: Weighed, start: NDArray[np.int64], end: NDArray[np.int64]) -> Soundness:
    """Of MCUs at bits `start` to `end` of a scan, int64 (MCUs,) each, ascending; unknown ones have odds of 0."""
    index = np.minimum(np.searchsorted(weighed.start[: weighed.count], start), max(weighed.count - 1, 0))
    odds = np.zeros(start.size, np.int64)
    if weighed.count:
        odds = np.where(weighed.start[index] == start, weighed.odds[index], 0)
    windows = weighed.bins[:-1] + weighed.bins[1:]
    first = np.clip((start - WINDOW) // BIN + 1, 0, windows.size - 1)
    last = np.clip((end - 1) // BIN, first, windows.size - 1)
    bounds = np.stack((first, last + 1), axis=1).ravel()
    dip = np.minimum.reduceat(np.append(windows, 0), bounds)[::2]
    garbled = np.flatnonzero(windows < GARBLED)
    before, behind = np.append(-FAR, garbled * BIN + WINDOW), np.append(garbled * BIN, FAR + windows.size * BIN)
    since = start - before[np.searchsorted(garbled * BIN, start, side="left")]
    until = behind[np.searchsorted(garbled * BIN + WINDOW, end, side="right")] - end
    return Soundness(odds, dip, np.minimum(since, FAR), np.minimum(until, FAR))
