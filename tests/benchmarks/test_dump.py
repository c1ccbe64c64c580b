"""The dump generator's truth is true: a benchmark with a wrong answer sheet is worth nothing."""

import hashlib
import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import dump, photos
from fixtures import reference_cipher

SIZE = 12 << 20


def generate(folder: Path, seed: int = 3, size: int = SIZE, cipher: str | None = None) -> tuple[bytes, dict[str, Any]]:
    dump.generate(folder, dump.Truth(size, seed, cipher, "scikit-image"), None, bytes(range(16)))
    return (folder / "dump.bin").read_bytes(), json.loads((folder / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    return generate(tmp_path_factory.mktemp("dump"))


def test_items_lie_where_the_truth_says(made: tuple[bytes, dict[str, Any]]) -> None:
    data, truth = made
    assert len(data) == truth["size"] == SIZE
    assert len(truth["items"]) > 10
    for item in truth["items"]:
        cut = data[item["offset"] : item["offset"] + item["length"]]
        assert hashlib.sha256(cut).hexdigest() == item["sha256"]
        for at in (0, *item["embedded"]):
            assert cut[at : at + 3] == b"\xff\xd8\xff"
    for before, after in itertools.pairwise(truth["items"]):
        assert before["offset"] + before["length"] <= after["offset"]


def test_undamaged_photos_decode_and_end_with_what_their_class_says(made: tuple[bytes, dict[str, Any]]) -> None:
    data, truth = made
    for item in truth["items"]:
        if item["damaged"]:
            continue
        cut = data[item["offset"] : item["offset"] + item["length"]]
        assert cut[: item["primary"]].endswith(b"\xff\xd9")
        if item["kind"] in {"second_picture", "samsung"}:
            assert item["primary"] < item["length"]
        with Image.open(io.BytesIO(cut)) as picture:
            picture.load()


def test_placements_are_kept(made: tuple[bytes, dict[str, Any]]) -> None:
    items = made[1]["items"]
    assert all(item["offset"] % dump.SECTOR for item in items if item["kind"] == "unaligned")
    free = {"unaligned", "back_to_back"}
    assert not any(item["offset"] % dump.SECTOR for item in items if item["kind"] not in free)


def test_decoys_are_no_photos(made: tuple[bytes, dict[str, Any]]) -> None:
    _, truth = made
    spans = [(item["offset"], item["offset"] + item["length"]) for item in truth["items"]]
    assert truth["decoys"]
    for decoy in truth["decoys"]:
        assert not any(start <= decoy["offset"] < end for start, end in spans)


def test_the_deck_holds_every_class() -> None:
    everything = {*dump.PLACEMENTS, *dump.DAMAGE, *dump.DECOYS, *photos.KINDS[1:], "camera"}
    assert set(dump._DECK) == everything


def test_same_seed_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, _ = generate(tmp_path / "a", size=2 << 20)
    again, _ = generate(tmp_path / "b", size=2 << 20)
    other, _ = generate(tmp_path / "c", size=2 << 20, seed=4)
    assert first == again != other


@pytest.mark.parametrize("cipher", ["aes-cbc-essiv:sha256", "aes-cbc-plain64"])
def test_encrypted_dump_decrypts_to_the_plain_one(tmp_path: Path, cipher: str) -> None:
    plain, _ = generate(tmp_path / "plain", size=3 << 20)
    encrypted, truth = generate(tmp_path / "encrypted", size=3 << 20, cipher=cipher)
    assert truth["cipher"] == cipher
    assert reference_cipher.decrypt(encrypted, cipher, bytes(range(16))) == plain


@pytest.mark.parametrize(("text", "size"), [("512", 512), ("4K", 4096), ("3M", 3 << 20), ("1g", 1 << 30)])
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert dump.parse_size(text) == size


def test_ragged_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="whole sectors"):
        generate(tmp_path, size=1000)
