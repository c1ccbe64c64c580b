"""From coefficients to a picture: what libjpeg's slow integer DCT and fancy upsampling give, bit for bit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.jpeg import _kernels_pixels as kernels
from jpegrescue.jpeg.entropy import component_size
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.jpeg import Frame

ColourSpace = Literal["grey", "ycc", "rgb", "cmyk", "ycck", "unknown"]
_Sample = TypeVar("_Sample", np.uint8, np.int16)
ADOBE_NONE, ADOBE_YCC, ADOBE_YCCK = 0, 1, 2
FANCY_WIDTH_MIN = 3
WIDE_DC_MAX = 60000  # dequantised: beyond it the inverse DCT leaves 32 bits


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded samples: uint8, (height, width) for grey and (height, width, 3) for RGB."""

    samples: NDArray[np.uint8]
    colour_space: ColourSpace


def colour_space(frame: Frame, *, jfif: bool, adobe_transform: int | None) -> ColourSpace:
    """The file's colour space by libjpeg's rules: JFIF, then Adobe APP14, then component identifiers."""
    count = len(frame.components)
    if count == 1:
        return "grey"
    if count == 3:
        if jfif:
            return "ycc"
        if adobe_transform is not None:
            return "rgb" if adobe_transform == ADOBE_NONE else "ycc"
        return "rgb" if bytes(c.identifier for c in frame.components) == b"RGB" else "ycc"
    if count == 4:
        return "cmyk" if adobe_transform in (None, ADOBE_NONE) else "ycck"
    return "unknown"


def to_picture(frame: Frame, planes: Sequence[ComponentPlane], space: ColourSpace) -> Picture:
    """Samples of the whole picture: `picture_of` the `component_samples`."""
    return picture_of(frame, component_samples(planes), space)


def component_samples(planes: Sequence[ComponentPlane]) -> tuple[NDArray[np.uint8], ...]:
    """Samples of each component in its own sampling: uint8 (8 · block rows, 8 · block columns), whole MCUs."""
    return tuple(_inverse_dct(plane) for plane in planes)


def picture_of(frame: Frame, samples: Sequence[NDArray[np.uint8]], space: ColourSpace) -> Picture:
    """The picture that component samples make.

    CMYK is taken as Adobe writes it (inverted) and converted to RGB as Pillow does; of a file with an unknown colour
    space the first component is shown as grey.

    Args:
        frame: as `resync.decode.picture_frame` gives it.
        samples: uint8, a plane per component, as `component_samples` gives them.
        space: the file's colour space.
    """
    colours = _colours(frame, samples, space, kernels.CLAMPED)
    if space not in ("cmyk", "ycck"):
        return Picture(colours, space)
    rgb, black = colours, _upsample(samples[3], _geometries(frame)[3], (frame.height, frame.width))
    # Adobe stores 255 - ink; libjpeg turns YCC into 255 - RGB, and Pillow inverts all four channels
    ink = rgb if space == "ycck" else 255 - rgb
    cmyk = np.concatenate((ink, 255 - black[..., None]), axis=-1)
    return Picture(np.asarray(Image.fromarray(cmyk, "CMYK").convert("RGB")), space)


def blends(frame: Frame) -> tuple[tuple[bool, bool], ...]:
    """Per component, whether upsampling mixes a sample with its neighbours across, and with those below and above.

    Where it does, the outermost pixels of an MCU, one on each side, hold samples of the MCU beside it; all others are
    made of their own MCU alone.
    """
    modes = [_geometry(frame, index)[2] for index in range(len(frame.components))]
    across, down = (kernels.FANCY_H2V1, kernels.FANCY_H2V2), (kernels.FANCY_H1V2, kernels.FANCY_H2V2)
    return tuple((mode in across, mode in down) for mode in modes)


