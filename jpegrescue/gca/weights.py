"""Weights in files: safetensors, which hold numbers and nothing that could run, beside a note of what they are.

The note is JSON: the network's config, how it was trained, and the SHA-256 of the file with the weights. What differs
from its note is not loaded.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from jpegrescue.gca.config import MaskedConfig
from jpegrescue.gca.masked import Masked, parameters_of

WEIGHTS, NOTE = ".safetensors", ".json"
BYTES_MOST = 64 << 20


class WeightsError(Exception):
    """Weights that are not what their note says, or no weights at all; `path`: of the file."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


def write_weights(network: Masked, path: Path, training: dict[str, Any]) -> None:
    """Write the weights to `path`, whose suffix is WEIGHTS, and the note beside it, each whole or not at all.

    `training`: JSON, what else the note says: data, seed, steps, scores.
    """
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})
    note = {
        "preset": "masked",
        "config": asdict(network.config),
        "parameters": parameters_of(network),
        "sha256": hashlib.sha256(content).hexdigest(),
        "training": training,
    }
    for target, data in ((path, content), (path.with_suffix(NOTE), json.dumps(note, indent=2).encode() + b"\n")):
        part = target.with_name(f"{target.name}.part")
        part.write_bytes(data)
        part.replace(target)


def read_weights(path: Path) -> tuple[Masked, dict[str, Any]]:
    """The network with the weights in `path`, ready to run on the CPU, and its note.

    Raises:
        WeightsError: there is no note, the weights are not those that it describes, or of another network.
    """
    try:
        note = json.loads(path.with_suffix(NOTE).read_bytes())
        config = MaskedConfig(tuple(note["config"]["widths"]), note["config"]["blocks"])
        wanted = note["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"no note says what {path.name} is: {error}", path=path) from error
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= BYTES_MOST else b""
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {error}", path=path) from error
    if size > BYTES_MOST or hashlib.sha256(content).hexdigest() != wanted:
        raise WeightsError(f"{path.name} is not the file that its note describes", path=path)
    network = Masked(config)
    try:
        network.load_state_dict(load(content))
    except Exception as error:  # safetensors and torch raise what they like
        raise WeightsError(f"{path.name} holds no weights of this network: {error}", path=path) from error
    return network.eval(), note
