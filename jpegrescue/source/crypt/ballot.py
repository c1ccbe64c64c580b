"""Votes of single sectors on the IV number of the first one."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Kind = Literal["jpeg", "fill"]
Method = Literal["jpeg", "fill", "jpeg+fill"]

_MOST_VALUES = 4096
_KEPT_VALUES = 64


@dataclass(frozen=True, slots=True)
class Solved:
    """`first_sector` for `DecryptedSource` (negative if the volume begins after `start`), and what speaks for it.

    `votes`: sectors that agree; `method`: what they hold: JPEG headers, constants, or both.
    """

    first_sector: int
    votes: int
    method: Method


class Ballot:
    """Counts votes for values of `first_sector`, by what the voting sectors hold (`jpeg` or `fill`).

    Memory is bounded: of more than 4,096 values only the leading 64 are kept, though all votes count.
    """

    def __init__(self) -> None:
        self._votes: dict[Kind, Counter[int]] = {"jpeg": Counter(), "fill": Counter()}
        self._total = 0

    def add(self, kind: Kind, value: int, count: int = 1) -> None:
        """Count `count` sectors of `kind` that vote for `value`."""
        votes = self._votes[kind]
        votes[value] += count
        self._total += count
        if len(votes) > _MOST_VALUES:
            self._votes[kind] = Counter(dict(votes.most_common(_KEPT_VALUES)))

    def leader(self) -> tuple[int, int, int]:
        """The value with most votes (the smallest of equals), its votes, and those of all others."""
        votes = self._votes["jpeg"] + self._votes["fill"]
        if not votes:
            return 0, 0, 0
        value = min(votes, key=lambda candidate: (-votes[candidate], candidate))
        return value, votes[value], self._total - votes[value]

    def verdict(self) -> Solved | None:
        """The leader, if it has the majority and at least one JPEG header or two constant sectors behind it."""
        value, most, others = self.leader()
        jpeg, fill = self._votes["jpeg"][value], self._votes["fill"][value]
        if most <= others or (jpeg == 0 and fill < 2):
            return None
        method: Method = "fill" if jpeg == 0 else "jpeg" if fill == 0 else "jpeg+fill"
        return Solved(value, most, method)
