"""Protects what a preview may say of places."""

import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.align.place import Path, Run, from_start, rated
from jpegrescue.align.previewed import as_evidence, match, stream_levels
from tests.align.readings import reading
from tests.resync.damaged import encoded, photo


def preview_of(name: str, width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    out = io.BytesIO()
    photo(name).resize((width, height), Image.Resampling.BOX).save(out, "JPEG", quality=85)
    return np.asarray(Image.open(out).convert("YCbCr"))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_levels_are_means_of_pixels(subsampling: int) -> None:
    jpeg = encoded("coffee", subsampling, quality=95)
    read = reading(jpeg)
    levels = stream_levels(read) / 16 + 128
    luma = np.asarray(Image.open(io.BytesIO(jpeg)).convert("YCbCr"))[..., 0]
    high, wide = 8 * read.layouts[0].down, 8 * read.layouts[0].across
    columns = read.evidence.width

    for mcu in (0, 1, columns, 100, 383):
        y, x = divmod(mcu, columns)
        expected = luma[high * y : high * (y + 1), wide * x : wide * (x + 1)].mean()
        assert levels[mcu, 0] == pytest.approx(expected, abs=1.5)


def test_the_right_preview_is_trusted_and_expects_what_is_there() -> None:
    read = reading(encoded("coffee"))
    levels = stream_levels(read)
    verdict = match(preview_of("coffee"), from_start(read.evidence), levels, read.frame, read.evidence)
    assert verdict.trusted
    expected = as_evidence(preview_of("coffee"), verdict, levels, read.frame)
    off = np.abs(expected.expected - levels)

    assert np.nanmedian(off) < 16 * 6
    assert np.nanmedian(off) < 0.3 * np.nanmedian(np.abs(np.roll(expected.expected, 7, axis=0) - levels))
    assert np.all(expected.far > expected.near)


def test_a_preview_of_something_else_is_not_trusted() -> None:
    read = reading(encoded("coffee"))

    for other in ("astronaut", "chelsea", "rocket"):
        verdict = match(preview_of(other), from_start(read.evidence), stream_levels(read), read.frame, read.evidence)
        assert not verdict.trusted


def test_nothing_placed_nothing_trusted() -> None:
    read = reading(encoded("coffee"))
    nothing = Path((), 0, np.zeros((0, 3)))

    assert not match(preview_of("coffee"), nothing, stream_levels(read), read.frame, read.evidence).trusted


def test_what_is_sure_corrects_the_tone() -> None:
    read = reading(encoded("coffee"))
    levels = stream_levels(read)
    verdict = match(preview_of("coffee"), from_start(read.evidence), levels, read.frame, read.evidence)
    lighter = levels + 160.0  # as if all were ten levels brighter than the preview was fitted to
    whole = Run(0, read.evidence.count, 0)
    plain = as_evidence(preview_of("coffee"), verdict, lighter, read.frame)
    mended = as_evidence(preview_of("coffee"), verdict, lighter, read.frame, whole)

    assert np.nanmedian(np.abs(mended.expected - lighter)) < np.nanmedian(np.abs(plain.expected - lighter))
    assert abs(np.nanmedian(mended.expected[:, 0] - lighter[:, 0])) < 16


def test_a_quiet_error_in_what_is_sure_does_not_spoil_the_tone() -> None:
    read = reading(encoded("coffee"))
    levels = stream_levels(read)
    verdict = match(preview_of("coffee"), from_start(read.evidence), levels, read.frame, read.evidence)
    jumped = levels.copy()
    jumped[60:] += 320.0  # twenty levels, behind an error that changed nothing but a DC predictor
    told = as_evidence(preview_of("coffee"), verdict, jumped, read.frame, Run(0, read.evidence.count, 0))

    assert abs(np.nanmedian(told.expected[:, 0] - levels[:, 0])) < 2 * 16


def test_a_rated_path_hears_the_preview() -> None:
    read = reading(encoded("coffee"))
    levels = stream_levels(read)
    path = from_start(read.evidence)
    verdict = match(preview_of("coffee"), path, levels, read.frame, read.evidence)
    helped = replace(read.evidence, preview=as_evidence(preview_of("coffee"), verdict, levels, read.frame))

    assert rated(helped, path.runs).odds > rated(read.evidence, path.runs).odds
