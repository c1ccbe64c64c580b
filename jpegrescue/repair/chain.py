"""The chain of marker segments that leads to a file's first scan, and what it is worth as it stands, or patched.

Where the chain breaks, what follows may still be found again: a break costs `BREAK`, and all that it skips is worth
nothing. So the value grows with every error that is undone, even if others are left.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.believe import embedded_end
from jpegrescue.jpeg.markers import DHT, DQT, DRI, PROCESS, SOS, segment_plausible
from jpegrescue.jpeg.segments import (
    ScanHeader,
    frame_header,
    huffman_tables,
    natural_length,
    quantisation_tables,
    scan_header,
)
from jpegrescue.jpeg.view import Memory
from jpegrescue.model.jpeg import Frame, HuffmanTable, Scan, ScanComponent
from jpegrescue.repair.segment_odds import SegmentOdds, segment_odds
from jpegrescue.score.plausibility import NAT

BREAK = 14 * NAT
NEVER = -(1 << 40)
_REACH = 1 << 20
_SKIPPED = 70_000  # bytes: a segment whose length is lost, and a little
_BEHIND = 512
_MARKER = re.compile(rb"\xff(?=[\xc0-\xc7\xc9-\xcf\xda-\xdd\xe0-\xef\xfe])")
_SOI = 11 * NAT
_ILL_FITTING = -15 * NAT  # a table that a header names and nobody defines
_STUFFED, _STRAY, _HEARD = 3 * NAT, -8 * NAT, 40 * NAT
_LOOKED_AT = 1 << 16
_EOI = 0xD9
_MISSED_LENGTH = -10 * NAT
_SOI_BYTES = b"\xff\xd8"
_TRACED = 3  # likeliest ends of a chain of which it is asked whether all fits
_NATURAL = 1028
_PLACES_MOST, _IMAGES_MOST, _LEAPS_MOST = 4096, 64, 16  # more than a header has: what is hostile shall not take hours
_Best = dict[int, tuple[int, int, bool]]
"""By offset: value of the best way there, the place it comes from (see `Chain._traced`), whether over a break."""
_SEEN = re.compile(rb"\xff\xd8\xff")


@dataclass(frozen=True, slots=True)
class Step:
    """A segment of the chain: its marker, where its FF stands, and where its parameters end."""

    code: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A header read.

    `value`: 1/NAT nat; `steps`: its segments in order, SOI left out; `breaks`: offsets at which the chain is broken,
    or a length is wrong;
    `fits`: whether it defines what it refers to; `sound`: whether nothing at all is odd.
    """

    value: int
    steps: tuple[Step, ...]
    breaks: tuple[int, ...]
    fits: bool
    sound: bool

    @property
    def scan_start(self) -> int | None:
        """Where the scan begins, if the chain leads to one."""
        return self.steps[-1].end if self.steps and self.steps[-1].code == SOS else None


@dataclass(frozen=True, slots=True)
class Described:
    """What decodes a scan."""

    frame: Frame
    scan: Scan


