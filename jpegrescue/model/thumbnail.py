"""How far an embedded preview can be trusted to show the picture."""

from dataclasses import dataclass
from typing import Literal

ThumbnailVerdict = Literal["trusted", "unrelated", "flat", "too_little_known", "undecodable"]


@dataclass(frozen=True, slots=True)
class ThumbnailMatch:
    """A preview against the decoded parts of its picture.

    `verdict`: `trusted`, or why it is not used. `quarter_turns`: turns anticlockwise that bring the preview upright
    with the picture; `box`: left, top, right, bottom in samples of the turned preview (fractions allowed) between
    which the picture's own area lies: inside the preview for a letterboxed one, beyond it for a cropped one.
    `correlation`: of the brightness differences between neighbouring cells that are known of the picture, without what
    whole rows and columns have in common, −1…1. Per component, in the picture's own component space: `gain` and
    `offset` (levels) of picture = gain · preview + offset, `sigma`: standard deviation in levels of an MCU's mean
    around that.
    """

    verdict: ThumbnailVerdict
    quarter_turns: int = 0
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    correlation: float = 0.0
    gain: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    sigma: tuple[float, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether the preview may serve as evidence."""
        return self.verdict == "trusted"
