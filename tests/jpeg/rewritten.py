"""Files written from coefficients, and what strict decoders say of them."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import jpeglib
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.write import Written, write_jpeg
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.resync.decode import decode

USUAL = {
    ((1, 1),),
    ((1, 1), (1, 1), (1, 1)),
    ((2, 1), (1, 1), (1, 1)),
    ((2, 2), (1, 1), (1, 1)),
    ((1, 2), (1, 1), (1, 1)),
    ((1, 1),) * 4,
}
"""Samplings that TurboJPEG knows; it alone tells of libjpeg's warnings."""


def array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def planes_of(data: bytes, structure: JpegStructure | None = None) -> tuple[ComponentPlane, ...]:
    outcome = decode(array(data), structure or parse(data))
    assert outcome is not None
    return outcome.planes


def with_blocks(planes: Sequence[ComponentPlane], blocks: Sequence[NDArray[np.int16]]) -> tuple[ComponentPlane, ...]:
    return tuple(replace(plane, blocks=new) for plane, new in zip(planes, blocks, strict=True))


def rewrite(
    data: bytes, planes: Sequence[ComponentPlane] | None = None, structure: JpegStructure | None = None
) -> Written:
    """`data` with `planes`, by default its own; they must be in what is written."""
    structure = structure or parse(data)
    planes = planes_of(data, structure) if planes is None else planes
    written = write_jpeg(array(data), structure, planes)
    assert isinstance(written, Written)
    return written


def assert_holds(data: bytes, planes: Sequence[ComponentPlane]) -> None:
    """`data` is a valid file of `planes`, for libjpeg and for the decoder of this package."""
    structure = parse(data)
    assert structure.frame is not None
    assert structure.problems == ()
    assert_accepted(data, structure)
    own = decode(array(data), structure)
    assert own is not None
    assert not own.damaged
    theirs = coefficients(data)
    interleaved = len(structure.scans) == 1 and len(planes) > 1
    for plane, ours, other in zip(planes, own.planes, theirs, strict=True):
        rows, columns = other.shape[:2]
        np.testing.assert_array_equal(plane.blocks[:rows, :columns], other.reshape(rows, columns, 64))
        np.testing.assert_array_equal(plane.quantisation, ours.quantisation)
        if interleaved:
            np.testing.assert_array_equal(plane.blocks, ours.blocks)


def assert_accepted(data: bytes, structure: JpegStructure) -> None:
    """Pillow and, for usual samplings, TurboJPEG without any tolerance decode it."""
    assert structure.frame is not None
    components = structure.frame.components
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    if tuple((c.horizontal, c.vertical) for c in components) in USUAL:
        simplejpeg.decode_jpeg(data, "CMYK" if len(components) == 4 else "RGB", strict=True)


def coefficients(data: bytes) -> list[NDArray[np.int16]]:
    """Those that libjpeg reads, shape (rows, columns, 8, 8) per component."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        path.write_bytes(data)
        reference = jpeglib.read_dct(str(path))
        found = (reference.Y, reference.Cb, reference.Cr, reference.K)
        return [plane for plane in found if plane is not None]
