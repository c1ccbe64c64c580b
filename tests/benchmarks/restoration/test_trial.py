import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.restoration import trial
from benchmarks.restoration.modes import Mode
from benchmarks.restoration.photos import Encoding, Photo


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
    assert [picture.kind for picture in made.score.pictures] == ["decoded", "sca"]
    monkeypatch.setattr(trial, "_made", pytest.fail)
    assert trial.kept_or_made(photo, mode, 5, tmp_path / "cache") == made


def test_results_belong_to_the_code_and_the_seed(photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(trial, "_made", lambda _photo, _mode, seed: made.append(seed))
    for seed in (1, 2):
        trial.kept_or_made(photo, Mode("cbc", "flips", 1e-5), seed, tmp_path / "cache")
    assert made == [1, 2]
    digest = trial.code_digest()
    assert len(digest) == 12
    trial.kept_or_made(photo, Mode("cbc", "flips", 1e-5), 1, tmp_path / "cache")
    assert made == [1, 2, 1]  # a mode that takes no such file leaves nothing to keep
