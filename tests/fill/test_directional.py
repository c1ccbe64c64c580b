import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.fill.directional import fill
from jpegrescue.model.fill import Filled
from jpegrescue.model.thumbnail import ThumbnailMatch
from tests.fill.scenes import blobs, frame, psnr, scattered, shrunk, spread, stripes, through_jpeg, whole

ROWS, COLUMNS = 40, 50
SCENE = blobs(8 * ROWS, 8 * COLUMNS, size=9.0)
LAYOUTS = [
    ((1, 1),),
    ((2, 2), (1, 1), (1, 1)),
    ((2, 1), (1, 1), (1, 1)),
    ((1, 2), (1, 1), (1, 1)),
    ((1, 1), (2, 2), (2, 1)),
    ((1, 1), (1, 1), (1, 1)),
    ((2, 2), (1, 1), (1, 1), (2, 2)),
]


def _grey(
    lost: NDArray[np.bool_], preview: NDArray[np.uint8] | None = None, scene: NDArray[np.uint8] = SCENE
) -> tuple[Filled, float]:
    """Fill a picture of one component; the outcome and its PSNR inside the holes."""
    mask = spread(lost)
    damaged = np.where(mask, np.uint8(3), scene)
    match = None if preview is None else whole(preview)
    filled = fill([damaged], lost, ~lost, frame(scene.shape[1], scene.shape[0]), preview, match)
    assert np.array_equal(filled.samples[0][~mask], scene[~mask])
    return filled, psnr(filled.samples[0], scene, mask) if lost.any() else np.inf


@settings(max_examples=20, deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS),
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    seed=st.integers(0, 1 << 20),
    share=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    side=st.integers(1, 12),
)
def test_only_lost_mcus_change(
    layout: tuple[tuple[int, int], ...], width: int, height: int, seed: int, share: float, side: int
) -> None:
    picture = frame(width, height, layout)
    random = np.random.default_rng(seed)
    shape = picture.mcu_rows, picture.mcu_columns
    samples = [
        random.integers(0, 256, (8 * part.vertical * shape[0], 8 * part.horizontal * shape[1]), np.uint8)
        for part in picture.components
    ]
    lost, trusted = random.random(shape) < share, random.random(shape) < 0.6
    preview = random.integers(0, 256, (side, side, len(layout)), np.uint8)
    match = whole(preview, count=len(layout)) if seed % 2 else None
    before = [plane.copy() for plane in samples]
    filled = fill(samples, lost, trusted, picture, preview, match)
    assert filled.mcus == np.count_nonzero(lost)
    for part, plane, original, out in zip(picture.components, samples, before, filled.samples, strict=True):
        mask = spread(lost, (8 * part.vertical, 8 * part.horizontal))
        assert np.array_equal(plane, original)
        assert (out.shape, out.dtype) == (plane.shape, np.uint8)
        assert np.array_equal(out[~mask], plane[~mask])


def test_what_lies_in_lost_mcus_does_not_matter() -> None:
    lost = scattered(ROWS, COLUMNS, 12)
    preview = through_jpeg(shrunk(SCENE, 50))
    picture = frame(SCENE.shape[1], SCENE.shape[0])
    outcomes = [
        fill([np.where(spread(lost), np.uint8(value), SCENE)], lost, ~lost, picture, preview, whole(preview))
        for value in (0, 255)
    ]
    assert np.array_equal(outcomes[0].samples[0], outcomes[1].samples[0])
    assert outcomes[0].components == outcomes[1].components


def test_nothing_lost_nothing_done() -> None:
    filled, _ = _grey(np.zeros((ROWS, COLUMNS), np.bool_))
    assert (filled.components[0].method, filled.mcus, filled.window_samples) == ("none", 0, 0)


