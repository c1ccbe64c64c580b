"""Protects what no weights may change: samples that are not lost."""

import pytest
import torch

from jpegrescue.gca.config import MaskedConfig
from jpegrescue.gca.inputs import CHANNELS, FILL, LOST
from jpegrescue.gca.masked import Masked, parameters_of

CONFIG = MaskedConfig((8, 12, 16), 1)


def windows(height: int = 32, width: int = 48) -> torch.Tensor:
    inputs = torch.randn(2, CHANNELS, height, width, generator=torch.Generator().manual_seed(1))
    inputs[:, LOST] = (inputs[:, LOST] > 1).float()
    return inputs


def shaken(network: Masked) -> Masked:
    """With weights that nobody would train."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=random))
    return network


def test_before_training_it_is_the_default_fill() -> None:
    inputs = windows()

    assert torch.equal(Masked(CONFIG)(inputs)[:, 0], inputs[:, FILL])


def test_whatever_the_weights_only_lost_samples_change() -> None:
    inputs = windows()
    changed = shaken(Masked(CONFIG))(inputs)[:, 0] != inputs[:, FILL]

    assert not (changed & (inputs[:, LOST] == 0)).any()
    assert changed[inputs[:, LOST] > 0].all()


def test_what_is_far_away_makes_no_difference() -> None:
    """Windows cut differently agree, as nothing is normed over a window."""
    network = Masked(CONFIG)
    torch.nn.init.normal_(network.tail.weight, generator=torch.Generator().manual_seed(3))
    inputs = windows(192, 192)
    whole, part = network(inputs), network(inputs[:, :, 32:160, 32:160])

    assert torch.allclose(whole[:, :, 92:100, 92:100], part[:, :, 60:68, 60:68], atol=1e-5)


@pytest.mark.parametrize("widths", [(4,), (4, 6), (4, 6, 8, 8)])
def test_any_number_of_scales(widths: tuple[int, ...]) -> None:
    config = MaskedConfig(widths, 1)
    side = 2 * config.multiple

    assert Masked(config)(windows(side, side)).shape == (2, 1, side, side)


def test_parameters_are_counted() -> None:
    assert parameters_of(torch.nn.Conv2d(2, 3, 3)) == 2 * 3 * 9 + 3
    assert parameters_of(Masked(MaskedConfig())) < 500_000
