"""Where the entropy-coded data of a scan ends (ITU-T T.81 B.1.1.5, B.2.1), undamaged or not."""

from dataclasses import dataclass
from typing import Protocol

from jpegrescue.jpeg.believe import believable, entropy_follows, marker_at
from jpegrescue.jpeg.markers import DNL, EOI
from jpegrescue.jpeg.view import View, find_marker, read
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.problem import Problem

_JUDGEMENTS = 100_000  # markers looked at in one scan; more of them is garbage, or meant to exhaust us


@dataclass(frozen=True, slots=True)
class ScanContext:
    """What is known when a scan begins.

    `more_scans`: whether further scans can come (progressive, or components still missing); `zeros_decode`: whether
    zero bytes are a flat area, because the codes of "no DC difference" and "end of block" consist of zeros.
    """

    frame: Frame | None
    more_scans: bool
    zeros_decode: bool

    @property
    def identifiers(self) -> tuple[int, ...] | None:
        """Component identifiers of the frame, if there is one."""
        return tuple(c.identifier for c in self.frame.components) if self.frame else None

    @property
    def height_missing(self) -> bool:
        """Whether a DNL must follow (T.81 B.2.5)."""
        return self.frame is not None and self.frame.height == 0


@dataclass(frozen=True, slots=True)
class ScanStop:
    """`end` of the entropy-coded bytes, and `marker`: offset at which markers go on, `None` where nothing follows."""

    end: int
    marker: int | None
    problems: tuple[Problem, ...] = ()


class ScanEnd(Protocol):
    """Finds the end of the scan whose entropy-coded data begin at `start`."""

    def __call__(self, view: View, start: int, context: ScanContext) -> ScanStop:
        """`start`: offset behind the scan header."""
        ...


def segment_ends_scan(view: View, offset: int, context: ScanContext) -> bool:
    """Whether the marker at `offset` (not EOI) ends a scan: it is believable and has a place there.

    After the only scan of a sequential picture a table or a second SOS is damage, or part of a foreign file.
    """
    code = int.from_bytes(read(view, offset + 1, 1))
    if code == DNL:
        fits = read(view, offset + 2, 2) == b"\0\x04" and marker_at(view, offset + 6) is not None
        return fits and (context.height_missing or context.more_scans)
    return context.more_scans and believable(view, offset, context.identifiers)


def before_fill(view: View, start: int, marker: int) -> int:
    """End of the entropy-coded data before a marker at `marker`: fill bytes FF belong to the marker."""
    end = marker
    while end > start and view.array(end - 1, 1)[0] == 0xFF:
        end -= 1
    return end


def scan_end(view: View, start: int, context: ScanContext) -> ScanStop:
    """End of a scan in a file whose bounds are known: a SOI inside is data, and so is an EOI that data follow."""
    problems: list[Problem] = []
    strays = 0
    first_stray = 0
    stop: int | None = None
    position = start
    while strays < _JUDGEMENTS and (found := find_marker(view, position, view.size)) is not None:
        code = int.from_bytes(read(view, found + 1, 1))
        if code == EOI and not entropy_follows(view, found + 2):
            stop = found
            break
        if code == EOI:
            detail = "An EOI marker stands in the middle of entropy-coded data and was read as data."
            problems.append(Problem("false_eoi", "warning", detail, found))
        elif segment_ends_scan(view, found, context):
            stop = found
            break
        first_stray = first_stray if strays else found
        strays += 1
        position = found + 2
    if strays:
        detail = f"{strays} markers inside entropy-coded data were read as data; the first stands here."
        problems.append(Problem("stray_markers", "warning", detail, first_stray))
    return ScanStop(view.size if stop is None else before_fill(view, start, stop), stop, tuple(problems))
