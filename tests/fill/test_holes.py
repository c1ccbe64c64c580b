import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from jpegrescue.fill.holes import Hole, find_holes, pseudo_holes

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def _painted(holes: list[Hole], shape: tuple[int, ...]) -> NDArray[np.int64]:
    counts = np.zeros(shape, np.int64)
    for hole in holes:
        counts[hole.area] += hole.mcus
    return counts


@settings(max_examples=80, deadline=None)
@given(MASKS)
def test_holes_cover_what_is_lost_once(lost: NDArray[np.bool_]) -> None:
    holes = find_holes(lost)
    assert np.array_equal(_painted(holes, lost.shape), lost)
    for hole in holes:  # boxes are tight
        assert hole.mcus.any(axis=0)[[0, -1]].all()
        assert hole.mcus.any(axis=1)[[0, -1]].all()


@settings(max_examples=80, deadline=None)
@given(MASKS)
def test_holes_do_not_touch(lost: NDArray[np.bool_]) -> None:
    for hole in find_holes(lost):
        own = np.zeros(np.add(lost.shape, 2), np.bool_)
        own[1:-1, 1:-1][hole.area] = hole.mcus
        grown = np.zeros_like(own)
        for row, column in np.argwhere(own):
            grown[row - 1 : row + 2, column - 1 : column + 2] = True
        assert not (lost & grown[1:-1, 1:-1] & ~own[1:-1, 1:-1]).any()


def test_a_diagonal_is_one_hole() -> None:
    assert len(find_holes(np.eye(5, dtype=np.bool_))) == 1


@pytest.mark.parametrize(
    ("shape", "kind"), [((1, 40), "run"), ((2, 9), "run"), ((3, 3), "deep"), ((7, 30), "deep"), ((8, 8), "vast")]
)
def test_kinds(shape: tuple[int, int], kind: str) -> None:
    assert Hole(0, 0, np.ones(shape, np.bool_)).kind == kind


def test_pseudo_holes_lie_apart_among_trusted_mcus() -> None:
    lost = np.zeros((30, 40), np.bool_)
    lost[4, 5:10] = lost[20:24, 8:14] = True
    trusted = ~lost
    trusted[:, 30:] = False
    found = pseudo_holes(find_holes(lost), trusted, 100)
    counts = _painted(found, lost.shape)
    assert counts.sum() >= 100
    for hole in found:
        rows, columns = hole.mcus.shape
        around = (
            slice(max(hole.top - 1, 0), hole.top + rows + 1),
            slice(max(hole.left - 1, 0), hole.left + columns + 1),
        )
        assert trusted[around].all()
        assert counts[around].sum() == np.count_nonzero(hole.mcus)
    assert {hole.kind for hole in found} == {"run", "deep"}


def test_pseudo_holes_shrink_where_nothing_else_fits() -> None:
    trusted = np.zeros((9, 9), np.bool_)
    trusted[3:6, 3:6] = True
    found = pseudo_holes([Hole(0, 0, np.ones((2, 5), np.bool_))], trusted, 5)
    assert [(hole.top, hole.left, hole.mcus.shape) for hole in found] in ([], [(4, 4, (1, 1))])


def test_no_trusted_mcu_no_pseudo_hole() -> None:
    assert pseudo_holes([Hole(0, 0, np.ones((1, 1), np.bool_))], np.zeros((5, 5), np.bool_), 5) == []
