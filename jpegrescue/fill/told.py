"""What the preview says of a hole beyond what it was filled with, spread over the samples around: for networks to use.

Of a hole that follows the preview little is left; of one that was filled from its surroundings alone, all that the
preview knows better, and all of its noise.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill.holes import Hole
from jpegrescue.fill.solve import Canvas, preview_term, window_of
from jpegrescue.fill.thumbnail import Preview
from jpegrescue.model.fill import Told

_COVERED = 1e-3  # weight of a preview sample from which on it says something of a picture's sample


def told_of(canvas: Canvas, holes: Sequence[Hole], preview: Preview) -> tuple[Told, ...]:
    """One for each hole that the preview reaches; `canvas`: with the holes filled."""
    found = (_told(canvas, hole, preview) for hole in holes)
    return tuple(one for one in found if one is not None)


def _told(canvas: Canvas, hole: Hole, preview: Preview) -> Told | None:
    window = top, bottom, left, right = window_of(canvas, hole)
    term = preview_term(canvas, hole, window, preview)
    if not term.target.size:
        return None
    down = _dense(term.row_at, term.rows, bottom - top)
    across = _dense(term.column_at, term.columns, right - left)
    rest = term.target - down @ canvas.samples[top:bottom, left:right].astype(np.float32) @ across.T
    weight = down.sum(axis=0)[:, None] * across.sum(axis=0)
    covered = weight > _COVERED
    share = np.where(covered, 1 / np.maximum(weight, _COVERED), 0).astype(np.float32)
    noise = np.sqrt(term.noise)
    return Told(window, (down.T @ rest @ across) * share, (down.T @ noise @ across) * share)


def _dense(at: NDArray[np.int64], weights: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """The blur as a matrix, float32 (preview samples, samples)."""
    matrix = np.zeros((at.size, length), np.float32)
    for row, first in enumerate(at.tolist()):
        end = min(first + weights.shape[1], length)
        matrix[row, first:end] = weights[row, : end - first]
    return matrix
