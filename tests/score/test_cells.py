import numpy as np
import pytest

from jpegrescue.model.jpeg import Component, Frame
from jpegrescue.score.cells import KNOWN_SHARE, area_of, cells_of, detail_of, differences_of, edges_of, integral_of

RANDOM = np.random.default_rng(3)
LEVEL = RANDOM.normal(120, 30, (12, 16))
KNOWN = np.ones(LEVEL.shape, np.bool_)


def test_means_over_an_area_are_those_of_the_samples_in_it() -> None:
    samples = np.full((20, 30), 50.0)
    samples[:, 15:] = 90
    edges = np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0])
    area = area_of(integral_of(samples), (20, 30), (0.0, 0.0, 30.0, 20.0), edges)
    assert area.covered.all()
    # samples are interpolated: the step reaches half a sample into either side
    np.testing.assert_allclose(area.means, [[50, 90], [50, 90]], atol=0.5)


def test_beyond_the_preview_nothing_is_covered() -> None:
    edges = np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0])
    area = area_of(integral_of(LEVEL), (12, 16), (0.0, 0.0, 16.0, 24.0), edges)
    assert area.covered.tolist() == [[True, True], [False, False]]


def test_the_last_edge_is_the_pictures() -> None:
    np.testing.assert_allclose(edges_of(4, 16, 60), [0, 16 / 60, 32 / 60, 48 / 60, 1])
    np.testing.assert_allclose(edges_of(4, 16, 60, 3), [0, 48 / 60, 1])


def test_differences_are_there_where_both_neighbours_are_known() -> None:
    known = KNOWN.copy()
    known[5, 7] = False
    found = differences_of(LEVEL, known)
    assert np.count_nonzero(found.known) == 12 * 15 + 11 * 16 - 4
    assert (found.values[found.known == 0] == 0).all()
    assert np.abs(found.values).max() < 1  # strong edges are squashed


def test_detail_knows_nothing_of_what_rows_and_columns_have_in_common() -> None:
    banded = np.add.outer(RANDOM.normal(0, 30, 12), np.zeros(16))
    assert np.abs(differences_of(banded, KNOWN).values).max() > 0.1
    np.testing.assert_allclose(detail_of(differences_of(banded, KNOWN)).values, 0, atol=1e-12)


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_cells_count_if_enough_of_their_mcus_are_known(share: float) -> None:
    frame = Frame("baseline", 8, 160, 160, (Component(1, 1, 1, 0),))
    known = np.ones((20, 20), np.bool_)
    known[:10, :10].flat[: round((1 - share) * 100)] = False
    cells = cells_of(np.full((20, 20), 128.0), known, frame, (5, 5))
    assert cells.edges[0].tolist() == [0.0, 0.5, 1.0]
    assert cells.differences.known[0, 0, 0] == (share > KNOWN_SHARE)
