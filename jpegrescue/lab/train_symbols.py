"""Learn the symbol model: `python -m jpegrescue.lab.train_symbols DIR… -o FILE`.

Every picture counts as it is, and once more cropped off its block grid, scaled and encoded at random.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.train_plausibility import encoded
from jpegrescue.resync.decode import picture_frame
from jpegrescue.resync.restarts import anchor
from jpegrescue.score.borders import CHROMA, LUMA
from jpegrescue.score.symbols import AC_SHAPE, DC_SHAPE, Counts, SymbolOdds, count_symbols, weigh

SEED = 6
QUALITIES = (50, 60, 70, 75, 80, 85, 90, 92, 95, 97)
FILE_SYMBOLS_MAX = 300_000  # no file counts more than this
SIZE_MAX = 4 << 20


def learn(pictures: list[Path], rng: np.random.Generator) -> Counts:
    """Counts of all pictures."""
    total = Counts.none()
    for path in pictures:
        given = [encoded(path, rng, QUALITIES)]
        if path.stat().st_size <= SIZE_MAX:
            given.append(path.read_bytes())
        for jpeg in given:
            counted = _counted(np.frombuffer(jpeg, np.uint8))
            if counted is not None:
                share = min(1.0, FILE_SYMBOLS_MAX / max(counted.ac.sum(), 1))
                total.ac[:] += np.rint(counted.ac * share).astype(np.int64)
                total.dc[:] += counted.dc
    return total


def _counted(data: NDArray[np.uint8]) -> Counts | None:
    """Of one file; `None` if it is not a sound one with a single scan."""
    structure = parse(data)
    if structure.frame is None or len(structure.scans) != 1 or structure.eoi is None:
        return None
    frame, scan = picture_frame(structure.frame), structure.scans[0]
    layout = entropy.scan_layout(frame, scan)
    if layout is None or frame.process not in ("baseline", "extended"):
        return None
    kinds = [LUMA if index == 0 else CHROMA for index in range(len(scan.components))]
    stripped = entropy.scan_bytes(data, scan)
    intervals = anchor(stripped, layout.mcus, scan.restart_interval, ends=True)
    nothing = SymbolOdds(
        np.zeros((len(kinds), *AC_SHAPE[1:]), np.int16), np.zeros((len(kinds), *DC_SHAPE[1:]), np.int16)
    )
    weighed = weigh(stripped, intervals.bits, layout.mcus, layout, nothing)
    if weighed.count != layout.mcus or weighed.failed.any():
        return None
    return count_symbols(stripped, weighed, np.ones(weighed.count, np.bool_), layout, kinds)


def main() -> None:
    """Learn from the JPEG files under the given folders and write the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path)
    given = parser.parse_args()
    found = sorted(path for folder in given.folders for path in folder.rglob("*.jpg"))
    counts = learn(found, np.random.default_rng(SEED))
    used = np.flatnonzero(counts.ac.sum((0, 1, 2, 3)))
    np.savez_compressed(
        given.output, symbols=used.astype(np.uint8), ac=counts.ac[..., used].astype(np.uint32), dc=counts.dc
    )


if __name__ == "__main__":
    main()
