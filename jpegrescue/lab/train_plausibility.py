"""Learn the plausibility model: `python -m jpegrescue.lab.train_plausibility DIR… -o FILE`.

Every picture is cropped off its own block grid, scaled at random, encoded with a random quality and sampling, and
damaged as flipped bits under CBC do: 16 random bytes and one flipped bit. Counted are borders and contents between true
neighbours, between MCUs up to 20 places away from where they belong, and around what the damaged file decodes to in
between.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.parse import parse
from jpegrescue.resync.decode import picture_frame
from jpegrescue.resync.restarts import whole_scan
from jpegrescue.resync.stream import Stream, decode_stream
from jpegrescue.score import _kernels_borders as kernels
from jpegrescue.score.borders import CHROMA, LUMA, Borders, ComponentLayout, look_at_borders
from jpegrescue.score.plausibility import count_pairs

SEED = 5
PICTURES = 300
QUALITIES = (50, 65, 75, 80, 85, 90, 93, 95, 97)
RATE = 3e-4
FAR = 20
GOOD, DISPLACED, GARBAGE = 0, 1, 2


def learn(pictures: list[Path], rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts as `score.plausibility.Learnt` has them."""
    borders = np.zeros((2, 2, 2, kernels.ACTIVITIES, kernels.MEANS), np.int64)
    contents = np.zeros((2, 3, 3, kernels.CONTENTS, kernels.CONTENTS), np.int64)
    for path in pictures:
        for kind, above, looked, near, far in _neighbours(encoded(path, rng, QUALITIES), rng):
            borders[int(kind != GOOD)] += count_pairs(looked, above, near, far)
            for feature in range(3):
                binned = looked.contents[feature]
                np.add.at(contents[int(above), kind, feature], (binned[near], binned[far]), 1)
    return borders, contents


def encoded(path: Path, rng: np.random.Generator, qualities: Sequence[int], restart: int = 0) -> bytes:
    """A picture cropped off its own block grid, scaled and encoded at random; `restart`: MCUs between markers."""
    with Image.open(path) as image:
        picture = image.convert("RGB").crop((3, 5, image.width - 2, image.height - 1))
    scale = rng.choice([2 / 3, 1.0, 1.5], p=[0.3, 0.45, 0.25])
    if scale != 1:
        picture = picture.resize((int(picture.width * scale), int(picture.height * scale)), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    quality, sampling = int(rng.choice(qualities)), int(rng.integers(3))
    picture.save(out, "JPEG", quality=quality, subsampling=sampling, restart_marker_blocks=restart)
    return out.getvalue()


def _neighbours(
    jpeg: bytes, rng: np.random.Generator
) -> Iterator[tuple[int, bool, Borders, NDArray[np.int64], NDArray[np.int64]]]:
    """What pairs are, whether they are stacked, where, and stream indices of both."""
    data = np.frombuffer(jpeg, np.uint8)
    columns, sound, looked = _looked_at(data)
    _, torn, garbled = _looked_at(damaged(data, RATE, rng))
    everything = np.arange(looked.mcus)
    beside, below = everything[everything % columns > 0], everything[columns:]
    yield GOOD, False, looked, beside - 1, beside
    yield GOOD, True, looked, below - columns, below
    yield DISPLACED, False, looked, _elsewhere(beside - 1, looked.mcus, rng), beside
    yield DISPLACED, True, looked, _elsewhere(below - columns, looked.mcus, rng), below
    lost = ~(np.isin(torn.bit_start, sound.bit_start) & np.isin(torn.bit_end, sound.bit_end))
    garbage = np.flatnonzero(lost[1:]) + 1
    yield GARBAGE, False, garbled, garbage - 1, garbage
    yield GARBAGE, True, garbled, np.maximum(garbage - columns, 0), garbage


def _elsewhere(near: NDArray[np.int64], mcus: int, rng: np.random.Generator) -> NDArray[np.int64]:
    away = rng.integers(1, FAR, near.size) * rng.choice([-1, 1], near.size)
    moved: NDArray[np.int64] = np.clip(near + away, 0, mcus - 1)
    return moved


def damaged(data: NDArray[np.uint8], rate: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The file with the scan damaged as by flipped bits under CBC, at this bit error rate."""
    scan = parse(data).scans[0]
    out = data.copy()
    for block in np.flatnonzero(rng.random((scan.end - scan.start) // 16 - 2) < 128 * rate):
        at = scan.start + 16 * int(block)
        out[at : at + 16] = rng.integers(0, 256, 16)
        out[at + 16 + int(rng.integers(16))] ^= 1 << int(rng.integers(8))
    return out


def _looked_at(data: NDArray[np.uint8]) -> tuple[int, Stream, Borders]:
    structure = parse(data)
    assert structure.frame is not None  # noqa: S101  (encoded a moment ago)
    frame, scan = picture_frame(structure.frame), structure.scans[0]
    layout = entropy.scan_layout(frame, scan)
    assert layout is not None  # noqa: S101
    stripped = entropy.scan_bytes(data, scan)
    stream = decode_stream(stripped, layout, whole_scan(stripped, layout.mcus))
    steps = [entropy.natural_steps(structure.quantisation[c.quantisation]) for c in frame.components]
    layouts = [
        ComponentLayout(c.horizontal, c.vertical, LUMA if index == 0 else CHROMA, steps[index])
        for index, c in enumerate(frame.components)
    ]
    return layout.columns, stream, look_at_borders(stream.coefficients, layouts)


def main() -> None:
    """Learn from the JPEG files under the given folders and write the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path)
    given = parser.parse_args()
    found = sorted(path for folder in given.folders for path in folder.rglob("*.jpg"))
    rng = np.random.default_rng(SEED)
    chosen = [found[index] for index in rng.permutation(len(found))[:PICTURES]]
    borders, contents = learn(chosen, rng)
    np.savez_compressed(given.output, borders=borders.astype(np.uint32), contents=contents.astype(np.uint32))


if __name__ == "__main__":
    main()
