"""How well MCUs that follow each other in a stream fit together, as long as nothing is placed."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.score import _kernels_evidence as kernels
from jpegrescue.score.borders import Borders
from jpegrescue.score.plausibility import BorderModel, calibrated, count_pairs

_ASTRAY = 37  # MCUs away, at most, that stand for unrelated ones when a file's own counts are made


def left_odds(borders: Borders, fresh: NDArray[np.bool_], width: int) -> tuple[NDArray[np.int64], BorderModel]:
    """Log-odds that the MCU before is the left neighbour, and the calibrated model for what lies above."""
    beside, above = calibrated_to(borders, fresh, width)
    return beside_odds(borders, fresh, beside), above


def calibrated_to(borders: Borders, fresh: NDArray[np.bool_], width: int) -> tuple[BorderModel, BorderModel]:
    """Models for what lies to the left and above, calibrated to a stream.

    The file's own counts come from MCUs that follow each other in the stream, nearly all of which are neighbours.
    """
    follows = np.flatnonzero(~fresh)
    follows = follows[follows % width > 0]
    astray = (follows - follows * 7919 % _ASTRAY - 2) % max(borders.mcus, 1)
    own = np.stack([count_pairs(borders, False, follows - 1, follows), count_pairs(borders, False, astray, follows)])
    return calibrated(own, above=False), calibrated(own, above=True)


def beside_odds(borders: Borders, fresh: NDArray[np.bool_], beside: BorderModel) -> NDArray[np.int64]:
    """Of every MCU, that the one before is its left neighbour, int64 (MCUs,), 1/NAT nat; 0 where it is `fresh`."""
    odds = np.zeros(borders.mcus, np.int64)
    kernels.stream_odds(
        borders.vertical,
        borders.activity,
        borders.rows,
        borders.kinds,
        beside.shape,
        beside.scatter,
        borders.contents,
        beside.contents,
        fresh,
        odds,
    )
    return odds


def stacked_odds(borders: Borders, width: int, above: BorderModel) -> NDArray[np.int64]:
    """Of every MCU, that the one `width` before lies above it and has the same DC offsets, int64 (MCUs,), 1/NAT nat."""
    odds = np.zeros(borders.mcus, np.int64)
    kernels.stacked_odds(
        borders.horizontal,
        borders.activity,
        borders.columns,
        borders.kinds,
        above.shape,
        above.scatter,
        borders.contents,
        above.contents,
        width,
        odds,
    )
    return odds
