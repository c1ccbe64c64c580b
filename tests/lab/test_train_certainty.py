import numpy as np
import pytest

from jpegrescue.align import certainty
from jpegrescue.lab.train_certainty import Kind, examine, examine_runs, fit
from tests.resync import damaged


def test_fit_finds_the_weights_of_a_logistic_model() -> None:
    rng = np.random.default_rng(1)
    features = np.stack([np.ones(20_000), rng.normal(size=20_000)], axis=1)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(features @ np.array([1.0, -2.0]))))
    assert fit(features, right) == pytest.approx([1.0, -2.0], abs=0.1)


@pytest.mark.parametrize("kind", ["cbc", "xts", "plain"])
def test_what_damage_leaves_alone_is_found_right(kind: Kind) -> None:
    jpeg = damaged.saved(damaged.photo("astronaut"))
    material = examine(jpeg, kind, 5e-5, np.random.default_rng(3))
    assert material is not None
    assert material.features.shape[0] == material.right.size == material.trusted.size
    assert material.changes.shape[0] == material.changed.size == material.starts.size == material.right.size
    assert material.right.mean() > 0.9
    assert material.runs.shape[1] == 4
    assert material.runs[:, 0].sum() == material.right.size
    assert material.starts.sum() == material.runs.shape[0]


def test_changes_of_dc_offsets_are_found() -> None:
    """Flipped bits move offsets now and then and leave all else alone; without any, nothing changes."""
    jpeg = damaged.saved(damaged.photo("coffee"), quality=95)
    found = [examine(jpeg, "plain", 3e-5, np.random.default_rng(seed)) for seed in range(8)]
    intact = examine(jpeg, "plain", 0.0, np.random.default_rng(0))

    assert sum(int(material.changed.sum()) for material in found if material is not None) >= 3
    assert intact is not None
    assert intact.right.all()
    assert not intact.changed.any()


def test_runs_are_examined_where_places_are_in_doubt() -> None:
    jpeg = damaged.saved(damaged.photo("astronaut"))
    found = examine_runs(jpeg, "cbc", 1e-4, np.random.default_rng(3))

    assert found is not None
    features, counts = found
    assert features.shape == (counts.shape[0], certainty.RUN_WEIGHTS.size)
    assert counts.shape[1] == 2
    assert counts[:, 0].sum() > 10 * counts[:, 1].sum()


def test_examples_count_as_often_as_they_are_said_to() -> None:
    rng = np.random.default_rng(2)
    features = np.stack([np.ones(200), rng.normal(size=200)], axis=1)
    right, counts = rng.random(200) < 0.7, rng.integers(1, 5, 200)
    repeated = fit(features.repeat(counts, axis=0), right.repeat(counts))

    assert fit(features, right, counts.astype(np.float64)) == pytest.approx(repeated)
