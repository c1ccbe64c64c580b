"""Originals of a data set: JPEG files as they are, PNG pictures encoded, and thumbnails as cameras embed them."""

import io
import struct
import warnings
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError, features

from jpegrescue.flow.grade import cannot_decode
from jpegrescue.jpeg.markers import APP0, APP1, SOI, SOS
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.model.problem import Problem
from jpegrescue.model.truth import Making
from jpegrescue.resync.decode import decode

Sampling = Literal["4:4:4", "4:2:2", "4:2:0"]

THUMBNAIL_SAMPLING: Sampling = "4:2:2"
"""As 13 of 16 camera files have it, and all 11 of them whose thumbnail has DCF's 160×120 pixels."""
THUMBNAIL_QUALITIES = (80, 60, 40, 20)
"""Of a thumbnail: the first with which it fits into its segment is taken."""
SIDE_MAX = 65500
"""Pixels that a side of a picture may have for libjpeg to encode it."""
_SEGMENT_MAX = 65533  # bytes of parameters
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)
"""What Pillow raises on pictures that it cannot read or write."""
_WIDE_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_GREY = ("1", "L", "LA", "La")
_APP13 = APP0 + 13
_XMP = ((APP1, b"http://ns.adobe.com/xap/1.0/\0"), (APP1, b"http://ns.adobe.com/xmp/extension/\0"))
_WITH_PREVIEWS = ((APP0, b"JFXX\0"), (APP1, b"Exif\0"), *_XMP, (_APP13, b"Photoshop 3.0\0"))
"""Segments that can hold a preview, whatever else they say: their markers and how their parameters begin."""
_SHORT, _LONG, _RATIONAL, _UNDEFINED = 3, 4, 5, 7  # TIFF field types
_Field = tuple[int, int, int, bytes]  # tag, type, count, value


@dataclass(frozen=True, slots=True)
class Wish:
    """How originals are made: the thumbnail kept, left out, or made anew with this long side in pixels.

    The others are for PNG pictures: quality 1 to 100, chroma sampling, MCUs between restart markers (0: no markers).
    """

    thumbnail: int | Literal["keep", "none"] = "keep"
    quality: int = 90
    sampling: Sampling = "4:2:0"
    restart_interval: int = 0


@dataclass(frozen=True, slots=True)
class Original:
    """A file to damage. `scan` as in `TrueImage`; `problems`: what about it deserves attention."""

    data: bytes = field(repr=False)
    making: Making
    scan: ByteRange
    problems: tuple[Problem, ...]


def make_original(source: bytes, wish: Wish) -> Original | Problem:
    """The original made of the file `source`, or why there can be none.

    A JPEG file is taken byte for byte unless its thumbnail is to change. Then its Exif, XMP and Photoshop segments and
    the previews in APP0 go, with all that they say; a new thumbnail comes in a new Exif segment, the picture itself
    stays as it is. An MPF index behind them still finds its pictures; only the size it gives for the first is then that
    of the source.

    A PNG picture of any kind becomes 8-bit grey or RGB, alpha laid on white, colour profiles passed over, and is
    encoded with the Huffman tables of T.81 annex K. It and new thumbnails are as the encoder at hand makes them, which
    the original's `making` names: another version may make other bytes.
    """
    problems: tuple[Problem, ...] = ()
    try:
        if source.startswith(_JPEG):
            data, making = source, Making(None, None, None, None, str(wish.thumbnail))
        elif source.startswith(_PNG):
            picture = _picture(source)
            if max(picture.size) > SIDE_MAX:
                detail = f"{picture.width} × {picture.height} pixels: JPEG is encoded with at most {SIDE_MAX} a side"
                return Problem("source_too_large", "error", detail)
            data, making = _encoded(picture, wish)
        else:
            return Problem("source_unsupported", "error", "neither a JPEG nor a PNG file")
        if wish.thumbnail == "none":
            data = _with_exif(data, None)
        elif wish.thumbnail != "keep":
            made = _exif_that_fits(_picture(source), wish.thumbnail)
            if isinstance(made, Problem):
                return made
            payload, problems = made
            data, making = _with_exif(data, payload), replace(making, encoder=_encoder())
    except _UNREADABLE as error:
        return Problem("source_undecodable", "error", f"the picture cannot be read: {_cause(error)}")
    return _examined(data, making, problems)


