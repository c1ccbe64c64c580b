"""Protects what networks learn of a preview: what it knows beyond the fill, in levels, where it reaches."""

import numpy as np

from jpegrescue.fill import _kernels_window as kernels
from jpegrescue.fill.directional import fill
from jpegrescue.fill.holes import find_holes
from jpegrescue.fill.solve import Canvas
from jpegrescue.fill.thumbnail import fit_previews
from jpegrescue.fill.told import told_of
from jpegrescue.model.fill import Filled
from tests.fill.scenes import blobs, frame, scattered, shrunk, spread, whole

ROWS, COLUMNS = 40, 50
SCENE = blobs(8 * ROWS, 8 * COLUMNS, size=9.0)
LOST = scattered(ROWS, COLUMNS, 12, 3)
MASK = spread(LOST)


def studied(preview: np.ndarray | None) -> Filled:  # type: ignore[type-arg]
    damaged = np.where(MASK, np.uint8(3), SCENE)
    match = None if preview is None else whole(preview)
    return fill([damaged], LOST, ~LOST, frame(SCENE.shape[1], SCENE.shape[0]), preview, match, study=True)


def test_without_a_preview_nothing_is_told() -> None:
    filled = studied(None)

    assert filled.study is not None
    assert filled.study.told == ()
    assert np.array_equal(filled.study.plain, filled.samples[0])


def test_nobody_asks_for_a_study_but_who_wants_one() -> None:
    damaged = np.where(MASK, np.uint8(3), SCENE)

    assert fill([damaged], LOST, ~LOST, frame(SCENE.shape[1], SCENE.shape[0]), None, None).study is None


def test_what_the_preview_knows_better_is_what_the_fill_lacks() -> None:
    small = shrunk(SCENE, 50)
    plain = studied(None).samples[0]
    preview = fit_previews((plain,), ~LOST, frame(SCENE.shape[1], SCENE.shape[0]), small, whole(small))[0]
    canvas = Canvas(plain, np.where(LOST, kernels.LOST, kernels.KNOWN).astype(np.uint8), (8, 8))
    lacking, said = [], []
    for told in told_of(canvas, find_holes(LOST), preview):
        top, bottom, left, right = told.window
        assert told.rest.shape == told.noise.shape == (bottom - top, right - left)
        assert (told.noise >= 0).all()
        inside = MASK[top:bottom, left:right]
        truth = SCENE[top:bottom, left:right].astype(float)
        lacking.append((truth - plain[top:bottom, left:right])[inside])
        said.append(told.rest[inside])

    lacks, says = np.concatenate(lacking), np.concatenate(said)
    assert np.corrcoef(lacks, says)[0, 1] > 0.7
    assert np.abs(lacks - says).mean() < 0.8 * np.abs(lacks).mean()


def test_a_hole_that_follows_the_preview_has_less_to_be_told() -> None:
    filled = studied(shrunk(SCENE, 50))
    assert filled.study is not None
    assert filled.study.told
    left = np.concatenate([told.rest.ravel() for told in filled.study.told])

    assert np.abs(left).mean() < 2


def test_the_plain_fill_is_that_without_a_preview() -> None:
    with_preview, without = studied(shrunk(SCENE, 50)), studied(None)

    assert with_preview.study is not None
    assert np.array_equal(with_preview.study.plain, without.samples[0])
    assert not np.array_equal(with_preview.samples[0], without.samples[0])
