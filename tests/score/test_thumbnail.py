"""Protects the trust in previews: what shows the picture is found and placed, what does not is turned away."""

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage import data

from jpegrescue.model.jpeg import Component, Frame
from jpegrescue.score.thumbnail import match_thumbnail, predict_means

Array = NDArray[np.uint8]
PHOTOS = ("astronaut", "coffee", "chelsea", "retina", "rocket")


@cache
def photo(name: str) -> Image.Image:
    """A photo, 1200 × 800."""
    return Image.fromarray(getattr(data, name)()).convert("RGB").resize((1200, 800), Image.Resampling.BICUBIC)


def frame_of(width: int, height: int, sampling: tuple[int, int] = (2, 2), components: int = 3) -> Frame:
    first = Component(1, *sampling, 0)
    return Frame("baseline", 8, width, height, (first, *(Component(i + 1, 1, 1, 1) for i in range(1, components))))


def means_of(samples: Array, frame: Frame) -> NDArray[np.float32]:
    """Mean of what lies in the picture of every MCU, one by one."""
    high, wide = 8 * frame.vertical_max, 8 * frame.horizontal_max
    out = np.empty((frame.mcu_rows, frame.mcu_columns, samples.shape[2]), np.float32)
    for y in range(frame.mcu_rows):
        for x in range(frame.mcu_columns):
            out[y, x] = samples[high * y : high * y + high, wide * x : wide * x + wide].mean(axis=(0, 1))
    return out


@cache
def known_photo(name: str) -> tuple[NDArray[np.float32], Frame]:
    frame = frame_of(1200, 800)
    return means_of(ycc(photo(name)), frame), frame


def ycc(picture: Image.Image) -> Array:
    return np.asarray(picture.convert("YCbCr"))


def shrunk(picture: Image.Image, width: int = 160, height: int = 107, quality: int = 80) -> Array:
    """A preview as cameras write it."""
    out = io.BytesIO()
    picture.resize((width, height), Image.Resampling.BOX).save(out, "JPEG", quality=quality)
    return ycc(Image.open(out))


def top(frame: Frame, share: float) -> NDArray[np.bool_]:
    known = np.zeros((frame.mcu_rows, frame.mcu_columns), np.bool_)
    known[: round(share * frame.mcu_rows)] = True
    return known


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
def test_its_own_preview_is_trusted_and_predicts_the_rest(name: str, share: float) -> None:
    means, frame = known_photo(name)
    preview = shrunk(photo(name))

    match = match_thumbnail(preview, means, top(frame, share), frame)

    assert (match.verdict, match.quarter_turns) == ("trusted", 0)
    assert np.allclose(match.box, (0, 0, 160, 107), atol=0.5)
    assert match.correlation > 0.75
    predicted = predict_means(preview, match, frame)
    assert predicted.dtype == np.float32
    error = np.sqrt(np.mean((predicted - means) ** 2, axis=(0, 1)))
    assert (error < 4).all()
    assert (error < 4 * np.array(match.sigma)).all()


def test_previews_of_other_photos_are_not_trusted() -> None:
    for name in PHOTOS:
        means, frame = known_photo(name)
        for other in PHOTOS:
            for share in (0.1, 0.25, 1.0):
                match = match_thumbnail(shrunk(photo(other)), means, top(frame, share), frame)
                assert match.trusted <= (name == other), (name, other, share)
                if name != other and share == 1.0:
                    assert match.verdict == "unrelated"
                    assert np.isnan(predict_means(shrunk(photo(other)), match, frame)).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_turned_previews_are_turned_back(turns: int, share: float) -> None:
    means, frame = known_photo("coffee")
    preview = np.rot90(shrunk(photo("coffee")), -turns)

    match = match_thumbnail(preview, means, top(frame, share), frame)

    assert (match.verdict, match.quarter_turns) == ("trusted", turns)
    assert np.abs(predict_means(preview, match, frame) - means).mean() < 3


def test_a_mirrored_preview_is_another_picture() -> None:
    means, frame = known_photo("coffee")

    assert match_thumbnail(shrunk(photo("coffee"))[:, ::-1], means, top(frame, 1.0), frame).verdict == "unrelated"


