import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg

from jpegrescue.fill import _kernels_directional as kernels
from jpegrescue.fill import _kernels_window as window_kernels
from jpegrescue.fill import solve
from jpegrescue.fill.holes import Hole, find_holes
from jpegrescue.fill.solve import Canvas, fill_hole, fill_hole_from, gaussian_taps
from jpegrescue.fill.thumbnail import Preview, fit_previews
from tests.fill.scenes import blobs, frame, psnr, shrunk, spread, stripes, whole

NOTHING, NOWHERE = np.zeros((0, 0), np.float32), np.zeros(0, np.int64)


def _canvas(plane: NDArray[np.uint8], lost: NDArray[np.bool_], mcu: tuple[int, int] = (8, 8)) -> Canvas:
    damaged = np.where(spread(lost, mcu), np.uint8(0), plane)
    return Canvas(damaged, np.where(lost, window_kernels.LOST, window_kernels.KNOWN).astype(np.uint8), mcu)


def _laplace(plane: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Oracle: SciPy's direct solver on the same five-point equations, borders free."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(np.count_nonzero(mask))
    rows, columns, values, right = [], [], [], np.zeros(np.count_nonzero(mask))
    for y, x in np.argwhere(mask):
        here, around = number[y, x], 0
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= v < mask.shape[0] and 0 <= u < mask.shape[1]):
                continue
            around += 1
            if mask[v, u]:
                rows.append(here), columns.append(number[v, u]), values.append(-1.0)
            else:
                right[here] += plane[v, u]
        rows.append(here), columns.append(here), values.append(float(around))
    out = plane.astype(np.float64)
    out[mask] = linalg.spsolve(sparse.csr_matrix((values, (rows, columns))), right)
    return out


def _run(samples: NDArray[np.float32], state: NDArray[np.uint8], stiffness: float, iterations: int = 500) -> None:
    kernels.directional(
        samples, state, False, gaussian_taps(3.0), np.float32(stiffness), 1, iterations, 1e-9, NOTHING, NOWHERE,
        NOTHING, NOWHERE, NOTHING, NOTHING,
    )  # fmt: skip


def test_without_stiffness_it_is_laplaces_equation() -> None:
    plane = blobs(48, 56, size=4.0)
    mask = np.zeros(plane.shape, np.bool_)
    mask[10:30, 5:40] = mask[40:, 30:] = mask[20:44, 0:3] = True
    samples = np.where(mask, 0, plane).astype(np.float32)
    _run(samples, mask.astype(np.uint8), 0.0)
    np.testing.assert_allclose(samples, _laplace(plane, mask), atol=0.05)


@pytest.mark.parametrize("angle", [0.0, 0.4, 0.9, 1.57, 2.4])
def test_edges_go_on_through_a_hole(angle: float) -> None:
    plane = stripes(96, 96, angle)
    lost = np.zeros((12, 12), np.bool_)
    lost[5:7, 4:8] = True
    canvas = _canvas(plane, lost)
    fill_hole(canvas, find_holes(lost)[0])
    mask = spread(lost)
    harmonic = np.clip(np.rint(_laplace(plane, mask)), 0, 255).astype(np.uint8)
    assert psnr(canvas.samples, plane, mask) > psnr(harmonic, plane, mask) + 6
    assert np.array_equal(canvas.samples[~mask], plane[~mask])


def test_rounding_is_to_the_nearest_level() -> None:
    plane = np.full((32, 32), 77, np.uint8)
    lost = np.zeros((4, 4), np.bool_)
    lost[1, 1] = True
    canvas = _canvas(plane, lost)
    fill_hole(canvas, find_holes(lost)[0])
    assert np.array_equal(canvas.samples, plane)


