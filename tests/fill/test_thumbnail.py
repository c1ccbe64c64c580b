import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.fill import _kernels_thumbnail as kernels
from jpegrescue.fill.registration import REACHES, blur_table, reach_of
from jpegrescue.fill.thumbnail import fit_previews, shown_cells
from jpegrescue.model.thumbnail import ThumbnailMatch
from tests.fill.scenes import blobs, frame, shrunk, whole

SCENE = blobs(480, 640, size=6.0)
TRUSTED = np.ones((60, 80), np.bool_)
BLURS = [*REACHES, "triangle sharpened 0.15"]


@pytest.mark.parametrize(
    ("resample", "names"),
    [
        (Image.Resampling.BOX, {"box 1", "gauss 0.35"}),
        (Image.Resampling.BILINEAR, {"triangle"}),
        (Image.Resampling.BICUBIC, {"cubic"}),
        (Image.Resampling.LANCZOS, {"lanczos"}),
        (Image.Resampling.NEAREST, {"box 1/6"}),
    ],
)
def test_pillows_resamplers_are_recognised(resample: int, names: set[str]) -> None:
    preview = shrunk(SCENE, 160, resample)
    model = fit_previews((SCENE,), TRUSTED, frame(640, 480), preview, whole(preview))[0].model
    assert model.fitted
    assert model.kernel in names
    assert model.sigma < 1.5
    assert model.gain == pytest.approx(1, abs=0.03)
    assert max(map(abs, model.shift)) < 0.25


def test_decimation_at_the_top_left_sample_shows_as_a_shift() -> None:
    preview = np.ascontiguousarray(SCENE[::8, ::8, None])
    model = fit_previews((SCENE,), TRUSTED, frame(640, 480), preview, whole(preview))[0].model
    # sample 0 of 8 lies at 1/16 of the preview's sample, not in its middle
    np.testing.assert_allclose(model.shift, 7 / 16, atol=0.12)
    assert model.sigma < 6


