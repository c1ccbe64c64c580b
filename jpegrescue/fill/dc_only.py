"""Blocks that nothing is known of, as flat ones: what a JPEG file can hold in place of MCUs that are lost."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.decode import ComponentPlane

ROUNDS = 12
"""Of relaxation at each scale; coarser scales have brought in what is far."""


def with_flat_blocks(planes: Sequence[ComponentPlane], known: NDArray[np.bool_]) -> tuple[ComponentPlane, ...]:
    """Put flat blocks in place of all that is not `known`.

    Their DC is interpolated between the DC of known blocks (harmonically: each is about the mean of its neighbours),
    0 where a component has none; their AC coefficients are 0. Known blocks stay as they are. Elementwise operations in
    a fixed order only, so that the result is the same on every machine.

    Args:
        planes: one per component, as `resync.decode.decode` yields them.
        known: bool (MCU rows, MCU columns).
    """
    return tuple(_completed(plane, known) for plane in planes)


def _completed(plane: ComponentPlane, known: NDArray[np.bool_]) -> ComponentPlane:
    by_block = np.repeat(np.repeat(known, plane.vertical, axis=0), plane.horizontal, axis=1)
    blocks = np.where(by_block[..., None], plane.blocks, np.int16(0))
    dc = _interpolated(blocks[..., 0].astype(np.float64), by_block)
    blocks[..., 0] = np.rint(dc).astype(np.int16)
    return replace(plane, blocks=blocks)


def _interpolated(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """`values` with the unknown ones filled in, coarse to fine; zeros where none is known."""
    if known.all() or not known.any():
        return values
    mean, any_known = _halved(values, known)
    coarse = _interpolated(mean, any_known)
    rows, columns = values.shape
    wide = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)[:rows, :columns]
    out = np.where(known, values, wide)
    for _ in range(ROUNDS):
        padded = np.pad(out, 1, mode="edge")
        around = (padded[:-2, 1:-1] + padded[2:, 1:-1]) + (padded[1:-1, :-2] + padded[1:-1, 2:])
        out = np.where(known, values, around / 4)
    return out


def _halved(values: NDArray[np.float64], known: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mean of the known values among every 2 × 2, 0 where there is none; and whether there is one."""
    rows, columns = values.shape
    margin = ((0, rows % 2), (0, columns % 2))
    weighted, count = np.pad(np.where(known, values, 0.0), margin), np.pad(known.astype(np.float64), margin)
    total, number = (
        (part[::2, ::2] + part[1::2, ::2]) + (part[::2, 1::2] + part[1::2, 1::2]) for part in (weighted, count)
    )
    return total / np.maximum(number, 1.0), number > 0
