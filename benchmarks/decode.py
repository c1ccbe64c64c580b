"""Decoder against libjpeg: equality on intact files, and speed in one run on one core.

    python -m benchmarks.decode [--data DIR] [--speed-only | --oracle-only] [--runs N] [--smoke]

DIR holds `originals/` and any other folders of JPEG files; default: JPEGRESCUE_DATA/dev or shared/data/dev beside the
repository. Without one, and with `--smoke`, photos are encoded from a picture that scikit-image ships.

Equality: every 8-bit sequential Huffman file under DIR that Pillow decodes, pixels against Pillow with libjpeg's C
paths (JSIMD_FORCENONE=1: its SIMD and C paths differ on a few odd files), coefficients against jpeglib. "Intact" is
what libjpeg decodes in strict mode without a warning.
Speed: paired, interleaved runs in one process, median of the ratios; Pillow with SIMD is the reference.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.photos import default_folder

RUNS = 15
SEED = 20
BIT_ERROR_RATE = 1e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="folder of JPEG files")
    parser.add_argument("--speed-only", action="store_true")
    parser.add_argument("--oracle-only", action="store_true")
    parser.add_argument("--oracle-child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--smoke", action="store_true", help="a short run on rendered photos")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = None if arguments.smoke else arguments.data or default_folder()
        folder = folder or rendered_folder(Path(scratch))
        if arguments.oracle_child:
            print(json.dumps(judge_folder(folder)))
            return
        if not arguments.speed_only:
            oracle_table(folder)
        if not arguments.oracle_only:
            speed_table(folder, 3 if arguments.smoke else arguments.runs)


def rendered_folder(scratch: Path) -> Path:
    """A folder of photos encoded in several ways from scikit-image's coffee."""
    import skimage.data
    from PIL import Image

    (scratch / "originals").mkdir()
    scene = Image.fromarray(skimage.data.coffee()).resize((1800, 1200), Image.Resampling.LANCZOS)
    for quality in (60, 85, 95):
        for sampling in ("4:4:4", "4:2:2", "4:2:0"):
            for rows in (0, 1):
                path = scratch / "originals" / f"q{quality}-{sampling.replace(':', '')}-{rows}.jpg"
                scene.save(path, quality=quality, subsampling=sampling, restart_marker_rows=rows)
    return scratch


def oracle_table(folder: Path) -> None:
    environment = dict(os.environ, JSIMD_FORCENONE="1")
    command = [sys.executable, "-m", "benchmarks.decode", "--oracle-child", "--data", str(folder)]
    outcome = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    verdicts = json.loads(outcome.stdout)
    counts = Counter(
        ("other processes",) * 3 if v["verdict"] == "out of scope" else (v["kind"], v["class"], v["verdict"])
        for v in verdicts
    )
    print("| process | libjpeg says | verdict | files |\n|---|---|---|---|")
    for (kind, klass, verdict), number in sorted(counts.items()):
        print(f"| {kind} | {klass} | {verdict} | {number} |")
    for verdict in verdicts:
        if verdict["class"] == "intact" and verdict["verdict"] not in ("equal", "out of scope"):
            print(f"- {verdict['file']}: {verdict['verdict']}")
    print()


def judge_folder(folder: Path) -> list[dict[str, str]]:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    return [{"file": str(p.relative_to(folder)), **judge(p)} for p in files]


def judge(path: Path) -> dict[str, str]:
    """Compare one file's pixels and coefficients with libjpeg's."""
    from jpegrescue.jpeg.parse import parse

    data = path.read_bytes()
    structure = parse(data)
    kind = structure.frame.process if structure.frame else "no frame"
    if structure.frame and structure.frame.precision != 8:
        kind += f" {structure.frame.precision} bit"
    reference = pillow_pixels(data)
    klass = "fails" if reference is None else "intact" if strictly_decodes(data) else "warns"
    if kind not in ("baseline", "extended"):
        return {"kind": kind, "class": klass, "verdict": "out of scope"}
    ours = our_pixels(data)
    if reference is None:
        return {"kind": kind, "class": klass, "verdict": "decoded here only" if ours is not None else "neither"}
    if ours is None:
        return {"kind": kind, "class": klass, "verdict": "not decoded"}
    if ours.shape != reference.shape or not np.array_equal(ours, reference):
        return {"kind": kind, "class": klass, "verdict": "pixels differ"}
    if klass == "intact" and not coefficients_equal(path):
        return {"kind": kind, "class": klass, "verdict": "coefficients differ"}
    return {"kind": kind, "class": klass, "verdict": "equal"}


def pillow_pixels(data: bytes) -> np.ndarray | None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.format not in ("JPEG", "MPO"):
                return None
            return np.asarray(image.convert("RGB") if image.mode == "CMYK" else image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def strictly_decodes(data: bytes) -> bool:
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, strict=True)
    except ValueError as error:
        return "colorspace" in str(error).lower()
    return True


