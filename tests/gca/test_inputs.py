"""Protects what networks are shown: every sample at its place, in the units that weights were trained with."""

import numpy as np
import pytest

from jpegrescue.gca.inputs import CHANNELS, DOUBT, FILL, LOST, MIDDLE, NOISE, PLAIN, REACHED, SCALE, TOLD, inputs_of
from tests.fill.scenes import spread
from tests.gca.scenes import HOLES, PICTURE, scene

WHOLE = (0, PICTURE.shape[0], 0, PICTURE.shape[1])


def test_a_window_shows_what_lies_there() -> None:
    shown = scene()
    made = inputs_of(shown, (16, 80, 40, 168))

    assert made.shape == (CHANNELS, 64, 128)
    assert made.dtype == np.float32
    assert np.allclose(made[FILL] * SCALE + MIDDLE, shown.filled.samples[0][16:80, 40:168])
    assert np.array_equal(made[LOST] > 0, spread(HOLES)[16:80, 40:168])


def test_windows_that_overlap_agree() -> None:
    shown = scene()
    one, other = inputs_of(shown, (0, 64, 0, 128)), inputs_of(shown, (16, 80, 32, 160))

    assert np.array_equal(one[:, 16:, 32:], other[:, :48, :96])


def test_without_a_preview_its_channels_are_empty() -> None:
    made = inputs_of(scene(preview=False), WHOLE)

    assert not made[[PLAIN, TOLD, NOISE, REACHED]].any()


def test_a_preview_tells_something_around_holes_only() -> None:
    made = inputs_of(scene(), WHOLE)
    lost = made[LOST] > 0

    assert made[REACHED][lost].mean() > 0.9
    assert made[REACHED].mean() < 0.9
    assert (made[NOISE][made[REACHED] > 0] > 0).all()
    assert np.abs(made[PLAIN][lost]).mean() > 0
    assert not made[PLAIN][~lost].any()


def test_what_is_shown_and_not_trusted_is_marked() -> None:
    made = inputs_of(scene(doubted=True), WHOLE)

    assert made[DOUBT][:8, :8].all()
    assert made[DOUBT].sum() == 64


def test_beyond_the_picture_nothing_is_known() -> None:
    made = inputs_of(scene(), (-8, 56, WHOLE[3] - 64, WHOLE[3] + 64))

    assert made[DOUBT][:8].all()
    assert made[DOUBT][:, 64:].all()
    assert not made[LOST][:8].any()
    assert np.array_equal(made[FILL][:8, :64], np.repeat(made[FILL][8:9, :64], 8, axis=0))


def test_a_study_is_needed() -> None:
    with pytest.raises(ValueError, match="study"):
        inputs_of(scene(study=False), WHOLE)
