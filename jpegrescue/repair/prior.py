"""How likely every stored bit is to have flipped, before anything is decoded.

Several reads of a chip that disagree, or an ECC that failed in one codeword, say of some bits that they are likelier to
be wrong than others; of all others nothing is known but how many errors the file turned out to have.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS

CHANCE_LEAST, CHANCE_MOST = 1e-12, 1 - 1e-12  # nothing is so sure that no picture could say otherwise


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of single bits of a file.

    `bits`: int64 (n,), ascending, counted from the file's first block on, as `Flippable.flip` does; `chances`: float64
    (n,), probability that each was flipped.
    """

    bits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    chances: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, chances: Mapping[int, float]) -> "Known":
        """From a probability for each bit.

        Raises:
            ValueError: a probability is not one, or a bit lies before the file's first block.
        """
        bits = np.array(sorted(chances), np.int64)
        values = np.array([chances[bit] for bit in bits.tolist()], np.float64)
        if bits.size and bits[0] < 0:
            raise ValueError(f"bit {bits[0]} lies before the file")
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError("a probability lies outside 0…1")
        return cls(bits, np.clip(values, CHANCE_LEAST, CHANCE_MOST))


NOTHING = Known()


@dataclass(frozen=True, slots=True)
class Prior:
    """`rate`: errors per bit, of bits of which nothing is `known`."""

    rate: float
    known: Known = field(default_factory=Known)

    @property
    def cost(self) -> int:
        """What it costs to flip a bit of which nothing is known, 1/NAT nat."""
        return round(-math.log(self.rate) * NAT)

    def costs(self, flips: NDArray[np.int64]) -> NDArray[np.int64]:
        """What it costs to flip each of `flips`, 1/NAT nat; of what is likelier flipped than not less than nothing."""
        costs = np.full(flips.shape, self.cost)
        bits, chances = self.known.bits, self.known.chances
        if not bits.size:
            return costs
        place = np.minimum(np.searchsorted(bits, flips), bits.size - 1)
        chance = chances[place]
        known = np.rint(NAT * (np.log1p(-chance) - np.log(chance))).astype(np.int64)
        return np.where(bits[place] == flips, known, costs)

    def chance(self, flip: int) -> float:
        """Probability that a bit was flipped."""
        place = int(np.searchsorted(self.known.bits, flip))
        found = place < self.known.bits.size and self.known.bits[place] == flip
        return float(self.known.chances[place]) if found else self.rate

    def hits(self, blocks: int, flipped: frozenset[int] = frozenset()) -> NDArray[np.float64]:
        """Errors to be expected in every block, but for those that were `flipped` back, float64 (blocks,)."""
        hits = np.full(blocks, BITS * self.rate)
        bits, chances = self.known.bits, self.known.chances
        inside = (bits < BITS * blocks) & ~np.isin(bits, list(flipped))
        np.add.at(hits, bits[inside] // BITS, chances[inside] - self.rate)
        return hits.clip(min=CHANCE_LEAST)

    def favour(self, blocks: int) -> NDArray[np.float64]:
        """Nats by which every block is likelier to hold an error than one of which nothing is known, 0 or more."""
        if not self.known.bits.size:
            return np.zeros(blocks)
        return np.log(self.hits(blocks) / (BITS * self.rate)).clip(min=0.0)
