"""What carving hands on."""

from dataclasses import dataclass

from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.problem import Problem


@dataclass(frozen=True, slots=True)
class CarvedFile:
    """A file found by its structure.

    `runs`: byte ranges in evidence coordinates, in file order; `end`: `eoi`, `trailer:KIND` or `unknown`;
    `entropy_end`: byte in the file where the primary picture's last scan was seen to end (its EOI, if there is one).
    Offsets in `problems` are bytes in the file.
    """

    runs: tuple[ByteRange, ...]
    end: str
    entropy_end: int
    problems: tuple[Problem, ...] = ()