def _cause(error: Exception) -> str:
    """Why Pillow cannot read a picture. Its own words may hold an address in memory, other ones in every run."""
    if isinstance(error, Image.DecompressionBombError):
        return "it has so many pixels that it may be a decompression bomb"
    if isinstance(error, UnidentifiedImageError):
        return "its header is damaged"
    return "its data are damaged or incomplete"


def _examined(data: bytes, making: Making, problems: tuple[Problem, ...]) -> Original | Problem:
    """`data` as an original, if it can be decoded: what is damaged already would be taken for sound by a truth."""
    structure = parse(data)
    obstacle = cannot_decode(structure, len(data))
    if obstacle is not None:
        return Problem("source_undecodable", "error", obstacle.detail)
    decoded = decode(np.frombuffer(data, np.uint8), structure)
    if decoded is None:
        return Problem("source_undecodable", "error", "a Huffman table that the scan needs is missing or damaged")
    faults = [problem.detail for problem in structure.problems if problem.severity != "info"]
    if decoded.damaged or faults:
        detail = faults[0] if faults else "its scan does not decode cleanly"
        problems = (
            *problems,
            Problem("source_damaged", "warning", f"damaged before anything was done to it: {detail}"),
        )
    scan = scan_of(structure)
    assert scan is not None  # noqa: S101  (`cannot_decode` has refused that)
    return Original(data, making, scan, problems)


def scan_of(structure: JpegStructure) -> ByteRange | None:
    """From the first scan's data to behind EOI, or to the last scan's end; `None` without a scan."""
    if not structure.scans:
        return None
    end = structure.scans[-1].end if structure.eoi is None else structure.eoi + 2
    return ByteRange(structure.scans[0].start, end)


