"""The photos of the benchmark: what each is, how it comes to be a JPEG file, and which class it counts in.

Classes: `small` (originals up to 250 kB), `kodak` (Kodak's pictures at q75, q90 and some at q95, samplings, restart
intervals and thumbnails taking turns), `camera` (camera originals above 250 kB, untouched), `rendered` (night shots,
screenshots, documents drawn by a script).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import skimage
from PIL import Image

from benchmarks.restoration.rendered import rendered
from jpegrescue.jpeg.parse import parse

PhotoClass = Literal["small", "kodak", "camera", "rendered"]
CLASSES: tuple[PhotoClass, ...] = ("small", "kodak", "camera", "rendered")
SMALL_BYTES = 250_000
MEGAPIXELS_MAX = 4.0
SAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")
RESTART_MCUS = 16
THUMBNAIL_SIDE = 160
_ORIGINALS = ("camera", "faces_animals", "originals", "real_jpeg")
_SHIPPED = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "hubble_deep_field.jpg")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a lossless picture becomes a JPEG file; restart interval in MCUs, 0 for none."""

    quality: int
    sampling: str
    restart_interval: int
    thumbnail: int | Literal["none"]

    def __str__(self) -> str:
        restart = f"-r{self.restart_interval}" if self.restart_interval else ""
        thumbnail = f"-t{self.thumbnail}" if self.thumbnail != "none" else ""
        return f"q{self.quality}-{self.sampling.replace(':', '')}{restart}{thumbnail}"


@dataclass(frozen=True, slots=True)
class Photo:
    """A file of the benchmark; `encoding` `None` for JPEG files, which are taken as they are."""

    name: str
    kind: PhotoClass
    path: Path
    encoding: Encoding | None
    sha256: str


def collect(folder: Path | None, work: Path) -> list[Photo]:
    """All photos under `folder` (`dev` of the development data) and the rendered ones, which are drawn into `work`.

    Without a folder, the pictures that scikit-image ships stand in for Kodak's.
    """
    lossless = sorted((folder / "kodak24").glob("*.png")) if folder else _shipped(work)
    found = list(_encoded("kodak", lossless, (75, 90)))
    found += _encoded("kodak", lossless[::4], (95,))
    found += _encoded("rendered", _draw(work), (75, 90))
    if folder:
        found += _encoded("small", sorted((folder / "classic5").glob("*.png")), (75,))
        found += _originals(folder)
    return found


def _originals(folder: Path) -> Iterator[Photo]:
    """Sequential Huffman files up to `MEGAPIXELS_MAX`: what the decoder takes, in bearable time."""
    for path in sorted(path for sub in _ORIGINALS for path in (folder / sub).glob("*.jp*g")):
        data = path.read_bytes()
        frame = parse(np.frombuffer(data, np.uint8)).frame
        if frame is None or frame.process not in ("baseline", "extended") or frame.precision != 8:
            continue
        if frame.width * frame.height > 1e6 * MEGAPIXELS_MAX:
            continue
        kind: PhotoClass = "small" if len(data) <= SMALL_BYTES else "camera"
        yield Photo(path.stem, kind, path, None, hashlib.sha256(data).hexdigest())


def _encoded(kind: PhotoClass, paths: list[Path], qualities: tuple[int, ...]) -> Iterator[Photo]:
    """Every picture at every quality; samplings, restart intervals and thumbnails take turns, each at its own pace."""
    number = 0
    for path in paths:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        for quality in qualities:
            encoding = Encoding(
                quality,
                SAMPLINGS[number % 3],
                RESTART_MCUS if number % 5 == 1 else 0,
                THUMBNAIL_SIDE if number % 2 else "none",
            )
            number += 1
            yield Photo(f"{path.stem}-{encoding}", kind, path, encoding, digest)


def _draw(work: Path) -> list[Path]:
    paths = []
    for name, picture in rendered():
        paths.append(work / f"{name}.png")
        picture.save(paths[-1])
    return paths


def _shipped(work: Path) -> list[Path]:
    """Shipped pictures as PNG files: some come as JPEG, and none of those is an untouched original."""
    paths = []
    for name in _SHIPPED:
        source = Path(skimage.__file__).parent / "data" / name
        if source.is_file():
            paths.append(work / f"{source.stem}.png")
            with Image.open(source) as picture:
                picture.convert("RGB").save(paths[-1])
    return paths
