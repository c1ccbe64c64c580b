"""Which of two headers describes a scan: the file's own, which damage may have changed, or that of a sibling."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.trial import FEWEST_BITS, count_mcus, failures
from jpegrescue.model.jpeg import Frame, Scan, ScanComponent

_WORSE = 2.0
_FAILURES = 8.0  # more than the right headers cause in a trial at a bit error rate of 1e-4
_SIZE_FITS = 0.1
_DENSEST = 8  # times more blocks than the bits suffice for: truncation does not go so far
_ROOM = 1.25
_WILD = 8.0  # times the median ratio to the sibling's: the steps of quality 100, all 1, are up to 6 times off it
_OFF = 2.0  # what rounding makes of a small step at most
_REGULAR = 0.5
_RESTARTS_FIT = 0.1
_ALIKE = 4  # different values
_SPAN = 32  # steps next to each other that one garbled stretch may have changed
_DC_SYMBOLS = frozenset(range(12))
_AC_SYMBOLS = frozenset({0x00, 0xF0} | {run << 4 | size for run in range(16) for size in range(1, 11)})


@dataclass(frozen=True, slots=True)
class Headers:
    """What decodes the scans of a file; quantisation tables as in `JpegStructure`."""

    frame: Frame
    quantisation: tuple[tuple[int, ...] | None, ...]
    scans: tuple[Scan, ...]


Choice = tuple[Headers, tuple[str, ...]]
"""Headers, and the names of what in them is the sibling's."""


