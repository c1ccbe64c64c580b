"""An embedded preview as evidence of where MCUs belong."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jpegrescue.align.evidence import Evidence, Preview
from jpegrescue.align.place import Path, Run
from jpegrescue.align.reading import Reading
from jpegrescue.model.jpeg import Frame
from jpegrescue.model.thumbnail import ThumbnailMatch
from jpegrescue.score.thumbnail import match_thumbnail, predict_means

MIDDLE = 128.0
DOUBT = 2.0
SURE_MIN, SIGMA_MIN = 48, 16.0
SURE_FIRST = 48, 24, 12
TONE_MAX, TONE_KEPT = 6.0 * 16, 1.5 * 16
"""1/16 level: by how much what is sure may contradict that a preview has its picture's own tone, and how much of that
is believed: cameras make previews off by 0.3 levels at the median, 2.3 at most, and what is sure may be wrong as well.
"""
NEARBY = 8
"""Outside the MCUs that a preview was fitted on it errs by more than the fit says, by this factor at the median."""


def stream_levels(reading: Reading) -> NDArray[np.float64]:
    """Means of a stream's MCUs, float64 (MCUs, components), 1/16 level."""
    means = [
        blocks[..., 0].mean(axis=0).reshape(-1, layout.across).mean(axis=1) * step
        for blocks, layout, step in zip(
            reading.stream.coefficients, reading.layouts, reading.evidence.borders.steps.tolist(), strict=True
        )
    ]
    return np.stack(means, axis=1)


def match(
    preview: NDArray[np.uint8], path: Path, levels: NDArray[np.float64], frame: Frame, evidence: Evidence
) -> ThumbnailMatch:
    """Compare a preview with what `path` has placed: with its first run alone, if that is enough to trust it."""
    verdict = ThumbnailMatch("too_little_known")
    for runs in (path.runs[:1], path.runs):
        means = np.zeros((evidence.places, levels.shape[1]), np.float32)
        known = np.zeros(evidence.places, np.bool_)
        for index, run in enumerate(runs):
            target = slice(run.start + run.shift, run.stop + run.shift)
            means[target] = (levels[run.start : run.stop] + path.offsets[index]) / 16 + MIDDLE
            known[target] = True
        shape = (-1, evidence.width)
        verdict = match_thumbnail(preview, means.reshape(*shape, levels.shape[1]), known.reshape(shape), frame)
        if verdict.trusted:
            break
    return verdict


def as_evidence(
    preview: NDArray[np.uint8],
    trusted: ThumbnailMatch,
    levels: NDArray[np.float64],
    frame: Frame,
    sure: Run | None = None,
) -> Preview:
    """What a trusted preview expects of every place.

    Its tone was fitted on offsets that may have drifted, so it is taken to be the picture's own, unless what the run
    `sure` shows, whose offsets are known, says otherwise; and corrected by that.
    """
    own = replace(trusted, gain=(1.0,) * levels.shape[1], offset=(0.0,) * levels.shape[1])
    expected, fitted = (
        16 * (predict_means(preview, match, frame).astype(np.float64) - MIDDLE).reshape(-1, levels.shape[1])
        for match in (own, trusted)
    )
    sigma = 16 * np.array(trusted.sigma)
    if sure is not None:
        place = slice(sure.start + sure.shift, sure.stop + sure.shift)
        known = np.flatnonzero(np.isfinite(expected[place] - levels[sure.start : sure.stop]).all(axis=1))
        if known.size >= SURE_MIN:
            surprise = (expected[place] - levels[sure.start : sure.stop])[known]
            for fewer in SURE_FIRST:  # a quiet error further on may have changed offsets
                if np.abs(np.median(surprise, axis=0)).max() > TONE_MAX:
                    surprise, known = surprise[:fewer], known[:fewer]
            centre = np.median(surprise, axis=0)
            if np.abs(centre).max() <= TONE_MAX:
                centre = np.clip(centre, -TONE_KEPT, TONE_KEPT)
            else:
                expected = fitted
                surprise = (expected[place] - levels[sure.start : sure.stop])[known]
                centre = np.median(surprise, axis=0)
            expected -= centre
            sigma = np.maximum(1.4826 * np.median(np.abs(surprise - centre), axis=0), SIGMA_MIN)
    near = (DOUBT * sigma) ** 2
    return Preview(levels, expected, near, near + np.maximum(_spread_nearby(expected), near))


def _spread_nearby(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Typical squared difference between places `NEARBY` MCUs apart: what an MCU that lies wrong is likely off by."""
    away = (expected[NEARBY:] - expected[:-NEARBY]) ** 2
    if not np.isfinite(away).any():
        return np.zeros(expected.shape[1])
    spread: NDArray[np.float64] = 2 * np.nanmedian(away, axis=0)
    return spread
