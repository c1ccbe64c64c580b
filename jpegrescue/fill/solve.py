"""Solving for the samples of one hole, from its surroundings and, where there is one, the preview."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jpegrescue.fill import _kernels_directional as kernels
from jpegrescue.fill import _kernels_thumbnail as thumbnail_kernels
from jpegrescue.fill import _kernels_window as window_kernels
from jpegrescue.fill.holes import Hole
from jpegrescue.fill.thumbnail import Preview, shown_cells

MARGIN = 12  # samples around a hole: four standard deviations of the tensor's Gaussian
TENSOR_SIGMA = 3.0
STIFFNESS = np.float32(200)  # with coherence to the sixth power; 50 is best with its third, 20 with the first
ROUNDS, ITERATIONS = 2, 60
TOLERANCE, TOLERANCE_ROUGH = 3e-4, 1e-3  # levels² per unknown sample; rough at smaller scales and in rehearsals
REHEARSED = 8, 1e-2  # iterations and tolerance of rehearsals
LEVEL_SIDE, LEVELS_MAX = 8, 8
WINDOW_MAX = 1 << 20
TILE = 512  # samples
FAR_PITCH = 20  # samples per preview sample: beyond, far from all that is known, a solve gains 0.1 dB and less
_NOTHING = np.zeros((0, 0), np.float32)
_NOWHERE = np.zeros(0, np.int64)
Window = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Canvas:
    """A plane being filled.

    `samples`: uint8, changed in place; `states`: uint8 (MCU rows, MCU columns), as in `_kernels_window`; `mcu`:
    height and width of an MCU in samples.
    """

    samples: NDArray[np.uint8]
    states: NDArray[np.uint8]
    mcu: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Term:
    """The preview's say in one window: arguments of `kernels.directional`; `strength` at weight 1.

    `surprise`: squared residuals of the solution without the preview, over those that the preview's noise explains;
    `noise`: float32 like `target`, its variance, squared levels of the picture.
    """

    rows: NDArray[np.float32]
    row_at: NDArray[np.int64]
    columns: NDArray[np.float32]
    column_at: NDArray[np.int64]
    strength: NDArray[np.float32]
    target: NDArray[np.float32]
    surprise: float
    noise: NDArray[np.float32]


NO_TERM = Term(_NOTHING, _NOWHERE, _NOTHING, _NOWHERE, _NOTHING, _NOTHING, 0.0, _NOTHING)


@cache
def gaussian_taps(sigma: float) -> NDArray[np.float32]:
    """Float32 that add up to 1, one more than a multiple of four."""
    reach = 2 * int(np.ceil(1.25 * sigma))
    taps = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
    normalised: NDArray[np.float32] = (taps / taps.sum()).astype(np.float32)
    return normalised


def window_of(canvas: Canvas, hole: Hole) -> Window:
    """Top, bottom, left, right in samples: the hole and a margin, within the plane."""
    rows, columns = hole.area
    (height, width), (mcu_height, mcu_width) = canvas.samples.shape, canvas.mcu
    return (
        max(rows.start * mcu_height - MARGIN, 0),
        min(rows.stop * mcu_height + MARGIN, height),
        max(columns.start * mcu_width - MARGIN, 0),
        min(columns.stop * mcu_width + MARGIN, width),
    )


def fill_hole(canvas: Canvas, hole: Hole, tolerance: float = TOLERANCE) -> None:
    """From the surroundings alone.

    Holes beyond a megapixel are solved at a fraction of their size, then at full size near what is known.
    """
    window = window_of(canvas, hole)
    if not _huge(window):
        solve_window(canvas, hole, window, tolerance=tolerance)
        return
    factor = 2
    while (window[1] - window[0]) * (window[3] - window[2]) > WINDOW_MAX // 4 * factor**2:
        factor *= 2
    coarse, state = _gather(canvas, window, factor)
    _pyramid(coarse, state, _levels(state.shape))
    _scatter(canvas, hole, window, coarse, factor)
    for tile in _tiles(canvas, hole):
        if _anything_known(canvas, tile):
            solve_window(canvas, tile, window_of(canvas, tile), started=True, alone=True, rounds=1)


def fill_hole_from(canvas: Canvas, hole: Hole, preview: Preview, weights: Sequence[tuple[float, float]]) -> None:
    """From the surroundings and the preview, starting with what the hole holds, or the preview where it is deep.

    `weights`: surprises, ascending from 0, and the preview's weight from each of them on; at 0 nothing is done.
    """
    huge = _huge(window_of(canvas, hole))
    parts = _tiles(canvas, hole) if huge else [hole]
    # strengths tell what the surroundings leave open, so they come before the preview is used anywhere in the hole
    before = [preview_term(canvas, part, window_of(canvas, part), preview) for part in parts]
    surprise = max(term.surprise for term in before)
    weight = [weight for bound, weight in weights if bound <= surprise][-1]
    if not weight:
        return
    if hole.kind != "run":
        enlarge(canvas, hole, preview)
    for part, first in zip(parts, before, strict=True):
        if huge and preview.geometry[1] > FAR_PITCH and not _anything_known(canvas, part):
            continue
        window = window_of(canvas, part)
        term = replace(preview_term(canvas, part, window, preview), strength=first.strength) if huge else first
        rounds = 1 if huge else ROUNDS
        solve_window(canvas, part, window, term=term, weight=weight, started=True, alone=huge, rounds=rounds)


def solve_window(
    canvas: Canvas,
    hole: Hole,
    window: Window,
    *,
    term: Term = NO_TERM,
    weight: float = 0.0,
    started: bool = False,
    alone: bool = False,
    rounds: int = ROUNDS,
    tolerance: float = TOLERANCE,
) -> None:
    """Solve a window and write the hole's samples.

    Other lost samples in the window are solved for along with the hole, but not written; if it is to be solved
    `alone` they stay at what they hold.
    """
    samples, state = _gather(canvas, window, 1)
    if alone:
        state = np.where(
            (state == window_kernels.LOST) & ~_inside(canvas, hole, window), np.uint8(window_kernels.KNOWN), state
        )
    if started:
        _directional(samples, state, term, weight, rounds, started=True, tolerance=tolerance)
    else:
        _pyramid(samples, state, _levels(tuple(8 * side for side in hole.mcus.shape)), tolerance)
    _scatter(canvas, hole, window, samples, 1)


def rehearse_window(
    canvas: Canvas,
    truth: NDArray[np.uint8],
    hole: Hole,
    term: Term,
    weights: NDArray[np.float32],
    errors: NDArray[np.float64],
) -> None:
    """Squared errors (float64, one per weight of the preview, out) that the hole's solution has against `truth`.

    It starts from what the hole holds; nothing is written.
    """
    window = window_of(canvas, hole)
    samples, state = _gather(canvas, window, 1)
    kernels.rehearse(
        samples, state, gaussian_taps(TENSOR_SIGMA), STIFFNESS, *REHEARSED, term.rows, term.row_at,
        term.columns, term.column_at, term.strength, term.target, weights,
        truth[window[0] : window[1], window[2] : window[3]], _inside(canvas, hole, window), errors,
    )  # fmt: skip


def enlarge(canvas: Canvas, hole: Hole, preview: Preview) -> None:
    """Set the hole's samples to the enlarged preview."""
    model = preview.model
    thumbnail_kernels.enlarge(
        preview.samples, preview.geometry, model.gain, model.offset, hole.mcus, hole.top, hole.left, *canvas.mcu,
        canvas.samples,
    )  # fmt: skip