class Chain:
    """Reads the header of the file `plain`, uint8, with and without patches."""

    def __init__(self, plain: NDArray[np.uint8]) -> None:
        whole = plain[:_REACH].tobytes()
        self._plain = plain
        self._data = whole[: _reach(whole)]
        self._nodes = [found.start() for found in islice(_MARKER.finditer(self._data), _PLACES_MOST)]
        self._leaps = 0
        self._scans: dict[int, int] = {}
        self._embedded: dict[int, int | None] = {}
        self._known_ways: dict[int, list[tuple[int, int]]] = {}
        self._images = [found.start() for found in islice(_SEEN.finditer(self._data), _PLACES_MOST)]
        self._links: frozenset[int] | None = None
        begins = self._data[:2] == _SOI_BYTES
        self.stands = self._read(self._data, self._nodes, 2 if begins else 0, _SOI if begins else 0, ())

    @property
    def places(self) -> int:
        """How many places there are that a segment may begin at."""
        return len(self._nodes)

    def is_sound(self, step: Step) -> bool:
        """Whether nothing in a segment of the header as it stands is odd by itself."""
        return _odds(self._data, step).sound

    def patched(self, at: int, patch: bytes) -> bytes:
        """The header's bytes with `patch` in place of what stands from `at` on."""
        low, high = max(at, 0), min(at + len(patch), len(self._data))
        return self._data[:low] + patch[low - at : high - at] + self._data[high:] if low < high else self._data

    def read(self, at: int, patch: bytes) -> Reading:
        """The header with `patch` in place; what lies two segments before is read as it stands."""
        low, high = max(at, 0), min(at + len(patch), len(self._data))
        data = self.patched(at, patch)
        first = bisect_left(self._nodes, low - 1)
        behind = bisect_left(self._nodes, high)
        self._leaps = 0
        new = [found.start() for found in _MARKER.finditer(data, max(low - 1, 0), min(high + 2, len(data)))]
        nodes = self._nodes[:first] + [node for node in new if node < high] + self._nodes[behind:]
        ahead = [step for step in self.stands.steps if step.end < low][:-1]
        if self.stands.breaks:
            ahead = [step for step in ahead if step.end <= self.stands.breaks[0]]
        if ahead and data[:2] == _SOI_BYTES:
            value = _SOI + sum(_odds(data, step).value for step in ahead)
            nodes = nodes[bisect_left(nodes, ahead[-1].end) :]
            return self._read(data, nodes, ahead[-1].end, value, tuple(ahead), high)
        begins = data[:2] == _SOI_BYTES
        return self._read(data, nodes, 2 if begins else 0, _SOI if begins else 0, (), high)

    def _read(
        self, data: bytes, nodes: list[int], origin: int, value: int, ahead: tuple[Step, ...], behind: int = 0
    ) -> Reading:
        """The best way through from `origin` on, with all places that a segment may begin at.

        `value`: of the segments `ahead`; `behind`: from where on `data` is the header's as it stands.
        """
        best: _Best = {origin: (value, -1, False)}
        known = set(nodes)
        ends: list[tuple[int, int, int]] = []  # value, place, end of the segment there, -1 if there is none
        for place in [*([] if origin in known else [origin]), *(node for node in nodes if node >= origin)]:
            if place not in best:
                continue
            value = best[place][0]
            if place not in known:
                ends.append((value, place, -1))
                self._leap(data, nodes, best, place, place, 0, behind)
                continue
            chained = False
            for end, worth in self._ways(data, place, known, behind):
                if data[place + 1] == SOS:
                    ends.append((value + worth + self._scan_odds(end), place, end))
                    chained = True
                elif end in known:
                    if value + worth > best.get(end, (NEVER,))[0]:
                        best[end] = (value + worth, place, False)
                    chained = True
                else:
                    self._leap(data, nodes, best, end, place, worth, behind)
                    ends.append((value + worth, place, end))
            if not chained:
                ends.append((value, place, -1))
                self._leap(data, nodes, best, place + 2, place, 0, behind)
        readings = [self._traced(data, best, end, ahead) for end in sorted(ends, reverse=True)[:_TRACED]]
        return max(readings, key=lambda reading: reading.value)

    def _ways(self, data: bytes, place: int, known: set[int], behind: int) -> list[tuple[int, int]]:
        """Where the segment at `place` may end, and what it is worth then."""
        if 0 < behind <= place and place in self._known_ways:
            return self._known_ways[place]
        ways = _ways(data, place, known)
        if place >= behind:
            self._known_ways[place] = ways
        return ways

    def _leap(self, data: bytes, nodes: list[int], best: _Best, low: int, place: int, worth: int, behind: int) -> None:
        """Go on at any segment behind a break at `low`, but for those of embedded files.

        `worth`: of the segment at `place` that leads to the break.
        """
        self._leaps += 1
        if self._leaps > _LEAPS_MOST:
            return
        value = best[place][0] + worth - BREAK
        hidden = low
        first, last = bisect_left(nodes, max(low, place + 2)), bisect_left(nodes, low + _SKIPPED)
        chained = self._chained()
        images = self._images[bisect_left(self._images, low) :][:_IMAGES_MOST]
        seen = 0
        for node in nodes[first:last]:
            while seen < len(images) and images[seen] < node:
                if images[seen] >= hidden:
                    hidden = self._image_end(images[seen]) or len(data)
                seen += 1
            old = node >= behind and node not in chained
            if not old and node >= hidden and value > best.get(node, (NEVER,))[0]:
                best[node] = (value, place if worth == 0 else -2 - place, True)

    def _chained(self) -> frozenset[int]:
        """Places in the header as it stands from which a segment leads to another, or to a scan."""
        if self._links is None:
            known = set(self._nodes)
            self._links = frozenset(
                node
                for node in self._nodes
                if self._data[node + 1] == SOS or any(end in known for end, _ in _ways(self._data, node, known))
            )
        return self._links

    def _image_end(self, image: int) -> int | None:
        if image not in self._embedded:
            self._embedded[image] = embedded_end(Memory(self._plain), image)
        return self._embedded[image]

    def _scan_odds(self, start: int) -> int:
        """How much what follows a scan header looks like a scan: stuffing, and how far it leads."""
        if start not in self._scans:
            self._scans[start] = self._stuffing(start)
        return self._scans[start]

    def _stuffing(self, start: int) -> int:
        piece = self._plain[start : start + _LOOKED_AT]
        marks = np.flatnonzero(piece[:-1] == 0xFF)
        followers = piece[marks + 1]
        ends = np.flatnonzero(followers == _EOI)
        length = int(marks[ends[0]]) if ends.size else piece.size
        followers = followers[: int(ends[0])] if ends.size else followers
        stuffed = int(np.count_nonzero((followers == 0) | (followers & 0xF8 == 0xD0)))
        strays = followers.size - stuffed
        value = min(_STUFFED * stuffed, _HEARD) + max(_STRAY * strays, -_HEARD)
        share = length / max(min(self._plain.size - start, _LOOKED_AT), 1)
        return value + round(_HEARD * min(2 * share, 1.0))

    def _traced(self, data: bytes, best: _Best, end: tuple[int, int, int], ahead: tuple[Step, ...]) -> Reading:
        """The chain that leads to an end."""
        value, place, stop = end
        steps: list[Step] = []
        breaks: list[int] = []
        if stop >= 0:
            steps.append(Step(data[place + 1], place, stop))
        if stop < 0 or data[place + 1] != SOS:
            breaks += [place, *_declared(data, place)] if stop < 0 else [place, stop]
        while best[place][1] != -1:
            _, source, broken = best[place]
            if source < 0:  # a segment that leads nowhere
                source = -2 - source
                declared = min([*_declared(data, source), len(data)])
                steps.append(Step(data[source + 1], source, declared))
                breaks += [source, declared]
            elif broken:
                breaks += [source, *(end for end in _declared(data, source) if end < place)]
            else:
                steps.append(Step(data[source + 1], source, place))
            place = source
        if data[:2] != _SOI_BYTES:
            breaks.append(0)
        steps = [*ahead, *reversed(steps)]
        breaks += [step.start for step in steps if _declared(data, step.start) != [step.end]]
        sound = not breaks and all(_odds(data, step).sound for step in steps)
        fit = _fitting(data, steps)
        return Reading(value + fit, tuple(steps), tuple(sorted(set(breaks))), fit == 0, sound and fit == 0)


