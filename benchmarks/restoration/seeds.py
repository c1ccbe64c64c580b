"""Two sets of seeds that never meet.

Whatever is tuned (a threshold, a model, a stopping rule) is tuned on `tuning` seeds; figures in documents come from
`reporting` seeds, which nobody looks at while tuning. A command says which it uses, and tables name it.
"""

from typing import Literal

SeedSet = Literal["tuning", "reporting"]
_FIRST: dict[SeedSet, int] = {"tuning": 1, "reporting": 1_000_001}
MOST = 1_000_000


def seeds(which: SeedSet, count: int) -> list[int]:
    """The first `count` seeds of a set; ValueError beyond `MOST`, where the sets would meet."""
    if not 0 <= count <= MOST:
        raise ValueError(f"a set holds {MOST} seeds, not {count}")
    return list(range(_FIRST[which], _FIRST[which] + count))