@pytest.mark.parametrize("bar", [0, 235])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_letterboxed_previews(bar: int, share: float) -> None:
    means, frame = known_photo("chelsea")
    preview = np.full((120, 160, 3), (bar, 128, 128), np.uint8)
    preview[7:114] = shrunk(photo("chelsea"))

    match = match_thumbnail(preview, means, top(frame, share), frame)

    assert match.trusted
    assert np.allclose(match.box, (0, 7, 160, 114), atol=0.8)
    predicted = predict_means(preview, match, frame)
    assert np.abs(predicted - means).mean() < 3


def test_bars_that_are_not_centred_are_found() -> None:
    means, frame = known_photo("coffee")
    preview = np.full((120, 160, 3), (0, 128, 128), np.uint8)
    preview[13:120] = shrunk(photo("coffee"))

    match = match_thumbnail(preview, means, top(frame, 0.5), frame)

    assert match.trusted
    assert np.allclose(match.box, (0, 13, 160, 120), atol=1.0)


def test_bars_at_the_sides() -> None:
    tall = photo("astronaut").crop((300, 0, 900, 800))
    frame = frame_of(600, 800)
    preview = np.full((120, 160, 3), (0, 128, 128), np.uint8)
    preview[:, 35:125] = shrunk(tall, 90, 120)

    match = match_thumbnail(preview, means_of(ycc(tall), frame), top(frame, 0.5), frame)

    assert match.trusted
    assert np.allclose(match.box, (35, 0, 125, 120), atol=0.8)


def test_dark_ground_is_no_bar() -> None:
    samples = ycc(photo("coffee")).copy()
    samples[600:] = (0, 128, 128)
    frame = frame_of(1200, 800)
    preview = shrunk(Image.fromarray(samples, "YCbCr").convert("RGB"))

    match = match_thumbnail(preview, means_of(samples, frame), top(frame, 0.25), frame)

    assert match.trusted
    assert np.allclose(match.box, (0, 0, 160, 107), atol=0.5)


def test_what_a_cropped_preview_does_not_cover_is_not_predicted() -> None:
    means, frame = known_photo("chelsea")
    square = photo("chelsea").crop((200, 0, 1000, 800))
    preview = shrunk(square, 120, 120)

    match = match_thumbnail(preview, means, top(frame, 0.5), frame)

    assert match.trusted
    assert np.allclose(match.box, (-30, 0, 150, 120), atol=0.8)
    predicted = predict_means(preview, match, frame)
    nan = np.isnan(predicted).all(axis=(0, 2))
    assert nan[:12].all()
    assert nan[-12:].all()
    assert not np.isnan(predicted[:, 13:-13]).any()
    assert np.nanmean(np.abs(predicted - means)) < 3


def test_decimated_samples_off_centre() -> None:
    """The top left pixel of every block of ten: the picture lies half a sample further right and down."""
    samples = ycc(photo("coffee"))
    smooth = np.asarray(photo("coffee").resize((600, 400), Image.Resampling.BOX).resize((1200, 800)).convert("YCbCr"))
    frame = frame_of(1200, 800)

    match = match_thumbnail(smooth[::10, ::10], means_of(samples, frame), top(frame, 1.0), frame)

    assert match.trusted
    assert np.allclose(match.box, (0.5, 0.5, 120.5, 80.5), atol=0.3)


def test_coarse_previews_with_another_tone() -> None:
    means, frame = known_photo("astronaut")
    preview = shrunk(photo("astronaut"), quality=45).astype(np.float64)
    toned = np.clip((preview - 128) * (0.85, 0.8, 1.2) + (140, 128, 128), 0, 255).astype(np.uint8)

    match = match_thumbnail(toned, means, top(frame, 1.0), frame)

    assert match.trusted
    assert np.allclose(match.gain, (1 / 0.85, 1 / 0.8, 1 / 1.2), atol=0.06)
    assert np.abs(predict_means(toned, match, frame) - means).mean() < 4


