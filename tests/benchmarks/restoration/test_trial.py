import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.restoration import trial
from benchmarks.restoration.modes import Mode
from benchmarks.restoration.photos import Encoding, Photo
from tests.benchmarks.restoration.test_tables import SCORE


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    y, x = np.mgrid[:120, :160]
    path = tmp_path / "waves.png"
    Image.fromarray(np.stack([128 + 90 * np.sin(x / 7 + k) * np.cos(y / 9) for k in range(3)], -1).astype("u1")).save(
        path
    )
    return Photo("waves", "kodak", path, Encoding(75, "4:2:0", 0, 40), hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("cipher", ["cbc", "xts", "plain"])
def test_a_trial_is_made_once(photo: Photo, tmp_path: Path, cipher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mode = Mode(cipher, "flips", 1e-3)
    made = trial.kept_or_made(photo, mode, 5, tmp_path / "cache")
    assert made is not None
    assert (made.photo, made.mode, made.seed, made.score.problems) == ("waves", mode.name, 5, ())
    assert made.score.errors > 0
    assert [picture.kind for picture in made.score.pictures] == ["decoded", "sca", "restored"]
    assert made.preview
    monkeypatch.setattr(trial, "_made", pytest.fail)
    assert trial.kept_or_made(photo, mode, 5, tmp_path / "cache") == made


def test_results_belong_to_the_code_and_the_seed(photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    def make(given: Photo, mode: Mode, seed: int, *, repair: bool) -> trial.Trial:
        assert repair
        made.append((mode.name, seed))
        return trial.Trial(given.name, given.kind, mode.name, seed, trial.code_digest(), 0.5, False, SCORE)

    def get(given: Photo, rate: float, seed: int) -> trial.Trial | None:
        return trial.kept_or_made(given, Mode("cbc", "flips", rate), seed, tmp_path / "cache")

    monkeypatch.setattr(trial, "_made", make)
    for rate, seed in ((1e-5, 1), (1e-5, 2), (1e-4, 1), (1e-5, 1)):
        get(photo, rate, seed)
    assert made == [("cbc 1e-05", 1), ("cbc 1e-05", 2), ("cbc 0.0001", 1)]
    renamed = get(replace(photo, name="other", kind="small"), 1e-5, 1)
    assert renamed is not None
    assert (renamed.photo, renamed.kind, len(made)) == ("other", "small", 3)
    get(replace(photo, encoding=Encoding(90, "4:2:0", 0, 40)), 1e-5, 1)
    monkeypatch.setattr(trial, "code_digest", lambda: "another")
    get(photo, 1e-5, 1)
    assert len(made) == 5


def test_a_mode_that_does_not_take_the_file_has_no_trial(photo: Photo, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(300_001))
    original = replace(photo, path=large, encoding=None)
    assert trial.kept_or_made(original, Mode("cbc", "flips", 1e-4), 1, tmp_path / "cache") is None


def test_foreign_clusters_come_from_another_file(photo: Photo, tmp_path: Path) -> None:
    made = trial.kept_or_made(photo, Mode("plain", "foreign", 0.0), 3, tmp_path / "cache")
    assert made is not None
    assert (made.score.name, made.score.errors, made.score.problems) == ("waves", 1, ())
