"""Protects what training sees: the same batches for the same step, and never a photo that is held out."""

import zlib
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from jpegrescue.errors import UsageError
from jpegrescue.gca.config import MaskedConfig, TrainConfig
from jpegrescue.gca.inputs import CHANNELS
from jpegrescue.gca.train import Score
from jpegrescue.gca.weights import read_weights
from jpegrescue.lab.gca_samples import HEIGHT, WIDTH
from jpegrescue.lab.train_gca import BATCHES, HELD_OUT, TrainOptions, batches, block_of, held_out, photos_in, train

FOLDER = Path(skimage.__file__).parent / "data"
PHOTOS = [FOLDER / name for name in ("coffee.png", "astronaut.png")]
HOW = TrainConfig(batch=4)


def test_held_out_photos_are_told_by_their_names(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.jpg").touch()
    (tmp_path / "notes.txt").touch()
    photos, held = photos_in([tmp_path])
    (tmp_path / "another.png").touch()

    assert len(photos) + len(held) == 200
    assert 200 / HELD_OUT / 3 < len(held) < 200 / HELD_OUT * 3
    assert set(photos_in([tmp_path])[1]) - {tmp_path / "another.png"} == set(held)


def test_a_block_is_the_same_every_time() -> None:
    one, two = block_of(PHOTOS, 1, 4, 2), block_of(PHOTOS, 1, 4, 2)

    assert len(one) == BATCHES
    assert one[0][0].shape == (4, CHANNELS, HEIGHT, WIDTH)
    assert one[0][1].shape == (4, HEIGHT, WIDTH)
    assert all(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(one, two, strict=True))


def test_batches_go_on_where_they_were_left() -> None:
    whole = list(islice(batches(PHOTOS, HOW, 1, BATCHES - 1), 3))
    (rest,) = islice(batches(PHOTOS, HOW, 1, BATCHES + 1), 1)

    assert np.array_equal(whole[2][0], rest[0])
    assert not np.array_equal(whole[1][0], rest[0])


def test_too_small_photos_are_no_material(tmp_path: Path) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")

    with pytest.raises(ValueError, match="too small"):
        block_of([tmp_path / "small.png"], 1, 4, 0)
    with pytest.raises(ValueError, match="too small"):
        held_out([tmp_path / "small.png"], 4)


def test_as_many_windows_as_were_wanted() -> None:
    inputs, truth = held_out(PHOTOS, 15)

    assert len(inputs) == len(truth) == 15


def test_a_training_leaves_weights_and_goes_on_only_if_asked(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    names = ["0.png"] + [
        f"{number}.png" for number in range(1, 400) if zlib.crc32(f"{number}.png".encode()) % HELD_OUT == 0
    ]
    for name, photo in zip(names[:3], [*PHOTOS, FOLDER / "chelsea.png"], strict=True):
        (data / name).symlink_to(photo)
    how = TrainConfig(steps=3, batch=2, validation=4, report_every=2)
    options = TrainOptions((data,), tmp_path / "out", how, MaskedConfig((4, 4), 1), device="cpu")
    scores: list[Score] = []

    assert not train(replace(options, minutes=0), scores.append)
    with pytest.raises(UsageError, match="--resume"):
        train(options, scores.append)
    assert train(replace(options, resume=True), scores.append)

    assert [score.step for score in scores] == [1, 2, 3]
    assert "held-out" in str(scores[0])
    network, note = read_weights(tmp_path / "out" / "masked.safetensors")
    assert network.config == options.config
    assert note["training"]["score"]["step"] == 3
    assert (tmp_path / "out" / "curves.png").exists()
    with pytest.raises(UsageError, match="trained otherwise"):
        train(replace(options, resume=True, how=replace(how, steps=4)), scores.append)
