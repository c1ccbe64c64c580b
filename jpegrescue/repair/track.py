"""The scan of a file as it stands: what its bits decode to, what that is worth, and the way back to the file."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import entropy
from jpegrescue.jpeg._kernels_entropy import PADDING
from jpegrescue.model.jpeg import HuffmanTable, JpegStructure, Scan
from jpegrescue.repair import _kernels_candidates as kernels
from jpegrescue.resync.decode import picture_frame
from jpegrescue.resync.restarts import anchor
from jpegrescue.score import symbols
from jpegrescue.score.borders import CHROMA, LUMA
from jpegrescue.score.plausibility import NAT

DOUBTFUL = -4 * NAT  # odds of an MCU that may hold an error
SMOOTHED = 5  # MCUs over which odds are summed to see whether they are a photo's


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What does not change while bits are flipped: the scan's layout and the odds of its symbols."""

    scan: Scan
    layout: entropy.ScanLayout
    tables: tuple[tuple[HuffmanTable, HuffmanTable], ...]
    kinds: tuple[int, ...]
    odds: symbols.SymbolOdds
    ends: bool


@dataclass(frozen=True, slots=True)
class Track:
    """A scan decoded and weighed.

    `before`, `behind`: see `_kernels_candidates.path_values`; `value`: of the whole, 1/NAT nat; `cuts`: int64, bytes of
    `stripped.data` at which intervals end; `cut_at`: int64, file offsets behind the markers there, and of the scan's
    end behind the last; `complete`: every interval decodes to its end, nothing failed, and all MCUs are there;
    `expected`: int64 (intervals,), MCUs of every interval, -1 where that is not known.
    """

    plan: ScanPlan
    stripped: entropy.ScanBytes
    weighed: symbols.Weighed
    before: NDArray[np.int64]
    behind: NDArray[np.int64]
    value: int
    cuts: NDArray[np.int64]
    cut_at: NDArray[np.int64]
    complete: bool
    expected: NDArray[np.int64]

    @property
    def counted(self) -> bool:
        """Whether nothing failed and the scan holds as many MCUs as it should."""
        return self.complete and self.weighed.count == self.plan.layout.mcus

    def stripped_at(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions in `stripped.data` of file offsets; those inside stuffing or markers count as behind them."""
        held = self.stripped
        behind_drop = held.drop_at + held.start + held.dropped
        dropped = np.concatenate((np.zeros(1, np.int64), held.dropped))
        drops = np.searchsorted(behind_drop, offsets, side="right")
        next_drop = np.append(held.drop_at, held.size)
        return np.asarray(np.minimum(offsets - held.start - dropped[drops], next_drop[drops]))

    def surplus(self, mcu: int, upto: int, gained: int) -> tuple[int | None, int | None]:
        """MCUs too many in the restart interval of `mcu`, as it stands and if MCUs `[mcu, upto)` were `gained` more.

        `None` where decoding fails, or it is not known how many there should be.
        """
        first, failed = self.weighed.first, self.weighed.failed
        interval = max(int(np.searchsorted(first[:-1], mcu, side="right")) - 1, 0)
        begin, end = int(first[interval]), int(first[interval + 1])
        expected = int(self.expected[interval])
        if expected < 0 or upto > end or failed[begin:mcu].any() or failed[upto + 1 : end + 1].any():
            return None, None
        before = end - begin - expected
        return (None if failed[mcu : upto + 1].any() else before), before + gained

    def odds_between(self, offsets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Log-odds, in nats, of the bytes between successive file offsets."""
        edges = 8 * np.clip(self.stripped_at(offsets), 0, self.stripped.size)
        return symbols.sum_between(self.stripped, self.weighed, edges, self.plan.layout, self.plan.odds) / NAT


def _uncalibrated(structure: JpegStructure) -> ScanPlan | None:
    if structure.frame is None or len(structure.scans) != 1:
        return None
    frame, scan = picture_frame(structure.frame), structure.scans[0]
    layout = entropy.scan_layout(frame, scan)
    if layout is None or layout.mcus == 0 or len(scan.components) != len(frame.components):
        return None
    tables = tuple((part.dc_table, part.ac_table) for part in scan.components if part.dc_table and part.ac_table)
    kinds = tuple(LUMA if index in (0, 3) else CHROMA for index in range(len(tables)))
    return ScanPlan(scan, layout, tables, kinds, symbols.learnt_odds(tables, kinds), structure.eoi is not None)


def quick_look(data: NDArray[np.uint8], structure: JpegStructure) -> Track | None:
    """The scan weighed without calibration; `None` as of `plan_scan`."""
    plan = _uncalibrated(structure)
    return None if plan is None else follow(data, plan)


def plan_scan(data: NDArray[np.uint8], structure: JpegStructure) -> ScanPlan | None:
    """Make ready for the one scan of a file; see `calibrated`.

    `None` where there is not exactly one scan with all components, or a table is missing, or nothing decodes.
    """
    track = quick_look(data, structure)
    return None if track is None else calibrated(track)


def calibrated(track: Track) -> ScanPlan | None:
    """The plan with odds calibrated to what of the scan looks like a photo; `None` where nothing decodes."""
    if track.weighed.count == 0:
        return None
    plan = track.plan
    near = np.convolve(track.weighed.odds, np.ones(SMOOTHED, np.int64), "same")[: track.weighed.count]
    own = symbols.count_symbols(track.stripped, track.weighed, near > 0, plan.layout, plan.kinds)
    return replace(plan, odds=symbols.symbol_odds(plan.tables, plan.kinds, own))


def still_fits(plan: ScanPlan, structure: JpegStructure) -> bool:
    """Whether a plan is good for the file after some bits were flipped."""
    other = _uncalibrated(structure)
    return other is not None and (plan.scan, plan.tables, plan.ends) == (other.scan, other.tables, other.ends)


def follow(data: NDArray[np.uint8], plan: ScanPlan) -> Track:
    """Decode and weigh the scan of `data`, uint8, the whole file."""
    stripped = entropy.scan_bytes(data, plan.scan)
    intervals = anchor(stripped, plan.layout.mcus, plan.scan.restart_interval, ends=plan.ends)
    weighed = symbols.weigh(stripped, intervals.bits, plan.layout.mcus, plan.layout, plan.odds)
    before, behind = np.empty((2, weighed.count + 1, 2), np.int64)
    whole = not weighed.failed.any() and bool(intervals.anchored.all())
    value = kernels.path_values(weighed.odds, weighed.failed, plan.ends and not weighed.failed[-1], before, behind)
    cuts = intervals.bits[:, 1] // 8
    dropped = np.concatenate((np.zeros(1, np.int64), stripped.dropped))
    cut_at = cuts + stripped.start + dropped[np.searchsorted(stripped.drop_at, cuts, side="right")]
    cut_at[-1] = plan.scan.end
    known = intervals.anchored & intervals.sure
    if not plan.ends:
        known[-1] = False
    expected = np.where(known, intervals.count, -1)
    return Track(plan, stripped, weighed, before, behind, int(value), cuts, cut_at, whole and plan.ends, expected)


def scratch(most_bytes: int) -> NDArray[np.uint8]:
    """A buffer for `try_block`, with room behind it that decoding may read."""
    return np.zeros(most_bytes + PADDING, np.uint8)
