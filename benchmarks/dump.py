"""Write a dump with known contents: `python -m benchmarks.dump OUT_DIR --size 1G` makes dump.bin and truth.json.

Zeros, random bytes, text and program code; photos on cluster and sector boundaries, at odd offsets, back to back; with
trailers, thumbnails, restart markers, progressive; damaged ones in classes of their own; and decoys that begin like a
JPEG. The same seed, photos and libraries give the same bytes. Memory stays bounded: the dump is written as it is made.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmarks import photos
from benchmarks.photos import Photo
from fixtures import jpeg_parts, reference_cipher

FORMAT = 1
SECTOR = 512
CLUSTER = 4096
PHOTO_SHARE = 0.4
_ROOM = 1 << 19  # left free at the end, for what decoys and truncated photos trail behind them
DAMAGE = ("bit_flips", "zeroed_sectors", "truncated")
PLACEMENTS = ("aligned", "unaligned", "back_to_back")
DECOYS = (
    "magic_in_text",
    "magic_in_random",
    "header_fragment",
    "header_then_random",
    "header_then_zeros",
    "header_then_text",
    "headerless_scan",
)
_DECK = (
    *("aligned",) * 24,
    *("unaligned",) * 10,
    *("back_to_back",) * 4,
    *("progressive", "restart", "thumbnail", "second_picture", "samsung") * 3,
    *("camera",) * 8,
    *DAMAGE * 2,
    *DECOYS * 2,
)
_VOCABULARY = (
    "the of a to in is that for it was on are as with his they at be this from have or by one had not but what all "
    "were when we there can an your which their said if do will each about how up out them then she many some so "
    "these would other into has more her two like him see time could no make than first been its who now people my "
    "made over did down only way find use may water long little very after words called just where most know"
)


@dataclass(frozen=True, slots=True)
class Item:
    """A photo in the dump: `offset` and `length` in bytes, `sha256` of the bytes as they lie there, damage included."""

    kind: str
    name: str
    offset: int
    length: int
    sha256: str
    damaged: bool
    primary: int
    embedded: tuple[int, ...]


@dataclass(slots=True)
class Truth:
    """What lies where; the bytes of `filler` are counted by kind."""

    size: int
    seed: int
    cipher: str | None
    photos_from: str
    items: list[Item] = field(default_factory=list)
    decoys: list[dict[str, str | int]] = field(default_factory=list)
    filler: dict[str, int] = field(default_factory=dict)
    format: int = FORMAT


class Fillers:
    """Bytes that are no photos."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        words = np.array(_VOCABULARY.split())
        self._text = " ".join(random.choice(words, 1 << 18).tolist()).encode()
        roots = (Path(sys.prefix) / "lib", Path("/usr/lib"))
        found = {path.resolve() for root in roots if root.is_dir() for path in root.rglob("*.so*") if path.is_file()}
        self._libraries = sorted(path for path in found if path.stat().st_size >= CLUSTER)[:400]

    def make(self, kind: str, size: int) -> bytes:
        """`size` bytes of a kind: zeros, random, text or program."""
        makers: dict[str, Callable[[int], bytes]] = {
            "zeros": bytes,
            "random": self._random.bytes,
            "text": self._prose,
            "program": self._program,
        }
        return makers[kind](size)

    def _prose(self, size: int) -> bytes:
        start = int(self._random.integers(len(self._text)))
        return (self._text[start:] + self._text * (size // len(self._text) + 1))[:size]

    def _program(self, size: int) -> bytes:
        """Bytes of shared libraries, or something as uneven where there are none."""
        out = bytearray()
        while len(out) < size:
            if not self._libraries:
                out += np.minimum(self._random.geometric(0.02, size), 255).astype(np.uint8).tobytes()
                continue
            path = self._libraries[int(self._random.integers(len(self._libraries)))]
            with path.open("rb") as library:
                library.seek(int(self._random.integers(path.stat().st_size // 2)))
                out += library.read(size - len(out))
        return bytes(out[:size])


class Writer:
    """The dump as it grows; encrypts on the way if asked to."""

    def __init__(self, out: BinaryIO, cipher: str | None, key: bytes) -> None:
        self._out = out
        self._cipher = cipher
        self._key = key
        self._pending = bytearray()
        self.position = 0

    def write(self, data: bytes) -> int:
        """Append; returns the offset at which `data` begins."""
        start = self.position
        self.position += len(data)
        self._pending += data
        if len(self._pending) >= 1 << 20:
            self._flush()
        return start

    def _flush(self) -> None:
        whole = len(self._pending) // SECTOR * SECTOR
        block = bytes(self._pending[:whole])
        del self._pending[:whole]
        if self._cipher:
            first = (self.position - len(self._pending) - whole) // SECTOR
            block = reference_cipher.encrypt(block, self._cipher, self._key, SECTOR, first)
        self._out.write(block)

    def close(self) -> None:
        """Write what is left; the dump has to end on a sector boundary."""
        self._flush()
        if self._pending:
            raise ValueError(f"{len(self._pending)} bytes behind the last whole sector")


class Generator:
    """Lays out one dump."""

    def __init__(self, writer: Writer, truth: Truth, folder: Path | None) -> None:
        self._random = np.random.default_rng(truth.seed)
        self._writer = writer
        self._truth = truth
        self._fillers = Fillers(self._random)
        self._encoder = photos.Encoder(folder, self._random)
        self._camera = photos.camera_files(folder)
        self._deck: list[str] = []
        self._photo_bytes = 0

    def run(self) -> None:
        """Fill the dump up to its size."""
        while (left := self._left()) > 0:
            if self._photo_bytes < PHOTO_SHARE * self._writer.position and left > _ROOM:
                self._place(self._draw())
            else:
                self._filler(self._any_filler(), min(left, int(2 ** self._random.uniform(14, 21))))

    def _left(self) -> int:
        return self._truth.size - self._writer.position

    def _draw(self) -> str:
        """Take the next card of a shuffled deck, so that small dumps hold every class as well."""
        if not self._deck:
            self._deck = [str(card) for card in self._random.permutation(_DECK)]
        return self._deck.pop()

    def _any_filler(self) -> str:
        return str(self._random.choice(["zeros", "random", "text", "program"]))

    def _filler(self, kind: str, size: int) -> None:
        self._writer.write(self._fillers.make(kind, size))
        self._truth.filler[kind] = self._truth.filler.get(kind, 0) + size

    def _align(self, unit: int, remainder: int = 0) -> None:
        self._filler("zeros", (remainder - self._writer.position) % unit)

    def _place(self, card: str) -> None:
        if card in DECOYS:
            self._decoy(card)
        elif card == "unaligned":
            self._align(SECTOR, int(self._random.integers(1, SECTOR)))
            self._photo(self._encoder.make(self._any_kind()), "unaligned")
        elif card == "back_to_back":
            self._align(CLUSTER)
            for _ in range(int(self._random.integers(2, 6))):
                self._photo(self._encoder.make(self._any_kind()), "back_to_back")
        else:
            self._align(CLUSTER if self._random.random() < 0.7 else SECTOR)
            self._aligned(card)
        if self._random.random() < 0.5:
            self._align(SECTOR)

    def _any_kind(self) -> str:
        return str(self._random.choice(photos.KINDS))

    def _aligned(self, card: str) -> None:
        if card in DAMAGE:
            self._damaged(card, self._encoder.make("baseline"))
        elif card == "camera":
            self._photo(next(self._camera, None) or self._encoder.make("thumbnail"), None)
        else:
            self._photo(self._encoder.make("baseline" if card == "aligned" else card), card)

    def _photo(self, photo: Photo, kind: str | None) -> None:
        if len(photo.data) > self._left() - _ROOM:
            self._filler("zeros", SECTOR)
            return
        kind = kind or photo.kind
        data = photo.data[: photo.belongs]
        self._photo_bytes += len(data)
        self._truth.items.append(
            Item(
                kind=kind,
                name=photo.name,
                offset=self._writer.write(photo.data),
                length=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                damaged=kind in DAMAGE,
                primary=photo.primary,
                embedded=photo.embedded,
            )
        )

    def _damaged(self, kind: str, photo: Photo) -> None:
        data = bytearray(photo.data)
        start, end = jpeg_parts.scan_range(photo.data)
        if kind == "bit_flips":
            for _ in range(int(self._random.integers(1, 13))):
                data[int(self._random.integers(start, end))] ^= 1 << int(self._random.integers(8))
        elif kind == "zeroed_sectors":
            for _ in range(int(self._random.integers(1, 4))):
                at = -(-int(self._random.integers(start, end)) // SECTOR) * SECTOR
                stop = min(at + SECTOR * int(self._random.integers(1, 9)), end)
                data[at:stop] = bytes(max(0, stop - at))
        else:
            cut = int(start + (end - start) * self._random.uniform(0.2, 0.95)) // SECTOR * SECTOR
            data = data[: max(cut, SECTOR)]
        self._photo(replace(photo, data=bytes(data), belongs=len(data)), kind)
        if kind == "truncated":
            self._filler(str(self._random.choice(["zeros", "random", "text"])), 1 << 16)

    def _decoy(self, kind: str) -> None:
        """Something that begins like a JPEG, or is the inside of one, and is no photo."""
        if self._random.random() < 0.5:
            self._align(SECTOR)
        donor = self._encoder.make("baseline").data
        start, end = jpeg_parts.scan_range(donor)
        rest = kind.rpartition("_")[2]
        size = int(self._random.integers(1 << 12, 1 << 17))
        if kind.startswith("magic"):
            self._filler(rest, size // 8)
            decoy = donor[: int(self._random.integers(3, 12))]
        elif kind == "headerless_scan":
            rest, decoy = "random", donor[(start + end) // 2 : end][: 1 << 17]
        else:
            decoy = donor[: start if rest != "fragment" else int(self._random.integers(20, start))]
            rest = rest if rest != "fragment" else self._any_filler()
        self._truth.decoys.append({"kind": kind, "offset": self._writer.write(decoy)})
        self._filler(rest, size)


def parse_size(text: str) -> int:
    """Bytes from a number with an optional K, M or G (1,024s)."""
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:].upper())
    return int(text[:-1]) * factor if factor else int(text)


def generate(folder: Path, truth: Truth, source: Path | None, key: bytes = b"") -> None:
    """Write dump.bin and truth.json into `folder`; `source` is a folder of photos, `None` for rendered crops."""
    if truth.size % SECTOR:
        raise ValueError(f"a dump is whole sectors of {SECTOR} bytes")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "truth.json").unlink(missing_ok=True)  # it is written last: its presence says that the dump is whole
    with (folder / "dump.bin").open("wb") as out:
        writer = Writer(out, truth.cipher, key)
        Generator(writer, truth, source).run()
        writer.close()
    (folder / "truth.json").write_text(json.dumps(asdict(truth), indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where dump.bin and truth.json go")
    parser.add_argument("--size", type=parse_size, default=1 << 30, help="bytes, or with K, M, G (default 1G)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--photos", type=Path, help="folder with originals/ and camera/ (default: JPEGRESCUE_DATA/dev)")
    parser.add_argument("--no-photos", action="store_true", help="scikit-image's pictures only")
    parser.add_argument("--cipher", help="encrypt: aes-cbc-essiv:sha256, aes-cbc-plain64 or aes-xts-plain64")
    parser.add_argument("--key", type=bytes.fromhex, default=bytes(range(16)), help="hex (default: 000102…0f)")
    options = parser.parse_args()
    source = None if options.no_photos else options.photos or photos.default_folder()
    truth = Truth(options.size, options.seed, options.cipher, "folder" if source else "scikit-image")
    generate(options.folder, truth, source, options.key)
    photo_bytes = sum(item.length for item in truth.items)
    print(f"{truth.size} bytes, {len(truth.items)} photos ({photo_bytes / truth.size:.0%}), {len(truth.decoys)} decoys")


if __name__ == "__main__":
    main()
