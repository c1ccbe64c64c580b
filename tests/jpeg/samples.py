"""JPEG files of every kind the parser and the carver meet, made by Pillow from rendered arrays."""

import io
import struct
from functools import cache

import numpy as np
from PIL import Image

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))


@cache
def picture(width: int = 320, height: int = 240, seed: int = 1) -> Image.Image:
    """Gradients, shapes and grain: entropy-coded like a photo."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [128 + 80 * np.sin(x / (9 + 4 * i) + seed) * np.cos(y / (7 + 3 * i)) for i in range(3)]
    grain = rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(np.stack(planes, -1) + grain, 0, 255).astype(np.uint8))


@cache
def photo(width: int = 320, height: int = 240, seed: int = 1, mode: str = "RGB", **options: object) -> bytes:
    """A JPEG of `picture`; `options` go to Pillow's encoder."""
    buffer = io.BytesIO()
    picture(width, height, seed).convert(mode).save(buffer, "JPEG", **({"quality": 85} | options))
    return buffer.getvalue()


def segment(marker: int, payload: bytes) -> bytes:
    """Marker segment with its length field (T.81 B.1.1.4)."""
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload


def insert(data: bytes, addition: bytes, at: int = 2) -> bytes:
    """`addition` put into `data`, by default right after SOI."""
    return data[:at] + addition + data[at:]


def exif(thumbnail: bytes, order: str = "<", makernote: bytes = b"") -> bytes:
    """Exif APP1 whose IFD1 points at `thumbnail`, the TIFF structure as in Exif 2.32 §4.5; `makernote` follows it."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    first = struct.pack(order + "H", 1) + struct.pack(order + "HHII", 0x0112, 3, 1, 1 if order == "<" else 1 << 16)
    second_at = 8 + len(first) + 4
    thumbnail_at = second_at + 2 + 24 + 4
    second = struct.pack(order + "H", 2) + struct.pack(order + "HHII", 0x0201, 4, 1, thumbnail_at)
    second += struct.pack(order + "HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    tiff = head + first + struct.pack(order + "I", second_at) + second + thumbnail + makernote
    return segment(0xE1, b"Exif\0\0" + tiff)


def with_thumbnail(seed: int = 1, order: str = "<", **options: object) -> tuple[bytes, bytes]:
    """A photo with an Exif thumbnail, and that thumbnail."""
    thumbnail = photo(160, 120, seed, quality=70)
    return insert(photo(seed=seed, **options), exif(thumbnail, order)), thumbnail


def scan_start(data: bytes) -> int:
    """Offset of the entropy-coded data of a file that has no embedded files."""
    at = data.index(b"\xff\xda")
    return at + 2 + int.from_bytes(data[at + 2 : at + 4])
