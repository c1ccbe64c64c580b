"""Samples of an embedded preview, in the colour space of the picture that it belongs to."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import _kernels_entropy as kernels
from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import ColourSpace, colour_space, to_picture
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.jpeg import Frame, JpegStructure, Scan, Thumbnail

SIDE_MAX = 2048
BYTES_MAX = 1 << 20
_RASTER_COMPONENTS = {"ycc": 3, "rgb": 3, "grey": 1}
_PALETTE = 768


def preview_samples(
    data: NDArray[np.uint8], thumbnail: Thumbnail, space: ColourSpace, components: int
) -> NDArray[np.uint8] | None:
    """Samples of `thumbnail` as the components of its picture.

    Args:
        data: uint8, the parent file.
        thumbnail: where the preview lies in it, as `jpeg.parse` found it.
        space: the picture's colour space.
        components: how many components the picture has.

    Returns:
        uint8, (height, width, components): Y, Cb and Cr by the formula of JFIF 1.02 for `ycc`; R, G and B for `rgb`;
        luma for `grey`. `None` for other spaces, for previews beyond 2048 samples a side or 1 MiB, for progressive
        ones, and for those in which anything contradicts: behind an error everything in a preview is displaced.
    """
    if _RASTER_COMPONENTS.get(space) != components or not 0 < thumbnail.end - thumbnail.start <= BYTES_MAX:
        return None
    content = data[max(thumbnail.start, 0) : thumbnail.end]
    if content[:2].tobytes() == b"\xff\xd8":
        decoded = _jpeg(content, space)
    else:
        raster = _raster(content, thumbnail)
        decoded = None if raster is None else _converted(raster, space)
    return decoded if decoded is None else np.ascontiguousarray(decoded)


def _raster(content: NDArray[np.uint8], thumbnail: Thumbnail) -> NDArray[np.uint8] | None:
    """R, G and B of a preview stored as samples (JFIF 1.02) or as indices into a palette (JFXX 0x11)."""
    width, height = thumbnail.width, thumbnail.height
    if not width or not height or max(width, height) > SIDE_MAX:
        return None
    if content.size == 3 * width * height:
        return content.reshape(height, width, 3)
    if content.size == _PALETTE + width * height and thumbnail.kind == "jfxx":
        return content[:_PALETTE].reshape(256, 3)[content[_PALETTE:].reshape(height, width)]
    return None


def _jpeg(content: NDArray[np.uint8], space: ColourSpace) -> NDArray[np.uint8] | None:
    structure = parse(content)
    frame = structure.frame
    if frame is None or frame.process not in ("baseline", "extended") or frame.precision != 8:
        return None
    if max(frame.width, frame.height) > SIDE_MAX or not frame.width or not frame.height:
        return None
    own = colour_space(frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    planes = _planes(content, structure, _lone(frame)) if own in _RASTER_COMPONENTS else None
    if planes is None:
        return None
    if own == "grey":
        return _from_grey(to_picture(_lone(frame), planes, "grey").samples, space)
    if own == "ycc" and space != "rgb":  # "rgb" hands on the components as they are
        samples = to_picture(frame, planes, "rgb").samples
        return samples if space == "ycc" else samples[..., :1]
    return _converted(to_picture(frame, planes, own).samples, space)


def _lone(frame: Frame) -> Frame:
    """A lone component's sampling factors count as 1 (T.81 A.2.2)."""
    if len(frame.components) > 1:
        return frame
    component = frame.components[0]
    lone = type(component)(component.identifier, 1, 1, component.quantisation)
    return Frame(frame.process, frame.precision, frame.width, frame.height, (lone,))


def _planes(content: NDArray[np.uint8], structure: JpegStructure, frame: Frame) -> tuple[ComponentPlane, ...] | None:
    """Coefficients, or `None` unless every scan decodes to its end and every component is covered once."""
    shapes = entropy.component_blocks(frame)
    tables = [structure.quantisation[component.quantisation] or () for component in frame.components]
    covered = sorted(part.index for scan in structure.scans for part in scan.components)
    if not all(tables) or covered != list(range(len(shapes))):
        return None
    flat = np.zeros(64 * sum(rows * columns for rows, columns in shapes), np.int16)
    if not all(_decode_scan(content, frame, scan, flat) for scan in structure.scans):
        return None
    planes = []
    offset = 0
    for (rows, columns), component, table in zip(shapes, frame.components, tables, strict=True):
        quantisation = np.empty(64, np.uint16)
        quantisation[kernels.ZIGZAG] = table
        blocks = flat[offset : offset + 64 * rows * columns].reshape(rows, columns, 64)
        planes.append(ComponentPlane(blocks, quantisation, component.horizontal, component.vertical))
        offset += blocks.size
    return tuple(planes)


def _decode_scan(content: NDArray[np.uint8], frame: Frame, scan: Scan, flat: NDArray[np.int16]) -> bool:
    """Whether the scan decodes without a contradiction: all MCUs, every restart in its place, nothing left over."""
    layout = entropy.scan_layout(frame, scan)
    if layout is None or not layout.mcus:
        return False
    stripped = entropy.scan_bytes(content, scan)
    interval = scan.restart_interval or layout.mcus
    firsts = np.arange(0, layout.mcus, interval)
    counts = np.minimum(interval, layout.mcus - firsts)
    restarts = stripped.restart_at[: firsts.size - 1]
    if restarts.size != firsts.size - 1 or stripped.restart_at.size > firsts.size:
        return False
    if not np.array_equal(stripped.restart_number[: restarts.size], np.arange(restarts.size) % 8):
        return False
    starts = np.concatenate((np.zeros(1, np.int64), 8 * restarts))
    stops = np.append(starts[1:], 8 * stripped.size)
    raw = entropy.decode_intervals(stripped, layout, np.stack((starts, stops), axis=1), firsts, counts, flat)
    if len(raw.events) or not np.array_equal(raw.interval_done, counts):
        return False
    left_over = stops - raw.interval_end
    return bool(left_over.max() < 8)


def _from_grey(luma: NDArray[np.uint8], space: ColourSpace) -> NDArray[np.uint8]:
    if space == "grey":
        return luma[..., None]
    neutral = np.full_like(luma, 128) if space == "ycc" else luma
    return np.stack((luma, neutral, neutral), axis=-1)


def _converted(rgb: NDArray[np.uint8], space: ColourSpace) -> NDArray[np.uint8]:
    """R, G and B as the components of `space` (JFIF 1.02, conversion to YCbCr)."""
    if space == "rgb":
        return rgb
    red, green, blue = (rgb[..., i].astype(np.int32) for i in range(3))
    half = 1 << 15
    luma = (19595 * red + 38470 * green + 7471 * blue + half) >> 16
    if space == "grey":
        return luma.astype(np.uint8)[..., None]
    centre = (128 << 16) + half - 1
    across = (-11059 * red - 21709 * green + 32768 * blue + centre) >> 16
    down = (32768 * red - 27439 * green - 5329 * blue + centre) >> 16
    return np.stack((luma, across, down), axis=-1).astype(np.uint8)