def preview_term(canvas: Canvas, hole: Hole, window: Window, preview: Preview) -> Term:
    """The preview samples that take in some of the hole, as seen before the preview was used there.

    Their strength at weight 1 is the ratio of signal to noise that `kernels.surprise` finds. Where the surroundings
    explain the preview there is nothing to learn from it but its noise; with E|∇x|² of the window for a signal,
    0.9 dB were lost on camera originals at a fixed weight.
    """
    rows, columns = hole.area
    table, reach, model = preview.table, preview.reach, preview.model
    column_range = _cells(preview, 0, columns.start * canvas.mcu[1], columns.stop * canvas.mcu[1])
    row_range = _cells(preview, 2, rows.start * canvas.mcu[0], rows.stop * canvas.mcu[0])
    if not column_range or not row_range:
        return NO_TERM
    column_at, column_weights = _axis(preview, 0, column_range, window[2:], preview.size[1])
    row_at, row_weights = _axis(preview, 2, row_range, window[:2], preview.size[0])
    target = np.empty((len(row_range), len(column_range)), np.float32)
    thumbnail_kernels.outside(
        canvas.samples, preview.size, preview.geometry, table, reach, (row_range[0], column_range[0]), window, target
    )
    part = slice(row_range[0], row_range[-1] + 1), slice(column_range[0], column_range[-1] + 1)
    target = ((preview.samples[part] - model.offset) / model.gain - target).astype(np.float32)
    strength = np.empty(target.shape, np.float32)
    samples, state = _gather(canvas, window, 1)
    noise = preview.noise[part] * np.float32(preview.noise_around(row_range, column_range) / model.gain**2)
    expected = preview.expected[part] / np.float32(model.gain**2)
    surprise = kernels.surprise(
        samples, state, row_weights, row_at, column_weights, column_at, target, noise, expected, strength
    )
    return Term(row_weights, row_at, column_weights, column_at, strength, target, surprise, noise)


