"""Quantisation tables that most encoders write: those of ITU-T T.81 annex K, scaled by a quality from 1 to 100.

A damaged table parses as well as a sound one, and no scan decodes otherwise for it.
"""

from functools import cache

import numpy as np

from jpegrescue.jpeg._kernels_entropy import ZIGZAG
from jpegrescue.model.jpeg import JpegStructure

_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, *[99] * 38,
)  # fmt: skip


def usual_quantisation(structure: JpegStructure) -> bool:
    """Whether all quantisation tables that the frame uses are scaled ones of T.81 tables K.1 and K.2."""
    if structure.frame is None:
        return False
    used = {structure.quantisation[component.quantisation] for component in structure.frame.components}
    return used <= usual_tables()


@cache
def usual_tables() -> frozenset[tuple[int, ...] | None]:
    """In zigzag order, by the rule of libjpeg (`jpeg_quality_scaling`)."""
    tables = []
    for base in (_LUMINANCE, _CHROMINANCE):
        for quality in range(1, 101):
            scale = 5000 // quality if quality < 50 else 200 - 2 * quality
            steps = np.clip((np.array(base) * scale + 50) // 100, 1, 255)
            tables.append(tuple(steps[ZIGZAG].tolist()))
    return frozenset(tables)
