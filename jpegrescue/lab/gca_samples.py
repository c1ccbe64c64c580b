"""What the network `masked` learns from: windows around holes of training photos, filled as `restore` would fill them.

A photo is scaled, cropped and encoded, MCUs are lost as bit errors lose them, and the default fill does what it can,
with a preview as cameras make them, or none, or one that is stale, displaced or another photo's. Which photo, and all
that is done to it, follows from the seed and the sample's number alone.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.fill.directional import fill
from jpegrescue.fill.holes import find_holes
from jpegrescue.gca.inputs import Scene, Window, inputs_of
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import component_samples
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.thumbnail import ThumbnailMatch
from jpegrescue.resync.decode import decode, picture_frame
from jpegrescue.score.thumbnail import match_thumbnail

HEIGHT, WIDTH = 64, 128  # samples of a window: a run of five MCUs in 4:2:0, and 24 samples around it
SIDES = 256, 512  # pixels of a crop
SCALES = 0.6, 1.0
QUALITIES = 50, 98
SAMPLINGS = ("4:2:0", "4:2:0", "4:2:2", "4:4:4")
LOST_SHARE, RUN_MCUS, DEEP = 0.06, 4.0, 0.1
"""Of a picture's MCUs, lost; MCUs of a hole, in the mean; share of holes that go on in the row below."""
WITHOUT, WRONG = 0.4, 0.15  # shares of pictures without a preview, and of previews that are not what they seem
PREVIEW_SIDES, PREVIEW_QUALITIES = (100, 240), (60, 92)
FILTERS = (
    Image.Resampling.BICUBIC,
    Image.Resampling.BILINEAR,
    Image.Resampling.BOX,
    Image.Resampling.LANCZOS,
    Image.Resampling.NEAREST,
)
DOUBTED = 0.02  # share of MCUs that are shown and not trusted
PHOTO_PIXELS_MIN = 256
Flaw = Literal["stale", "shifted", "foreign", "toned"]


@dataclass(frozen=True, slots=True)
class Sample:
    """`inputs`: float32 (CHANNELS, HEIGHT, WIDTH); `truth`: uint8 (HEIGHT, WIDTH), luma."""

    inputs: NDArray[np.float32]
    truth: NDArray[np.uint8]


def samples_of(paths: Sequence[Path], seed: int, number: int) -> list[Sample]:
    """All windows of picture `number`, some thirty; none of a photo that is too small."""
    random = np.random.default_rng([seed, number])
    with Image.open(paths[int(random.integers(len(paths)))]) as opened:
        picture = _varied(opened.convert("RGB"), random)
    if picture is None:
        return []
    with Image.open(paths[int(random.integers(len(paths)))]) as opened:
        other = opened.convert("RGB")
    frame, planes = _encoded(picture, random)
    shape = frame.mcu_rows, frame.mcu_columns
    lost = draw_lost(*shape, random)
    trusted = ~lost & (random.random(shape) >= DOUBTED)
    thumbnail, match = _preview(picture, other, planes, trusted, frame, random)
    mcu = 8 * frame.components[0].vertical, 8 * frame.components[0].horizontal
    everywhere = [
        np.repeat(np.repeat(lost, 8 * part.vertical, axis=0), 8 * part.horizontal, axis=1) for part in frame.components
    ]
    damaged = [np.where(mask, np.uint8(0), plane) for mask, plane in zip(everywhere, planes, strict=True)]
    filled = fill(damaged[:1], lost, trusted, _luma_only(frame), thumbnail, match, study=True)
    scene = Scene(filled, lost, trusted, mcu)
    return [
        Sample(inputs_of(scene, window), _cut(planes[0], window))
        for hole in find_holes(lost)
        for window in _windows(hole.area, mcu, random)
    ]


