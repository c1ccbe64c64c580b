"""Whether a header fits the scan behind it: the first of its MCUs, decoded and weighed by the header's own tables."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import entropy
from jpegrescue.model.jpeg import HuffmanTable
from jpegrescue.repair import _kernels_candidates as kernels
from jpegrescue.repair.chain import Described
from jpegrescue.resync.decode import picture_frame
from jpegrescue.score import symbols
from jpegrescue.score.borders import CHROMA, LUMA
from jpegrescue.score.plausibility import NAT

STRETCH = 2048
MCUS_MOST = 600
SOUND = NAT // 10  # of every byte of a photo's scan, at least
_EOI = 0xD9


def weighable(header: Described) -> bool:
    """Whether its scan is of the kind that symbols are known of."""
    return header.frame.process in ("baseline", "extended") and header.frame.precision == 8


def first_stretch(plain: NDArray[np.uint8], at: int, patch: bytes, header: Described) -> tuple[int, bool] | None:
    """Value of the first MCUs, 1/NAT nat, and whether all of them look like a photo's.

    `None` where the header does not say how to decode them.

    Args:
        plain: uint8, the file.
        at: where `patch` stands instead of its bytes.
        patch: these.
        header: frame and scan.
    """
    frame, start = picture_frame(header.frame), header.scan.start
    if not weighable(header) or start >= plain.size:
        return None
    piece = plain[start : start + STRETCH].copy()
    low, high = max(at, start), min(at + len(patch), start + piece.size)
    if low < high:
        piece[low - start : high - start] = np.frombuffer(patch, np.uint8)[low - at : high - at]
    stops = np.flatnonzero((piece[:-1] == 0xFF) & (piece[1:] == _EOI))
    size = int(stops[0]) if stops.size else piece.size
    scan = replace(header.scan, start=0, end=size)
    layout = entropy.scan_layout(frame, scan)
    if layout is None or layout.mcus == 0:
        return None
    stripped = entropy.scan_bytes(piece, scan)
    edges = 8 * np.concatenate((np.zeros(1, np.int64), stripped.restart_at, [stripped.size]))
    tables = tuple(
        (_once(part.dc_table), _once(part.ac_table)) for part in scan.components if part.dc_table and part.ac_table
    )
    kinds = tuple(LUMA if part.index in (0, 3) else CHROMA for part in scan.components)
    intervals = np.stack((edges[:-1], edges[1:]), axis=1)
    weighed = symbols.weigh(stripped, intervals, MCUS_MOST, layout, symbols.learnt_odds(tables, kinds))
    before, behind = np.empty((2, weighed.count + 1, 2), np.int64)
    value = int(kernels.path_values(weighed.odds, weighed.failed, False, before, behind))
    sure = weighed.count > 0 and value > SOUND * min(size, STRETCH // 2)
    return value, sure


def _once(table: HuffmanTable) -> HuffmanTable:
    """With symbols that no photo has in place of those that a damaged table holds for a second time.

    Their codes are longer than the first ones: what is common would seem as odd as what is rare, and worth as much.
    """
    if len(set(table.symbols)) == len(table.symbols):
        return table
    spare = iter(sorted(set(range(256)) - set(table.symbols), reverse=True))
    seen: set[int] = set()
    symbols = []
    for symbol in table.symbols:
        symbols.append(next(spare) if symbol in seen else symbol)
        seen.add(symbol)
    return HuffmanTable(table.counts, tuple(symbols))
