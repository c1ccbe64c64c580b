"""Carving in one pass: candidates in the stream of evidence, and the files they turn out to be."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.carve._kernels import find_soi
from jpegrescue.carve.crowd import Crowd
from jpegrescue.carve.extent import find_extent
from jpegrescue.carve.follow import CountMcus
from jpegrescue.carve.window import SourceView, Workspace
from jpegrescue.model.carve import CarvedFile
from jpegrescue.source.base import ByteSource

_POSITIONS = 4096


def find_candidates(buffer: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Positions (int64, ascending) in `buffer` (uint8, contiguous) at which FF D8 FF lies whole."""
    found: list[NDArray[np.int64]] = []
    start = 0
    while True:
        positions = np.empty(_POSITIONS, np.int64)
        count = int(find_soi(buffer, start, buffer.size, positions))
        found.append(positions[:count])
        if count < _POSITIONS:
            return np.concatenate(found)
        start = int(positions[-1]) + 1


class Carver:
    """Finds the files that begin in `[start, stop)` of `source`, fed with the bytes of that range in order.

    The caller reads the medium once and passes each piece to `feed`; only the bytes of candidates are read again,
    through `source`, past `stop` too if the file goes on. A shard so owns the files that begin in it, among them what
    lies inside a file that began in the shard before: the caller drops those. Candidates inside a file found here are
    its own (thumbnails, trailers) and skipped, also where `min_size` (bytes) or
    `min_pixels` kept it out of the results; behind a file of unknown end the search goes on at its last believable
    byte. `count_mcus`: see `follow.ScanFollower`.
    """

    def __init__(
        self,
        source: ByteSource,
        start: int,
        stop: int,
        *,
        min_size: int = 0,
        min_pixels: int = 0,
        count_mcus: CountMcus | None = None,
    ) -> None:
        self._source = source
        self._stop = stop
        self._min_size = min_size
        self._min_pixels = min_pixels
        self._count_mcus = count_mcus
        self._expected = start
        self._resume = start
        self._tail = np.empty(0, np.uint8)
        self._workspace = Workspace()
        self._crowd = Crowd()

    def feed(self, offset: int, buffer: NDArray[np.uint8]) -> list[CarvedFile]:
        """Files whose first three bytes end in `buffer` (uint8), which lies at evidence offset `offset`.

        Pieces of any size, but without gaps or overlaps; with the last one the two bytes behind the range are looked
        at too.

        Raises:
            ValueError: `offset` is not where the piece before ended.
        """
        if offset != self._expected:
            raise ValueError(f"expected the bytes at {self._expected}, got those at {offset}")
        self._expected = offset + buffer.size
        candidates = self._at_seam(offset, buffer[:2])
        candidates += (find_candidates(buffer) + offset).tolist()
        self._tail = np.concatenate((self._tail, buffer[-2:]))[-2:]
        if self._expected == self._stop:
            candidates += self._at_seam(self._stop, np.frombuffer(self._source.read(self._stop, 2), np.uint8))
        self._workspace.offset, self._workspace.at_hand = offset, buffer
        found = (self._examine(candidate) for candidate in candidates)
        return [file for file in found if file is not None]

    def _at_seam(self, offset: int, following: NDArray[np.uint8]) -> list[int]:
        """Candidates that begin in the last two bytes before `offset`."""
        positions = find_candidates(np.concatenate((self._tail, following)))
        origin = offset - self._tail.size
        return [origin + position for position in positions.tolist() if position < self._tail.size]

    def _examine(self, candidate: int) -> CarvedFile | None:
        if not self._resume <= candidate < self._stop:
            return None
        if not self._crowd.admits(SourceView(self._source, candidate, self._source.size, self._workspace), candidate):
            return None
        extent = find_extent(self._source, candidate, self._source.size, self._count_mcus, self._workspace)
        if extent is None:
            self._crowd.refuse(candidate)
            return None
        self._resume = extent.file.runs[-1].end
        if self._resume - candidate < self._min_size or extent.pixels < self._min_pixels:
            return None
        return extent.file
