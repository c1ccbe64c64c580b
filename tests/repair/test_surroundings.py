"""Protects what pictures say: the true flip fits what surrounds it, wrong ones and the damage fit less."""

import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.repair.candidates import block_offset, try_flips
from jpegrescue.repair.surroundings import Surroundings, fit, look_around
from jpegrescue.repair.track import Track
from jpegrescue.source.crypt.flips import BITS, Ciphertext
from jpegrescue.source.crypt.sector import BLOCK
from tests.repair.flipped import CBC, ciphertext, scan_bit, tracked
from tests.resync.damaged import NAMES, encoded

KINDS = ({}, {"mode": "L"}, {"subsampling": 0}, {"restart": 24}, {"restart": 5})


def around(file: Ciphertext) -> tuple[Track, Surroundings]:
    track = tracked(file.plain)
    return track, look_around(track, file.plain, parse(file.plain))


@pytest.mark.parametrize("options", KINDS)
def test_the_true_flip_fits_best(options: dict[str, object]) -> None:
    ahead = []
    for name in NAMES[:3]:
        jpeg = encoded(name, **options)  # type: ignore[arg-type]
        for share in (0.3, 0.7):
            bit = scan_bit(jpeg, share, lead=5)
            file = ciphertext(jpeg, [bit], CBC, lead=5)
            track, surroundings = around(file)
            block, at = bit // BITS, block_offset(bit // BITS, file.lead)
            variants = file.variants(block)
            tried = try_flips(track, file.plain, at, variants)
            assert tried is not None
            likely = [bit % BITS, *np.argsort(-tried.gain, kind="stable")[:5].tolist()]
            last = int(np.where(tried.joined >= 0, tried.joined, tried.first + tried.mcus)[likely].max())
            patches = [None, *((at, variants[k]) for k in likely)]

            alone, true, *others = fit(track, surroundings, file.plain, tried.first, last, patches)

            ahead.append(true > alone and true >= max(others))

    assert np.mean(ahead) >= 0.6


@pytest.mark.parametrize("options", KINDS)
def test_a_patch_of_what_stands_there_is_no_patch(options: dict[str, object]) -> None:
    jpeg = encoded("coffee", **options)  # type: ignore[arg-type]
    file = ciphertext(jpeg, [scan_bit(jpeg, 0.5)])
    track, surroundings = around(file)
    for share in (0.1, 0.45, 0.9):
        at = BLOCK * (scan_bit(jpeg, share) // BITS)
        first = int(np.searchsorted(track.weighed.resumed, 8 * track.stripped_at(np.array([at]))[0])) - 1

        alone, patched = fit(
            track, surroundings, file.plain, first, first + 5, [None, (at, file.plain[at : at + BLOCK].copy())]
        )

        assert alone == patched


@pytest.mark.parametrize("options", KINDS)
def test_the_picture_of_an_intact_file_fits(options: dict[str, object]) -> None:
    jpeg = encoded("chelsea", **options)  # type: ignore[arg-type]
    track, surroundings = around(ciphertext(jpeg))
    columns, count = track.plan.layout.columns, track.weighed.count

    fits = [
        fit(track, surroundings, np.frombuffer(jpeg, np.uint8), first, first + 3, [None])[0]
        for first in (columns + 1, count // 2, count - 5)
    ]

    assert min(fits) > 0


def test_patches_may_reach_over_the_ends_of_the_file() -> None:
    jpeg = encoded("coffee", size=(64, 64))
    file = ciphertext(jpeg)
    track, surroundings = around(file)
    patch = np.zeros(2 * BLOCK, np.uint8)
    last = track.weighed.count

    fits = fit(track, surroundings, file.plain, last - 1, last, [None, (len(jpeg) - 3, patch), (-7, patch)])

    assert len(fits) == 3
    assert file.plain.tobytes() == jpeg


@pytest.mark.parametrize("seed", range(8))
def test_any_patch_is_looked_at(seed: int) -> None:
    """Markers and noise in it, anywhere in the scan."""
    rng = np.random.default_rng(seed)
    jpeg = encoded("coffee", size=(128, 96), restart=(0, 3)[seed % 2])
    file = ciphertext(jpeg, [scan_bit(jpeg, 0.4)])
    track, surroundings = around(file)
    scan = track.plan.scan
    patches = []
    for _ in range(6):
        patch = rng.integers(0, 256, 2 * BLOCK, dtype=np.uint8)
        patch[3:5] = 0xFF, rng.choice([0x00, 0xD0, 0xD5, 0xD9])
        patches.append((int(rng.integers(scan.start - 9, scan.end)), patch))
    first = int(rng.integers(track.weighed.count))

    fits = fit(track, surroundings, file.plain, first, min(first + 9, track.weighed.count), [None, *patches])

    assert len(fits) == 7
    assert max(map(abs, fits)) < 1 << 30