def to_wide_samples(frame: Frame, planes: Sequence[ComponentPlane], space: ColourSpace) -> NDArray[np.int16]:
    """The same before anything is cut off at 0 and 255, which a wrong DC predictor may exceed by far.

    int16, (height, width, 1 or 3), padded to whole MCUs. Of CMYK files, which have no such meaning, what `to_picture`
    gives.
    """
    padded = replace(
        frame,
        width=8 * frame.horizontal_max * frame.mcu_columns,
        height=8 * frame.vertical_max * frame.mcu_rows,
    )
    if space in ("cmyk", "ycck"):
        return to_picture(padded, planes, space).samples.astype(np.int16)
    colours = _colours(padded, [_wide_inverse_dct(plane) for plane in planes], space, kernels.WIDE)
    return colours if colours.ndim == 3 else colours[..., None]


def _colours(
    frame: Frame, samples: Sequence[NDArray[_Sample]], space: ColourSpace, ending: NDArray[np.int32]
) -> NDArray[_Sample]:
    """The first component, (height, width), or the first three as RGB, (height, width, 3)."""
    geometry = _geometries(frame)
    size = (frame.height, frame.width)
    if space in ("grey", "unknown"):
        return _upsample(samples[0], geometry[0], size)
    if space in ("rgb", "cmyk"):
        return np.stack([_upsample(s, g, size) for s, g in zip(samples[:3], geometry[:3], strict=True)], axis=-1)
    rgb = np.empty((frame.height, frame.width, 3), samples[0].dtype)
    kernels.ycc_to_rgb(*samples[:3], geometry[:3], ending, rgb)
    return rgb


def _inverse_dct(plane: ComponentPlane) -> NDArray[np.uint8]:
    rows, columns, _ = plane.blocks.shape
    samples = np.empty((8 * rows, 8 * columns), np.uint8)
    kernels.inverse_dct(plane.blocks, plane.quantisation.astype(np.int32), kernels.CLAMPED, samples)
    return samples


def _wide_inverse_dct(plane: ComponentPlane) -> NDArray[np.int16]:
    rows, columns, _ = plane.blocks.shape
    blocks, quantisation = plane.blocks, plane.quantisation.astype(np.int32)
    limit = WIDE_DC_MAX // max(int(quantisation[0]), 1)
    if int(np.abs(blocks[..., 0].astype(np.int32)).max(initial=0)) > limit:
        blocks = blocks.copy()
        np.clip(blocks[..., 0], -limit, limit, out=blocks[..., 0])
    samples = np.empty((8 * rows, 8 * columns), np.int16)
    kernels.inverse_dct(blocks, quantisation, kernels.WIDE, samples)
    return samples


def _upsample(samples: NDArray[_Sample], geometry: NDArray[np.int64], size: tuple[int, int]) -> NDArray[_Sample]:
    out = np.empty(size, samples.dtype)
    kernels.upsample(samples, geometry, out)
    return out


def _geometries(frame: Frame) -> NDArray[np.int64]:
    return np.array([_geometry(frame, i) for i in range(len(frame.components))], np.int64)


def _geometry(frame: Frame, index: int) -> tuple[int, ...]:
    component = frame.components[index]
    columns, rows = component_size(frame, index)
    double_across = 2 * component.horizontal == frame.horizontal_max
    double_down = 2 * component.vertical == frame.vertical_max
    same_across = component.horizontal == frame.horizontal_max
    same_down = component.vertical == frame.vertical_max
    mode = kernels.REPLICATE
    if double_across and same_down and columns >= FANCY_WIDTH_MIN:
        mode = kernels.FANCY_H2V1
    elif same_across and double_down:
        mode = kernels.FANCY_H1V2
    elif double_across and double_down and columns >= FANCY_WIDTH_MIN:
        mode = kernels.FANCY_H2V2
    return (
        columns,
        rows,
        mode,
        component.horizontal,
        component.vertical,
        frame.horizontal_max,
        frame.vertical_max,
    )
