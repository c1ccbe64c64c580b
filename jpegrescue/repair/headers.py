"""Flipped bits in a file's header: what precedes its scan, found by what headers are like and by what they decode.

A header says nearly all twice: segments follow one another without a gap, most tables are typical ones, and none but
the right ones make a photo of the scan. All bits of every block in which something is odd are tried.
"""

from dataclasses import dataclass

import numpy as np

from jpegrescue.repair.candidates import block_offset
from jpegrescue.repair.chain import Chain, Reading, Step, described
from jpegrescue.repair.first_stretch import first_stretch, weighable
from jpegrescue.repair.payload import likely_flips
from jpegrescue.repair.prior import NOTHING, Known, Prior
from jpegrescue.repair.segment_odds import FREE_HEAD, is_free
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Flippable
from jpegrescue.source.crypt.sector import BLOCK

ERRORS_MOST = 8
RATE = 1e-5  # errors per bit: of a header there is too little to tell
ENOUGH, MARGIN = 20 * NAT, 12 * NAT
WORTH_DECODING, DECODED_MOST = 40 * NAT, 6
"""Nats behind the best of a block's candidates up to which a scan is decoded with one, and how many of them at most."""
BLOCKS_MOST, PLACES_USUAL = 64, 512  # that are tried, in a header with so many places that may be markers
_MARKER_AND_LENGTH = 4
BEFORE_SCAN = 48
UNNAMED_MOST = 2  # application segments with names that are not known, more than which are no damage


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """Bits that were flipped back in a header.

    `flips`: as in `search.Change`; `gain`: log-odds, 1/NAT nat, what a flip costs taken off, of header and beginning of
    the scan against how they stood; `margin`: over the next best bit of the block; MCUs `[first, last]` are none: what
    a table changes is the whole scan.
    """

    flips: tuple[int, ...]
    gain: int
    margin: int
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class _State:
    """A header with what its scan decodes to: `value` of both, 1/NAT nat; `photo`: whether the scan looks like one."""

    reading: Reading
    value: int
    photo: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """The best bit of a block: `gain` over the file as it stands, what it costs taken off; `margin` over the next.

    `odds`: what the header by itself gains. A wrong bit may make tables that decode to anything, but no better header.
    """

    flip: int
    gain: int
    margin: int
    odds: int

    @property
    def convincing(self) -> bool:
        """Whether to believe it."""
        return self.gain >= ENOUGH and self.margin >= MARGIN and self.odds > 0