def _picture(source: bytes) -> Image.Image:
    """The picture in a JPEG or PNG file as 8-bit grey (`L`) or `RGB`, without anything attached to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large pictures and odd metadata; what cannot be read raises
        picture: Image.Image = Image.open(io.BytesIO(source), formats=("PNG", "JPEG"))
        picture.load()
        if picture.mode in _WIDE_GREY:
            return Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8))
        grey = picture.mode in _GREY
        if picture.has_transparency_data:
            layer = picture.convert("RGBA")
            picture = Image.new("RGBA", layer.size, "white")
            picture.alpha_composite(layer)
        flat = picture.convert("L" if grey else "RGB")
    flat.info = {}  # a comment in it would be written into the JPEG
    return flat


def _encoded(picture: Image.Image, wish: Wish) -> tuple[bytes, Making]:
    data = _jpeg(picture, wish.quality, wish.sampling, wish.restart_interval)
    return data, Making(
        encoder=_encoder(),
        quality=wish.quality,
        sampling="grey" if picture.mode == "L" else wish.sampling,
        restart_interval=wish.restart_interval,
        thumbnail=str(wish.thumbnail),
    )


def _encoder() -> str:
    turbo = features.version_feature("libjpeg_turbo")
    library = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
    return f"Pillow {PIL.__version__}, {library}"


def _jpeg(picture: Image.Image, quality: int, sampling: Sampling, restart_interval: int = 0) -> bytes:
    out = io.BytesIO()
    chosen = {} if picture.mode == "L" else {"subsampling": sampling}
    picture.save(out, "JPEG", quality=quality, restart_marker_blocks=restart_interval, **chosen)
    return out.getvalue()


def _exif_that_fits(picture: Image.Image, side: int) -> tuple[bytes, tuple[Problem, ...]] | Problem:
    """Payload of an Exif segment with a thumbnail of `picture`, not larger than the picture itself."""
    longest = max(picture.size)
    scaled = [max(1, (length * side + longest // 2) // longest) for length in picture.size]
    small = picture
    if side < longest:
        small = picture.resize(
            (scaled[0], scaled[1]), Image.Resampling.BICUBIC
        )  # antialiased: it filters as it shrinks
    for quality in THUMBNAIL_QUALITIES:
        payload = _exif(picture.size, _jpeg(small, quality, THUMBNAIL_SAMPLING))
        if len(payload) <= _SEGMENT_MAX:
            lowered = Problem("thumbnail_quality_lowered", "info", f"the thumbnail fits with a quality of {quality}")
            return payload, () if quality == THUMBNAIL_QUALITIES[0] else (lowered,)
    return Problem("thumbnail_too_large", "error", f"a thumbnail of {side} pixels does not fit into an Exif segment")


def _with_exif(data: bytes, payload: bytes | None) -> bytes:
    """The JPEG file `data` with `payload` as its only Exif segment and without what else in its header holds previews.

    A JFIF header stays, and stays first: it decides how decoders take the components.
    """
    new = b"" if payload is None else struct.pack(">BBH", 0xFF, APP1, len(payload) + 2) + payload
    out, at = bytearray(), 0
    for segment in parse(data).segments:
        raw = data[segment.offset : segment.end]
        kind = (segment.marker, raw[4:9])
        out += data[at : segment.offset]
        if segment.marker != SOI and kind != (APP0, b"JFIF\0"):
            out += new
            new = b""
        at = segment.offset
        if segment.marker == SOS:
            break
        at = segment.end
        if kind == (APP0, b"JFIF\0"):
            out += _without_raster(raw)
        elif not any(segment.marker == marker and raw.startswith(name, 4) for marker, name in _WITH_PREVIEWS):
            out += raw
    return bytes(out + data[at:])


def _without_raster(jfif: bytes) -> bytes:
    """The JFIF segment without its thumbnail."""
    return jfif if len(jfif) < 18 else jfif[:2] + struct.pack(">H", 16) + jfif[4:16] + b"\0\0"


def _exif(size: tuple[int, int], thumbnail: bytes) -> bytes:
    """The least that Exif 2.32 (CIPA DC-008) asks of a segment with a thumbnail: IFD0, the Exif IFD, IFD1."""
    resolution = [_rational(0x011A, 72), _rational(0x011B, 72), _short(0x0128, 2)]

    def primary(details_at: int) -> list[_Field]:
        return [_short(0x0112, 1), *resolution, _short(0x0213, 1), _long(0x8769, details_at)]

    details = [
        (0x9000, _UNDEFINED, 4, b"0232"),
        (0x9101, _UNDEFINED, 4, b"\x01\x02\x03\0"),
        (0xA000, _UNDEFINED, 4, b"0100"),
        _short(0xA001, 1),
        _long(0xA002, size[0]),
        _long(0xA003, size[1]),
    ]

    def second(jpeg_at: int) -> list[_Field]:
        return [_short(0x0103, 6), *resolution, _long(0x0201, jpeg_at), _long(0x0202, len(thumbnail))]

    details_at = 8 + len(_directory(primary(0), 8, 0))
    second_at = details_at + len(_directory(details, details_at, 0))
    jpeg_at = second_at + len(_directory(second(0), second_at, 0))
    tiff = b"II*\0" + struct.pack("<I", 8) + _directory(primary(details_at), 8, second_at)
    tiff += _directory(details, details_at, 0) + _directory(second(jpeg_at), second_at, 0)
    return b"Exif\0\0" + tiff + thumbnail


def _directory(fields: list[_Field], base: int, following: int) -> bytes:
    """A TIFF image file directory at `base`, values of more than four bytes behind it."""
    values_at = base + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag, kind, count, value in fields:
        stored = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", values_at + len(values))
        values += b"" if len(value) <= 4 else value
        entries += struct.pack("<HHI", tag, kind, count) + stored
    return struct.pack("<H", len(fields)) + entries + struct.pack("<I", following) + values


def _short(tag: int, value: int) -> _Field:
    return tag, _SHORT, 1, struct.pack("<H", value)


def _long(tag: int, value: int) -> _Field:
    return tag, _LONG, 1, struct.pack("<I", value)


def _rational(tag: int, value: int) -> _Field:
    return tag, _RATIONAL, 1, struct.pack("<II", value, 1)
