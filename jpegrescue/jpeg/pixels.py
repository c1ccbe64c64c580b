"""From coefficients to a picture: what libjpeg's slow integer DCT and fancy upsampling give, bit for bit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.jpeg import _kernels_pixels as kernels
from jpegrescue.jpeg.entropy import component_size
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.jpeg import Frame

ColourSpace = Literal["grey", "ycc", "rgb", "cmyk", "ycck", "unknown"]
ADOBE_NONE, ADOBE_YCC, ADOBE_YCCK = 0, 1, 2
FANCY_WIDTH_MIN = 3


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
    """Samples of the whole picture.

    CMYK is taken as Adobe writes it (inverted) and converted to RGB as Pillow does; of a file with an unknown colour
    space the first component is shown as grey.
    """
    samples = [_inverse_dct(plane) for plane in planes]
    geometry = np.array([_geometry(frame, i) for i in range(len(planes))], np.int64)
    size = (frame.height, frame.width)
    if space in ("grey", "unknown"):
        return Picture(_upsample(samples[0], geometry[0], size), space)
    if space in ("ycc", "ycck"):
        rgb = np.empty((*size, 3), np.uint8)
        kernels.ycc_to_rgb(*samples[:3], geometry[:3], rgb)
    else:
        rgb = np.stack([_upsample(s, g, size) for s, g in zip(samples[:3], geometry[:3], strict=True)], axis=-1)
    if space in ("ycc", "rgb"):
        return Picture(rgb, space)
    black = _upsample(samples[3], geometry[3], size)
    # Adobe stores 255 - ink; libjpeg turns YCC into 255 - RGB, and Pillow inverts all four channels
    ink = rgb if space == "ycck" else 255 - rgb
    cmyk = np.concatenate((ink, 255 - black[..., None]), axis=-1)
    return Picture(np.asarray(Image.fromarray(cmyk, "CMYK").convert("RGB")), space)


def _inverse_dct(plane: ComponentPlane) -> NDArray[np.uint8]:
    rows, columns, _ = plane.blocks.shape
    samples = np.empty((8 * rows, 8 * columns), np.uint8)
    kernels.inverse_dct(plane.blocks, plane.quantisation.astype(np.int32), samples)
    return samples


def _upsample(samples: NDArray[np.uint8], geometry: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.uint8]:
    out = np.empty(size, np.uint8)
    kernels.upsample(samples, geometry, out)
    return out


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
