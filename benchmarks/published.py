"""The published method's protocol, stage by stage: `python -m benchmarks.published [--data DIR] [--quick] …`.

Photos are scaled and cropped to the paper's sizes, encoded at quality 75 with 4:2:0, encrypted with the authors'
variant of AES-CBC-ESSIV, hit by bit errors in the scan, decrypted and decoded. Rows: what the decoder gives, clipped as
any viewer does; the same stretched per channel from its lowest to its highest level, as the released decoder ends;
published SCA whole, and without each of its parts; an intact photo, to show what SCA itself costs. Files that no bit
error hit are left out. Y-PSNR of the mean MSE, as mean over files (as papers have it; files without any difference
would make it infinite and are left out of it), and SSIM. Then the time of decoding and of SCA on one core.

With --authors CHECKOUT, a checkout of the released code (Two-ACIR), its SCA runs on the same samples, for one more row
and for the ratio of times; it prints much and needs matplotlib. Its decoder, which reads bit by bit, is not run.

DIR holds photos of at least 2048×1024 pixels (default: `originals/` of the development data); without it, or with
--quick, pictures that scikit-image ships are enlarged. Seeds are reporting seeds (see `benchmarks/restoration`).
"""

import argparse
import contextlib
import importlib.util
import io
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.photos import default_folder
from benchmarks.restoration.seeds import seeds
from jpegrescue.align.published import published_sca
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.pixels import colour_space, to_picture, to_wide_samples
from jpegrescue.lab.damage import damage
from jpegrescue.lab.likeness import likeness, luma, psnr, psnr_of_mean
from jpegrescue.model.align import SCA_PARTS, ScaPart
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.truth import Recipe
from jpegrescue.resync.decode import decode, picture_frame
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key

SIZES = ((512, 256), (1024, 512), (2048, 1024))
RATES = (1e-6, 1e-5, 1e-4)
CIPHER = "aes-cbc-essivbe32:sha256"
KEY = Key(bytes.fromhex("2d6a0c9e51f34b87a6d8e07c93b1f25e"))
MCU = (16, 16)
PUBLISHED = {(512, 256): None, (1024, 512): None, (2048, 1024): (12.37, 14.31)}
TIMED_RUNS = 15

