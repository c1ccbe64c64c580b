"""Protects what plausibility looks at: lines at borders, their activity, and what MCUs hold."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.jpeg import entropy
from jpegrescue.score._kernels_borders import BOTTOM, CONTENTS, LEFT, RIGHT, TOP
from jpegrescue.score.borders import CHROMA, LUMA, Borders, ComponentLayout, look_at_borders
from tests.resync.damaged import Opened, by_mcu, encoded, opened

QUANT = tuple(range(3, 67))
STEPS = entropy.natural_steps(QUANT)


def basis() -> NDArray[np.float64]:
    """T.81 A.3.3 as a matrix: samples = basisᵀ · coefficients · basis."""
    k, x = np.mgrid[:8, :8]
    return np.where(k == 0, np.sqrt(0.5), 1) / 2 * np.cos((2 * x + 1) * k * np.pi / 16)


def samples_of(mcu: NDArray[np.int16], layout: ComponentLayout) -> NDArray[np.float64]:
    """Levels of one MCU, (8 · down, 8 · across), from its blocks (blocks, 64)."""
    rows = (mcu.astype(np.float64) * layout.steps).reshape(layout.down, layout.across, 8, 8)
    levels = 128 + np.einsum("ku,yxkl,lv->yxuv", basis(), rows, basis())
    return levels.transpose(0, 2, 1, 3).reshape(8 * layout.down, 8 * layout.across)


def side(levels: NDArray[np.float64], which: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The outermost line of a side and the next one."""
    turned = {TOP: levels, BOTTOM: levels[::-1], LEFT: levels.T, RIGHT: levels.T[::-1]}[which]
    return turned[0], turned[1]


def lines_of(borders: Borders, which: int, mcu: int, component: int) -> NDArray[np.int32]:
    lines, starts = (
        (borders.horizontal, borders.columns) if which in (TOP, BOTTOM) else (borders.vertical, borders.rows)
    )
    return lines[which % 2, mcu, starts[component] : starts[component + 1]]


def streams(layouts: Sequence[ComponentLayout], mcus: int, seed: int = 1) -> list[NDArray[np.int16]]:
    """Coefficients that stay within the range of samples."""
    rng = np.random.default_rng(seed)
    out = []
    for layout in layouts:
        blocks = np.zeros((layout.down, mcus * layout.across, 64), np.int16)
        blocks[..., 0] = rng.integers(-60, 60, blocks.shape[:2])
        blocks[..., [1, 2, 8, 9, 16, 35]] = rng.integers(-3, 4, (*blocks.shape[:2], 6))
        out.append(blocks)
    return out


def at(blocks: NDArray[np.int16], layout: ComponentLayout, mcu: int) -> NDArray[np.int16]:
    return blocks[:, mcu * layout.across : (mcu + 1) * layout.across].reshape(-1, 64)


LAYOUTS = {
    "4:4:4": ((1, 1, LUMA), (1, 1, CHROMA), (1, 1, CHROMA)),
    "4:2:2": ((2, 1, LUMA), (1, 1, CHROMA), (1, 1, CHROMA)),
    "4:2:0": ((2, 2, LUMA), (1, 1, CHROMA), (1, 1, CHROMA)),
    "4:4:0": ((1, 2, LUMA), (1, 1, CHROMA), (1, 1, CHROMA)),
    "grey": ((1, 1, LUMA),),
    "four": ((2, 2, LUMA), (1, 1, CHROMA), (1, 1, CHROMA), (2, 2, LUMA)),
}


def layouts_of(name: str) -> list[ComponentLayout]:
    return [ComponentLayout(*factors, STEPS) for factors in LAYOUTS[name]]


@pytest.mark.parametrize("name", LAYOUTS)
def test_lines_are_levels_extrapolated_to_the_border(name: str) -> None:
    layouts = layouts_of(name)
    coefficients = streams(layouts, 5)
    borders = look_at_borders(coefficients, layouts)

    assert borders.mcus == 5
    for c, layout in enumerate(layouts):
        for mcu in range(5):
            levels = samples_of(at(coefficients[c], layout, mcu), layout)
            for which in (TOP, BOTTOM, LEFT, RIGHT):
                outer, inner = side(levels, which)
                expected = 8 * (3 * outer - inner)
                # samples without DC are rounded to levels: at most half of 8 · (3 + 1)
                np.testing.assert_allclose(lines_of(borders, which, mcu, c), expected, atol=17)


@pytest.mark.parametrize("name", LAYOUTS)
def test_activity_is_the_mean_difference_across_and_along(name: str) -> None:
    layouts = layouts_of(name)
    coefficients = streams(layouts, 4, seed=2)
    borders = look_at_borders(coefficients, layouts)

    for c, layout in enumerate(layouts):
        for mcu in range(4):
            blocks = at(coefficients[c], layout, mcu).copy()
            blocks[:, 0] = 0  # steps between blocks of one MCU are no activity
            levels = samples_of(blocks, layout)
            for which in (TOP, BOTTOM, LEFT, RIGHT):
                outer, inner = side(levels, which)
                along = np.abs(np.diff(outer))[np.arange(1, outer.size) % 8 != 0]
                expected = 16 * np.abs(outer - inner).mean() + 16 * along.mean()
                assert borders.activity[c, which, mcu] == pytest.approx(expected, abs=20)


