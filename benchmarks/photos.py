"""Photos for the carving benchmark: untouched camera files from a folder, and Pillow encodings of varied crops.

Without a folder the pictures come from the scikit-image wheel, so that the benchmark runs anywhere.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from fixtures import jpeg_parts

MAGIC = b"\xff\xd8\xff"
KINDS = ("baseline", "progressive", "restart", "thumbnail", "second_picture", "samsung")
_SHIPPED = ("astronaut.png", "chelsea.png", "coffee.png", "retina.jpg", "rocket.jpg", "hubble_deep_field.jpg")
_SAMPLINGS = ("4:2:0", "4:2:0", "4:2:2", "4:4:4")
_CAMERA_FOLDERS = ("originals", "camera")
_MOMENT = "2024:05:01 10:20:30"


@dataclass(frozen=True, slots=True)
class Photo:
    """A JPEG file.

    `belongs`: bytes up to the last one that a format names (EOI, multi-picture file, Samsung trailer); what follows is
    a remnant that cameras leave behind. `embedded`: offsets of the JPEG pictures inside, thumbnails before `primary`,
    the first picture's end, and second pictures behind it.
    """

    kind: str
    name: str
    data: bytes
    belongs: int
    primary: int
    embedded: tuple[int, ...]


def describe(kind: str, name: str, data: bytes) -> Photo:
    """Measure an intact file. Raises ValueError or IndexError where its markers do not hold together."""
    primary = jpeg_parts.primary_end(data)
    belongs = max(primary, jpeg_parts.multi_picture_end(data) or 0)
    if data.endswith(b"SEFT"):
        belongs = len(data)
    embedded, at = [], data.find(MAGIC, 1)
    while 0 <= at < belongs:
        embedded.append(at)
        at = data.find(MAGIC, at + 1)
    return Photo(kind, name, data, min(belongs, len(data)), primary, tuple(embedded))


def default_folder() -> Path | None:
    """Folder of photos from JPEGRESCUE_DATA or `shared/data` beside the repository, `None` without either."""
    root = Path(os.environ.get("JPEGRESCUE_DATA") or Path(__file__).parents[2] / "shared" / "data")
    return root / "dev" if (root / "dev").is_dir() else None


def camera_files(folder: Path | None) -> Iterator[Photo]:
    """Untouched files, each once, in the order of their names; those that do not hold together are left out."""
    if folder is None:
        return
    for sub in _CAMERA_FOLDERS:
        for path in sorted((folder / sub).glob("*.jp*g")):
            try:
                yield describe("camera", f"{sub}/{path.name}", path.read_bytes())
            except (ValueError, IndexError):
                continue


def _picture_paths(folder: Path | None) -> list[Path]:
    if folder is not None:
        found = [path for sub in (*_CAMERA_FOLDERS, "kodak24") for path in sorted((folder / sub).glob("*.[jp][pn]*g"))]
        if found:
            return found
    data = Path(skimage.__file__).parent / "data"
    return [data / name for name in _SHIPPED if (data / name).is_file()]


@lru_cache(maxsize=4)
def _open(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


class Encoder:
    """Endless supply of fresh files; the seed of `random` decides them all."""

    def __init__(self, folder: Path | None, random: np.random.Generator) -> None:
        self._paths = _picture_paths(folder)
        self._random = random
        self._made = 0
        self._path = self._paths[0]

    def _crop(self) -> Image.Image:
        """Cut a window of 96 pixels to a whole picture; small sources are enlarged up to threefold first."""
        random = self._random
        if self._made % 8 == 0:  # stay with a picture for a while: decoding one costs as much as encoding several
            self._path = self._paths[int(random.integers(len(self._paths)))]
        picture = _open(self._path)
        if max(picture.size) < 1600:
            scale = random.uniform(1, 3)
            picture = picture.resize((int(picture.width * scale), int(picture.height * scale)))
        width, height = (max(96, int(side * random.uniform(0.15, 1) ** 0.8)) for side in picture.size)
        left = int(random.integers(max(1, picture.width - width)))
        top = int(random.integers(max(1, picture.height - height)))
        return picture.crop((left, top, left + width, top + height))

    def make(self, kind: str) -> Photo:
        """Encode one file of a kind out of KINDS."""
        random = self._random
        picture = self._crop()
        self._made += 1
        quality = int(random.integers(60, 98))
        sampling = str(random.choice(_SAMPLINGS))
        if kind == "baseline" and random.random() < 0.1:
            picture = picture.convert("L")
        blocks = int(random.choice([1, 4, 16, 252, 1000])) if kind == "restart" else 0
        jpeg = jpeg_parts.encode(
            picture, quality=quality, sampling=sampling, restart_blocks=blocks, progressive=kind == "progressive"
        )
        return describe(kind, f"{kind}-{self._made}", self._dress(kind, jpeg, picture))

    def _dress(self, kind: str, jpeg: bytes, picture: Image.Image) -> bytes:
        small = picture.copy()
        if kind == "thumbnail":
            small.thumbnail((160, 160))
            thumbnail = jpeg_parts.encode(small, quality=75, sampling="4:2:0")
            header = jpeg_parts.exif("Example", f"EX-{self._made}", _MOMENT, picture.size, thumbnail)
            return jpeg_parts.with_exif(jpeg, header)
        if kind == "second_picture":
            small.thumbnail((1024, 1024))
            return jpeg_parts.with_second_picture(jpeg, jpeg_parts.encode(small, quality=80, sampling="4:2:0"))
        if kind == "samsung":
            note = self._random.bytes(int(self._random.integers(20, 4000)))
            return jpeg_parts.with_samsung_trailer(
                jpeg, [(0x0A01, "Image_UTC_Data", b"1714558830000"), (0x0BD1, "Camera_Data", note)]
            )
        return jpeg
