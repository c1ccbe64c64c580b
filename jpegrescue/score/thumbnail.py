"""Whether an embedded preview shows the picture it lies in, where in it the picture lies, and what it predicts.

A preview of another photo agrees in anything smooth: sky above, ground below. So what is compared are differences
between neighbouring cells, and the place where the preview should match has to beat every other place in it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.jpeg import Frame
from jpegrescue.model.thumbnail import ThumbnailMatch, ThumbnailVerdict
from jpegrescue.score.cells import (
    ALL,
    Area,
    Box,
    Cells,
    Differences,
    Floats,
    area_of,
    cells_of,
    detail_of,
    differences_of,
    edges_of,
    integral_of,
)

PAIRS_MIN = 48  # known pairs of neighbouring cells that can decide
ACTIVITY_MIN = 1.5  # levels: mean difference of neighbouring cells below which there is little to compare
LOBE = 3  # cells around the right place that are no other place
AGREEMENT_MIN = 0.75  # of detail
STANDING_OUT_MIN = 8.0  # how far, in Fisher's z, agreement is beyond the spread of that at other places
GOOD_AGREEMENT = 0.9
DOUBT, OPEN_SHARE = 4.0, 0.5  # standing out this far, more than half of the picture has to say no
UNEXPLAINED_MAX = 0.7  # of the spread of known brightness, by residuals of the fit
TIE = 0.01  # of agreement: candidates as good as each other
ENERGY_SHARE_MIN = 0.25  # of the mean over all places: flat places are compared as if they had this much detail
CONTENT_MIN = 8  # samples along a side
ASPECT_SLACK = 0.02
REFINED, REFINABLE = 3, 0.15  # candidates, and how far behind the best, that are worth a search for their shift
FIT_MCUS, FIT_ROUNDS, HUBER = 5000, 5, 1.5
MCUS_PER_FACT = 20  # neighbouring MCUs are wrong together
GAIN_PRIOR, OFFSET_PRIOR = 0.05, 4.0  # how far real previews are from gain 1 and offset 0
SIGMA_MIN = 1.0
BAR_SPREAD, BAR_STEP = 4.0, 8.0  # levels within a row of a letterbox bar, and from its first row


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A way in which the picture may lie in the preview, and how well differences agree there."""

    turns: int
    box: Box
    agreement: float = 0.0


def _agreement(mine: Floats, theirs: Floats) -> float:
    energy = float((mine**2).sum() * (theirs**2).sum())
    return float((mine * theirs).sum()) / energy**0.5 if energy > 0 else 0.0


class _Preview:
    """The brightness of a preview in one of four turns."""

    def __init__(self, preview: NDArray[np.uint8], turns: int) -> None:
        self.turns = turns
        self.light = np.rot90(preview[..., 0], turns).astype(np.float64)
        self.size = (self.light.shape[0], self.light.shape[1])
        self.down = integral_of(self.light)

    def boxes(self, aspect: float) -> list[Box]:
        """Where a picture of this width : height may lie: all over, letterboxed, or beyond where it was cropped."""
        height, width = self.size
        boxes: list[Box] = [(0.0, 0.0, float(width), float(height))]
        if _misfit(width / height, aspect) > ASPECT_SLACK:
            for across, down in ((width, width / aspect), (height * aspect, height)):
                left, top = (width - across) / 2, (height - down) / 2
                boxes.append((left, top, left + across, top + down))
        top, bottom = _bars(self.light)
        left, right = _bars(self.light.T)
        across, down = width - left - right, height - top - bottom
        # dark ground is no bar: bars are there because the shapes differ
        if min(across, down) >= CONTENT_MIN and _misfit(across / down, aspect) < _misfit(width / height, aspect):
            boxes.append((float(left), float(top), float(width - right), float(height - bottom)))
        return boxes

    def differences(self, cells: Cells, box: Box) -> Differences:
        """What the preview has for the differences of all cells, scaled by those that are known of the picture."""
        area = area_of(self.down, self.size, box, cells.edges)
        return differences_of(area.means, area.covered, cells.differences.known)

    def rated(self, cells: Cells, box: Box) -> _Candidate:
        """Known differences that the box leaves uncovered count as ones that do not agree."""
        theirs = cells.differences
        return _Candidate(
            self.turns, box, _agreement(theirs.values, self.differences(cells, box).values * theirs.known)
        )

    def refined(self, cells: Cells, candidate: _Candidate) -> _Candidate:
        """Shifted by up to a sample: many cameras take the preview's samples off-centre."""
        best = candidate
        for axis in (0, 1):
            left, top, right, bottom = best.box
            for shift in (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0):
                x, y = (shift, 0.0) if axis == 0 else (0.0, shift)
                best = max(
                    best, self.rated(cells, (left + x, top + y, right + x, bottom + y)), key=lambda c: c.agreement
                )
        return best


