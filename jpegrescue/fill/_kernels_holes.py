"""Kernels that find connected holes."""

import numpy as np

from jpegrescue.compiled import allocating, kernel


@allocating
def label(lost, labels):
    """Number 8-connected groups of `lost` (bool, 2-D) from 1 on into `labels` (int32); returns how many there are."""
    rows, columns = lost.shape
    labels[:] = 0
    stack = np.empty(lost.size, np.int64)
    count = 0
    for start in range(lost.size):
        if not lost[start // columns, start % columns] or labels[start // columns, start % columns]:
            continue
        count += 1
        labels[start // columns, start % columns] = count
        stack[0], depth = start, 1
        while depth:
            depth -= 1
            row, column = stack[depth] // columns, stack[depth] % columns
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    if lost[r, c] and not labels[r, c]:
                        labels[r, c] = count
                        stack[depth] = r * columns + c
                        depth += 1
    return count


@kernel
def bounds(labels, boxes):
    """First and end row, first and end column of each label; `boxes`: int64 (labels, 4), out."""
    boxes[:, 0], boxes[:, 1] = labels.shape[0], 0
    boxes[:, 2], boxes[:, 3] = labels.shape[1], 0
    for r in range(labels.shape[0]):
        for c in range(labels.shape[1]):
            if labels[r, c]:
                box = boxes[labels[r, c] - 1]
                box[0], box[1] = min(box[0], r), max(box[1], r + 1)
                box[2], box[3] = min(box[2], c), max(box[3], c + 1)


@kernel
def first_free(free, rows, columns, tops, lefts):
    """Of the places (`tops`, `lefts`: int64) for rows × columns MCUs the first that is free all around, or −1.

    `free`: bool (MCU rows + 2, MCU columns + 2), with a border of one MCU.
    """
    for i in range(tops.size):
        found = True
        for r in range(tops[i], tops[i] + rows + 2):
            for c in range(lefts[i], lefts[i] + columns + 2):
                if not free[r, c]:
                    found = False
        if found:
            return i
    return -1
