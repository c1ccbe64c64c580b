"""The default fill against a harmonic one: `python -m benchmarks.fill [--subset] [--half 0|1]`.

Photos from the folder in JPEGRESCUE_DATA (`dev/kodak24`, encoded 4:2:0 at q75 and q90, and `dev/originals`, untouched).
Holes are runs of lost MCUs, five long on average, one MCU in a hundred but fifteen at least, four draws for photos up
to 1.5 megapixels, two for others; everything else is known. Luma inside holes, against the intact decoding: mean over
photos of each photo's PSNR, and the PSNR of all holes of the class pooled. Thumbnails: none; `simulated`, 160 samples
on the long side, bicubic, q80; `own`, the file's Exif thumbnail as `score` finds and matches it. `harmonic`: Laplace's
equation; with a thumbnail it is solved for the difference to the enlarged thumbnail, followed by 15 plain
back-projections. Seconds are of CPU time, for all components, fit and rehearsals included. Gains "by thumbnail" are
over the default fill without one; `half`: photos whose name has an even (0) or odd (1) CRC-32; what the gate calls
surprising, and what it does about it, was chosen on half 0.
"""

import argparse
import io
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.photos import default_folder
from jpegrescue.fill import _kernels_directional as kernels
from jpegrescue.fill import _kernels_window as window_kernels
from jpegrescue.fill.directional import fill
from jpegrescue.fill.holes import Hole, find_holes
from jpegrescue.fill.solve import Canvas, gaussian_taps, window_of
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import colour_space, component_samples
from jpegrescue.model.fill import Filled
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.thumbnail import ThumbnailMatch
from jpegrescue.resync.decode import decode, picture_frame
from jpegrescue.score.preview import preview_samples
from jpegrescue.score.thumbnail import match_thumbnail

LOST_SHARE, RUN_MCUS, LOST_MIN = 0.01, 5, 15
SMALL_SAMPLES = 1.5e6
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 160, 80
BACK_PROJECTIONS = 15
PEAK = 255.0**2


@dataclass(frozen=True, slots=True)
class Subject:
    """A decoded photo and the thumbnail that this trial gives it."""

    name: str
    kind: str
    frame: Frame
    samples: tuple[NDArray[np.uint8], ...]
    thumbnail: NDArray[np.uint8] | None
    match: ThumbnailMatch | None


@dataclass(slots=True)
class Tally:
    """Squared errors and samples of one photo's luma per method; seconds and samples of windows of the default."""

    harmonic: float = 0.0
    default: float = 0.0
    size: int = 0
    seconds: float = 0.0
    window: int = 0


def draw_holes(rows: int, columns: int, seed: int) -> NDArray[np.bool_]:
    """Lost MCUs, bool (rows, columns)."""
    random = np.random.default_rng(seed)
    lost = np.zeros(rows * columns, np.bool_)
    while np.count_nonzero(lost) < max(LOST_MIN, int(LOST_SHARE * lost.size)):
        length = int(random.geometric(1 / RUN_MCUS))
        start = int(random.integers(max(1, lost.size - length)))
        lost[start : start + length] = True
    return lost.reshape(rows, columns)


def subjects(name: str, kind: str, data: bytes) -> Iterator[Subject]:
    """The photo without a thumbnail, with a simulated one, and with its own if it has one that matches."""
    content = np.frombuffer(data, np.uint8)
    structure = parse(content)
    outcome = decode(content, structure)
    assert structure.frame is not None
    assert outcome is not None
    frame = picture_frame(structure.frame)
    samples = component_samples(outcome.planes)
    yield Subject(name, f"{kind}, none", frame, samples, None, None)
    simulated = _simulated(data)
    box = (0.0, 0.0, float(simulated.shape[1]), float(simulated.shape[0]))
    match = ThumbnailMatch("trusted", 0, box, 1.0, (1.0,) * 3, (0.0,) * 3, (5.0,) * 3)
    yield Subject(name, f"{kind}, simulated", frame, samples, simulated, match)
    space = colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    for thumbnail in structure.thumbnails[:1] if kind == "camera originals" else ():
        small = preview_samples(content, thumbnail, space, len(samples))
        if small is not None:
            trusted = np.ones((frame.mcu_rows, frame.mcu_columns), np.bool_)
            found = match_thumbnail(small, _means(frame, samples), trusted, frame)
            print(f"{name}: {found.verdict}, correlation {found.correlation:.3f}", file=sys.stderr)
            yield Subject(name, f"{kind}, own", frame, samples, small, found)


