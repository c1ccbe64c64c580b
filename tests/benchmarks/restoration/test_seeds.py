import pytest

from benchmarks.restoration.seeds import MOST, seeds


def test_the_sets_never_meet() -> None:
    assert set(seeds("tuning", MOST)).isdisjoint(seeds("reporting", MOST))
    assert seeds("tuning", 2) == [1, 2]


@pytest.mark.parametrize("count", [-1, MOST + 1])
def test_more_would_make_them_meet(count: int) -> None:
    with pytest.raises(ValueError, match="a set holds"):
        seeds("reporting", count)
