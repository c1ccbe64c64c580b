"""One file that was found, and what is wanted of it."""

from dataclasses import dataclass, field
from typing import Literal

from jpegrescue.flow.options import EffortName
from jpegrescue.jpeg.reference import Reference
from jpegrescue.model.align import ScaPart
from jpegrescue.model.evidence import ByteRange, Evidence
from jpegrescue.model.problem import Problem
from jpegrescue.source.crypt.flips import Stored


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to go through the stages: its plaintext bytes and where they lie.

    `bad`: bytes of `data` that are known to be unreadable on the medium, or garbled by what is; sorted and merged;
    `encrypted`: whether they were decrypted; `stored`: their ciphertext, and what follows it as far as it may belong to
    the file, where bits of it can be flipped.
    """

    name: str
    data: bytes
    runs: tuple[ByteRange, ...]
    end: str
    evidence: Evidence | None = None
    problems: tuple[Problem, ...] = ()
    bad: tuple[ByteRange, ...] = ()
    encrypted: bool = False
    stored: Stored | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to make of a file: its carved bytes; its picture, for `damaged` files, `always`, or no decode at all.

    `repair`: search for flipped bits, as far as this effort goes, in `jobs` threads. `align`: put a damaged file
    together, and write the aligned file, the restored picture and its mask. `sca`: parts of the published alignment to
    make another picture with, `None` for no such picture. `reference`: a photo of the same camera to take from what a
    file's header lacks.
    """

    carved: bool
    picture: Literal["never", "damaged", "always"]
    hashes: tuple[str, ...]
    repair: EffortName | None = None
    jobs: int = 1
    align: bool = False
    sca: tuple[ScaPart, ...] | None = None
    reference: Reference | None = None
