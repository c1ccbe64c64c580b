"""Photos of scikit-image as JPEG files, damaged as by a flipped bit under CBC: 16 random bytes and one flipped bit."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage import data as photos

from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.decode import ComponentPlane, Decode
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.resync.decode import decode, picture_frame
from jpegrescue.resync.restarts import Intervals, anchor
from jpegrescue.resync.stream import Stream, decode_stream
from jpegrescue.score.borders import CHROMA, LUMA, ComponentLayout

NAMES = ("astronaut", "coffee", "chelsea", "rocket")
SIZE = 384, 256
BLOCK = 16


@cache
def photo(name: str, size: tuple[int, int] = SIZE) -> Image.Image:
    """A photo, scaled."""
    return Image.fromarray(getattr(photos, name)()).convert("RGB").resize(size, Image.Resampling.BICUBIC)


@cache
def encoded(
    name: str,
    subsampling: int = 2,
    mode: str = "RGB",
    size: tuple[int, int] = SIZE,
    quality: int = 85,
    restart: int = 0,
) -> bytes:
    """A baseline JPEG; `restart`: MCUs between markers, 0 for none."""
    return saved(photo(name, size).convert(mode), subsampling, quality, restart)


def saved(picture: Image.Image, subsampling: int = 2, quality: int = 85, restart: int = 0) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, subsampling=subsampling, restart_marker_blocks=restart)
    return out.getvalue()


def damaged(jpeg: bytes, at: list[float], seed: int = 1) -> bytes:
    """`jpeg` with errors where `at` says, as shares of the scan's length, aligned to cipher blocks of the file."""
    rng = np.random.default_rng(seed)
    scan = parse(jpeg).scans[0]
    out = np.frombuffer(jpeg, np.uint8).copy()
    for share in at:
        block = BLOCK * -(-(scan.start + int(share * (scan.end - scan.start - 3 * BLOCK))) // BLOCK)
        out[block : block + BLOCK] = rng.integers(0, 256, BLOCK)
        out[block + BLOCK + int(rng.integers(BLOCK))] ^= 1 << int(rng.integers(8))
    return out.tobytes()


def garbage(jpeg: bytes, seed: int = 1) -> bytes:
    """`jpeg` with random bytes for its scan."""
    scan = parse(jpeg).scans[0]
    noise = np.random.default_rng(seed).integers(0, 255, scan.end - scan.start).astype(np.uint8)
    return jpeg[: scan.start] + noise.tobytes() + jpeg[scan.end :]


def spliced(jpeg: bytes, other: bytes, start: float, stop: float) -> bytes:
    """`jpeg` with a stretch of its scan, as shares of its length, overwritten by that of another file."""
    scan, strange = parse(jpeg).scans[0], parse(other).scans[0]
    a, b = (scan.start + int(share * (scan.end - scan.start)) for share in (start, stop))
    begin = strange.start + (strange.end - strange.start) // 3
    return jpeg[:a] + other[begin : begin + b - a] + jpeg[b:]


def framed(name: str, frame: int = 48) -> bytes:
    """A photo between two black bars, `frame` samples wide: its margins are alike."""
    samples = np.array(photo(name))
    samples[:, :frame] = samples[:, -frame:] = 0
    return saved(Image.fromarray(samples))


def screenshot(size: tuple[int, int] = SIZE) -> bytes:
    """Lines of text on white under a bar: most MCUs look alike."""
    picture = Image.new("RGB", size, (250, 250, 250))
    draw = ImageDraw.Draw(picture)
    for line in range(size[1] // 28):
        draw.text((20, 10 + line * 28), f"Line {line} of some text on a page", fill=(0, 0, 0))
    draw.rectangle((0, 0, size[0] - 1, 8), fill=(60, 90, 160))
    return saved(picture)


@dataclass(frozen=True, slots=True)
class Opened:
    """A file as alignment gets it. `layouts`: as `score.borders` wants them."""

    data: NDArray[np.uint8]
    structure: JpegStructure
    decoded: Decode
    layout: entropy.ScanLayout
    stripped: entropy.ScanBytes
    intervals: Intervals
    stream: Stream
    layouts: tuple[ComponentLayout, ...]


@cache
def opened(jpeg: bytes) -> Opened:
    data = np.frombuffer(jpeg, np.uint8)
    structure = parse(data)
    assert structure.frame is not None
    frame, scan = picture_frame(structure.frame), structure.scans[0]
    layout, decoded = entropy.scan_layout(frame, scan), decode(data, structure)
    assert layout is not None
    assert decoded is not None
    stripped = entropy.scan_bytes(data, scan)
    intervals = anchor(stripped, layout.mcus, scan.restart_interval, ends=structure.eoi is not None)
    stream = decode_stream(stripped, layout, intervals)
    layouts = tuple(
        ComponentLayout(
            c.horizontal,
            c.vertical,
            CHROMA if i else LUMA,
            entropy.natural_steps(structure.quantisation[c.quantisation]),
        )
        for i, c in enumerate(frame.components)
    )
    return Opened(data, structure, decoded, layout, stripped, intervals, stream, layouts)


def addresses(file: Opened) -> NDArray[np.int64]:
    """First and last bit in the file of every MCU of the stream, (MCUs, 2); damage that makes or breaks stuffing leaves
    them alone."""
    bits = file.stream.bit_start, file.stream.bit_end - 1
    return np.stack([file.stripped.file_bits(b) for b in bits], axis=1)


def true_places(file: Opened, intact: Opened) -> NDArray[np.int64]:
    """Where MCUs of a damaged file's stream belong, by their bits; -1 for those that are not as they were, DC aside."""
    ours, whole = addresses(file), addresses(intact)
    found = np.minimum(np.searchsorted(whole[:, 0], ours[:, 0]), whole.shape[0] - 1)
    same = (whole[found] == ours).all(axis=1)
    for new, old in zip(by_mcu(file), by_mcu(intact), strict=True):
        same &= (new[..., 1:] == old[found][..., 1:]).all(axis=(1, 2))
    return np.where(same, found, -1)


def by_mcu(file: Opened) -> list[NDArray[np.int16]]:
    """Coefficients of the stream, per component (MCUs, blocks, 64)."""
    return [
        blocks.reshape(layout.down, -1, layout.across, 64)
        .transpose(1, 0, 2, 3)
        .reshape(-1, layout.down * layout.across, 64)
        for blocks, layout in zip(file.stream.coefficients, file.layouts, strict=True)
    ]


def planes_by_mcu(planes: Sequence[ComponentPlane], file: Opened) -> list[NDArray[np.int16]]:
    """Coefficients of a picture, per component (MCUs, blocks, 64)."""
    return [
        plane.blocks.reshape(-1, layout.down, file.layout.columns, layout.across, 64)
        .transpose(0, 2, 1, 3, 4)
        .reshape(-1, layout.down * layout.across, 64)
        for plane, layout in zip(planes, file.layouts, strict=True)
    ]
