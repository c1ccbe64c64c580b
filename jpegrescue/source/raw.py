"""The medium itself: an image file or a block device, read and never written."""

import bisect
import errno
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jpegrescue.errors import EvidenceError
from jpegrescue.model.evidence import Gap, Layer
from jpegrescue.source.base import read_bytes

Preadv = Callable[[int, Sequence[memoryview], int], int]

_BLOCK = 512  # bytes; no medium reports errors on a finer grid
_FAILURES_PER_GRAIN = 1024
_SHRUNK = "the file ended earlier than when it was opened"


class RawSource:
    """A regular file or block device of any size.

    Unreadable places become gaps. Their edges are found to the block of 512 bytes: the first by halving the read that
    failed; then single blocks are tried ahead in steps that double (up to 1/1024 of the medium, at least 1 MiB), and
    the far edge is looked for once by halving between the last failure and the first success. A dying medium is not
    tortured: a gap is never read again, and every 1,024 failures double the smallest piece that is still looked into,
    up to the longest step, so the number of failing reads does not grow with the medium.

    Raises:
        EvidenceError: missing, a directory, neither file nor block device, without a size, or not permitted.
    """

    def __init__(self, path: Path, *, preadv: Preadv = os.preadv) -> None:
        self.path = path
        self._preadv = preadv
        self._descriptor, medium = _open(path)
        self._size = self._measure()
        self._layers = (Layer("raw", 0, self._size, {"medium": medium}),)
        self._gaps: tuple[Gap, ...] = ()
        self._rescue = threading.Lock()
        self._failures = 0
        self._longest_step = max(1 << 20, self._size >> 10) & -_BLOCK

    @property
    def size(self) -> int:
        """Length in bytes when it was opened."""
        return self._size

    @property
    def layers(self) -> tuple[Layer, ...]:
        """One layer of kind `raw`."""
        return self._layers

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Unreadable ranges met so far, merged and sorted."""
        return self._gaps

    def read(self, offset: int, length: int) -> bytes:
        """Bytes `[offset, offset + length)`, clipped at `size`."""
        return read_bytes(self, offset, length)

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> int:
        """Fill `buffer` from `offset` on, clipped at `size`; number of bytes filled."""
        if offset < 0:
            raise ValueError(f"negative offset {offset}")
        length = max(0, min(len(buffer), self._size - offset))
        view = buffer[:length].data
        at = 0
        while at < length:
            gap = self._next_gap(offset + at)
            if gap is not None and gap.start <= offset + at:
                end = min(length, gap.end - offset)
                buffer[at:end] = 0
            else:
                end = length if gap is None else min(length, gap.start - offset)
                end = at + self._read_some(offset + at, view[at:end])
            at = end
        return length

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _measure(self) -> int:
        try:
            return os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:  # what the kernel makes up as it is read, as under /proc, has no end to go to
            self.close()
            raise EvidenceError(
                f"{self.path} has no size that can be found out: {error.strerror}", path=self.path
            ) from error

    def _next_gap(self, position: int) -> Gap | None:
        """The gap at `position`, or else the first after it."""
        gaps = self._gaps
        index = bisect.bisect_right(gaps, position, key=lambda gap: gap.end)
        return gaps[index] if index < len(gaps) else None

    def _try(self, position: int, view: memoryview) -> int | str:
        """Bytes read (at least one), or why there are none."""
        try:
            return self._preadv(self._descriptor, [view], position) or _SHRUNK
        except OSError as error:
            if error.errno == errno.EBADF:
                raise
            self._failures += 1
            return os.strerror(error.errno) if error.errno else str(error)

    def _read_some(self, position: int, view: memoryview) -> int:
        """Fill the start of `view`; number of bytes filled, 0 only if a new gap has to be looked at first."""
        outcome = self._try(position, view)
        if isinstance(outcome, int):
            return outcome
        with self._rescue:
            gap = self._next_gap(position)
            if gap is not None and gap.start < position + len(view):
                return 0  # another thread was here
            low, high, cause = self._near_edge(position, view, outcome)
            if low < high:
                self._note(low, self._size if cause is _SHRUNK else self._far_edge(high), cause)
        return low - position

    @property
    def _grain(self) -> int:
        return min(_BLOCK << (self._failures // _FAILURES_PER_GRAIN), self._longest_step)

    def _piece_end(self, position: int) -> int:
        return (position & -_BLOCK) + self._grain

    def _near_edge(self, position: int, view: memoryview, cause: str) -> tuple[int, int, str]:
        """Fill `view` up to the first bad piece; that piece (empty if all could be read after all) and its cause.

        Linux hands out what lies before the bad block and fails on the next read, so the piece at `position` is the
        most likely one.
        """
        low, high, failed = position, position + len(view), True  # `failed`: reading all of [low, high) did
        middle = min(self._piece_end(low), high)
        while low < high and cause is not _SHRUNK and not (failed and high <= self._piece_end(low)):
            outcome = self._try(low, view[low - position : middle - position])
            failed = isinstance(outcome, str)
            if isinstance(outcome, int):
                low += outcome
            else:
                high, cause = middle, outcome
            middle = min(max((low + high) // 2 & -_BLOCK, self._piece_end(low)), high)
        return low, high, cause

    def _far_edge(self, bad_end: int) -> int:
        """Where the gap ends whose first piece ends at `bad_end`."""
        after = self._next_gap(bad_end)
        limit = self._size if after is None else after.start
        bad_end = min(-(-bad_end // _BLOCK) * _BLOCK, limit)
        probe, step = bad_end, self._grain
        while bad_end < limit:
            if self._readable(probe, limit):
                return self._edge_between(bad_end, probe)
            bad_end = min(probe + _BLOCK, limit)
            probe = max(bad_end, min(bad_end + step, limit - 1 & -_BLOCK))
            step = min(2 * step, self._longest_step)
        return limit

    def _edge_between(self, bad_end: int, good: int) -> int:
        while good - bad_end >= self._grain:
            middle = (bad_end + good) // 2 & -_BLOCK
            if self._readable(middle, good):
                good = middle
            else:
                bad_end = middle + _BLOCK
        return good

    def _readable(self, position: int, limit: int) -> bool:
        return isinstance(self._try(position, memoryview(bytearray(min(_BLOCK, limit - position)))), int)

    def _note(self, start: int, end: int, cause: str) -> None:
        """Add a gap that overlaps no other, joined with neighbours of the same cause."""
        index = bisect.bisect_left(self._gaps, start, key=lambda gap: gap.start)
        before, after = self._gaps[:index], self._gaps[index:]
        if before and (before[-1].end, before[-1].cause) == (start, cause):
            start, before = before[-1].start, before[:-1]
        if after and (after[0].start, after[0].cause) == (end, cause):
            end, after = after[0].end, after[1:]
        self._gaps = (*before, Gap(start, end, cause), *after)


def _open(path: Path) -> tuple[int, str]:
    """Descriptor, and `file` or `block device`."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise EvidenceError(f"{path} does not exist", path=path) from None
    except OSError as error:
        raise EvidenceError(f"{path} cannot be opened: {error.strerror}", path=path) from error
    if stat.S_ISDIR(mode):
        raise EvidenceError(f"{path} is a directory; give an image file or a block device", path=path)
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise EvidenceError(f"{path} is neither a file nor a block device", path=path)
    try:
        return _open_quietly(path), "file" if stat.S_ISREG(mode) else "block device"
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror}", path=path) from error


def _open_quietly(path: Path) -> int:
    """Open without changing the access time, which only the owner may ask for."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NOATIME)
    except PermissionError:
        return os.open(path, os.O_RDONLY)
