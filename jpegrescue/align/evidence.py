"""What a scan's stream says about its own places, in the shape that the kernels of the search take."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.score.borders import Borders
from jpegrescue.score.plausibility import NAT, BorderModel
from jpegrescue.score.soundness import Soundness

ERROR, ERROR_IN_PLAIN, PLAIN = 12 * NAT, 60 * NAT, 2 * NAT
CLOSED_LEAST, CLOSED_MOST, CLOSED_IN_PLAIN = 0, 3 * NAT, -2 * NAT


@dataclass(frozen=True, slots=True)
class Preview:
    """What a trusted preview expects: see `_kernels_evidence.previewed` for `levels`, `expected`, `near`, `far`."""

    levels: NDArray[np.float64]
    expected: NDArray[np.float64]
    near: NDArray[np.float64]
    far: NDArray[np.float64]

    @classmethod
    def none(cls, components: int) -> "Preview":
        """No preview."""
        empty = np.empty((0, components))
        return cls(empty, empty, np.ones(components), np.ones(components))


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stream to place in a picture of `places` MCUs, `width` in a row.

    `left`: int64 (MCUs,), log-odds that the MCU before is the left neighbour; `bit_start`, `bit_end`, `forced`,
    `limit`: int64 (MCUs,), as `_kernels_path.search` has them; `ends`: the scan's end is known and reached;
    `anchored`: the first MCU's DC predictor is known to be 0; `hit`: bool (MCUs,), decoded from unreadable bytes;
    `certain`: bool (MCUs,), whether the place of the interval is sure; `plain`, `closed`: see `contrast`.
    """

    borders: Borders
    above: BorderModel
    left: NDArray[np.int64]
    bit_start: NDArray[np.int64]
    bit_end: NDArray[np.int64]
    forced: NDArray[np.int64]
    certain: NDArray[np.bool_]
    limit: NDArray[np.int64]
    preview: Preview
    width: int
    places: int
    ends: bool
    hit: NDArray[np.bool_]
    plain: bool
    closed: int
    soundness: Soundness
    anchored: bool = True

    @property
    def count(self) -> int:
        """MCUs of the stream."""
        return self.left.size

    @property
    def error(self) -> int:
        """What a new run costs, 1/NAT nat; plain pictures have edges like errors, and places that are alike."""
        return ERROR_IN_PLAIN if self.plain else ERROR

    @property
    def bits_per_mcu(self) -> float:
        """Mean of the scan."""
        return float(self.bit_end[-1] - self.bit_start[0]) / (self.places if self.ends else self.count)

    def for_borders(self) -> tuple[NDArray[np.generic], ...]:
        """What kernels ask for that look at borders between MCUs above each other."""
        borders, above = self.borders, self.above
        return (
            borders.horizontal,
            borders.activity,
            borders.columns,
            borders.kinds,
            above.shape,
            above.scatter,
            borders.contents,
            above.contents,
        )

    def for_paths(self) -> tuple[NDArray[np.generic] | float, ...]:
        """What kernels ask for that weigh paths."""
        preview = self.preview
        stream = (self.left, self.bit_start, self.bit_end, self.bits_per_mcu)
        return (
            *self.for_borders(),
            *stream,
            preview.levels,
            preview.expected,
            preview.near,
            preview.far,
            self.forced,
        )

    def mirrored(self) -> "Evidence":
        """The same read backwards, from the last MCU to the first; only for scans without forced places."""
        looked = self.borders
        total = self.bit_end[-1]
        preview = self.preview
        return Evidence(
            borders=Borders(
                horizontal=np.ascontiguousarray(looked.horizontal[::-1, ::-1]),
                vertical=np.ascontiguousarray(looked.vertical[::-1, ::-1]),
                activity=np.ascontiguousarray(looked.activity[:, (1, 0, 3, 2), ::-1]),
                contents=np.ascontiguousarray(looked.contents[:, ::-1]),
                columns=looked.columns,
                rows=looked.rows,
                kinds=looked.kinds,
                steps=looked.steps,
            ),
            above=BorderModel(
                self.above.shape, self.above.scatter, np.ascontiguousarray(self.above.contents.transpose(0, 2, 1))
            ),
            left=np.concatenate((np.zeros(1, np.int64), self.left[:0:-1])),
            bit_start=total - self.bit_end[::-1],
            bit_end=total - self.bit_start[::-1],
            forced=np.full_like(self.forced, -1),
            certain=np.zeros_like(self.certain),
            limit=self.limit,
            preview=Preview(
                np.ascontiguousarray(preview.levels[::-1]),
                np.ascontiguousarray(preview.expected[::-1]),
                preview.near,
                preview.far,
            ),
            width=self.width,
            places=self.places,
            ends=self.ends,
            hit=self.hit[::-1],
            plain=self.plain,
            closed=self.closed,
            soundness=self.soundness.mirrored(),
            anchored=False,
        )


def contrast(left: NDArray[np.int64]) -> tuple[bool, int]:
    """Of `Evidence.left`: how well neighbours can be told from strangers.

    Whether they hardly can, as in screenshots, documents and night shots; odds of left borders, 1/NAT nat, from which
    on no run begins: less than most in the picture have.
    """
    told = left[left != 0]
    middle, high = np.quantile(told, (0.5, 0.75)) if told.size else (0.0, 0.0)
    if middle < PLAIN:
        return True, CLOSED_IN_PLAIN
    return False, int(np.clip(middle - 2 * (high - middle), CLOSED_LEAST, CLOSED_MOST))
