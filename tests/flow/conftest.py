"""Evidence made on the fly, and options with few words."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jpegrescue.flow.options import CarveOptions, KeyOptions, RestoreOptions, RunOptions
from jpegrescue.model.truth import Recipe, Truth
from jpegrescue.report.output import OutputFolder
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import DEFAULT_SPEC
from jpegrescue.source.keys import Key

KEY = Key(bytes(range(16)))
KEY_TEXT = KEY.reveal().hex().encode()
PLAIN = KeyOptions(spec=DEFAULT_SPEC)
KEYED = KeyOptions(spec=DEFAULT_SPEC, key=KEY)


def photo(width: int = 160, height: int = 120, seed: int = 0, **options: object) -> bytes:
    """A JPEG of a textured scene."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = 128 + 90 * np.sin(x / (7 + seed % 5)) * np.cos(y / 11)
    pixels = np.clip(base[..., None] + rng.normal(0, 12, (height, width, 3)) + (20, 0, -20), 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", **{"quality": 85, **options})
    return buffer.getvalue()


def scene(width: int = 640, height: int = 480, seed: int = 0, **options: object) -> bytes:
    """A JPEG of soft shapes of several sizes with little noise: like a photo, it fits together in one way only."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(0, 1.5, (height, width, 3))
    for size, contrast in ((40, 0.75), (16, 0.35), (6, 0.15)):
        coarse = rng.uniform(0, 255, (height // size + 3, width // size + 3, 3)).astype(np.uint8)
        soft = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        levels += contrast * (np.asarray(soft, np.float64) - 128)
    mixed = 128 + levels @ np.array([[0.6, 0.3, 0.3], [0.3, 0.6, 0.3], [0.1, 0.1, 0.4]])
    buffer = io.BytesIO()
    Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)).save(buffer, "JPEG", **{"quality": 88, **options})
    return buffer.getvalue()


def damaged(data: bytes, at: float = 0.5) -> bytes:
    """`data` with 16 bytes overwritten that hold no code: 16 ones in a row."""
    position = int(len(data) * at)
    return data[:position] + b"\xfe" * 16 + data[position + 16 :]


def dump(*items: bytes, gap: int = 5000, seed: int = 9) -> tuple[bytes, list[int]]:
    """Items between random bytes without FF, at odd places; the bytes and the items' offsets."""
    rng = np.random.default_rng(seed)
    out, offsets = bytearray(), []
    for item in items:
        out += rng.integers(0, 255, gap + len(out) % 7, dtype=np.uint8).tobytes()
        offsets.append(len(out))
        out += item
    return bytes(out + rng.integers(0, 255, gap, dtype=np.uint8).tobytes()), offsets


def encrypted(data: bytes, first_sector: int = 0) -> bytes:
    """`data` padded with zeros to whole sectors and encrypted with KEY."""
    return SectorCipher(DEFAULT_SPEC, KEY).encrypt(data + bytes(-len(data) % 512), first_sector)


def earlier_set(folder: Path) -> Path:
    """A simulated data set of no files, and its key KEY; the key's path."""
    recipe = Recipe("flips", 0.0, "scan", 0, 0, DEFAULT_SPEC.name, 512, 0, 512)
    digest = hashlib.sha256(KEY_TEXT).hexdigest()
    with OutputFolder.open(folder, evidence=[], index="truth.json") as opened:
        opened.write_index(Truth("0", "done", recipe, "key.hex", (), (), key_sha256=digest))
        opened.write("key.hex", KEY_TEXT, "key")
    return folder / "key.hex"


@pytest.fixture
def run_options(tmp_path: Path) -> Callable[..., RunOptions]:
    """Options of a run into a folder of its own."""

    def make(command: str, **changes: object) -> RunOptions:
        settings: dict[str, object] = {"output": tmp_path / "out", "jobs": 2, **changes}
        return RunOptions(argv=("jpegrescue", command), command=command, **settings)  # type: ignore[arg-type]

    return make


@pytest.fixture
def carve_options(tmp_path: Path, run_options: Callable[..., RunOptions]) -> Callable[..., CarveOptions]:
    """Options that carve `data`, written to a file."""

    def make(
        data: bytes, key: KeyOptions = PLAIN, run: dict[str, object] | None = None, **rest: object
    ) -> CarveOptions:
        path = tmp_path / "evidence.bin"
        path.write_bytes(data)
        return CarveOptions(evidence=path, run=run_options("carve", **(run or {})), key=key, **rest)  # type: ignore[arg-type]

    return make


@pytest.fixture
def restore_options(tmp_path: Path, run_options: Callable[..., RunOptions]) -> Callable[..., RestoreOptions]:
    """Options that restore `files`, name → bytes."""

    def make(files: dict[str, bytes], key: KeyOptions = PLAIN, **rest: object) -> RestoreOptions:
        paths = []
        for name, data in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            paths.append(path)
        return RestoreOptions(files=tuple(paths), run=run_options("restore"), key=key, **rest)  # type: ignore[arg-type]

    return make
