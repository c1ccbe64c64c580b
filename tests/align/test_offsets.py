"""Protects DC offsets: known ones are found to the step, and how sure they are is said."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageFilter

from jpegrescue.align import _kernels_offsets as kernels
from jpegrescue.align.evidence import Preview
from jpegrescue.align.offsets import _skyline, solve_offsets, split_where_offsets_change
from jpegrescue.align.place import Run
from tests.align.readings import reading, with_offsets
from tests.resync.damaged import encoded, photo, saved

COLUMNS, MCUS = 24, 384  # of 384 × 256 pixels in 4:2:0
NOTHING = (0, 0, 0)


def smooth(quality: int = 75) -> bytes:
    """A picture whose neighbours agree far better than to a step."""
    return saved(photo("coffee").filter(ImageFilter.GaussianBlur(24)), quality=quality)


def wide() -> bytes:
    """The same in 4:4:4: 48 MCUs in a row."""
    return saved(photo("coffee").filter(ImageFilter.GaussianBlur(24)), subsampling=0, quality=75)


def cut(*starts: int) -> list[Run]:
    return [Run(a, b, 0) for a, b in pairwise((*starts, MCUS))]


def solved(
    offsets: dict[int, tuple[int, ...]], *, jpeg: bytes = b"", anchored: tuple[int, ...] = (0,)
) -> tuple[list[list[int]], np.ndarray]:
    evidence = with_offsets(reading(jpeg or smooth()), offsets)
    runs = cut(*sorted({0, *offsets}))
    fixed = np.isin(np.arange(len(runs)), anchored)
    steps, exact = solve_offsets(evidence, runs, np.zeros((len(runs), 3)), fixed)
    assert exact.shape == steps.shape == (len(runs), 3)
    assert np.all((exact >= 0) & (exact <= 1))
    return steps.tolist(), exact


@pytest.mark.parametrize("offset", [(5, 0, 0), (-37, 4, -9), (150, -60, 33)])
def test_an_offset_is_found_to_the_step(offset: tuple[int, ...]) -> None:
    steps, _ = solved({180: offset})

    assert steps == [[0, 0, 0], [-value for value in offset]]


def test_offsets_of_several_runs_are_found_together() -> None:
    offsets = {70: (12, -3, 5), 130: (-20, 8, 0), 200: (3, 3, 3), 300: (-90, 0, 41)}
    steps, _ = solved(offsets)

    assert steps == [[0, 0, 0], *([-value for value in offset] for offset in offsets.values())]


def test_nothing_to_find() -> None:
    steps, exact = solved({150: NOTHING, 260: NOTHING})

    assert steps == [[0, 0, 0]] * 3
    assert np.all(exact[0] == 1)


def test_what_is_anchored_stays() -> None:
    """A restart marker says 0, whatever borders say."""
    steps, exact = solved({180: (30, 0, 0)}, anchored=(0, 1))

    assert steps == [[0, 0, 0]] * 2
    assert np.all(exact == 1)


def test_two_anchors_carry_what_lies_between() -> None:
    steps, _ = solved({100: (44, -7, 7), 250: NOTHING}, anchored=(0, 2))

    assert steps == [[0, 0, 0], [-44, 7, -7], [0, 0, 0]]


def test_a_run_that_touches_nothing_is_not_sure() -> None:
    evidence = with_offsets(reading(smooth()), {})
    runs = [Run(0, 60, 0), Run(200, 300, 0)]
    _, exact = solve_offsets(evidence, runs, np.zeros((2, 3)), np.array([True, False]))

    assert np.all(exact[0] == 1)
    assert np.all(exact[1] < 0.5)


def test_what_is_anchored_rests_on_nothing() -> None:
    evidence = with_offsets(reading(smooth()), {})
    runs = [Run(0, 60, 0), Run(100, 200, 0), Run(250, 300, 0), Run(310, 320, 0)]
    _, exact = solve_offsets(evidence, runs, np.zeros((4, 3)), np.array([False, False, True, False]))

    assert not exact[0].any()
    assert not exact[1].any()
    assert np.all(exact[2] == 1)


def test_sharp_pictures_and_fine_quantisers_are_less_sure() -> None:
    jpeg = encoded("astronaut", quality=98)
    _, fine = solved({180: (9, 9, 9)}, jpeg=jpeg)
    _, coarse = solved({180: (9, 9, 9)})

    assert np.all(fine[1] < coarse[1])
    assert fine[1].prod() < 0.9


def test_a_preview_says_what_borders_cannot() -> None:
    read = reading(smooth())
    true = 16.0 * np.add.outer(np.linspace(-20, 20, MCUS), np.zeros(3))
    offset = 3 * read.evidence.borders.steps
    levels = true.copy()
    levels[200:] += offset
    preview = Preview(levels, true, np.full(3, 30.0), np.full(3, 1e6))
    runs = [Run(0, 60, 0), Run(200, 300, 0)]
    plain = with_offsets(read, {200: (3, 3, 3)})
    fixed = np.array([True, False])
    alone, _ = solve_offsets(plain, runs, np.zeros((2, 3)), fixed)
    helped, exact = solve_offsets(replace(plain, preview=preview), runs, np.zeros((2, 3)), fixed)

    assert helped.tolist() == [[0, 0, 0], [-3, -3, -3]]
    assert alone.tolist()[1] != [-3, -3, -3]
    assert np.all(exact <= 1)


def test_a_guess_that_is_far_away_does_no_harm() -> None:
    """Reweighting finds the nearest way to agree: one photo ended 1580 levels too dark."""
    evidence = with_offsets(reading(smooth()), {8: (606, 0, 0)})
    guess = np.array([[0.0, 0, 0], [16.0 * 970, 0, 0]])
    steps, _ = solve_offsets(evidence, [Run(0, 7, 0), Run(8, MCUS, 0)], guess, np.array([True, False]))

    assert abs(steps[1, 0] + 606) <= 2


@pytest.mark.parametrize("off", [-20, 20])
def test_no_colour_is_darker_than_black_or_lighter_than_white(off: int) -> None:
    """Luma alone would do, 30 levels darker or lighter: but red, green or blue would not. One door was too dark so."""
    x, y = np.linspace(0, 1, 384)[None, :], np.linspace(0, 1, 256)[:, None]
    part = 0.5 + 0.5 * np.sin(9 * x + 7 * y)
    red = np.stack((60 + 195 * part, 60 * (1 - part), 60 * part * (1 - part)), axis=2)
    jpeg = saved(Image.fromarray(red.astype(np.uint8)), quality=75)
    evidence = with_offsets(reading(jpeg), {48: (off, 0, 0)})
    steps, _ = solve_offsets(evidence, [Run(0, 20, 0), Run(96, MCUS, 0)], np.zeros((2, 3)), np.array([True, False]))

    assert abs(steps[1, 0] + off) * evidence.borders.steps[0] / 16 < 6


@pytest.mark.parametrize("off", [-300, 300])
def test_nothing_is_darker_than_black_or_lighter_than_white(off: int) -> None:
    """Where nothing else tells an offset, this does, within what the picture leaves open."""
    x = np.add.outer(np.zeros(256), np.linspace(0, 255, 384))
    read = reading(saved(Image.fromarray(np.stack([x] * 3, axis=-1).astype(np.uint8)), quality=75))
    evidence = with_offsets(read, {48: (off, 0, 0)})
    steps, _ = solve_offsets(evidence, [Run(0, 20, 0), Run(96, MCUS, 0)], np.zeros((2, 3)), np.array([True, False]))

    assert abs(steps[1, 0] + off) * evidence.borders.steps[0] / 16 < 24


def test_a_cut_that_changes_nothing_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = with_offsets(reading(wide()), {700: (40, 0, 0)})
    tried = iter((np.array([200, 700, 1000]), np.array([400])))
    monkeypatch.setattr("jpegrescue.align.offsets.likely_cuts", lambda *_: next(tried))

    assert split_where_offsets_change(evidence, [Run(0, 1536, 0)]) == [Run(0, 700, 0), Run(700, 1536, 0)]


def test_no_runs_no_offsets() -> None:
    steps, exact = solve_offsets(reading(smooth()).evidence, [], np.zeros((0, 3)), np.zeros(0, np.bool_))

    assert steps.shape == exact.shape == (0, 3)


def test_a_run_is_cut_where_its_offset_changes() -> None:
    whole = [Run(0, 1536, 0)]
    evidence = with_offsets(reading(wide()), {700: (40, 0, 0)})
    parts = split_where_offsets_change(evidence, whole)

    assert len(parts) == 2
    assert abs(parts[1].start - 700) <= 2
    assert split_where_offsets_change(reading(wide()).evidence, whole) == whole


def test_cutting_keeps_every_mcu_and_shift() -> None:
    evidence = with_offsets(reading(wide()), {400: (40, 0, 0), 1000: (0, 30, 0)})
    given = [Run(0, 800, 0), Run(810, 1536, 0)]
    parts = split_where_offsets_change(evidence, given)

    assert len(parts) == 4
    covered = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    np.testing.assert_array_equal(covered, [*range(800), *range(810, 1536)])
    assert {part.shift for part in parts} == {0}


@pytest.mark.parametrize("runs", [[], [Run(0, 10, 0)], [Run(0, COLUMNS, 0), Run(30, 31, 0)]])
def test_short_runs_stay_whole(runs: list[Run]) -> None:
    assert split_where_offsets_change(reading(smooth()).evidence, runs) == runs


def test_a_flat_picture_says_so_too() -> None:
    flat = saved(Image.fromarray(np.full((256, 384, 3), 90, np.uint8)))
    steps, _ = solved({180: (2, -2, 1)}, jpeg=flat)

    assert steps == [[0, 0, 0], [-2, 2, -1]]


def test_one_messy_row_does_not_widen_the_system() -> None:
    """With one band for all, runs that each meet two others would take as much room as those that meet hundreds."""
    messy = [(i, 400 + i) for i in range(400)]
    neat = [(i, i + 2) for i in range(800, 20_000)]
    above, below = np.array(messy + neat).T
    low, ends = _skyline(above, below, 20_002)

    assert np.all(np.diff(low) >= 0)
    assert np.all(low[below] <= above)
    assert low[0] == 0
    assert low[-1] == 19_999
    assert ends[-1] + 1 == (np.arange(low.size) - low + 1).sum() < 300_000


@pytest.mark.parametrize("step", [0.0, 16.0])
def test_the_system_is_solved(step: float) -> None:
    random = np.random.default_rng(4)
    below = np.sort(random.integers(1, 60, 300))
    above = np.maximum(below - random.integers(1, 12, 300), 0)
    low, ends = _skyline(above, below, 60)
    dense = np.diag(random.uniform(0.1, 1, 60))
    for i, j, weight in zip(above, below, random.uniform(0.1, 3, 300), strict=True):
        dense[[i, j], [i, j]] += weight
        dense[[i, j], [j, i]] -= weight
    right = random.normal(0, 50, 60)
    expected = np.linalg.solve(dense, right)
    matrix = np.concatenate([dense[j, low[j] : j + 1] for j in range(60)])
    solution, doubt = np.zeros((2, 60))
    kernels.eliminate(matrix, low, ends, right)
    kernels.substitute(matrix, low, ends, right, step, solution, doubt)

    if step:
        np.testing.assert_array_equal(solution, np.round(solution))
        assert abs(solution[0] * step - expected[0]) <= step / 2
        assert np.all(doubt > 0)
    else:
        np.testing.assert_allclose(solution, expected, rtol=1e-9, atol=1e-9)


def test_sureness_is_handed_on_over_borders() -> None:
    above, below = np.array([0, 0, 1, 2, 2]), np.array([1, 2, 2, 4, 4])
    weight = np.zeros(5)
    kernels.link(
        above, below, np.array([0.9, 0.8, 0.5, 0.7, 0.6]), np.array([True, False, False, False, False]), weight
    )

    np.testing.assert_allclose(weight, [1.0, 0.8, 0.5 * (1.0 + 0.8) / 2, 0.0, 0.6 * 0.45])
