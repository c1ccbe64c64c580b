import numpy as np
import pytest

from jpegrescue.flow.mask import LEVELS, MASK_LABEL, pixel_levels
from jpegrescue.jpeg.pixels import ColourSpace, blends, picture_of
from jpegrescue.model.align import ALIGNED, LOST, PLACED, UNCERTAIN
from jpegrescue.model.jpeg import Component, Frame
from tests.jpeg.test_pixels import LAYOUTS

SPACES: dict[int, ColourSpace] = {1: "grey", 3: "ycc", 4: "cmyk"}
OWN = {LOST: 0, UNCERTAIN: 96, PLACED: 160, ALIGNED: 224}


def frame_of(factors: tuple[tuple[int, int], ...], width: int = 75, height: int = 83) -> Frame:
    components = tuple(Component(number, h, v, 0) for number, (h, v) in enumerate(factors))
    return Frame("baseline", 8, width, height, components)


def samples_of(frame: Frame, rng: np.random.Generator) -> list[np.ndarray]:
    """Levels from the middle, which no conversion cuts off."""
    return [
        rng.integers(64, 192, (8 * c.vertical * frame.mcu_rows, 8 * c.horizontal * frame.mcu_columns), np.uint8)
        for c in frame.components
    ]


def changed_pixels(frame: Frame, mcus: np.ndarray, trials: int) -> np.ndarray:
    """Pixels that differ in any of the trials that put other samples into `mcus`."""
    rng = np.random.default_rng(5)
    space = SPACES[len(frame.components)]
    changed = np.zeros((frame.height, frame.width), np.bool_)
    for _ in range(trials):
        before, other = samples_of(frame, rng), samples_of(frame, rng)
        after = []
        for component, one, two in zip(frame.components, before, other, strict=True):
            inside = np.repeat(np.repeat(mcus, 8 * component.vertical, 0), 8 * component.horizontal, 1)
            after.append(np.where(inside, two, one))
        first, second = (picture_of(frame, planes, space).samples for planes in (before, after))
        changed |= (first != second).reshape(frame.height, frame.width, -1).any(axis=-1)
    return changed


@pytest.mark.parametrize("factors", LAYOUTS)
@pytest.mark.parametrize("grade", [LOST, UNCERTAIN, PLACED])
def test_no_pixel_depends_on_an_mcu_that_is_worth_less(factors: tuple[tuple[int, int], ...], grade: int) -> None:
    frame = frame_of(factors)
    grid = np.random.default_rng(len(factors)).integers(0, 4, (frame.mcu_rows, frame.mcu_columns), np.uint8)

    levels = pixel_levels(frame, grid)

    changed = changed_pixels(frame, grid <= grade, trials=3)
    assert changed.any()
    assert levels[changed].max() <= OWN[grade]


@pytest.mark.parametrize("factors", [layout for layout in LAYOUTS if len(layout) != 4])
def test_every_pixel_that_does_not_depend_on_one_keeps_its_grade(factors: tuple[tuple[int, int], ...]) -> None:
    frame = frame_of(factors)
    grid = np.full((frame.mcu_rows, frame.mcu_columns), ALIGNED, np.uint8)
    grid[1, 1] = grid[-1, -1] = LOST

    levels = pixel_levels(frame, grid)

    changed = changed_pixels(frame, grid == LOST, trials=12)
    assert set(np.unique(levels)) == {LEVELS["filled"], LEVELS["aligned"]}
    np.testing.assert_array_equal(levels == LEVELS["filled"], changed)


def test_the_ring_of_a_lost_mcu_is_one_pixel_wide() -> None:
    frame = frame_of(((2, 2), (1, 1), (1, 1)), 48, 48)
    grid = np.full((3, 3), ALIGNED, np.uint8)
    grid[1, 1] = LOST
    expected = np.full((48, 48), 224, np.uint8)
    expected[15:33, 15:33] = 0

    levels = pixel_levels(frame, grid)

    assert levels.dtype == np.uint8
    np.testing.assert_array_equal(levels, expected)


def test_pictures_too_narrow_for_a_blend_have_no_ring_across() -> None:
    assert blends(frame_of(((2, 1), (1, 1), (1, 1)), 4, 9))[1:] == ((False, False),) * 2
    assert blends(frame_of(((2, 1), (1, 1), (1, 1)), 5, 9)) == ((False, False), (True, False), (True, False))
    assert blends(frame_of(((1, 2), (1, 1), (1, 1)), 4, 9))[1:] == ((False, True),) * 2
    assert blends(frame_of(((2, 2), (1, 1), (1, 1)), 40, 9))[1:] == ((True, True),) * 2
    assert blends(frame_of(((4, 1), (1, 1), (1, 1)), 40, 9))[1:] == ((False, False),) * 2


def test_the_label_names_every_level_and_better_is_lighter() -> None:
    assert MASK_LABEL.endswith(
        "255 exact, 224 aligned, 192 consistent, 160 placed, 96 uncertain, 32 synthetic, 0 filled"
    )
    assert list(LEVELS.values()) == sorted(LEVELS.values(), reverse=True)