def test_doubtful_samples_bend_towards_the_known_ones() -> None:
    plane = np.full((24, 72), 100, np.uint8)
    lost, doubtful = (np.zeros((3, 9), np.bool_) for _ in range(2))
    lost[:, 3], doubtful[:, 4:] = True, True
    plane[:, 32:] = 150
    canvas = _canvas(plane, lost)
    canvas.states[doubtful] = window_kernels.DOUBTFUL
    fill_hole(canvas, find_holes(lost)[0])
    filled = canvas.samples[12, 24:32]
    assert 100 <= filled[0] < 110 < filled[-1] < 140
    assert np.array_equal(canvas.samples[:, 32:], plane[:, 32:])


def _preview(plane: NDArray[np.uint8], lost: NDArray[np.bool_]) -> Preview:
    small = shrunk(plane, max(plane.shape) // 8)
    return fit_previews((plane,), ~lost, frame(plane.shape[1], plane.shape[0]), small, whole(small))[0]


def test_a_preview_tells_what_a_hole_holds() -> None:
    plane = blobs(320, 320, size=12.0)
    lost = np.zeros((40, 40), np.bool_)
    lost[10:16, 10:18] = lost[36:, 30:] = True
    canvas = _canvas(plane, lost)
    mask = spread(lost)
    preview = _preview(plane, lost)
    for hole in find_holes(lost):
        fill_hole(canvas, hole)
    before = psnr(canvas.samples, plane, mask)
    for hole in find_holes(lost):
        fill_hole_from(canvas, hole, preview, [(0.0, 3.0)])
    assert psnr(canvas.samples, plane, mask) > before + 8
    assert np.array_equal(canvas.samples[~mask], plane[~mask])


def test_a_hole_that_is_no_surprise_to_the_preview_is_left_alone() -> None:
    # smooth on the left, where the preview only adds its noise; structure on the right, that no neighbour foretells
    plane = blobs(320, 320, size=12.0)
    plane[:, :160] = np.linspace(90, 130, 160).astype(np.uint8)
    lost = np.zeros((40, 40), np.bool_)
    lost[10:12, 5:10] = lost[10:12, 28:34] = True
    canvas, preview, holes = _canvas(plane, lost), _preview(plane, lost), find_holes(lost)
    for hole in holes:
        fill_hole(canvas, hole)
    before = canvas.samples.copy()
    for hole in holes:
        fill_hole_from(canvas, hole, preview, [(0.0, 0.0), (4.0, 3.0)])
    assert np.array_equal(canvas.samples[:, :160], before[:, :160])
    mask = spread(lost)
    mask[:, :160] = False
    assert psnr(canvas.samples, plane, mask) > psnr(before, plane, mask) + 3


@pytest.mark.parametrize("previewed", [False, True])
def test_huge_holes_are_solved_in_parts(previewed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = blobs(384, 512, size=40.0)
    lost = np.zeros((48, 64), np.bool_)
    lost[20:30, 10:50] = True
    mask, hole = spread(lost), Hole(20, 10, lost[20:30, 10:50])
    results = []
    for limit, tile in ((1 << 20, 512), (1 << 12, 64)):
        monkeypatch.setattr(solve, "WINDOW_MAX", limit)
        monkeypatch.setattr(solve, "TILE", tile)
        canvas = _canvas(plane, lost)
        fill_hole(canvas, hole)
        if previewed:
            fill_hole_from(canvas, hole, _preview(plane, lost), [(0.0, 3.0)])
        assert np.array_equal(canvas.samples[~mask], plane[~mask])
        results.append(psnr(canvas.samples, plane, mask))
    assert results[1] > results[0] - (2.5 if previewed else 3)
    assert results[1] > (35 if previewed else 20)


def test_a_window_of_lost_samples_only_is_mid_grey() -> None:
    canvas = _canvas(np.zeros((8, 8), np.uint8), np.ones((1, 1), np.bool_))
    fill_hole(canvas, Hole(0, 0, np.ones((1, 1), np.bool_)))
    assert (canvas.samples == 128).all()