Picture = NDArray[np.uint8]
AUTHORS = "SCA, released code"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded photo: its samples as they are, and as a viewer shows them."""

    wide: NDArray[np.int16]
    shown: Picture


def stretched(decoded: Decoded) -> Picture:
    """Each channel from its lowest to its highest level, nothing cut off: how the released decoder ends."""
    levels = decoded.wide[: decoded.shown.shape[0], : decoded.shown.shape[1]].astype(np.float64)
    low, high = levels.min(axis=(0, 1)), levels.max(axis=(0, 1))
    return np.asarray((levels - low) / np.maximum(high - low, 1) * 255, np.uint8)


def sca(*left_out: ScaPart) -> Callable[[Decoded], Picture]:
    """Published SCA without the parts `left_out`."""
    parts = [part for part in SCA_PARTS if part not in left_out]
    return lambda decoded: published_sca(decoded.wide, MCU, decoded.shown.shape[:2], parts)[0]


Rows = dict[str, Callable[[Decoded], Picture]]
ROWS: Rows = {
    "robust decoder, clipped": lambda decoded: decoded.shown,
    "robust decoder, stretched as released": stretched,
    "SCA": sca(),
    "SCA without alignment": sca("alignment"),
    "SCA without normalisation": sca("normalisation"),
    "SCA without compensation": sca("compensation"),
}


def authors_sca(checkout: Path) -> Callable[[Decoded], Picture]:
    """The released SCA, as its decoder calls it and ends."""
    spec = importlib.util.spec_from_file_location("alignment", checkout / "Robust decoder" / "alignment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def make(decoded: Decoded) -> Picture:
        import matplotlib.pyplot

        with contextlib.redirect_stdout(io.StringIO()):
            _, shifted = module.image_transfer(decoded.wide.astype(np.float64))
        matplotlib.pyplot.close("all")
        low, high = shifted.min(axis=(0, 1)), shifted.max(axis=(0, 1))
        height, width = decoded.shown.shape[:2]
        return np.asarray((shifted - low) / (high - low) * 255, np.uint8)[:height, :width]

    return make


def decode_photo(data: NDArray[np.uint8]) -> Decoded:
    structure = parse(data)
    outcome = decode(data, structure)
    assert structure.frame is not None
    assert outcome is not None
    frame = picture_frame(structure.frame)
    space = colour_space(structure.frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    return Decoded(to_wide_samples(frame, outcome.planes, space), to_picture(frame, outcome.planes, space).samples)


def photos(folder: Path | None) -> Iterator[Image.Image]:
    """Photos of at least the largest size; without a folder, shipped ones, enlarged."""
    if folder is not None:
        for path in sorted(folder.glob("*.jpg")):
            with Image.open(path) as picture:
                if picture.width >= SIZES[-1][0] and picture.height >= SIZES[-1][1]:
                    yield picture.convert("RGB")
        return
    import skimage.data

    for name in ("astronaut", "coffee", "rocket"):
        yield Image.fromarray(getattr(skimage.data, name)())


def encode(picture: Image.Image, size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    ImageOps.fit(picture, size, Image.Resampling.LANCZOS).save(out, "JPEG", quality=75, subsampling="4:2:0")
    return out.getvalue()


def corrupt(data: bytes, rate: float, seed: int) -> NDArray[np.uint8]:
    recipe = Recipe("flips", rate, "scan", 1, seed, CIPHER, 512, 0, 512)
    scan = ByteRange(parse(data).scans[0].start, len(data))
    made = damage(data, scan, recipe, SectorCipher(parse_spec(CIPHER), KEY), ())
    return np.frombuffer(made.plain, np.uint8)


def quality_table(pictures: list[Image.Image], size: tuple[int, int], rate: float, repeats: int, rows: Rows) -> None:
    """One table: every row over all photos and seeds."""
    errors: dict[str, list[float]] = defaultdict(list)
    similar: dict[str, list[float]] = defaultdict(list)
    for picture in pictures:
        jpeg = encode(picture, size)
        original = decode_photo(np.frombuffer(jpeg, np.uint8))
        truth = luma(original.shown)
        made = [("intact photo through SCA", sca()(original))]
        for seed in seeds("reporting", repeats):
            data = corrupt(jpeg, rate, seed)
            if data.tobytes() != jpeg:
                decoded = decode_photo(data)
                made += [(name, make(decoded)) for name, make in rows.items()]
        for name, result in made:
            found, _ = likeness(truth, luma(result), None)
            errors[name].append(found.mse)
            similar[name].append(found.ssim or 0.0)
    count = len(errors["SCA"])
    print(f"\n### {size[0]}×{size[1]}, BER {rate:g}, {len(pictures)} photos, {count} damaged files\n")
    print("| stage | dB of mean MSE | mean dB | mean SSIM |\n|---|---|---|---|")
    for name, values in errors.items():
        each = [decibels for value in values if (decibels := psnr(value)) is not None]
        cells = [f"{psnr_of_mean(values):.2f}", f"{statistics.fmean(each):.2f}"] if each else ["exact", "exact"]
        print(f"| {name} | {' | '.join(cells)} | {statistics.fmean(similar[name]):.2f} |")
    if rate == 1e-5 and PUBLISHED[size]:
        robust, aligned = PUBLISHED[size]
        print(f"\nPublished, on Cityscapes: robust decoder {robust}, SCA {aligned} dB.", flush=True)


def speed_table(picture: Image.Image, authors: Callable[[Decoded], Picture] | None) -> None:
    jpeg = encode(picture, SIZES[-1])
    data = corrupt(jpeg, 1e-5, seeds("reporting", 1)[0])
    structure = parse(data)
    assert structure.frame is not None
    frame = picture_frame(structure.frame)
    steps: dict[str, list[float]] = defaultdict(list)
    for _ in range(TIMED_RUNS):
        began = time.perf_counter()
        outcome = decode(data, parse(data))
        decoded = time.perf_counter()
        assert outcome is not None
        wide = to_wide_samples(frame, outcome.planes, "ycc")
        published_sca(wide, MCU, (frame.height, frame.width))
        done = time.perf_counter()
        steps["robust decoder, to coefficients"].append(decoded - began)
        steps["SCA, from coefficients to picture"].append(done - decoded)
        steps["both"].append(done - began)
    print("\n### Time, 2 MP at BER 1e-5, one core\n\n| step | median ms |\n|---|---|")
    for name, values in steps.items():
        print(f"| {name} | {1000 * statistics.median(values):.1f} |")
    if authors is not None:
        began = time.perf_counter()
        authors(decode_photo(data))
        taken = time.perf_counter() - began
        ours = statistics.median(steps["both"])
        print(f"| {AUTHORS} | {1000 * taken:.0f} |\n\nRatio to robust decoder and SCA here: {taken / ours:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of photos")
    parser.add_argument("--authors", type=Path, metavar="CHECKOUT", help="checkout of the released code")
    parser.add_argument("--repeats", type=int, default=2, help="seeds per photo")
    parser.add_argument("--width", type=int, choices=[width for width, _ in SIZES], help="only this size")
    parser.add_argument("--rate", type=float, choices=RATES, help="only this bit error rate")
    parser.add_argument("--quick", action="store_true", help="smallest size and shipped pictures only")
    arguments = parser.parse_args()
    shared = default_folder()
    folder = None if arguments.quick else arguments.data or (shared / "originals" if shared else None)
    pictures = list(photos(folder))
    authors = authors_sca(arguments.authors) if arguments.authors else None
    rows = ROWS | ({AUTHORS: authors} if authors else {})
    for size in SIZES[:1] if arguments.quick else SIZES:
        for rate in RATES[1:2] if arguments.quick else RATES:
            if arguments.width in (None, size[0]) and arguments.rate in (None, rate):
                quality_table(pictures, size, rate, arguments.repeats, rows)
    speed_table(pictures[0], authors)


if __name__ == "__main__":
    main()