def test_gains_that_nothing_tells_stay_at_one() -> None:
    """Nearly grey above, colourful below: the fit above must not be stretched over what is below."""
    samples = ycc(photo("coffee")).copy()
    samples[:200, :, 1:] = 128
    frame = frame_of(1200, 800)
    preview = shrunk(Image.fromarray(samples, "YCbCr").convert("RGB"))

    match = match_thumbnail(preview, means_of(samples, frame), top(frame, 0.2), frame)

    assert match.trusted
    assert np.allclose(match.gain, 1, atol=0.1)


def test_a_few_wrong_mcus_do_not_matter() -> None:
    means, frame = known_photo("chelsea")
    rng = np.random.default_rng(3)
    wrong = rng.random(means.shape[:2]) < 0.01
    damaged = np.where(wrong[..., None], 255.0, means).astype(np.float32)

    match = match_thumbnail(shrunk(photo("chelsea")), damaged, top(frame, 1.0), frame)

    assert match.trusted
    assert np.allclose(match.gain, 1, atol=0.05)
    assert max(match.sigma) < 6


@pytest.mark.parametrize("components", [1, 3])
def test_grey_and_rgb_pictures(components: int) -> None:
    picture = photo("coffee").convert("L" if components == 1 else "RGB")
    frame = frame_of(1200, 800, (1, 1), components)
    samples = np.asarray(picture).reshape(800, 1200, components)
    preview = np.asarray(picture.resize((160, 107), Image.Resampling.BOX)).reshape(107, 160, components)

    match = match_thumbnail(preview, means_of(samples, frame), top(frame, 0.5), frame)

    assert match.trusted
    assert len(match.gain) == components
    assert predict_means(preview, match, frame).shape == (100, 150, components)


def test_scattered_rows_are_enough_and_mcus_alone_are_not() -> None:
    means, frame = known_photo("coffee")
    rows = np.zeros(means.shape[:2], np.bool_)
    rows[4:8] = rows[20:24] = rows[40:44] = True
    alone = np.indices(means.shape[:2]).sum(axis=0) % 2 == 0

    assert match_thumbnail(shrunk(photo("coffee")), means, rows, frame).trusted
    assert match_thumbnail(shrunk(photo("coffee")), means, alone, frame).verdict == "too_little_known"


def test_too_little_known() -> None:
    means, frame = known_photo("coffee")
    known = np.zeros(means.shape[:2], np.bool_)
    preview = shrunk(photo("coffee"))

    assert match_thumbnail(preview, means, known, frame).verdict == "too_little_known"
    known[10:12, 10:16] = True
    assert match_thumbnail(preview, means, known, frame).verdict == "too_little_known"


def test_unknown_means_are_not_looked_at() -> None:
    means, frame = known_photo("coffee")
    known = top(frame, 0.5)
    hidden = np.where(known[..., None], means, np.nan).astype(np.float32)
    preview = shrunk(photo("coffee"))

    assert match_thumbnail(preview, hidden, known, frame) == match_thumbnail(preview, means, known, frame)


def test_flat_previews_and_flat_pictures() -> None:
    means, frame = known_photo("coffee")
    black = np.full((120, 160, 3), (0, 128, 128), np.uint8)
    sky = np.broadcast_to(np.linspace(200, 180, 50, dtype=np.float32)[:, None, None], (50, 75, 3))

    assert match_thumbnail(black, means, top(frame, 1.0), frame).verdict == "flat"
    assert match_thumbnail(black[:4, :4], means, top(frame, 1.0), frame).verdict == "flat"
    assert match_thumbnail(shrunk(photo("coffee")), np.ascontiguousarray(sky), top(frame, 1.0), frame).verdict == "flat"


def test_horizons_that_two_photos_share_are_no_proof() -> None:
    rng = np.random.default_rng(5)
    frame = frame_of(1200, 800)
    stripes = np.repeat(rng.normal(128, 40, 40), 20)[:, None]
    pictures = []
    for _ in range(2):
        level = stripes + np.kron(rng.normal(0, 2, (80, 120)), np.ones((10, 10)))
        pictures.append(np.clip(np.stack((level, 0 * level + 128, 0 * level + 128), axis=-1), 0, 255).astype(np.uint8))
    own, stale = (np.asarray(Image.fromarray(one).resize((160, 107), Image.Resampling.BOX)) for one in pictures)
    means = means_of(pictures[0], frame)

    assert match_thumbnail(own, means, top(frame, 1.0), frame).trusted
    assert match_thumbnail(stale, means, top(frame, 1.0), frame).verdict == "unrelated"


