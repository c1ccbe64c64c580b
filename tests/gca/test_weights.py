"""Protects the way of weights: what was written is what is read, and nothing else is."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from jpegrescue.gca.config import MaskedConfig
from jpegrescue.gca.masked import Masked
from jpegrescue.gca.weights import BYTES_MOST, NOTE, WeightsError, read_weights, write_weights

CONFIG = MaskedConfig((4, 6), 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "masked.safetensors"
    write_weights(Masked(CONFIG), path, {"seed": 7})
    return path


def rewritten(path: Path, **changes: object) -> None:
    note = path.with_suffix(NOTE)
    note.write_text(json.dumps({**json.loads(note.read_text()), **changes}))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    network = Masked(CONFIG)
    write_weights(network, tmp_path / "a.safetensors", {"seed": 7})
    read, note = read_weights(tmp_path / "a.safetensors")

    assert read.config == CONFIG
    assert not read.training
    assert note["training"] == {"seed": 7}
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), read.parameters(), strict=True))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.safetensors"]


def test_tampered_weights_are_not_loaded(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(WeightsError, match="not the file") as caught:
        read_weights(path)
    assert caught.value.path == path


def test_weights_of_another_network_are_not_loaded(path: Path) -> None:
    rewritten(path, config={"widths": [4, 8], "blocks": 1})

    with pytest.raises(WeightsError, match="no weights of this network"):
        read_weights(path)


@pytest.mark.parametrize("note", ["", "{}", '{"config": 3, "sha256": ""}', '{"config": {"widths": [], "blocks": 1}}'])
def test_without_a_note_nothing_is_loaded(path: Path, note: str) -> None:
    path.with_suffix(NOTE).write_text(note)

    with pytest.raises(WeightsError, match="no note"):
        read_weights(path)


def test_missing_and_huge_files(path: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no note"):
        read_weights(tmp_path / "missing.safetensors")
    with path.open("r+b") as file:
        file.truncate(BYTES_MOST + 1)
    with pytest.raises(WeightsError, match="not the file"):
        read_weights(path)
    path.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        read_weights(path)


def test_a_foreign_file_with_a_note_of_its_own(path: Path) -> None:
    import hashlib

    content = save({"other": torch.zeros(3)})
    path.write_bytes(content)
    rewritten(path, sha256=hashlib.sha256(content).hexdigest())

    with pytest.raises(WeightsError, match="no weights of this network"):
        read_weights(path)