def _cells(preview: Preview, axis: int, low: int, high: int) -> range:
    """Rows or columns of the preview whose blur takes in samples of [low, high), of those that show the picture."""
    origin, pitch = (float(value) for value in preview.geometry[axis : axis + 2])
    shown = shown_cells(preview.samples.shape[0 if axis else 1], *preview.model.box[axis // 2 :: 2])
    first = int(np.ceil((low - origin) / pitch - 0.5 - preview.reach))
    last = int(np.floor((high - origin) / pitch - 0.5 + preview.reach))
    return range(max(first, shown.start), min(last + 1, shown.stop))


def _axis(
    preview: Preview, axis: int, cells: range, bounds: tuple[int, ...], length: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    origin, pitch = (float(value) for value in preview.geometry[axis : axis + 2])
    low, high = bounds
    at = np.empty(len(cells), np.int64)
    weights = np.empty((len(cells), min(int(2 * preview.reach * pitch) + 4, high - low)), np.float32)
    thumbnail_kernels.axis_weights(
        preview.table, preview.reach, origin, pitch, cells[0], low, high, length, at, weights
    )
    return at, weights


def window_area(canvas: Canvas, hole: Hole) -> int:
    """Samples of a hole's window."""
    top, bottom, left, right = window_of(canvas, hole)
    return (bottom - top) * (right - left)


def _huge(window: Window) -> bool:
    return (window[1] - window[0]) * (window[3] - window[2]) > WINDOW_MAX


def _tiles(canvas: Canvas, hole: Hole) -> list[Hole]:
    """The hole cut into squares."""
    rows, columns = (max(TILE // side, 1) for side in canvas.mcu)
    tiles = [
        Hole(hole.top + top, hole.left + left, hole.mcus[top : top + rows, left : left + columns])
        for top in range(0, hole.mcus.shape[0], rows)
        for left in range(0, hole.mcus.shape[1], columns)
    ]
    return [tile for tile in tiles if tile.mcus.any()]


def _anything_known(canvas: Canvas, hole: Hole) -> bool:
    """Whether a hole's window takes in more than what is lost."""
    rows, columns = hole.area
    (height, width), margin = canvas.mcu, MARGIN
    down, across = -(-margin // height), -(-margin // width)
    near = canvas.states[
        max(rows.start - down, 0) : rows.stop + down, max(columns.start - across, 0) : columns.stop + across
    ]
    return bool((near != window_kernels.LOST).any())


def _inside(canvas: Canvas, hole: Hole, window: Window) -> NDArray[np.bool_]:
    """Samples of the window that are the hole's."""
    found = np.empty((window[1] - window[0], window[3] - window[2]), np.bool_)
    window_kernels.inside(hole.mcus, hole.top, hole.left, *canvas.mcu, window[0], window[2], found)
    return found


def _gather(canvas: Canvas, window: Window, factor: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    shape = (-(-(window[1] - window[0]) // factor), -(-(window[3] - window[2]) // factor))
    samples, state = np.empty(shape, np.float32), np.empty(shape, np.uint8)
    if factor == 1:
        window_kernels.cut(canvas.samples, canvas.states, *canvas.mcu, window[0], window[2], samples, state)
    else:
        window_kernels.gather(canvas.samples, canvas.states, *canvas.mcu, window[0], window[2], factor, samples, state)
    return samples, state


def _scatter(canvas: Canvas, hole: Hole, window: Window, samples: NDArray[np.float32], factor: int) -> None:
    window_kernels.scatter(
        samples, factor, hole.mcus, hole.top, hole.left, *canvas.mcu, window[0], window[2], canvas.samples
    )


def _levels(shape: tuple[int, ...]) -> int:
    """Halvings until a hole of this shape is a few samples deep; one at least, which steadies directions."""
    return int(np.clip(np.ceil(np.log2(max(min(shape) / LEVEL_SIDE, 1))), 1, LEVELS_MAX))


def _pyramid(samples: NDArray[np.float32], state: NDArray[np.uint8], levels: int, tolerance: float = TOLERANCE) -> None:
    """Solve at half the size first, and start from that."""
    started = False
    if levels:
        shape = (-(-samples.shape[0] // 2), -(-samples.shape[1] // 2))
        coarse, coarse_state = np.empty(shape, np.float32), np.empty(shape, np.uint8)
        window_kernels.halve(samples, state, coarse, coarse_state)
        started = bool((coarse_state == window_kernels.LOST).any())
        if started:
            _pyramid(coarse, coarse_state, levels - 1, TOLERANCE_ROUGH)
            window_kernels.enlarge_into(coarse, state, samples)
    _directional(samples, state, NO_TERM, 0.0, ROUNDS, started=started, tolerance=tolerance)


def _directional(
    samples: NDArray[np.float32],
    state: NDArray[np.uint8],
    term: Term,
    weight: float,
    rounds: int,
    *,
    started: bool,
    tolerance: float = TOLERANCE,
) -> None:
    kernels.directional(
        samples, state, started, gaussian_taps(TENSOR_SIGMA), STIFFNESS, rounds, ITERATIONS, tolerance, term.rows,
        term.row_at, term.columns, term.column_at, term.strength * np.float32(weight), term.target,
    )  # fmt: skip
