import pytest

from jpegrescue.gca.config import MaskedConfig, TrainConfig


def test_sides_of_windows_are_halved_once_per_width() -> None:
    assert MaskedConfig((8, 8, 8)).multiple == 8
    assert MaskedConfig((8,)).multiple == 2


@pytest.mark.parametrize(("widths", "blocks"), [((), 1), ((0, 4), 1), ((4,), 0)])
def test_what_is_no_network_is_refused(widths: tuple[int, ...], blocks: int) -> None:
    with pytest.raises(ValueError, match="no network"):
        MaskedConfig(widths, blocks)


def test_training_ends() -> None:
    how = TrainConfig()

    assert 0 < how.absolute < 1
    assert how.warm_up < how.steps
