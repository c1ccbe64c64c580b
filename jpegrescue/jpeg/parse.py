"""One JPEG file in memory, read tolerantly (ITU-T T.81 annex B)."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.scans import scan_end
from jpegrescue.jpeg.thumbnails import find_thumbnails
from jpegrescue.jpeg.view import Memory
from jpegrescue.jpeg.walk import walk
from jpegrescue.model.jpeg import JpegStructure


def parse(data: bytes | bytearray | memoryview | NDArray[np.uint8]) -> JpegStructure:
    """Structure of the JPEG file `data` (uint8 if an array), however damaged.

    Never raises on content; what is wrong is in `problems`, with offsets in the file. A Huffman table that is no
    prefix code (T.81 annex C) is `None` in the scans that refer to it. Bytes after the EOI that ends the last scan are
    not looked at. Time is linear in the size; scans are limited to 1,000 and segments to 10,000.
    """
    view = Memory(data)
    structure = walk(view, scan_end)
    return replace(structure, thumbnails=find_thumbnails(view.array(0, view.size), structure.segments))
