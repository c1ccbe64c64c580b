"""Kernels of the sector ciphers."""

import numpy as np
from numpy.typing import NDArray

from jpegrescue.compiled import kernel


@kernel
def xts_masks(tweaks: NDArray[np.uint64], blocks: int, masks: NDArray[np.uint64]) -> None:
    """Masks of consecutive cipher blocks (IEEE 1619-2018, 5.2: multiplication by α in GF(2¹²⁸)).

    `tweaks`: (sectors, 2), the first mask of every sector, low half first; `blocks`: cipher blocks per sector;
    `masks`: (at most sectors·blocks, 2), written whole.
    """
    for sector in range(tweaks.shape[0]):
        low, high = tweaks[sector, 0], tweaks[sector, 1]
        first = sector * blocks
        for block in range(first, min(first + blocks, masks.shape[0])):
            masks[block, 0] = low
            masks[block, 1] = high
            carry = high >> np.uint64(63)
            high = (high << np.uint64(1)) | (low >> np.uint64(63))
            low = (low << np.uint64(1)) ^ (carry * np.uint64(0x87))
