import numpy as np
import pytest

from jpegrescue.lab.train_certainty import examine, fit
from tests.resync import damaged


def test_fit_finds_the_weights_of_a_logistic_model() -> None:
    rng = np.random.default_rng(1)
    features = np.stack([np.ones(20_000), rng.normal(size=20_000)], axis=1)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(features @ np.array([1.0, -2.0]))))
    assert fit(features, right) == pytest.approx([1.0, -2.0], abs=0.1)


def test_what_damage_leaves_alone_is_found_right() -> None:
    jpeg = damaged.saved(damaged.photo("astronaut"))
    material = examine(jpeg, 5e-5, np.random.default_rng(3))
    assert material is not None
    assert material.features.shape[0] == material.right.size == material.trusted.size
    assert material.right.mean() > 0.9
    assert material.runs.shape[1] == 4
    assert material.runs[:, 0].sum() == material.right.size
