"""Borders and contents of the MCUs of a stream: all that plausibility looks at, a few hundred bytes an MCU."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import _kernels_pixels as pixels
from jpegrescue.jpeg.entropy import natural_steps
from jpegrescue.jpeg.pixels import ColourSpace
from jpegrescue.model.jpeg import Frame, JpegStructure, Scan
from jpegrescue.score import _kernels_borders as kernels

LUMA, CHROMA = 0, 1
_AT_ONCE = 2048  # MCUs transformed at a time
_AMPLITUDE_BIN = np.minimum(kernels.CONTENTS - 1, np.floor(1.5 * np.log2(1 + np.arange(16384) / 8))).astype(np.int8)
_KINDS: dict[ColourSpace, tuple[int, ...]] = {
    "grey": (LUMA,),
    "ycc": (LUMA, CHROMA, CHROMA),
    "ycck": (LUMA, CHROMA, CHROMA, LUMA),
}
_COUNT_BIN = np.minimum(kernels.CONTENTS - 1, np.floor(2 * np.log2(1 + np.arange(256) / 4))).astype(np.int8)


@dataclass(frozen=True, slots=True)
class ComponentLayout:
    """One component as MCUs hold it: blocks `across` and `down`; `kind`: LUMA or CHROMA; `steps`: int32 (64,)."""

    across: int
    down: int
    kind: int
    steps: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Borders:
    """What is kept of every MCU of a stream; see `_kernels_borders` for the units.

    `horizontal`: int32 (2, MCUs, width), lines at TOP and BOTTOM, components side by side; `vertical`: int32
    (2, MCUs, height), at LEFT and RIGHT; `activity`: int32 (components, 4, MCUs); `contents`: int8 (3, MCUs), binned:
    amplitude and number of luma's AC coefficients, amplitude of chroma's; `columns`, `rows`: int64 (components + 1,),
    where the components' parts of the lines begin; `kinds`: int64 (components,), LUMA or CHROMA; `steps`: int64
    (components,), what one step of a DC predictor adds to a line.
    """

    horizontal: NDArray[np.int32]
    vertical: NDArray[np.int32]
    activity: NDArray[np.int32]
    contents: NDArray[np.int8]
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]
    kinds: NDArray[np.int64]
    steps: NDArray[np.int64]

    @property
    def mcus(self) -> int:
        """MCUs of the stream."""
        return int(self.contents.shape[1])


def component_layouts(
    structure: JpegStructure, frame: Frame, scan: Scan, space: ColourSpace
) -> tuple[ComponentLayout, ...]:
    """Components of a scan with all of the frame's."""
    kinds = _KINDS.get(space, (LUMA,) * len(frame.components))
    return tuple(
        ComponentLayout(
            frame.components[part.index].horizontal,
            frame.components[part.index].vertical,
            kinds[part.index],
            natural_steps(structure.quantisation[frame.components[part.index].quantisation]),
        )
        for part in scan.components
    )


def look_at_borders(coefficients: Sequence[NDArray[np.int16]], layouts: Sequence[ComponentLayout]) -> Borders:
    """Borders of a stream whose `coefficients` are as in `resync.stream.Stream`, one array per layout."""
    count = coefficients[0].shape[1] // layouts[0].across
    columns = np.concatenate(([0], np.cumsum([8 * layout.across for layout in layouts])))
    rows = np.concatenate(([0], np.cumsum([8 * layout.down for layout in layouts])))
    borders = Borders(
        horizontal=np.empty((2, count, int(columns[-1])), np.int32),
        vertical=np.empty((2, count, int(rows[-1])), np.int32),
        activity=np.empty((len(layouts), 4, count), np.int32),
        contents=np.zeros((3, count), np.int8),
        columns=columns,
        rows=rows,
        kinds=np.array([layout.kind for layout in layouts], np.int64),
        steps=np.array([2 * int(layout.steps[0]) for layout in layouts], np.int64),
    )
    for index, (blocks, layout) in enumerate(zip(coefficients, layouts, strict=True)):
        for first in range(0, count, _AT_ONCE):
            part = blocks[:, first * layout.across : (first + _AT_ONCE) * layout.across]
            _fill_in(borders, part, layout, index, first)
    _bin_contents(borders, coefficients, layouts)
    return borders


def _fill_in(borders: Borders, part: NDArray[np.int16], layout: ComponentLayout, index: int, first: int) -> None:
    blocks = part.copy()
    dc = blocks[..., 0].astype(np.int32)
    blocks[..., 0] = 0
    samples = np.empty((8 * part.shape[0], 8 * part.shape[1]), np.int16)
    pixels.inverse_dct(blocks, layout.steps, pixels.WIDE, samples)
    kernels.border_lines(
        samples,
        dc,
        layout.across,
        layout.down,
        int(layout.steps[0]),
        first,
        int(borders.columns[index]),
        int(borders.rows[index]),
        borders.horizontal,
        borders.vertical,
        borders.activity[index],
    )


def _bin_contents(
    borders: Borders, coefficients: Sequence[NDArray[np.int16]], layouts: Sequence[ComponentLayout]
) -> None:
    sums = np.zeros((2, 2, borders.mcus), np.int64)
    for blocks, layout in zip(coefficients, layouts, strict=True):
        kernels.contents(blocks, layout.steps, layout.across, layout.down, sums[layout.kind])
    luma = sum(layout.kind == LUMA for layout in layouts)
    borders.contents[0] = _AMPLITUDE_BIN[np.minimum(sums[LUMA, 0] // luma, _AMPLITUDE_BIN.size - 1)]
    borders.contents[1] = _COUNT_BIN[np.minimum(sums[LUMA, 1] // luma, _COUNT_BIN.size - 1)]
    borders.contents[2] = _AMPLITUDE_BIN[np.minimum(sums[CHROMA, 0], _AMPLITUDE_BIN.size - 1)]