def _misfit(one: float, other: float) -> float:
    return max(one / other, other / one) - 1.0


def _bars(light: Floats) -> tuple[int, int]:
    """Rows of a letterbox bar at the top and at the bottom."""
    spread = light.max(axis=1) - light.min(axis=1)
    level = light.mean(axis=1)
    sides = []
    for order in (slice(None), slice(None, None, -1)):
        bar = (spread[order] <= BAR_SPREAD) & (np.abs(level[order] - level[order][0]) <= BAR_STEP)
        sides.append(int(np.argmin(bar)) if not bar.all() else len(bar))
    return sides[0], sides[1]


def _others(mine: Differences, theirs: Differences) -> float:
    """Root mean square of the agreements at all other places: of `mine`, cyclically shifted, with `theirs`."""
    shape = mine.values.shape[1:]

    def correlation(one: Floats, other: Floats) -> Floats:
        spectrum = np.conj(np.fft.rfft2(one)) * np.fft.rfft2(other)
        return np.asarray(np.fft.irfft2(spectrum.sum(axis=0), shape))

    energy = correlation(theirs.known, mine.values**2)
    energy = np.maximum(energy, ENERGY_SHARE_MIN * energy.mean()) * float((theirs.values**2).sum())
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) for n in shape)
    elsewhere = ((rows[:, None] > LOBE) | (columns > LOBE)) & (energy > 0)
    if not elsewhere.any():
        return 1.0
    product = correlation(theirs.values, mine.values)[elsewhere]
    return float(np.sqrt(np.mean(product**2 / energy[elsewhere])))


def match_thumbnail(
    preview: NDArray[np.uint8], means: NDArray[np.float32], known: NDArray[np.bool_], frame: Frame
) -> ThumbnailMatch:
    """Whether and how `preview` shows the picture of which the `known` MCUs are decoded.

    Args:
        preview: uint8, (height, width, components), in the picture's own component space (`preview_samples`).
        means: float32, (MCU rows, MCU columns, components), mean level of every known MCU, 0…255.
        known: bool, (MCU rows, MCU columns).
        frame: the picture's frame, whose MCUs these are.

    Returns:
        The match. Its verdict is `trusted` where the detail of neighbouring cells agrees and stands out from the
        agreement at all other places, and the fitted levels explain what is known; `flat` where either side has too
        little detail to be compared; `too_little_known` where even a good preview could not stand out, or lies in two
        ways, or less than half of the picture leaves it in doubt; else `unrelated`.
    """
    usable = known & np.isfinite(means).all(axis=2)
    if not usable.any() or min(preview.shape[:2]) < CONTENT_MIN:
        return ThumbnailMatch("flat" if usable.any() else "too_little_known")
    turned = [_Preview(preview, turns) for turns in range(4)]
    cells = [cells_of(means[..., 0].astype(np.float64), usable, frame, turned[turns].size) for turns in (0, 1)]
    found = _candidates(turned, cells, frame.width / frame.height)
    best = found[0]
    verdict, agreement = _verdict(turned[best.turns], cells[best.turns % 2], found)
    if verdict != "trusted":
        return ThumbnailMatch(verdict, best.turns, best.box, agreement)
    lines, spread = _fit(preview, best, means, usable, frame)
    gain, offset, sigma = zip(*lines, strict=True)
    if sigma[0] > UNEXPLAINED_MAX * spread:
        verdict = "unrelated"
    return ThumbnailMatch(verdict, best.turns, best.box, agreement, gain, offset, sigma)


def _candidates(turned: list[_Preview], cells: list[Cells], aspect: float) -> list[_Candidate]:
    """The best ways in which the picture may lie in the preview, best first."""
    coarse = [one.rated(cells[one.turns % 2], box) for one in turned for box in one.boxes(aspect)]
    coarse.sort(key=lambda candidate: -candidate.agreement)
    fine = [
        turned[one.turns].refined(cells[one.turns % 2], one)
        for one in coarse[:REFINED]
        if one.agreement > coarse[0].agreement - REFINABLE
    ]
    return sorted(fine, key=lambda candidate: -candidate.agreement)


def _verdict(preview: _Preview, cells: Cells, found: list[_Candidate]) -> tuple[ThumbnailVerdict, float]:
    """What the best candidate is worth, and the agreement of its detail."""
    theirs = cells.differences
    mine = preview.differences(cells, found[0].box)
    shared = detail_of(theirs, mine.known)
    if shared.known.sum() < PAIRS_MIN:
        return "too_little_known", 0.0
    agreement = _agreement(shared.values, detail_of(mine, theirs.known).values)
    others = max(_others(detail_of(mine), shared), 1e-3)
    standing_out = float(np.arctanh(min(agreement, 0.9999))) / others
    if agreement >= AGREEMENT_MIN and standing_out >= STANDING_OUT_MIN:
        return ("too_little_known" if _ambiguous(found) else "trusted"), agreement
    if min(mine.activity, theirs.activity) < ACTIVITY_MIN:
        return "flat", agreement
    hopeless = np.arctanh(GOOD_AGREEMENT) < STANDING_OUT_MIN * others
    open_still = standing_out >= DOUBT and shared.known.sum() < OPEN_SHARE * mine.known.sum()
    return ("too_little_known" if hopeless or open_still else "unrelated"), agreement


