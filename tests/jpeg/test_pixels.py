import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import (
    ColourSpace,
    colour_space,
    component_samples,
    picture_of,
    to_picture,
    to_wide_samples,
)
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.jpeg import Frame
from jpegrescue.resync.decode import decode, picture_frame
from tests.oracles.encoder import Plan, encode, random_planes

LAYOUTS = [
    ((1, 1),),
    ((2, 2),),
    ((1, 1), (1, 1), (1, 1)),
    ((2, 1), (1, 1), (1, 1)),
    ((1, 2), (1, 1), (1, 1)),
    ((2, 2), (1, 1), (1, 1)),
    ((4, 1), (1, 1), (1, 1)),
    ((1, 4), (1, 1), (1, 1)),
    ((4, 2), (1, 1), (1, 1)),
    ((2, 2), (2, 1), (1, 2)),
    ((2, 2), (1, 2), (2, 1)),
    ((1, 1), (2, 2), (2, 2)),
    ((3, 1), (1, 1), (1, 1)),
    ((2, 1), (2, 1), (2, 1)),
    ((1, 1), (1, 1), (1, 1), (1, 1)),
    ((2, 2), (1, 1), (1, 1), (2, 2)),
]  # at most ten blocks per MCU (T.81 B.2.3), or libjpeg refuses


def _ours(data: bytes) -> np.ndarray:
    structure = parse(data)
    assert structure.frame is not None
    outcome = decode(np.frombuffer(data, np.uint8), structure)
    assert outcome is not None
    assert not outcome.damaged
    space = colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    return to_picture(picture_frame(structure.frame), outcome.planes, space).samples


