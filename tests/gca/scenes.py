"""A small grey picture with holes, filled as `restore` would."""

import numpy as np

from jpegrescue.fill.directional import fill
from jpegrescue.gca.inputs import Scene
from tests.fill.scenes import blobs, frame, scattered, shrunk, spread, whole

ROWS, COLUMNS = 24, 30
PICTURE = blobs(8 * ROWS, 8 * COLUMNS, size=9.0)
HOLES = scattered(ROWS, COLUMNS, 6, 3)
PREVIEW = shrunk(PICTURE, 40)


def scene(*, preview: bool = True, doubted: bool = False, study: bool = True) -> Scene:
    damaged = np.where(spread(HOLES), np.uint8(3), PICTURE)
    trusted = ~HOLES
    if doubted:
        trusted[0, 0] = False
    given = (PREVIEW, whole(PREVIEW)) if preview else (None, None)
    filled = fill([damaged], HOLES, trusted, frame(PICTURE.shape[1], PICTURE.shape[0]), *given, study=study)
    return Scene(filled, HOLES, trusted, (8, 8))