def _means(frame: Frame, samples: tuple[NDArray[np.uint8], ...]) -> NDArray[np.float32]:
    """Mean of every MCU, (MCU rows, MCU columns, components)."""
    shape = frame.mcu_rows, frame.mcu_columns
    split = [plane.reshape(shape[0], plane.shape[0] // shape[0], shape[1], -1) for plane in samples]
    return np.stack([part.mean(axis=(1, 3), dtype=np.float64) for part in split], axis=2).astype(np.float32)


def _simulated(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
    scale = THUMBNAIL_SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    buffer = io.BytesIO()
    picture.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return np.asarray(Image.open(buffer).convert("YCbCr"))


def try_fill(subject: Subject, seed: int, tally: Tally) -> None:
    """Fill one draw of holes both ways."""
    frame = subject.frame
    lost = draw_holes(frame.mcu_rows, frame.mcu_columns, seed)
    masks = [
        np.repeat(np.repeat(lost, 8 * part.vertical, axis=0), 8 * part.horizontal, axis=1) for part in frame.components
    ]
    damaged = [np.where(mask, np.uint8(0), plane) for mask, plane in zip(masks, subject.samples, strict=True)]
    start = time.process_time()
    filled: Filled = fill(damaged, lost, ~lost, frame, subject.thumbnail, subject.match)
    tally.seconds += time.process_time() - start
    tally.window += filled.window_samples
    truth, mask = subject.samples[0], masks[0]
    plain = _harmonic(subject, damaged[0], lost, mask)
    tally.size += int(np.count_nonzero(mask))
    tally.default += _error(filled.samples[0], truth, mask)
    tally.harmonic += _error(plain, truth, mask)


def _error(plane: NDArray[np.generic], truth: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    return float(np.sum((plane[mask].astype(np.float64) - truth[mask]) ** 2))


def _harmonic(
    subject: Subject, damaged: NDArray[np.uint8], lost: NDArray[np.bool_], mask: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Laplace's equation, of the difference to the enlarged thumbnail if there is a trusted one."""
    component = subject.frame.components[0]
    mcu = (8 * component.vertical, 8 * component.horizontal)
    canvas = Canvas(damaged, np.where(lost, window_kernels.LOST, window_kernels.KNOWN).astype(np.uint8), mcu)
    height, width = subject.frame.height, subject.frame.width
    upright = _upright(subject)
    enlarged = np.zeros(damaged.shape, np.float32)
    if upright is not None:
        enlarged[:height, :width] = _resized(upright, (width, height))
    plane = damaged.astype(np.float32) - enlarged
    for hole in find_holes(lost):
        _laplace(canvas, hole, plane)
    plane += enlarged
    if upright is not None:
        for _ in range(BACK_PROJECTIONS):
            rest = upright - _resized(plane[:height, :width], (upright.shape[1], upright.shape[0]))
            plane[:height, :width] += mask[:height, :width] * _resized(rest, (width, height))
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def _upright(subject: Subject) -> NDArray[np.float32] | None:
    """Luma of the thumbnail, turned and cut to the picture's area; sides beyond the thumbnail stay out."""
    if subject.thumbnail is None or subject.match is None or not subject.match.trusted:
        return None
    turned = np.rot90(subject.thumbnail[..., 0], subject.match.quarter_turns).astype(np.float32)
    left, top, right, bottom = subject.match.box
    box = (max(left, 0.0), max(top, 0.0), min(right, turned.shape[1]), min(bottom, turned.shape[0]))
    size = (max(1, round(box[2] - box[0])), max(1, round(box[3] - box[1])))
    return np.asarray(Image.fromarray(turned).resize(size, Image.Resampling.BICUBIC, box=box))


def _resized(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC))


def _laplace(canvas: Canvas, hole: Hole, plane: NDArray[np.float32]) -> None:
    """The directional kernel with a stiffness of 0."""
    top, bottom, left, right = window_of(canvas, hole)
    window = plane[top:bottom, left:right].copy()
    rows, columns = (
        np.arange(*pair) // side for pair, side in zip(((top, bottom), (left, right)), canvas.mcu, strict=True)
    )
    state = np.ascontiguousarray(canvas.states[np.ix_(rows, columns)])
    nothing, nowhere = np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
    kernels.directional(
        window, state, False, gaussian_taps(1.0), np.float32(0), 1, 400, 1e-4, nothing, nowhere, nothing, nowhere,
        nothing, nothing,
    )  # fmt: skip
    plane[top:bottom, left:right] = np.where(state == window_kernels.LOST, window, plane[top:bottom, left:right])


def _warm_up() -> None:
    """Compile the kernels."""
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((512, 512)).save(buffer, "JPEG")
    for subject in subjects("", "", buffer.getvalue()):
        try_fill(subject, 0, Tally())


def files(folder: Path, *, subset: bool, half: int | None = None) -> Iterator[tuple[str, str, bytes]]:
    """Name, class and bytes of every photo; of a subset every fourth, of a half about every other."""

    def chosen(paths: Iterable[Path]) -> list[Path]:
        return [
            path for path in sorted(paths)[:: 4 if subset else 1] if half in (None, zlib.crc32(path.stem.encode()) % 2)
        ]

    for quality in (75, 90):
        for path in chosen((folder / "kodak24").glob("*.png")):
            buffer = io.BytesIO()
            Image.open(path).convert("RGB").save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
            yield path.stem, f"Kodak q{quality}", buffer.getvalue()
    for path in chosen((folder / "originals").glob("*.jpg")):
        yield path.stem, "camera originals", path.read_bytes()


def _psnr(error: float, size: int) -> float:
    return float(10 * np.log10(PEAK * size / max(error, 1.0)))


def _row(kind: str, tallies: dict[str, Tally], without: dict[str, Tally]) -> str:
    photos = tallies.values()
    cells = []
    for method in ("harmonic", "default"):
        errors = [getattr(tally, method) for tally in photos]
        each = [_psnr(error, tally.size) for error, tally in zip(errors, photos, strict=True)]
        cells += [f"{np.mean(each):.2f}", f"{_psnr(sum(errors), sum(tally.size for tally in photos)):.2f}"]
    gains = [_psnr(tally.default, tally.size) - _psnr(tally.harmonic, tally.size) for tally in photos]
    against = [_psnr(tallies[n].default, tallies[n].size) - _psnr(without[n].default, without[n].size) for n in tallies]
    seconds, window = sum(tally.seconds for tally in photos), sum(tally.window for tally in photos)
    cells += [f"{function(values):+.2f}" for values in (gains, against) for function in (np.mean, np.min)]
    error, plain = (sum(of[name].default for name in tallies) for of in (tallies, without))
    cells.insert(-1, f"{10 * np.log10(plain / max(error, 1.0)):+.2f}")
    cells.append(f"{1e6 * seconds / window:.2f}")
    return f"| {kind} | {len(tallies)} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subset", action="store_true", help="every fourth photo")
    parser.add_argument("--half", type=int, choices=(0, 1), help="photos whose name has an even or odd CRC-32")
    arguments = parser.parse_args()
    folder = default_folder()
    if folder is None:
        parser.error("no photos: set JPEGRESCUE_DATA")
    results: dict[str, dict[str, Tally]] = defaultdict(dict)
    _warm_up()
    for name, kind, data in files(folder, subset=arguments.subset, half=arguments.half):
        for subject in subjects(name, kind, data):
            tally = results[subject.kind].setdefault(name, Tally())
            for seed in range(1, 5 if subject.samples[0].size < SMALL_SAMPLES else 3):
                try_fill(subject, seed, tally)
    columns = (
        "photos, thumbnail", "n", "harmonic, mean", "pooled", "default, mean", "pooled", "mean gain over harmonic",
        "worst", "mean gain by thumbnail", "pooled", "worst", "s per MP of windows",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for kind, tallies in results.items():
        print(_row(kind, tallies, results[f"{kind.split(', ', maxsplit=1)[0]}, none"]))


if __name__ == "__main__":
    main()
