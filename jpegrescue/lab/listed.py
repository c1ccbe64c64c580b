"""Files that a report or a truth lists, read only if they are what the list says."""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image, OutputFile
from jpegrescue.model.truth import TrueImage
from jpegrescue.report.names import is_safe

Bytes = NDArray[np.uint8]

_CHANGED = {"truth": "changed after the set was made", "output": "changed after the run"}


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the files lie that a report and a truth list."""

    run: Path
    truth: Path


def listed(image: Image | TrueImage, kind: str) -> OutputFile | None:
    """The first file of that kind that is listed for `image`."""
    return next((output for output in image.outputs if output.kind == kind), None)


def read_listed(folder: Path, output: OutputFile, whose: Literal["truth", "output"]) -> Bytes | Problem:
    """The bytes of the file `output` in `folder`, if size and SHA-256 are those listed; `whose`: of which list."""
    if not is_safe(output.path):
        return Problem(f"{whose}_unsafe", "error", f"{output.path} is no name of a file in its folder: not read")
    path = folder / output.path
    try:
        status = path.stat()
        regular = stat.S_ISREG(status.st_mode)  # a pipe in its place would keep us waiting
        data = path.read_bytes() if regular and status.st_size == output.size else b""
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Problem(f"{whose}_missing", "error", f"{output.path} cannot be read: {reason}")
    if not regular or len(data) != output.size or hashlib.sha256(data).hexdigest() != output.sha256:
        return Problem(f"{whose}_edited", "error", f"{output.path} was {_CHANGED[whose]}: its SHA-256 is another")
    return np.frombuffer(data, np.uint8)
