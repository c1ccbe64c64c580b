"""What may have happened to a cipher block, and how likely that is: a logistic model of what speaks for a change.

The model is fitted on training photos by `python -m jpegrescue.lab.train_repair`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.score.plausibility import NAT

PICTURE_MOST, PICTURE_LEAST = 200 * NAT, -20 * NAT  # that the picture counts for a change, and against what may be
POOR = 9.0  # nats of a repaired block in which two other bits may have flipped as well
FEATURES = 17
WEIGHTS = np.array([
    [
        -3.771, 0.086, -0.059, 5.848, 0.441, 1.108, -0.657, 1.758, 1.170, 1.037, -0.199,
        0.170, -0.462, -4.922, 0.349, -0.678, -0.097,
    ],
    [
        -4.409, 1.056, -0.318, 1.990, 0.154, 0.702, 0.083, 1.459, 0.675, 1.741, 0.136,
        0.556, 0.226, -4.832, 0.980, 0.380, -1.050,
    ],
])  # fmt: skip
"""Of files that lie as they are, and of those that were decrypted."""
UNDO_WEIGHTS = np.array([2.0, -4.0])
LEFT_WEIGHTS = np.array([-0.271, 0.809, 0.038])
WHOLE_EVEN, WHOLE_SCALE = 14.0, 1.5  # nats that odd blocks of sound photos gain at most, and how sharply that ends
INSTEAD_EVEN, INSTEAD_SCALE = 8.0, 1.5  # the same of other bits in place of right ones
PAIR_EVEN, PAIR_SCALE = 5.0, 2.5  # nats of the bytes that two wrong flips lead to, and how sharply that ends
SURE = 0.95  # probability of a change that is made at once
UNKNOWN = -1000 * NAT  # in place of a gain that is not known: less than any that is
WEIGHT_MOST = 30.0


@dataclass(frozen=True, slots=True)
class Option:
    """A set of flips with the bytes that it leads to: `patch`, uint8, from file offset `at` on.

    `fresh`: how many of the flips were not made before; `gain`: what the scan's value grows by, with what flips cost,
    1/NAT nat; `favour`: of it, by how much less these bits cost than others do; `own`: log-odds of these bytes, 1/NAT
    nat; `better`: than those of the bytes that stand there now. A wrong flip may bring a long stretch back into step,
    as happens by itself after a while; its own bytes stay garbled. `counts`: 1 if with it as many MCUs come out, up to
    the next restart marker, as there should be, and do not as it stands; -1 the other way round; 0 if that says
    nothing. MCUs `[first, last]` of the stream change. `whole`: what the scan's symbols gain, what flips cost taken
    off, if all MCUs are there, so that nothing can be given up as a hole; far below 0 where they are not.
    """

    flips: tuple[int, ...]
    fresh: int
    gain: int
    favour: int
    at: int
    patch: NDArray[np.uint8]
    first: int
    last: int
    own: int
    better: int
    counts: int
    whole: int


@dataclass(frozen=True, slots=True)
class Change:
    """Bits of one block or of two, flipped together.

    `flips`: the bits, counted from the file's first block on; `gain`, `margin`: 1/NAT nat, with what each flip costs,
    over the scan as it stands and over the second best; `picture`: of it, what the picture's borders say; `threat`: the
    most that any option of the block gains if a picture can speak against it by so much only; `miscounted`: the same of
    options that would lead to a wrong number of MCUs; `garbles`: whether a flipped bit garbles a whole block; `whole`:
    as of `Option`, with a little of what the picture says; others as in `Option`.
    """

    flips: tuple[int, ...]
    fresh: int
    gain: int
    favour: int
    margin: int
    picture: int
    threat: int
    miscounted: int
    garbles: bool
    own: int
    better: int
    counts: int
    whole: int
    first: int
    last: int

    @property
    def symbols(self) -> int:
        """Of its gain, what symbols say."""
        return self.gain - min(self.picture, PICTURE_MOST)

    @property
    def likely(self) -> float:
        """Probability that it undoes errors."""
        return max(_chance(_weight(self) + told(self)), self.mends, self.replaces)

    @property
    def left(self) -> float:
        """Probability that it should have been made, of one that was not in the end; the threat is log-odds itself."""
        return max(_chance(float(described_left(self) @ LEFT_WEIGHTS) + against(self)), self.mends, self.replaces)

    @property
    def mends(self) -> float:
        """Probability that it does in a scan that seems whole but for an odd block or two.

        There an error cannot hide in a hole that is cheaper than what garbled bytes are worth; but it is its own bytes
        that have to look better without it. In the clear it garbles none.
        """
        if not self.garbles:
            return 0.0
        return _chance((min(self.whole, self.better) / NAT - WHOLE_EVEN) / WHOLE_SCALE)

    @property
    def replaces(self) -> float:
        """Probability that it explains what it takes other flips back for: one of both is right, or neither.

        That the scan's own bytes look no better says nothing then: what was flipped was chosen for them.
        """
        if not self.garbles or self.fresh == len(self.flips):
            return 0.0
        return _chance((self.gain / NAT - INSTEAD_EVEN) / INSTEAD_SCALE)

    @property
    def doubt(self) -> float:
        """Odds that several bits were flipped together for want of the right one, so far as their margin tells not.

        There are ten thousand pairs to one bit, so the best of them often makes up for what another error did. Then
        their own bytes seldom look like a photo's.
        """
        if self.fresh < 2:
            return 0.0
        guessed = 0.0 if self.likely >= SURE else 1 - self.likely
        return guessed + math.exp(min((PAIR_EVEN - self.own / NAT) / PAIR_SCALE, 0.0))

    @property
    def mistaken(self) -> float:
        """Probability that what it would undo should not have been done."""
        return _chance(float(described_undo(self) @ UNDO_WEIGHTS))


def made_together(changes: Iterable[Change], flipped: frozenset[int]) -> list[Change]:
    """Of `changes`, in their order, those that flipped several bits which stand `flipped`, whatever they took back."""
    found, before = [], frozenset[int]()
    for change in changes:
        fresh = frozenset(change.flips) - before
        before ^= frozenset(change.flips)
        if len(fresh) > 1 and fresh <= flipped:
            found.append(change)
    return found


def described(change: Change) -> NDArray[np.float64]:
    """Features of a change, float64 (FEATURES,)."""
    picture, margin, own, better = (value / NAT for value in (change.picture, change.margin, change.own, change.better))
    symbols = (change.symbols - change.favour) / NAT
    several = change.fresh > 1
    return np.array(
        [
            1.0,
            _between(symbols, -20, 60) / 10,
            _between(symbols, 60, 260) / 50,
            _between(picture, -30, 0) / 10,
            _between(picture, 0, 30) / 10,
            _between(margin, -10, 30) / 10,
            _between(margin, 30, 90) / 20,
            _between(own, -30, 0) / 10,
            _between(own, 0, 30) / 10,
            _between(better, -20, 20) / 10,
            _between(better, 20, 50) / 10,
            change.counts > 0,
            change.counts < 0,
            several,
            several * _between(margin, 0, 30) / 10,
            several * _between(own, 0, 30) / 10,
            several * _between(symbols, -20, 60) / 10,
        ]
    )


def described_left(change: Change) -> NDArray[np.float64]:
    """Features of a change that was not made in the end, float64 (3,)."""
    return np.array([1.0, _between(_weight(change) + told(change), -10, 3), _between(change.threat / NAT, 0, 20)])


def described_undo(change: Change) -> NDArray[np.float64]:
    """Features of a change that would undo an earlier one, float64 (2,): what that one gains."""
    gained = -change.gain / NAT
    if change.whole > UNKNOWN / 2:
        gained = max(gained, -change.whole / NAT - WHOLE_EVEN)
    return np.array([1.0, _between(gained, -20, 50) / 10])


def told(change: Change) -> float:
    """What is known of the bits themselves, nats; it speaks for a change by no more than that is ahead of others."""
    return min(change.favour, max(change.margin, 0)) / NAT


def against(change: Change) -> float:
    """What of its threat speaks against a change, nats."""
    return _between(change.threat / NAT, -20, 0)


def _weight(change: Change) -> float:
    return float(described(change) @ WEIGHTS[int(change.garbles)])


def _chance(weight: float) -> float:
    return 1 / (1 + math.exp(-min(max(weight, -WEIGHT_MOST), WEIGHT_MOST)))


def _between(value: float, low: float, high: float) -> float:
    """How far `value` lies above `low`, or below `high` where that is not positive, at most up to the other."""
    return min(max(value, low), high) - (low if low > 0 else 0.0)
