import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import colour_space, to_picture
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
