"""What networks are like, and how they are trained."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MaskedConfig:
    """The network `masked`: a U-Net over windows around holes, luma only.

    `widths`: channels at each scale, the first at half the picture's; `blocks`: residual blocks per scale, on the way
    down and on the way up.
    """

    widths: tuple[int, ...] = (32, 48, 64)
    blocks: int = 2

    def __post_init__(self) -> None:
        """Refuse what no network can be made of."""
        if not self.widths or min(self.widths) < 1 or self.blocks < 1:
            raise ValueError(f"no network has widths {self.widths} and {self.blocks} blocks")

    @property
    def multiple(self) -> int:
        """Sides of windows are multiples of this."""
        return 1 << len(self.widths)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train.

    `steps`: updates in all; `batch`: windows per update; `rate`: learning rate at its highest, reached after `warm_up`
    updates and brought down to nothing by a cosine; `absolute`: share of the updates with absolute errors, before the
    logarithm of squared ones per window counts; `average`: of the weights, decay per update; `validation`: windows that
    are held out, from photos of their own; `report_every`: updates.
    """

    seed: int = 1
    steps: int = 40_000
    batch: int = 16
    rate: float = 1e-3
    warm_up: int = 200
    absolute: float = 0.3
    average: float = 0.999
    validation: int = 1024
    report_every: int = 500