def test_a_preview_of_two_photos_at_once_stands_out_and_is_refused() -> None:
    means, frame = known_photo("coffee")
    own, other = (shrunk(photo(name)).astype(int) for name in ("coffee", "chelsea"))

    match = match_thumbnail(((own + 2 * other) // 3).astype(np.uint8), means, top(frame, 1.0), frame)

    assert match.verdict == "unrelated"
    assert 0.3 < match.correlation < 0.75
    assert match.gain == ()


def test_levels_that_the_preview_does_not_explain() -> None:
    """Detail alone agrees: brightness at large has been evened out."""
    means, frame = known_photo("coffee")
    preview = shrunk(photo("coffee")).copy()
    smooth = np.asarray(Image.fromarray(preview[..., 0]).filter(ImageFilter.GaussianBlur(3)), np.float64)
    preview[..., 0] = np.clip(128 - smooth + preview[..., 0], 0, 255)

    match = match_thumbnail(preview, means, top(frame, 1.0), frame)

    assert match.verdict == "unrelated"
    assert match.correlation > 0.75


def test_a_patch_agrees_too_easily() -> None:
    means, frame = known_photo("coffee")
    known = np.zeros(means.shape[:2], np.bool_)
    known[16:22, 30:36] = True

    match = match_thumbnail(shrunk(photo("coffee")), means, known, frame)

    assert match.correlation > 0.75
    assert match.verdict == "too_little_known"


def test_predictions_are_means_over_what_lies_in_the_picture() -> None:
    """A linear ramp through MCUs that stick out of a picture of 1190 × 795."""
    frame = frame_of(1190, 795)
    picture = photo("chelsea").crop((0, 0, 1190, 795))
    preview = shrunk(picture, 238, 159, 100)
    means = means_of(ycc(picture), frame)
    match = match_thumbnail(preview, means, top(frame, 1.0), frame)
    y, x = np.mgrid[:159, :238]
    ramp = np.stack((x, y, x), axis=-1).astype(np.uint8)
    plain = type(match)("trusted", 0, (0, 0, 238, 159), 1.0, (1.0,) * 3, (0.0,) * 3, (1.0,) * 3)

    predicted = predict_means(ramp, plain, frame)

    assert match.trusted
    middle = (np.minimum(16 * np.arange(75) + 16, 1190) + 16 * np.arange(75)) / 2 / 5 - 0.5
    assert np.allclose(predicted[7, 1:-1, 0], middle[1:-1], atol=1e-4)
    assert np.allclose(predicted[1:-1, 7, 1], (16 * np.arange(1, 49) + 8) / 5 - 0.5, atol=1e-4)
    assert abs(predicted[7, -1, 0] - middle[-1]) < 0.2


def test_the_same_twice() -> None:
    means, frame = known_photo("rocket")
    preview = shrunk(photo("rocket"))

    assert match_thumbnail(preview, means, top(frame, 0.5), frame) == match_thumbnail(
        preview.copy(), means.copy(), top(frame, 0.5), frame
    )


@settings(max_examples=60)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(0, 3),
    st.integers(0, 9),
)
def test_any_sizes(high: int, wide: int, width: int, height: int, contents: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = frame_of(width, height)
    preview = rng.integers(0, (256, 1, 2, 256)[contents], (high, wide, 3)).astype(np.uint8)
    means = rng.uniform(-1e4, 1e4, (frame.mcu_rows, frame.mcu_columns, 3)).astype(np.float32)
    known = rng.random(means.shape[:2]) < (1.0, 0.5, 1.0, 0.9)[contents]

    match = match_thumbnail(preview, means, known, frame)

    assert not match.trusted
    assert predict_means(preview, match, frame).shape == means.shape