def _ambiguous(found: list[_Candidate]) -> bool:
    """Whether the picture may as well lie elsewhere."""
    best = found[0]
    return any(
        other.agreement > best.agreement - TIE
        and (other.turns != best.turns or max(abs(a - b) for a, b in zip(other.box, best.box, strict=True)) > LOBE)
        for other in found[1:]
    )


def _fit(
    preview: NDArray[np.uint8],
    best: _Candidate,
    means: NDArray[np.float32],
    known: NDArray[np.bool_],
    frame: Frame,
) -> tuple[list[tuple[float, float, float]], float]:
    """Gain, offset and sigma of every component, from about `FIT_MCUS` known MCUs, and their spread of brightness."""
    rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    step = max(1, round((rows.size * columns.size / FIT_MCUS) ** 0.5))
    if np.count_nonzero(known[np.ix_(rows[::step], columns[::step])]) < FIT_MCUS // 10:
        step = 1  # what is known slips through the sieve
    rows, columns = rows[::step], columns[::step]
    area = _mcu_area(preview, best.turns, best.box, frame, rows, columns)
    chosen = known[np.ix_(rows, columns)] & area.covered
    theirs = means[np.ix_(rows, columns)][chosen].astype(np.float64)
    lines = [_line(mine, other) for mine, other in zip(area.means[chosen].T, theirs.T, strict=True)]
    return lines, float(theirs[:, 0].std())


def _mcu_area(
    preview: NDArray[np.uint8],
    turns: int,
    box: Box,
    frame: Frame,
    rows: NDArray[np.int64] | slice = ALL,
    columns: NDArray[np.int64] | slice = ALL,
) -> Area:
    turned = np.rot90(preview, turns).astype(np.float64)
    edges = (
        edges_of(frame.mcu_rows, 8 * frame.vertical_max, frame.height),
        edges_of(frame.mcu_columns, 8 * frame.horizontal_max, frame.width),
    )
    return area_of(integral_of(turned), (turned.shape[0], turned.shape[1]), box, edges, rows, columns)


def _line(mine: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Gain, offset and residual spread of `theirs` over `mine`: Huber's, drawn towards gain 1 and offset 0.

    The offset is that at level 128 while fitting, so that the two priors are independent.
    """
    x, y = mine - 128.0, theirs - 128.0
    gain, offset = 1.0, float(np.median(y - x))
    for _ in range(FIT_ROUNDS):
        residual = np.abs(y - gain * x - offset)
        sigma = max(_spread(residual), SIGMA_MIN)
        weight = np.minimum(1.0, HUBER * sigma / np.maximum(residual, SIGMA_MIN)) / (MCUS_PER_FACT * sigma * sigma)
        xx = float((weight * x * x).sum()) + GAIN_PRIOR**-2
        one = float(weight.sum()) + OFFSET_PRIOR**-2
        mixed = float((weight * x).sum())
        target_x = float((weight * x * y).sum()) + GAIN_PRIOR**-2
        target = float((weight * y).sum())
        determinant = xx * one - mixed * mixed
        gain = (target_x * one - target * mixed) / determinant
        offset = (target * xx - target_x * mixed) / determinant
    sigma = max(_spread(np.abs(y - gain * x - offset)), SIGMA_MIN)
    return gain, offset + 128.0 * (1.0 - gain), sigma


def _spread(residual: Floats) -> float:
    """Standard deviation of a normal distribution with this 80 % quantile of absolute values: tails count a little."""
    return float(np.quantile(residual, 0.8)) / 1.2816


def predict_means(preview: NDArray[np.uint8], match: ThumbnailMatch, frame: Frame) -> NDArray[np.float32]:
    """Level that a trusted `preview` predicts for the mean of every MCU, as far as that lies in the picture.

    Returns:
        float32, (MCU rows, MCU columns, components), 0…255; NaN where the preview does not cover the MCU, and
        everywhere if the match is not trusted.
    """
    if not match.trusted:
        return np.full((frame.mcu_rows, frame.mcu_columns, preview.shape[2]), np.nan, np.float32)
    area = _mcu_area(preview, match.quarter_turns, match.box, frame)
    levels = np.clip(area.means * np.array(match.gain) + np.array(match.offset), 0.0, 255.0)
    return np.where(area.covered[..., None], levels, np.nan).astype(np.float32)
