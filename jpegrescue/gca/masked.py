"""The network `masked`: what to add to the default fill inside lost MCUs, and nowhere else.

A U-Net at half the picture's scale and below. Its last layer begins at zero, so that training starts from the default
fill, and its outcome is multiplied by the mask of what is lost: whatever the weights, nothing else can change. There is
neither a norm nor a pooling over the window, so that windows cut differently agree on what they share.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from jpegrescue.gca.config import MaskedConfig
from jpegrescue.gca.inputs import CHANNELS, FILL, LOST

_UNSHUFFLE = 2


class _Block(nn.Module):
    """Two convolutions and a way past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.second(functional.leaky_relu(self.first(x), 0.1))
        return changed


class Masked(nn.Module):
    """See the module."""

    def __init__(self, config: MaskedConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.head = nn.Conv2d(CHANNELS * _UNSHUFFLE**2, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(self._row(width) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.up_blocks = nn.ModuleList(self._row(width) for width in widths[:-1])
        self.tail = nn.Conv2d(widths[0], _UNSHUFFLE**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        assert self.tail.bias is not None  # noqa: S101  (it is asked for by default)
        nn.init.zeros_(self.tail.bias)

    def _row(self, width: int) -> nn.Sequential:
        return nn.Sequential(*(_Block(width) for _ in range(self.config.blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """Filled windows, float (n, 1, height, width), of inputs (n, CHANNELS, height, width); see `gca.inputs`.

        Sides are multiples of `config.multiple`.
        """
        at = self.head(functional.pixel_unshuffle(x, _UNSHUFFLE))
        kept = []
        for blocks, down in zip(self.down_blocks, [*self.down, None], strict=True):
            at = blocks(at)
            if down is not None:
                kept.append(at)
                at = down(at)
        for blocks, up, beside in zip(reversed(self.up_blocks), reversed(self.up), reversed(kept), strict=True):
            at = blocks(up(at) + beside)
        rest = functional.pixel_shuffle(self.tail(at), _UNSHUFFLE)
        return x[:, FILL : FILL + 1] + x[:, LOST : LOST + 1] * rest


def parameters_of(network: nn.Module) -> int:
    """How many there are."""
    return sum(parameter.numel() for parameter in network.parameters())


def torch_version() -> str:
    """For model cards."""
    return str(torch.__version__)


def cuda_is_there() -> bool:
    """Whether a network can run on a GPU."""
    return bool(torch.cuda.is_available())