def _declared(data: bytes, place: int) -> list[int]:
    """Where the segment at `place` ends by its length field, if one begins there."""
    if data[place : place + 1] != b"\xff":
        return []
    return [place + 2 + int.from_bytes(data[place + 2 : place + 4])]


def _odds(data: bytes, step: Step) -> SegmentOdds:
    return segment_odds(step.code, data, step.start + 4, step.end)


def _ways(data: bytes, place: int, known: set[int]) -> list[tuple[int, int]]:
    code = data[place + 1]
    length = int.from_bytes(data[place + 2 : place + 4])
    ways = []
    declared = place + 2 + length
    if length >= 2 and declared <= len(data):
        ways.append((declared, segment_odds(code, data, place + 4, declared).value))
    if code in (DQT, DHT, DRI, SOS) or code in PROCESS:
        natural = natural_length(code, data[place + 4 : place + _NATURAL])
        end = declared if natural is None else place + 2 + natural
        if end != declared and place + 4 < end <= len(data) and (end in known or code == SOS):
            ways.append((end, segment_odds(code, data, place + 4, end).value + _MISSED_LENGTH))
    return ways


def _reach(data: bytes) -> int:
    """Up to where segments of a header may stand."""
    last = 0
    for found in _MARKER.finditer(data):
        place = found.start()
        code = data[place + 1]
        length = int.from_bytes(data[place + 2 : place + 4])
        named = code in (DQT, DHT, SOS, DRI) or code in PROCESS
        if named and length < 4096 and segment_plausible(code, data[place + 4 : place + 2 + length]):
            last = place + 2 + length
    return last + _BEHIND