def test_a_good_preview_helps_and_the_record_says_so() -> None:
    lost = scattered(ROWS, COLUMNS, 15, length=6)
    _, without = _grey(lost)
    filled, with_preview = _grey(lost, through_jpeg(shrunk(SCENE, 100)))
    record = filled.components[0]
    assert with_preview > without + 3
    assert record.method == "thumbnail"
    assert record.model is not None
    assert record.model.fitted
    assert {gate.kind for gate in record.gates} == {"run"}
    assert sum(gate.pseudo_mcus for gate in record.gates) > 50
    gate = max(record.gates, key=lambda gate: gate.pseudo_mcus)
    assert gate.strength > 0
    assert gate.psnr_with > gate.psnr_without + 2


@pytest.mark.parametrize("wrong", ["another picture", "mirrored", "shifted", "noise in stripes"])
def test_a_wrong_preview_does_no_harm(wrong: str) -> None:
    scene = stripes(*SCENE.shape) if wrong == "noise in stripes" else SCENE
    small = shrunk(scene, 100)
    noise = np.random.default_rng(4).integers(-60, 60, small.shape)
    preview = {
        "another picture": shrunk(blobs(*SCENE.shape, seed=8), 100),
        "mirrored": np.ascontiguousarray(small[:, ::-1]),
        "shifted": np.roll(small, 14, axis=1),
        "noise in stripes": np.clip(small + noise, 0, 255).astype(np.uint8),
    }[wrong]
    lost = scattered(ROWS, COLUMNS, 15)
    _, without = _grey(lost, scene=scene)
    filled, with_preview = _grey(lost, preview, scene)
    assert with_preview > without - 0.3, filled.components


def test_an_untrusted_match_is_not_used() -> None:
    lost = scattered(ROWS, COLUMNS, 10)
    preview = shrunk(SCENE, 50)
    samples = [np.where(spread(lost), np.uint8(3), SCENE)]
    filled = fill(samples, lost, ~lost, frame(8 * COLUMNS, 8 * ROWS), preview, ThumbnailMatch("unrelated"))
    assert filled.components[0].method == "directional"
    assert filled.components[0].model is None


def test_everything_lost() -> None:
    lost = np.ones((ROWS, COLUMNS), np.bool_)
    filled, _ = _grey(lost)
    assert filled.components[0].method == "grey"
    assert (filled.samples[0] == 128).all()
    filled, quality = _grey(lost, shrunk(SCENE, 100))
    assert filled.components[0].method == "enlarged"
    assert quality > 30


def test_a_missing_tail_is_taken_from_the_preview() -> None:
    lost = np.zeros((ROWS, COLUMNS), np.bool_)
    lost[20:] = True
    _, without = _grey(lost)
    filled, with_preview = _grey(lost, through_jpeg(shrunk(SCENE, 100)))
    assert filled.components[0].gates[0].kind == "vast"
    assert with_preview > max(without + 10, 30)


def test_colours_are_filled_in_their_own_sampling() -> None:
    picture = frame(320, 256, ((2, 2), (1, 1), (1, 1)))
    rgb = np.stack([blobs(256, 320, seed=seed, size=12.0) for seed in (1, 2, 3)], axis=2)
    full = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    samples = [full[..., 0], *(np.asarray(Image.fromarray(full[..., i]).resize((160, 128))) for i in (1, 2))]
    lost = scattered(16, 20, 8, length=4)
    preview = np.concatenate([shrunk(np.ascontiguousarray(full[..., i]), 80) for i in range(3)], axis=2)
    masks = [spread(lost, (16, 16)), spread(lost), spread(lost)]
    damaged = [np.where(mask, np.uint8(0), plane) for mask, plane in zip(masks, samples, strict=True)]
    plain = fill(damaged, lost, ~lost, picture, None, None)
    helped = fill(damaged, lost, ~lost, picture, preview, whole(preview, count=3))
    for index, mask in enumerate(masks):
        without = psnr(plain.samples[index], samples[index], mask)
        assert without > 20
        assert psnr(helped.samples[index], samples[index], mask) > without + (4 if index == 0 else -0.3)
