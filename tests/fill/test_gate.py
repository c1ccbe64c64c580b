import numpy as np
import pytest

from jpegrescue.fill import _kernels_window as kernels
from jpegrescue.fill import solve
from jpegrescue.fill.gate import BANDS, PSEUDO_MCUS, STRENGTHS, chosen, gates_for, rehearsals, usual_for
from jpegrescue.fill.holes import find_holes
from jpegrescue.fill.solve import Canvas, fill_hole, preview_term, rehearse_window, solve_window, window_of
from jpegrescue.fill.thumbnail import fit_previews
from tests.fill.scenes import blobs, frame, scattered, shrunk, spread, through_jpeg, whole

SCENE = blobs(320, 400, size=9.0)
LOST = scattered(40, 50, 12)
STATES = np.where(LOST, kernels.LOST, kernels.KNOWN).astype(np.uint8)


def test_the_usual_stands_against_what_one_hole_says() -> None:
    errors = np.full((40, 3), 100.0)
    errors[0] = 5000, 5000, 90
    assert chosen(errors, 1, 1.25) == 1
    errors[0], errors[:, 2] = 100, 95
    assert chosen(errors, 1, 1.25) == 2
    assert chosen(np.full((40, 3), 100.0), 1, 1.25) == 1


def test_a_preview_proven_on_all_bands_is_followed_in_each() -> None:
    errors, band = np.full((60, 3), 100.0), np.repeat([0, 1, 2], 20)
    assert usual_for(errors, band, (0, 1, 2)) == (0, 1, 2)
    errors[:, 0] = 1000
    assert usual_for(errors, band, (0, 1, 2))[0] > 0
    errors[1:, 0] = 100  # a single hole proves nothing
    assert usual_for(errors, band, (0, 1, 2)) == (0, 1, 2)


def test_a_rehearsal_per_kind_of_hole() -> None:
    lost = LOST.copy()
    lost[20:26, 10:16] = True
    lost[28:38, 30:45] = True
    found = rehearsals(find_holes(lost), ~lost)
    assert [rehearsal.kind for rehearsal in found] == ["run", "deep", "vast"]
    assert sum(len(rehearsal.holes) for rehearsal in found) == len(find_holes(lost))
    assert not found[2].pseudo_holes
    for rehearsal in found[:2]:
        assert rehearsal.pseudo_holes
        assert sum(int(hole.mcus.sum()) for hole in rehearsal.pseudo_holes) < 1.5 * PSEUDO_MCUS
        for hole in rehearsal.pseudo_holes:
            assert not lost[hole.area].any()


def test_the_canvas_is_left_as_it_was() -> None:
    canvas = Canvas(np.where(spread(LOST), np.uint8(0), SCENE), STATES, (8, 8))
    for hole in find_holes(LOST):
        fill_hole(canvas, hole)
    before = canvas.samples.copy()
    small = through_jpeg(shrunk(SCENE, 100))
    preview = fit_previews((before,), ~LOST, frame(400, 320), small, whole(small))[0]
    gates = gates_for(canvas, before, rehearsals(find_holes(LOST), ~LOST)[0], preview)
    assert np.array_equal(canvas.samples, before)
    assert tuple(gate.surprise for gate in gates) == BANDS
    assert gates[-1].strength >= 1
    assert gates[-1].psnr_with > gates[-1].psnr_without + 2


def test_a_rehearsal_errs_like_the_solve_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "REHEARSED", (300, 1e-6))
    monkeypatch.setattr(solve, "ITERATIONS", 300)
    monkeypatch.setattr(solve, "TOLERANCE", 1e-6)
    small = shrunk(SCENE, 100)
    preview = fit_previews((SCENE,), ~LOST, frame(400, 320), small, whole(small))[0]
    hole = next(hole for hole in find_holes(LOST) if hole.mcus.size == 3)
    canvas = Canvas(np.where(spread(LOST), np.uint8(0), SCENE), STATES, (8, 8))
    fill_hole(canvas, hole)
    window, errors = window_of(canvas, hole), np.empty(STRENGTHS.size)
    term = preview_term(canvas, hole, window, preview)
    rehearse_window(canvas, SCENE, hole, term, STRENGTHS, errors)
    rows, columns = hole.area
    place = slice(8 * rows.start, 8 * rows.stop), slice(8 * columns.start, 8 * columns.stop)
    for strength, rehearsed in zip(STRENGTHS, errors, strict=True):
        solved = Canvas(canvas.samples.copy(), STATES, (8, 8))
        solve_window(solved, hole, window, term=term, weight=float(strength), started=True, rounds=1)
        error = np.sum((solved.samples[place].astype(np.float64) - SCENE[place]) ** 2)
        assert abs(rehearsed - error) < 0.02 * error + 20