def test_sharpening_is_part_of_the_model() -> None:
    scene = blobs(480, 640, size=3.0)
    plain = shrunk(scene, 80).astype(np.float64)
    padded = np.pad(plain, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    sharp = np.clip(np.rint(1.6 * plain - 0.15 * around), 0, 255).astype(np.uint8)
    models = [
        fit_previews((scene,), TRUSTED, frame(640, 480), preview, whole(preview))[0].model
        for preview in (plain.astype(np.uint8), sharp)
    ]
    assert "sharpened" not in models[0].kernel
    amount = float(models[1].kernel.partition(" sharpened ")[2])
    assert 0.1 < amount < 0.2
    assert models[1].gain == pytest.approx(1, abs=0.1)
    assert models[1].sigma < 4


def test_noise_is_expected_where_there_is_contrast() -> None:
    scene = SCENE.copy()
    scene[:, :320] = 128
    small = shrunk(scene, 160)
    noise = np.random.default_rng(5).normal(0, 12, small.shape)
    noise[:, :82] = 0
    rough = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
    preview = fit_previews((scene,), TRUSTED, frame(640, 480), rough, whole(rough))[0]
    assert np.median(preview.expected[:, 90:]) > 5 * np.median(preview.expected[:, :70])
    assert (preview.noise == np.float32(preview.model.sigma**2)).all()


def test_a_stretched_and_letterboxed_preview_is_found_from_a_rough_match() -> None:
    preview = np.zeros((120, 160, 1), np.uint8)
    preview[12:108, :, 0] = np.asarray(Image.fromarray(SCENE).resize((160, 96), Image.Resampling.BOX))
    rough = ThumbnailMatch("trusted", 0, (0.6, 11.3, 159.2, 107.4), 0.9, (1.0,), (0.0,), (4.0,))
    model = fit_previews((SCENE,), TRUSTED, frame(640, 480), preview, rough)[0].model
    np.testing.assert_allclose(model.box, (0, 12, 160, 108), atol=0.15)
    assert model.sigma < 2


def test_where_little_is_known_the_area_stays_near_the_match() -> None:
    # a strip with structure in a corner of it only says next to nothing about the picture's lower side
    trusted = np.zeros_like(TRUSTED)
    trusted[:12] = True
    scene = SCENE.copy()
    scene[:96, 60:] = 128
    noise = np.random.default_rng(2).integers(-6, 7, (120, 160, 1))
    preview = np.clip(shrunk(scene, 160) + noise, 0, 255).astype(np.uint8)
    model = fit_previews((scene,), trusted, frame(640, 480), preview, whole(preview))[0].model
    assert max(map(abs, model.shift)) < 0.5


def test_noise_is_that_of_the_samples_around() -> None:
    residual, checked = np.full((20, 30), 4.0, np.float32), np.ones((20, 30), np.bool_)
    residual[5:7, 8:12] = 1000
    assert kernels.noise_around(residual, checked, 5, 7, 8, 12, 2, 8.0, 4.0) == 4
    residual[4] = 100
    assert kernels.noise_around(residual, checked, 5, 7, 8, 12, 2, 8.0, 4.0) > 12
    assert kernels.noise_around(residual, ~checked, 5, 7, 8, 12, 2, 8.0, 4.0) == 4


def test_gain_offset_and_turns() -> None:
    small = shrunk(SCENE, 160)
    faded = np.rint(40 + 0.6 * small).astype(np.uint8)
    turned = np.ascontiguousarray(np.rot90(faded, -1))
    preview = fit_previews((SCENE,), TRUSTED, frame(640, 480), turned, whole(turned, turns=1))[0]
    assert np.array_equal(preview.samples, faded[..., 0])
    assert preview.model.gain == pytest.approx(0.6, abs=0.02)
    assert preview.model.offset == pytest.approx(40, abs=2)


def test_untrusted_samples_do_not_count() -> None:
    preview = shrunk(SCENE, 160)
    spoilt, trusted = SCENE.copy(), TRUSTED.copy()
    spoilt[:, 320:], trusted[:, 40:] = 255 - SCENE[:, 320:], False
    model = fit_previews((spoilt,), trusted, frame(640, 480), preview, whole(preview))[0].model
    assert model.sigma < 1.5


def test_another_pictures_preview_is_not_used() -> None:
    preview = shrunk(blobs(480, 640, seed=9, size=6.0), 160)
    assert fit_previews((SCENE,), TRUSTED, frame(640, 480), preview, whole(preview)) == []


def test_with_nothing_known_the_match_speaks() -> None:
    preview = shrunk(SCENE, 160)
    match = ThumbnailMatch("trusted", 0, (0.0, 0.0, 160.0, 120.0), 0.9, (2.0,), (-10.0,), (6.0,))
    model = fit_previews((SCENE,), ~TRUSTED, frame(640, 480), preview, match)[0].model
    assert not model.fitted
    assert (model.gain, model.offset, model.sigma) == (0.5, 5.0, 3.0)


def test_a_flat_component_leaves_the_gain_alone() -> None:
    flat = np.full((480, 640), 128, np.uint8)
    preview = np.concatenate((shrunk(SCENE, 160), np.full((120, 160, 1), 130, np.uint8)), axis=2)
    models = [
        p.model
        for p in fit_previews(
            (SCENE, flat), TRUSTED, frame(640, 480, ((1, 1), (1, 1))), preview, whole(preview, count=2)
        )
    ]
    assert models[1].gain * 128 + models[1].offset == pytest.approx(130, abs=0.5)
    assert models[1].gain > 0.2


def test_a_match_without_an_area_gives_no_preview() -> None:
    preview = shrunk(SCENE, 160)
    match = ThumbnailMatch("trusted", 0, (3.0, 3.0, 3.0, 100.0), 0.9, (1.0,), (0.0,), (4.0,))
    assert fit_previews((SCENE,), TRUSTED, frame(640, 480), preview, match) == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 100.0, range(100)), (-3.0, 104.0, range(100)), (0.4, 99.6, range(100)), (12.0, 88.0, range(13, 87))],
)
def test_cells_that_show_the_picture(low: float, high: float, expected: range) -> None:
    assert shown_cells(100, low, high) == expected


