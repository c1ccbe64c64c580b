"""A guard against evidence that is full of SOI markers: their walks must not add up to many passes over it."""

from collections import deque

from jpegrescue.jpeg.believe import Marker, marker_at
from jpegrescue.jpeg.markers import PROCESS, TEM
from jpegrescue.jpeg.view import View

_REFUSED = 8
_WITHIN = 64 << 10
_SEGMENTS = 1024
_REMEMBERED = 1 << 17


class Crowd:
    """Remembers which candidates were refused, and where their markers led to nothing.

    The walk of a candidate tolerates damage, which costs milliseconds on garbage. Where eight candidates in 64 KiB have
    been refused, a further one has to lead from segment to segment to a frame header first; places from which that has
    failed are remembered, so that each is looked at once.
    """

    def __init__(self) -> None:
        self._refused: deque[int] = deque(maxlen=_REFUSED)
        self._dead: set[int] = set()
        self._path: list[int] = []

    def admits(self, view: View, candidate: int) -> bool:
        """Whether the candidate at evidence offset `candidate`, where `view` begins, is worth its walk."""
        self._path = []
        if len(self._refused) < _REFUSED or candidate - self._refused[0] > _WITHIN:
            return True
        if self._leads_to_frame(view, candidate):
            return True
        self.refuse(candidate)
        return False

    def refuse(self, candidate: int) -> None:
        """Note that the candidate turned out to be no file."""
        self._refused.append(candidate)
        if len(self._dead) > _REMEMBERED:
            self._dead.clear()
        self._dead.update(self._path)

    def _leads_to_frame(self, view: View, candidate: int) -> bool:
        position = 2
        for _ in range(_SEGMENTS):
            if candidate + position in self._dead:
                return False
            self._path.append(candidate + position)
            marker: Marker | None = marker_at(view, position)
            if marker is None:
                return False
            if marker.code in PROCESS:
                return True
            end = marker.offset + 2 if marker.code == TEM else marker.end
            if end is None:
                return False
            position = end
        return False