def _libjpeg(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB") if image.mode == "CMYK" else image)


@settings(max_examples=120)
@given(
    factors=st.sampled_from(LAYOUTS),
    width=st.integers(1, 50),
    height=st.integers(1, 50),
    restart=st.sampled_from([0, 1, 3]),
    interleaved=st.booleans(),
    adobe=st.sampled_from([None, 0, 1, 2]),
    jfif=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_layout_matches_libjpeg(
    factors: tuple[tuple[int, int], ...],
    width: int,
    height: int,
    restart: int,
    interleaved: bool,
    adobe: int | None,
    jfif: bool,
    seed: int,
) -> None:
    plan = Plan(width, height, factors, restart, interleaved, adobe, jfif)
    data = encode(plan, random_planes(plan, np.random.default_rng(seed)))
    np.testing.assert_array_equal(_ours(data), _libjpeg(data))


@pytest.mark.parametrize("quantiser", [1, 40, 255])
def test_extreme_coefficients_are_clamped_like_libjpegs(quantiser: int) -> None:
    plan = Plan(64, 64, ((1, 1),), quantiser=quantiser)
    planes = random_planes(plan, np.random.default_rng(3), busy=0.6)
    data = encode(plan, planes)
    np.testing.assert_array_equal(_ours(data), _libjpeg(data))


@pytest.mark.parametrize(("quality", "subsampling"), [(30, 2), (75, 2), (90, 1), (100, 0)])
def test_photos_match_libjpeg(quality: int, subsampling: int) -> None:
    data = pytest.importorskip("skimage.data")
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "JPEG", quality=quality, subsampling=subsampling, optimize=True)
    np.testing.assert_array_equal(_ours(buffer.getvalue()), _libjpeg(buffer.getvalue()))


def test_a_ratio_that_libjpeg_refuses_is_still_shown() -> None:
    plan = Plan(40, 24, ((3, 1), (2, 1), (1, 1)))
    data = encode(plan, random_planes(plan, np.random.default_rng(5)))
    with pytest.raises(OSError, match=r"broken|decod"):
        _libjpeg(data)
    assert _ours(data).shape == (24, 40, 3)


def test_two_components_show_the_first_as_grey() -> None:
    plan = Plan(16, 16, ((1, 1), (1, 1)))
    planes = random_planes(plan, np.random.default_rng(5))
    grey = Plan(16, 16, ((1, 1),))
    np.testing.assert_array_equal(_ours(encode(plan, planes)), _ours(encode(grey, planes[:1])))


def _decoded(data: bytes) -> tuple[Frame, tuple[ComponentPlane, ...], ColourSpace]:
    structure = parse(data)
    assert structure.frame is not None
    outcome = decode(np.frombuffer(data, np.uint8), structure)
    assert outcome is not None
    space = colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    return picture_frame(structure.frame), outcome.planes, space


@pytest.mark.parametrize("factors", [layout for layout in LAYOUTS if len(layout) < 4])
def test_wide_samples_are_the_picture_where_nothing_leaves_the_range(factors: tuple[tuple[int, int], ...]) -> None:
    plan = Plan(64, 96, factors, quantiser=1)
    planes = [np.clip(plane, -30, 30) for plane in random_planes(plan, np.random.default_rng(6))]
    frame, decoded, space = _decoded(encode(plan, planes))
    wide = to_wide_samples(frame, decoded, space)
    height, width = 8 * frame.vertical_max * frame.mcu_rows, 8 * frame.horizontal_max * frame.mcu_columns
    assert wide.shape == (height, width, 1 if len(factors) == 1 else 3)
    if (height, width) == (frame.height, frame.width):
        assert np.array_equal(wide.squeeze(), to_picture(frame, decoded, space).samples)


def test_wide_samples_keep_what_a_drifted_predictor_adds() -> None:
    frame, planes, space = _decoded(_photo())
    luma = planes[0]
    steps = 50 * 8 // int(luma.quantisation[0])
    blocks = luma.blocks.copy()
    blocks[..., 0] += np.int16(10 * steps)
    drifted = (replace(luma, blocks=blocks), *planes[1:])
    added = 10 * steps * int(luma.quantisation[0]) / 8
    difference = to_wide_samples(frame, drifted, space) - to_wide_samples(frame, planes, space)
    assert added > 400
    assert np.abs(difference - added).max() <= 1
    assert to_picture(frame, drifted, space).samples.max() <= 255


@pytest.mark.parametrize("factors", LAYOUTS)
def test_component_samples_are_whole_mcus_and_make_the_picture(factors: tuple[tuple[int, int], ...]) -> None:
    plan = Plan(37, 29, factors)
    frame, planes, space = _decoded(encode(plan, random_planes(plan, np.random.default_rng(8))))
    samples = component_samples(planes)
    for component, plane in zip(frame.components, samples, strict=True):
        size = 8 * component.vertical * frame.mcu_rows, 8 * component.horizontal * frame.mcu_columns
        assert (plane.shape, plane.dtype) == (size, np.uint8)
    grey = [np.full_like(plane, 128) for plane in samples]
    assert np.array_equal(picture_of(frame, samples, space).samples, to_picture(frame, planes, space).samples)
    assert np.unique(picture_of(frame, grey, space).samples).size <= 3


@pytest.mark.parametrize("steps", [-32768, 32767])
def test_the_farthest_predictor_keeps_its_sign(steps: int) -> None:
    frame, planes, space = _decoded(_photo())
    blocks = planes[0].blocks.copy()
    blocks[..., 0] = steps
    wide = to_wide_samples(frame, (replace(planes[0], blocks=blocks), *planes[1:]), space)
    assert (np.sign(wide.astype(int) - 128) == np.sign(steps)).all()
    assert (blocks[..., 0] == steps).all()


def test_wide_samples_of_cmyk_are_those_of_the_picture() -> None:
    plan = Plan(16, 16, ((1, 1),) * 4)
    frame, planes, space = _decoded(encode(plan, random_planes(plan, np.random.default_rng(7))))
    assert np.array_equal(to_wide_samples(frame, planes, space), to_picture(frame, planes, space).samples)


def _photo() -> bytes:
    buffer = io.BytesIO()
    ramp = np.linspace(90, 160, 64, dtype=np.uint8)
    Image.fromarray(np.stack([np.tile(ramp, (48, 1))] * 3, -1)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