@pytest.mark.parametrize("name", BLURS)
def test_inside_and_outside_a_window_make_up_the_prediction(name: str) -> None:
    plane = SCENE[:96, :120]
    geometry = np.array([-3.0, 7.3, 2.0, 6.1])
    cells = np.argwhere(np.ones((15, 16), np.bool_))
    table, reach = blur_table(name), reach_of(name)
    predicted = _predicted(plane, cells, geometry, name)[0]
    window = (20, 60, 31, 90)
    outside = np.empty((15, 16), np.float32)
    kernels.outside(plane, plane.shape, geometry, table, reach, (0, 0), window, outside)
    taps = [np.empty((n, 60), np.float32) for n in (15, 16)]
    at = [np.empty(n, np.int64) for n in (15, 16)]
    kernels.axis_weights(table, reach, geometry[2], geometry[3], 0, 20, 60, 96, at[0], taps[0])
    kernels.axis_weights(table, reach, geometry[0], geometry[1], 0, 31, 90, 120, at[1], taps[1])
    inside = np.zeros((15, 16))
    for i in range(15):
        for j in range(16):
            part = plane[20 + at[0][i] : 60, 31 + at[1][j] : 90].astype(float)
            inside[i, j] = taps[0][i, : part.shape[0]] @ part @ taps[1][j, : part.shape[1]]
    np.testing.assert_allclose((inside + outside).ravel(), predicted, atol=0.01)


def _predicted(
    plane: NDArray[np.uint8], cells: NDArray[np.int64], geometry: NDArray[np.float64], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    unknown = np.zeros((plane.shape[0] // 8 + 1, plane.shape[1] // 8 + 1), np.int64)
    out, slopes, good = np.empty(len(cells)), np.empty((2, len(cells))), np.empty(len(cells), np.bool_)
    kernels.predict(
        plane.astype(np.float32), unknown, (8, 8, 1), cells, geometry, blur_table(name), reach_of(name), 0.15, out,
        slopes, good,
    )  # fmt: skip
    assert good.all()
    return out, slopes


@pytest.mark.parametrize("name", BLURS)
def test_slopes_are_what_moving_the_blur_makes_of_the_prediction(name: str) -> None:
    plane, cells = SCENE[:96, :120], np.argwhere(np.ones((15, 16), np.bool_))
    geometry = np.array([-3.0, 7.3, 2.0, 6.1])
    _, slopes = _predicted(plane, cells, geometry, name)
    for axis, slope in zip((0, 2), slopes, strict=True):
        step = np.zeros(4)
        step[axis] = 0.15 * geometry[axis + 1]
        ahead, behind = (_predicted(plane, cells, geometry + sign * step, name)[0] for sign in (1, -1))
        np.testing.assert_allclose(slope, (ahead - behind) / 0.3, atol=0.02)


def test_preview_samples_that_take_in_an_unknown_mcu_are_not_used() -> None:
    unknown = np.zeros((13, 16), np.int64)
    unknown[6:, 8:] = 1  # of 12 × 15 MCUs the one at (5, 7): samples 40…47, 56…63
    cells = np.argwhere(np.ones((12, 15), np.bool_))
    geometry, good = np.array([0.0, 8.0, 0.0, 8.0]), np.empty(180, np.bool_)
    kernels.usable((96, 120), unknown, (8, 8, 1), cells, geometry, 1.0, good)
    touched = np.abs(cells - (5, 7)).max(axis=1) <= 1
    assert np.array_equal(good, ~touched)
    kernels.usable((32, 40), unknown, (8, 8, 3), cells, geometry / 3, 1.0, good)
    assert np.array_equal(good, ~touched)
