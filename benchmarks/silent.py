"""How often damage leaves no trace in decoding: `python -m benchmarks.silent [--trials N]`.

One error per trial, in a photo of scikit-image's: a flipped ciphertext bit under CBC (16 random bytes and one flipped
bit) or a single flipped plaintext bit. "Undetected": every MCU decodes, every interval ends where it should.
"""

import argparse
import io

import numpy as np
import skimage.data
from PIL import Image

from jpegrescue.jpeg.parse import parse
from jpegrescue.resync.decode import decode

SEED = 5
SETTINGS = ((75, "4:2:0"), (90, "4:2:2"), (95, "4:4:4"))
RESTARTS = {"none": {}, "every row": {"restart_marker_rows": 1}, "every 8 MCUs": {"restart_marker_blocks": 8}}


def undetected(jpeg: bytes, trials: int, *, garble: bool) -> float:
    """Share of trials in which nothing shows."""
    rng = np.random.default_rng(SEED)
    scan = parse(jpeg).scans[0]
    silent = 0
    for _ in range(trials):
        data = np.frombuffer(jpeg, np.uint8).copy()
        position = int(rng.integers(scan.start + 16, scan.end - 40))
        if garble:
            position -= position % 16
            data[position : position + 16] = rng.integers(0, 256, 16)
            position += 16
        data[position] ^= 1 << int(rng.integers(8))
        outcome = decode(data, parse(data))
        silent += outcome is not None and not outcome.damaged
    return silent / trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    scene = Image.fromarray(skimage.data.coffee()).resize((1200, 800))
    print("| quality | sampling | restart markers | CBC error undetected | plain flip undetected |")
    print("|---|---|---|---|---|")
    for quality, sampling in SETTINGS:
        for name, options in RESTARTS.items():
            buffer = io.BytesIO()
            scene.save(buffer, "JPEG", quality=quality, subsampling=sampling, **options)
            shares = [undetected(buffer.getvalue(), trials, garble=garble) for garble in (True, False)]
            print(f"| {quality} | {sampling} | {name} | {shares[0]:.0%} | {shares[1]:.0%} |", flush=True)


if __name__ == "__main__":
    main()