def mend_header(file: Flippable, known: Known = NOTHING) -> tuple[HeaderChange, ...]:
    """Undo flipped bits in what precedes the first scan of `file`, in the order of finding.

    `known`: of single bits of it, how likely they are to have flipped.

    A header that looks sound and decodes to a photo is left alone. So are, in the end, blocks in which something is odd
    whatever single bit is flipped: two may be.
    """
    changes: list[HeaderChange] = []
    tried: set[int] = set()
    search = _Search(file, known)
    while len(changes) < ERRORS_MOST:
        found = search.best(tried) or search.best_beside(tried)
        if found is None:
            break
        file.flip(found.flip)
        tried.add(found.flip)
        changes.append(HeaderChange((found.flip,), found.gain, found.margin))
        search = _Search(file, known)
    wrong = [change for change in changes if search.is_odd(change.flips[0] // BITS)]
    for change in wrong:
        file.flip(change.flips[0])
    return tuple(change for change in changes if change not in wrong)


class _Search:
    """All bits of odd blocks of a header as it stands."""

    def __init__(self, file: Flippable, known: Known) -> None:
        self._file = file
        self._prior = Prior(RATE, known)
        self._chain = Chain(file.plain)
        self._decodable = self._is_decodable()
        self._stands = self._weigh(self._chain.stands)

    def best(self, tried: set[int]) -> _Found | None:
        """What convinces most; `None` if nothing does, or nothing is odd. What was `tried` is not flipped again."""
        if self._stands.reading.sound and self._stands.photo:
            return None
        odd = self._odd_blocks()
        found = self._among(odd, tried)
        reading = self._stands.reading
        if found is None and (reading.breaks or not reading.fits or not self._stands.photo):
            others = [block for block in self._all_blocks() if block not in set(odd)]
            found = self._among(others, tried)
        return found

    def best_beside(self, tried: set[int]) -> _Found | None:
        """The same of what nothing depends on, in a header that hangs together otherwise."""
        reading = self._stands.reading
        if reading.breaks or not reading.fits:
            return None
        payloads = [(step.start + _MARKER_AND_LENGTH, step.end) for step in reading.steps if is_free(step.code)]
        found = [
            _Found(made.flip, made.gain - self._cost(made.flip), made.margin, made.gain)
            for made in likely_flips(self._file, payloads)
            if made.flip not in tried
        ]
        convincing = [made for made in found if made.gain >= ENOUGH and made.margin >= MARGIN]
        return max(convincing, key=lambda made: (made.gain, -made.flip), default=None)

    def _among(self, blocks: list[int], tried: set[int]) -> _Found | None:
        """`blocks`: of a header of which much may be a marker only the last few are tried."""
        blocks = blocks[-max(BLOCKS_MOST * PLACES_USUAL // max(self._chain.places, PLACES_USUAL), 2) :]
        found = [made for block in blocks if (made := self._try(block)) is not None]
        convincing = [made for made in found if made.convincing and made.flip not in tried]
        if not convincing:
            return None
        best = max(convincing, key=lambda made: (made.gain, -made.flip))
        rivals = [made for made in found if made is not best and made.gain > best.gain - MARGIN]
        return best if all(self._adds_up(best, rival) for rival in rivals) else None

    def _adds_up(self, best: _Found, rival: _Found) -> bool:
        """Whether a rival gains as much with the best made, so that they are two errors and no two explanations."""
        self._file.flip(best.flip)
        with_best = _Search(self._file, self._prior.known)._try(rival.flip // BITS)
        self._file.flip(best.flip)
        return with_best is not None and with_best.flip == rival.flip and 2 * with_best.gain > rival.gain

    def _weigh(self, reading: Reading, at: int = 0, patch: bytes = b"") -> _State:
        header = described(self._chain.patched(at, patch), reading, self._file.plain.size)
        if header is None or not self._decodable:
            return _State(reading, reading.value, photo=not self._decodable)
        decoded = first_stretch(self._file.plain, at, patch, header)
        value, photo = decoded or (0, False)
        return _State(reading, reading.value + value, photo)

    def _is_decodable(self) -> bool:
        """Whether the scan is of a kind that can be weighed, or nobody knows: a header that fits says what it is."""
        reading = self._chain.stands
        header = described(self._chain.patched(0, b""), reading, self._file.plain.size)
        return header is None or bool(reading.breaks) or not reading.fits or weighable(header)

    def _try(self, block: int) -> _Found | None:
        at = block_offset(block, self._file.lead)
        variants = self._file.variants(block)
        patches = [variant.tobytes() for variant in variants]
        readings = [self._chain.read(at, patch) for patch in patches]
        values = np.array([reading.value for reading in readings], np.int64)
        scan = self._stands.reading.scan_start
        reaches_scan = scan is not None and at + variants.shape[1] > scan
        favour = self._prior.cost - self._prior.costs(BITS * block + np.arange(BITS))
        hopeful = values + favour
        if hopeful.max() < self._stands.reading.value - WORTH_DECODING:
            return None
        order = np.argsort(-hopeful, kind="stable")
        few = BITS if reaches_scan else DECODED_MOST
        likely = [int(k) for k in order[:few] if hopeful[k] > hopeful[order[0]] - WORTH_DECODING]
        totals = hopeful + (self._stands.value - self._stands.reading.value)
        for k in likely:
            totals[k] = self._weigh(readings[k], at, patches[k]).value + favour[k]
        first = max(likely, key=lambda k: (int(totals[k]), -k))
        others = np.delete(totals, first).max()
        gain = int(totals[first]) - self._stands.value
        return _Found(
            flip=BITS * block + first,
            gain=gain - self._prior.cost,
            margin=int(min(totals[first] - others, gain)),
            odds=int(values[first]) - self._stands.reading.value,
        )

    def _cost(self, flip: int) -> int:
        return int(self._prior.costs(np.array([flip]))[0])

    def _odd_blocks(self) -> list[int]:
        """Blocks in which the chain breaks, or that a segment lies in which is odd by itself."""
        reading = self._stands.reading
        ranges = [(place, place + _MARKER_AND_LENGTH) for place in reading.breaks]
        odd = [step for step in reading.steps if not self._chain.is_sound(step)]
        unnamed = [step for step in odd if is_free(step.code)]
        ranges += [_telling(step) for step in odd if len(unnamed) <= UNNAMED_MOST or step not in unnamed]
        scan = reading.scan_start
        if scan is not None and not self._stands.photo:
            ranges.append((scan - BEFORE_SCAN, scan))
        return self._blocks(ranges)

    def is_odd(self, block: int) -> bool:
        """Whether something is odd yet in a block or the next, so that it was not the right bit of it that flipped."""
        reading = self._stands.reading
        ranges = [(place, place + _MARKER_AND_LENGTH) for place in reading.breaks]
        ranges += [_telling(step) for step in reading.steps if not self._chain.is_sound(step)]
        low = block_offset(block, self._file.lead)
        return any(low < end and start < low + 2 * BLOCK for start, end in ranges)

    def _all_blocks(self) -> list[int]:
        """Blocks of everything that the scan or the chain depends on."""
        return self._blocks([_telling(step) for step in self._stands.reading.steps])

    def _blocks(self, ranges: list[tuple[int, int]]) -> list[int]:
        """Those that the ranges lie in, and one before each: a flipped bit may be all that a range has of an error."""
        lead = self._file.lead
        wanted = {
            block
            for low, high in ranges
            for block in range((max(low, 0) + lead) // BLOCK - 1, (max(high, low + 1, 1) + lead - 1) // BLOCK + 1)
        }
        return sorted(block for block in wanted if 0 <= block < self._file.blocks())


def _telling(step: Step) -> tuple[int, int]:
    """The bytes of a segment that something depends on."""
    return step.start, min(step.end, step.start + FREE_HEAD) if is_free(step.code) else step.end
