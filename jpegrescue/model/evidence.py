"""Where bytes come from: ranges, gaps and the chain of layers, all in evidence coordinates."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Half-open range of bytes `[start, end)`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes `[start, end)` that could not be read; they are read as zeros."""

    start: int
    end: int
    cause: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One step on the way from the medium to the bytes that were searched.

    `kind` is `raw` or `decrypt`; a `decrypt` layer covers `[start, end)` and leaves bytes outside it as they are.
    `parameters` never holds a key.
    """

    kind: str
    start: int
    end: int
    parameters: dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Hashes:
    """Digests as lower-case hex; `None` where not asked for."""

    sha256: str | None = None
    md5: str | None = None
    sha1: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The medium as it was read. `hashes` cover `hashed`, the raw bytes before decryption."""

    path: str
    size: int
    hashes: Hashes
    hashed: ByteRange | None
    layers: tuple[Layer, ...]
    gaps: tuple[Gap, ...] = ()
