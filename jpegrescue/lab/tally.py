"""The separate errors of a damaged file, and which of them a run has undone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.truth import TrueImage
from jpegrescue.source.crypt.sector import BLOCK
from jpegrescue.source.crypt.spec import SPECS, Mode

_MISSING = -1


@dataclass(frozen=True, slots=True)
class Tally:
    """Errors of a file, those whose every byte is right again, and cipher blocks or bytes that a run made wrong."""

    errors: int
    found: int
    false: int


def tally(truth: TrueImage, original: NDArray[np.uint8], damaged: NDArray[np.uint8], best: NDArray[np.uint8]) -> Tally:
    """Count the errors of `truth` and what a run made of them.

    A flipped bit is an error, and so is an overwritten range and a missing end of the file: all bytes of the file that
    differ for its sake. Errors that changed no byte, as in the padding behind the file, do not count. A cipher block
    (without a cipher, a byte) is false when the run changed a byte of it to one that the original does not hold; of two
    flips in one block, undoing a single one is such a change, as it turns noise into other noise.

    Args:
        truth: of a file whose cipher, if any, is one of `SPECS`.
        original: uint8, all bytes of the original.
        damaged: uint8, what the damaged evidence decrypts to.
        best: uint8, the best bytes that the run has; what lies behind the original's end does not matter.
    """
    size = original.size
    before, after = _fitted(damaged, size), _fitted(best, size)
    wrong: NDArray[np.bool_] = np.not_equal(before, original)
    right: NDArray[np.bool_] = np.equal(after, original)
    errors = found = 0
    for places in _errors(truth, damaged.size):
        changed = places[places < size]
        changed = changed[wrong[changed]]
        errors += changed.size > 0
        found += changed.size > 0 and bool(right[changed].all())
    unit = 1 if truth.recipe.cipher is None else BLOCK
    spoilt = np.flatnonzero((after != before) & ~right & (after != _MISSING))
    return Tally(errors, found, np.unique(spoilt // unit).size)


def _fitted(data: NDArray[np.uint8], size: int) -> NDArray[np.int16]:
    """`data` cut, or filled up with what is no byte, to `size`."""
    fitted = np.full(size, _MISSING, np.int16)
    fitted[: data.size] = data[:size]
    return fitted


def _errors(truth: TrueImage, damaged_size: int) -> Iterator[NDArray[np.int64]]:
    """For every error, the bytes of the file that it can have changed."""
    mode = None if truth.recipe.cipher is None else SPECS[truth.recipe.cipher].mode
    for bit in truth.flipped_bits:
        yield _reach(bit // 8, bit // 8 + 1, mode, truth.recipe.sector_size)
    for unit in truth.overwritten:
        yield _reach(unit.start, unit.end, mode, truth.recipe.sector_size)
    if damaged_size < truth.size:
        yield np.arange(damaged_size, truth.size)


def _reach(start: int, end: int, mode: Mode | None, sector_size: int) -> NDArray[np.int64]:
    """Bytes of the plaintext that depend on the bytes `[start, end)` of the evidence.

    Under XTS they are those of its cipher blocks; under CBC a byte also changes the one a block later, unless that lies
    in the next sector.
    """
    if mode is None:
        return np.arange(start, end)
    blocks = np.arange(start // BLOCK * BLOCK, -(-end // BLOCK) * BLOCK)
    if mode == "xts":
        return blocks
    following = np.arange(start, end) + BLOCK
    return np.union1d(blocks, following[following % sector_size >= BLOCK])


def reachable(truth: TrueImage, damaged_size: int) -> NDArray[np.bool_]:
    """bool, (`truth.size`,): bytes of the file that any of its errors can have changed, a missing tail included.

    The union of what `_reach` gives for each error, in time proportional to the file however many errors there are.

    Args:
        truth: whose flipped bits and overwritten ranges lie in the evidence; its cipher, if any, is one of `SPECS`.
        damaged_size: bytes of the damaged file.
    """
    size, sector = truth.size, truth.recipe.sector_size
    hit = np.zeros(-(-size // sector) * sector if truth.recipe.cipher is not None else size, np.bool_)
    hit[np.array(truth.flipped_bits, np.int64) // 8] = True
    for unit in truth.overwritten:
        hit[unit.start : unit.end] = True
    mask = hit
    if truth.recipe.cipher is not None:
        mask = np.repeat(hit.reshape(-1, BLOCK).any(axis=1), BLOCK)
        if SPECS[truth.recipe.cipher].mode == "cbc":
            following = np.flatnonzero(hit) + BLOCK
            mask[following[following % sector >= BLOCK]] = True
    mask[damaged_size:] = True
    return mask[:size]