def choose_interval(data: NDArray[np.uint8], own: Headers, theirs: Headers) -> Choice:
    """The restart interval: the sibling's where the markers in the scan of `data` (uint8) speak for it."""
    scan, interval = own.scans[0], theirs.scans[0].restart_interval
    if len(own.scans) > 1 or interval in (0, scan.restart_interval):
        return own, ()
    numbers = _restart_numbers(data[scan.start : scan.end])
    if scan.restart_interval == 0:
        steps = np.diff(numbers) % 8
        fits = bool(steps.size and np.count_nonzero(steps == 1) >= _REGULAR * steps.size)
    else:
        mcus = _mcus(own.frame)
        miss, miss_of_theirs = (abs(-(-mcus // i) - 1 - numbers.size) for i in (scan.restart_interval, interval))
        fits = miss_of_theirs <= _RESTARTS_FIT * numbers.size < miss
    if not fits:
        return own, ()
    return replace(own, scans=(replace(scan, restart_interval=interval),)), ("restart interval",)


def choose_tables(data: NDArray[np.uint8], own: Headers, theirs: Headers) -> Choice:
    """The Huffman tables and the frame's components: the first of these that decodes as well as any other does.

    The file's own, with the sibling's tables where it has none that an encoder can have written; all tables of the
    sibling; the sibling's components; both. The picture's size stays the file's own.
    """
    filled = tuple(_filled(_without_unsound(scan), theirs.scans[0]) for scan in own.scans)
    if len(own.scans) > 1:
        return replace(own, scans=filled), _table_names(own.scans, filled)
    replaced = _filled(replace(own.scans[0], components=_emptied(own.scans[0])), theirs.scans[0])
    sized = replace(theirs.frame, width=own.frame.width, height=own.frame.height)
    frames = [f for f in dict.fromkeys((own.frame, sized)) if _decodable(f, theirs.frame, own.scans[0])]
    if not frames:
        return own, ()
    scans = [filled[0]] + ([replaced] if replaced != filled[0] else [])
    options = [(frame, scan) for frame in frames for scan in scans]
    if len(options) > 1:
        marks = [failures(data, frame, scan) for frame, scan in options]
        good = _WORSE * min(marks) + _FAILURES
        options = [option for option, mark in zip(options, marks, strict=True) if mark <= good]
    frame, scan = options[0]
    names = ("frame header",) if frame != own.frame else ()
    chosen = replace(own, frame=frame, scans=(scan,))
    return chosen, (*names, *_table_names(own.scans, chosen.scans))


def choose_size(data: NDArray[np.uint8], own: Headers, theirs: Headers) -> Choice:
    """The picture's size: the file's own, unless the scan of `data` (uint8) cannot fill it but fills the sibling's."""
    frame, scan = own.frame, own.scans[0]
    size = theirs.frame.width, theirs.frame.height
    if (frame.width, frame.height) == size:
        return own, ()
    sized = replace(frame, width=size[0], height=size[1])
    if len(own.scans) > 1 and _mcus(frame):
        return own, ()
    blocks = sum(c.horizontal * c.vertical for c in frame.components) if len(frame.components) > 1 else 1
    most = _DENSEST * 8 * (scan.end - scan.start) // (FEWEST_BITS * blocks)
    absurd = _mcus(frame) == 0 or (_mcus(sized) < _mcus(frame) and _mcus(frame) > most)
    if not absurd:
        count = count_mcus(data, frame, scan, int(_ROOM * min(max(_mcus(frame), _mcus(sized)), most)) + 1)
        misses = [abs(_mcus(each) - count) for each in (frame, sized)]
        absurd = misses[1] <= _SIZE_FITS * count < misses[0]
    return (replace(own, frame=sized), ("picture size",)) if absurd else (own, ())


def choose_quantisation(_: NDArray[np.uint8], own: Headers, theirs: Headers) -> Choice:
    """The quantisation tables: the sibling's where one is missing, holds a zero, or has a step far off all others."""
    chosen = list(own.quantisation)
    names = []
    for component, sibling in zip(own.frame.components, theirs.frame.components, strict=False):
        steps = theirs.quantisation[sibling.quantisation]
        mine = chosen[component.quantisation]
        if steps is not None and mine != steps and (mine is None or _broken(mine, steps)):
            chosen[component.quantisation] = steps
            names.append(f"quantisation table {component.quantisation}")
    return replace(own, quantisation=tuple(chosen)), tuple(names)


def _restart_numbers(scan: NDArray[np.uint8]) -> NDArray[np.int64]:
    places = np.flatnonzero((scan[:-1] == 0xFF) & (scan[1:] & 0xF8 == 0xD0))
    return (scan[places + 1] & 7).astype(np.int64)


def _mcus(frame: Frame) -> int:
    """MCUs of the frame's one scan; a lone component has blocks for MCUs, whatever its factors (T.81 A.2.2)."""
    if len(frame.components) == 1:
        return -(-frame.width // 8) * -(-frame.height // 8)
    return frame.mcu_columns * frame.mcu_rows


def _decodable(frame: Frame, sibling: Frame, scan: Scan) -> bool:
    """Whether the frame can be that of a camera whose other photos are like `sibling`, and of this scan."""
    return (
        frame.process in ("baseline", "extended")
        and frame.precision == sibling.precision
        and all(part.index < len(frame.components) for part in scan.components)
    )


def _emptied(scan: Scan) -> tuple[ScanComponent, ...]:
    return tuple(ScanComponent(part.index, None, None) for part in scan.components)


def _without_unsound(scan: Scan) -> Scan:
    """Without tables that hold a symbol twice, or one that has no meaning in 8-bit sequential files (T.81 F.1.2)."""
    components = tuple(
        ScanComponent(
            part.index,
            part.dc_table if part.dc_table and _sound(part.dc_table.symbols, _DC_SYMBOLS) else None,
            part.ac_table if part.ac_table and _sound(part.ac_table.symbols, _AC_SYMBOLS) else None,
        )
        for part in scan.components
    )
    return replace(scan, components=components)


def _sound(symbols: tuple[int, ...], meant: frozenset[int]) -> bool:
    return len(set(symbols)) == len(symbols) and meant.issuperset(symbols)


def _filled(scan: Scan, sibling: Scan) -> Scan:
    """The scan with the sibling's Huffman tables where it has none."""
    theirs = {part.index: part for part in sibling.components}
    components = []
    for part in scan.components:
        other = theirs.get(part.index, sibling.components[-1])
        components.append(ScanComponent(part.index, part.dc_table or other.dc_table, part.ac_table or other.ac_table))
    return replace(scan, components=tuple(components))


def _table_names(before: tuple[Scan, ...], after: tuple[Scan, ...]) -> tuple[str, ...]:
    """Names of the Huffman tables that were replaced, one for all of them."""
    pairs = [p for x, y in zip(before, after, strict=True) for p in zip(x.components, y.components, strict=True)]
    names = [f"Huffman table DC of component {new.index + 1}" for old, new in pairs if old.dc_table != new.dc_table]
    names += [f"Huffman table AC of component {new.index + 1}" for old, new in pairs if old.ac_table != new.ac_table]
    return ("all Huffman tables",) if len(names) == 2 * len(pairs) else tuple(names)


def _broken(steps: tuple[int, ...], sibling: tuple[int, ...]) -> bool:
    """Whether no encoder scales the sibling's table so: a step is zero or far off, or few in a row are off alone."""
    ratios = np.array(steps) / np.maximum(sibling, 1)
    usual = np.median(ratios)
    if ratios.min() < usual / _WILD or ratios.max() > _WILD * usual or not all(steps):
        return True
    differing = np.flatnonzero(ratios != 1)
    in_a_row = differing[-1] - differing[0] < _SPAN
    # steps clipped at 255 or 1 are alike in tables of any scale
    alike = np.unique(np.array(steps)[ratios == 1]).size >= _ALIKE
    return bool(in_a_row and alike and (ratios.max() > _OFF or ratios.min() < 1 / _OFF))