@dataclass(slots=True)
class _Contents:
    """What the segments of a header define."""

    frame: Frame | None = None
    header: ScanHeader | None = None
    huffman: dict[tuple[int, int], HuffmanTable | None] = field(default_factory=dict)
    quantisation: set[int] = field(default_factory=set)
    restart_interval: int = 0


def _contents(data: bytes, steps: Sequence[Step]) -> _Contents:
    found = _Contents()
    for step in steps:
        payload = data[step.start + 4 : step.end]
        if step.code in PROCESS and segment_plausible(step.code, payload):
            found.frame = frame_header(step.code, payload)
        elif step.code == DHT:
            found.huffman |= huffman_tables(payload)[0]
        elif step.code == DQT:
            found.quantisation |= quantisation_tables(payload)[0].keys()
        elif step.code == DRI and len(payload) == 2:
            found.restart_interval = int.from_bytes(payload)
        elif step.code == SOS:
            found.header = scan_header(payload)
    return found


def _fitting(data: bytes, steps: Sequence[Step]) -> int:
    """What speaks against headers that name what is not there."""
    found = _contents(data, steps)
    frame, header = found.frame, found.header
    if frame is None or header is None:
        return 2 * _ILL_FITTING if steps and steps[-1].code == SOS else 0
    names = [component.identifier for component in frame.components]
    missing = sum(name not in names for name, _, _ in header.components)
    missing += len(header.components) > len(frame.components)
    lossless = frame.process.startswith("lossless")
    if not frame.process.endswith("arithmetic"):
        missing += sum(found.huffman.get((0, dc)) is None for _, dc, _ in header.components)
    if frame.process in ("baseline", "extended"):
        missing += sum(found.huffman.get((1, ac)) is None for _, _, ac in header.components)
        missing += (header.spectral_start, header.spectral_end, header.approximation_low) != (0, 63, 0)
    else:
        missing += header.spectral_end > 0 and (lossless or header.spectral_start == 0)
    if not lossless:
        missing += sum(component.quantisation not in found.quantisation for component in frame.components)
    return missing * _ILL_FITTING


def described(data: bytes, reading: Reading, size: int) -> Described | None:
    """Frame and scan of a header's bytes as it was read; the scan ends with the file's `size` bytes."""
    found = _contents(data, reading.steps)
    frame, header = found.frame, found.header
    if frame is None or header is None or reading.scan_start is None:
        return None
    names = [component.identifier for component in frame.components]
    if any(name not in names for name, _, _ in header.components):
        return None
    components = tuple(
        ScanComponent(names.index(name), found.huffman.get((0, dc)), found.huffman.get((1, ac)))
        for name, dc, ac in header.components
    )
    scan = Scan(
        components=components,
        spectral_start=header.spectral_start,
        spectral_end=header.spectral_end,
        approximation_high=header.approximation_high,
        approximation_low=header.approximation_low,
        restart_interval=found.restart_interval,
        start=reading.scan_start,
        end=size,
    )
    return Described(frame, scan)