def draw_lost(rows: int, columns: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """MCUs lost as flipped bits lose them: runs, some of them on into the next row."""
    lost = np.zeros((rows, columns), np.bool_)
    while lost.sum() < LOST_SHARE * rows * columns:
        length = min(1 + int(random.geometric(1 / RUN_MCUS)), columns)
        row, column = int(random.integers(rows)), int(random.integers(columns - length + 1))
        lost[row : row + (2 if random.random() < DEEP else 1), column : column + length] = True
    return lost


def _varied(photo: Image.Image, random: np.random.Generator) -> Image.Image | None:
    """A crop of the photo, scaled and perhaps mirrored."""
    scale = float(random.uniform(*SCALES))
    size = round(photo.width * scale), round(photo.height * scale)
    if min(size) < PHOTO_PIXELS_MIN:
        size, scale = photo.size, 1.0
    if min(size) < PHOTO_PIXELS_MIN:
        return None
    scaled = photo if scale == 1.0 else photo.resize(size, Image.Resampling.BICUBIC)
    width, height = (min(side, int(random.integers(*SIDES, endpoint=True))) for side in size)
    left, top = int(random.integers(size[0] - width + 1)), int(random.integers(size[1] - height + 1))
    crop = scaled.crop((left, top, left + width, top + height))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else crop


def _encoded(picture: Image.Image, random: np.random.Generator) -> tuple[Frame, tuple[NDArray[np.uint8], ...]]:
    buffer = io.BytesIO()
    quality = int(random.integers(*QUALITIES, endpoint=True))
    picture.save(buffer, "JPEG", quality=quality, subsampling=str(random.choice(SAMPLINGS)))
    data = np.frombuffer(buffer.getvalue(), np.uint8)
    structure = parse(data)
    outcome = decode(data, structure)
    if outcome is None or structure.frame is None:
        raise RuntimeError("what was encoded a moment ago does not decode")
    return picture_frame(structure.frame), component_samples(outcome.planes)


def _luma_only(frame: Frame) -> Frame:
    """The frame as if there were nothing but its first component, which sets its MCUs."""
    return Frame(frame.process, frame.precision, frame.width, frame.height, frame.components[:1])


def _preview(
    picture: Image.Image,
    other: Image.Image,
    planes: tuple[NDArray[np.uint8], ...],
    trusted: NDArray[np.bool_],
    frame: Frame,
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8] | None, ThumbnailMatch | None]:
    """A preview and how it matches; `None` where there is none, or nobody would trust it."""
    if random.random() < WITHOUT:
        return None, None
    flaw: Flaw | None = None
    if random.random() < WRONG:
        flaw = ("stale", "shifted", "foreign", "toned")[int(random.integers(4))]
    small = _shrunk(_flawed(picture, other, flaw, random), random)
    rows, columns = trusted.shape
    means = planes[0].reshape(rows, planes[0].shape[0] // rows, columns, -1).mean(axis=(1, 3), dtype=np.float64)
    luma = np.ascontiguousarray(small[..., :1])
    match = match_thumbnail(luma, means[..., None].astype(np.float32), trusted, _luma_only(frame))
    return (luma, match) if match.trusted else (None, None)


def _flawed(picture: Image.Image, other: Image.Image, flaw: Flaw | None, random: np.random.Generator) -> Image.Image:
    """The picture as previews show it that are out of date, off their place, partly another's, or of another tone."""
    if flaw == "stale":
        covered = picture.copy()
        width, height = picture.width // 3, picture.height // 3
        place = int(random.integers(picture.width - width)), int(random.integers(picture.height - height))
        covered.paste(other.resize((width, height)), place)
        return covered
    if flaw == "shifted":
        by = [int(random.integers(-6, 7)) for _ in range(2)]
        return picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, by[0], 0, 1, by[1]))
    if flaw == "foreign":
        return Image.blend(picture, other.resize(picture.size), 0.35)
    if flaw == "toned":
        gamma = float(random.uniform(0.6, 1.6))
        return picture.point([round(255 * (value / 255) ** gamma) for value in range(256)] * 3)
    return picture


def _shrunk(picture: Image.Image, random: np.random.Generator) -> NDArray[np.uint8]:
    """As cameras do, with or without the blur that decimation asks for: uint8 (height, width, 3), Y, Cb and Cr."""
    scale = int(random.integers(*PREVIEW_SIDES, endpoint=True)) / 768  # 768: long sides of training photos
    size = max(round(picture.width * scale), 24), max(round(picture.height * scale), 24)
    filter_ = FILTERS[int(random.integers(len(FILTERS)))]
    buffer = io.BytesIO()
    quality = int(random.integers(*PREVIEW_QUALITIES, endpoint=True))
    picture.resize(size, filter_).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        small: NDArray[np.uint8] = np.asarray(image.convert("YCbCr"))
    return small


def _windows(area: tuple[slice, slice], mcu: tuple[int, int], random: np.random.Generator) -> Iterator[Window]:
    """A window that shows the hole, or several side by side if it is too long for one; not always in its middle."""
    rows, columns = area
    middle = (rows.start + rows.stop) * mcu[0] // 2
    top = middle - HEIGHT // 2 + int(random.integers(-8, 9))
    begin, end = columns.start * mcu[1], columns.stop * mcu[1]
    for left in range(begin, end, WIDTH - 48):
        centre = (left + min(left + WIDTH - 48, end)) // 2
        start = centre - WIDTH // 2 + int(random.integers(-8, 9))
        yield top, top + HEIGHT, start, start + WIDTH


def _cut(plane: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """The plane's samples, its outermost ones beyond it."""
    rows = np.clip(np.arange(*window[:2]), 0, plane.shape[0] - 1)
    columns = np.clip(np.arange(*window[2:]), 0, plane.shape[1] - 1)
    cut: NDArray[np.uint8] = plane[np.ix_(rows, columns)]
    return cut
