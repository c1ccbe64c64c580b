"""A sound photo, damage to its header, and a sibling of the same make that the header is mended from."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.reference import Reference
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.resync.decode import decode
from tests.jpeg.samples import photo, scan_start

FILE = photo(seed=1)
SIBLING = photo(seed=5)
START = scan_start(FILE)

Edit = Callable[[bytearray], object]


def array(data: bytes | bytearray) -> NDArray[np.uint8]:
    return np.frombuffer(bytes(data), np.uint8)


def reference(data: bytes = SIBLING) -> Reference:
    return Reference("sibling.jpg", array(data), parse(data))


def edited(edit: Edit, data: bytes = FILE) -> bytes:
    changed = bytearray(data)
    edit(changed)
    return bytes(changed)


def at(marker: int, data: bytes = FILE) -> int:
    """Offset of the first marker of this kind."""
    return data.index(bytes((0xFF, marker)))


def decodes_alike(data: bytes, structure: JpegStructure, truth: bytes = FILE) -> bool:
    """Whether both give the same coefficients and steps, without a sign of damage."""
    ours, theirs = decode(array(data), structure), decode(array(truth), parse(truth))
    return (
        ours is not None
        and theirs is not None
        and not ours.damaged
        and len(ours.planes) == len(theirs.planes)
        and all(
            np.array_equal(one.blocks, other.blocks) and np.array_equal(one.quantisation, other.quantisation)
            for one, other in zip(ours.planes, theirs.planes, strict=True)
        )
    )