def our_pixels(data: bytes) -> np.ndarray | None:
    from jpegrescue.jpeg.parse import parse
    from jpegrescue.jpeg.pixels import colour_space, to_picture
    from jpegrescue.resync.decode import decode, picture_frame

    structure = parse(data)
    if structure.frame is None:
        return None
    decoded = decode(np.frombuffer(data, np.uint8), structure)
    if decoded is None:
        return None
    frame = picture_frame(structure.frame)
    space = colour_space(frame, jfif=structure.jfif, adobe_transform=structure.adobe_transform)
    return to_picture(frame, decoded.planes, space).samples


def coefficients_equal(path: Path) -> bool:
    import jpeglib

    from jpegrescue.jpeg.parse import parse
    from jpegrescue.resync.decode import decode

    data = path.read_bytes()
    decoded = decode(np.frombuffer(data, np.uint8), parse(data))
    reference = jpeglib.read_dct(str(path))
    planes = [p for p in (reference.Y, reference.Cb, reference.Cr, reference.K) if p is not None]
    for ours, theirs in zip(decoded.planes, planes, strict=True):
        rows, columns = theirs.shape[:2]
        if not np.array_equal(ours.blocks[:rows, :columns].reshape(rows, columns, 8, 8), theirs):
            return False
    return True


def damage(data: bytes, start: int, end: int, rate: float, seed: int) -> bytes:
    """The CBC error model: a flipped ciphertext bit garbles its block and flips the same bit of the next one."""
    rng = np.random.default_rng(seed)
    out = np.frombuffer(data, np.uint8).copy()
    for bit in np.flatnonzero(rng.random(8 * (end - start)) < rate) + 8 * start:
        block = bit // 128 * 16
        out[block : block + 16] = rng.integers(0, 256, out[block : block + 16].size)
        follower = bit // 8 + 16
        if follower // 512 == block // 512 and follower < end:
            out[follower] ^= 0x80 >> (bit % 8)
    return out.tobytes()


def speed_table(folder: Path, runs: int) -> None:
    from jpegrescue.jpeg.parse import parse
    from jpegrescue.resync.decode import decode

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("One core; medians of paired runs.\n")
    print(
        "| photo | MP | kB | Pillow ms | entropy ms | entropy ÷ Pillow speed | full ms | full ÷ Pillow speed "
        "| robust, 1e-5, ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    ratios: list[tuple[float, float]] = []
    for name, data in speed_photos(folder):
        structure = parse(data)
        frame, scan = structure.frame, structure.scans[0]
        megapixels = frame.width * frame.height / 1e6
        broken = damage(data, scan.start, scan.end, BIT_ERROR_RATE, SEED)
        array = np.frombuffer(data, np.uint8)
        jobs: tuple[Callable[[], object], ...] = (
            lambda d=data: pillow_pixels(d),
            lambda a=array, s=structure: decode(a, s),
            lambda d=data: our_pixels(d),
            lambda d=broken: our_pixels(d),
        )
        times = [[clock(job) for job in jobs] for _ in range(runs + 2)][2:]
        pillow, entropy, full, robust = (statistics.median(t[i] for t in times) for i in range(4))
        entropy_ratio = statistics.median(t[0] / t[1] for t in times)
        full_ratio = statistics.median(t[0] / t[2] for t in times)
        ratios.append((entropy_ratio, full_ratio))
        print(
            f"| {name} | {megapixels:.1f} | {len(data) / 1e3:.0f} | {pillow * 1e3:.1f} | {entropy * 1e3:.1f} "
            f"| {entropy_ratio:.2f} | {full * 1e3:.1f} | {full_ratio:.2f} | {robust * 1e3:.1f} |"
        )
    entropy_ratios, full_ratios = zip(*ratios, strict=True)
    print(
        f"| median | | | | | {statistics.median(entropy_ratios):.2f} | | {statistics.median(full_ratios):.2f} | |\n"
        f"| lowest | | | | | {min(entropy_ratios):.2f} | | {min(full_ratios):.2f} | |\n"
    )


def speed_photos(folder: Path) -> list[tuple[str, bytes]]:
    """Camera originals of 2 MP and more, and one of them as 2048×1024 at several qualities and samplings."""
    from PIL import Image

    from jpegrescue.jpeg.parse import parse

    photos = []
    for path in sorted((folder / "originals").glob("*.jpg"), key=lambda p: p.stat().st_size)[-8:]:
        frame = parse(path.read_bytes()).frame
        if frame and frame.process == "baseline" and frame.width * frame.height >= 2e6:
            photos.append((f"{path.stem[:24]} {frame.width}×{frame.height}", path.read_bytes()))
    largest = max((p for p in folder.rglob("*.jpg") if p.parent.name == "originals"), key=lambda p: p.stat().st_size)
    with Image.open(largest) as image:
        scene = image.convert("RGB").resize((2048, 1024), Image.Resampling.LANCZOS)
    for quality, sampling in ((75, "4:2:0"), (90, "4:2:2"), (95, "4:4:4")):
        buffer = io.BytesIO()
        scene.save(buffer, "JPEG", quality=quality, subsampling=sampling)
        photos.append((f"q{quality} {sampling}", buffer.getvalue()))
    return photos


def clock(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