def test_a_dc_step_moves_a_line_by_what_steps_says() -> None:
    layouts = layouts_of("4:2:0")
    coefficients = streams(layouts, 6)
    moved = [blocks.copy() for blocks in coefficients]
    offsets = (7, -3, 11)
    for blocks, offset in zip(moved, offsets, strict=True):
        blocks[..., 0] += offset
    before, after = look_at_borders(coefficients, layouts), look_at_borders(moved, layouts)

    for c, offset in enumerate(offsets):
        for mcu in range(6):
            for which in (TOP, BOTTOM, LEFT, RIGHT):
                change = lines_of(after, which, mcu, c) - lines_of(before, which, mcu, c)
                assert set(change.tolist()) == {offset * int(before.steps[c])}
    np.testing.assert_array_equal(before.activity, after.activity)
    np.testing.assert_array_equal(before.contents, after.contents)


def test_one_step_is_an_eighth_of_the_quantiser_step() -> None:
    """T.81 A.3.3: DC = 8 · mean, and lines are in 1/16 level."""
    (layout,) = layouts_of("grey")
    borders = look_at_borders([np.zeros((1, 1, 64), np.int16)], [layout])

    assert borders.steps.tolist() == [16 * QUANT[0] / 8]


def test_contents_grow_with_what_an_mcu_holds() -> None:
    layouts = layouts_of("4:2:0")
    mcus = 40
    coefficients = [np.zeros((layout.down, mcus * layout.across, 64), np.int16) for layout in layouts]
    for mcu in range(mcus):
        coefficients[0][:, 2 * mcu : 2 * mcu + 2, 1 : 1 + mcu] = 2
        coefficients[1][:, mcu, 1 : 1 + mcu] = -3
    contents = look_at_borders(coefficients, layouts).contents

    assert contents.dtype == np.int8
    assert np.all(np.diff(contents) >= 0)
    assert not contents[:, 0].any()
    assert np.all(contents[:, -1] > contents[:, 5])
    assert contents.max() < CONTENTS


def test_contents_tell_luma_from_chroma_and_amplitude_from_number() -> None:
    layouts = layouts_of("4:4:4")
    many, large, colour = ([np.zeros((1, 1, 64), np.int16) for _ in layouts] for _ in range(3))
    many[0][..., 1:31] = 1
    large[0][..., 1] = int(STEPS[1:31].sum()) // int(STEPS[1])
    colour[2][..., 1] = 50
    amplitude, number, chroma = (look_at_borders(c, layouts).contents[:, 0] for c in (many, large, colour))

    assert abs(int(amplitude[0]) - int(number[0])) <= 1  # the same amplitude
    assert amplitude[1] > number[1] + 3
    assert chroma[2] > 0
    assert not chroma[:2].any()


def test_contents_stay_in_their_bins_whatever_garbage_holds() -> None:
    layouts = layouts_of("4:2:0")
    worst = [
        np.full((layout.down, 3 * layout.across, 64), value, np.int16)
        for layout, value in zip(layouts, (1023, -1023, 32767), strict=True)
    ]
    coarse = [replace(layout, steps=np.full(64, 65535, np.int32)) for layout in layouts]
    contents = look_at_borders(worst, coarse).contents

    assert contents.min() >= 0
    assert contents.max() == CONTENTS - 1


def _as_one(file: Opened) -> Borders:
    return look_at_borders(file.stream.coefficients, file.layouts)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_lines_of_a_file_are_those_of_its_pixels(subsampling: int) -> None:
    file = opened(encoded("coffee", subsampling))
    borders = _as_one(file)

    for mcu in (0, 1, 100, file.layout.mcus - 1):
        for c, (layout, blocks) in enumerate(zip(file.layouts, by_mcu(file), strict=True)):
            levels = samples_of(blocks[mcu], layout)
            for which in (TOP, BOTTOM, LEFT, RIGHT):
                outer, inner = side(levels, which)
                np.testing.assert_allclose(lines_of(borders, which, mcu, c), 8 * (3 * outer - inner), atol=17)


def test_many_mcus_are_looked_at_like_few() -> None:
    """Work goes in portions; none may shift what follows."""
    layouts = layouts_of("4:2:0")
    coefficients = streams(layouts, 5000)
    borders = look_at_borders(coefficients, layouts)
    ends = [blocks[:, -7 * layout.across :] for blocks, layout in zip(coefficients, layouts, strict=True)]
    last = look_at_borders(ends, layouts)

    np.testing.assert_array_equal(borders.horizontal[:, -7:], last.horizontal)
    np.testing.assert_array_equal(borders.vertical[:, -7:], last.vertical)
    np.testing.assert_array_equal(borders.activity[..., -7:], last.activity)
    np.testing.assert_array_equal(borders.contents[:, -7:], last.contents)
