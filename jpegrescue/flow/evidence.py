"""Opening evidence: the raw medium, and the sector cipher over it where a key is given."""

from dataclasses import dataclass
from pathlib import Path

from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.options import KeyOptions
from jpegrescue.model.evidence import ByteRange, Evidence, Hashes
from jpegrescue.model.problem import Problem
from jpegrescue.source.bad_ranges import CipherRange, bad_in_file, merge_ranges
from jpegrescue.source.base import ByteSource
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.solve import solve_first_sector
from jpegrescue.source.crypt.source import DecryptedSource
from jpegrescue.source.raw import RawSource


@dataclass(frozen=True, slots=True)
class OpenEvidence:
    """The medium, the view of it that is searched (decrypted where there is a key), and the range of interest."""

    path: Path
    raw: RawSource
    clear: ByteSource
    decrypted: DecryptedSource | None
    cipher: SectorCipher | None
    extent: ByteRange
    problems: tuple[Problem, ...]

    def close(self) -> None:
        """Close the medium."""
        self.raw.close()

    def describe(self, hashes: Hashes, hashed: ByteRange | None) -> Evidence:
        """The report's account of this evidence as it stands now."""
        return Evidence(
            path=str(self.path.absolute()),
            size=self.raw.size,
            hashes=hashes,
            hashed=hashed,
            layers=self.clear.layers,
            gaps=self.clear.gaps,
        )

    def suspect_sector_base(self, key: KeyOptions) -> Problem | None:
        """A problem if what can be told from the ciphertext contradicts the number of the first sector in `key`."""
        if self.cipher is None or self.decrypted is None or key.first_sector is None:
            return None
        start = self.decrypted.layers[-1].start
        solved = solve_first_sector(self.raw, self.cipher, start, self.extent.end)
        if solved is None or solved.first_sector == key.first_sector:
            return None
        detail = f"the sector at byte {start} seems to have the number {solved.first_sector}, not {key.first_sector}"
        return Problem(
            "sector_base_suspect", "warning", f"{detail}: {_advice(solved.first_sector, start, self.cipher)}"
        )

    def read_problems(self, runs: tuple[ByteRange, ...] | None = None) -> tuple[Problem, ...]:
        """What could not be read so far: of the whole medium, or of `runs`."""
        return tuple(
            Problem("read_error", "error", f"bytes {gap.start} to {gap.end} read as zeros: {gap.cause}", gap.start)
            for gap in self.clear.gaps
            if runs is None or any(gap.start < run.end and run.start < gap.end for run in runs)
        )

    def unknown_bytes(
        self, listed: tuple[ByteRange, ...], runs: tuple[ByteRange, ...]
    ) -> tuple[tuple[ByteRange, ...], tuple[Problem, ...]]:
        """Bytes of the file in `runs` that are not what lay there, and what to say about those that a map lists.

        They are those `listed` as unreadable in the evidence and those that could not be read here, with what their
        ciphertext takes along.
        """
        cipher = self._cipher_range()
        gaps = tuple(ByteRange(gap.start, gap.end) for gap in self.clear.gaps)
        by_map = bad_in_file(listed, runs, cipher)
        unknown = merge_ranges(*by_map, *bad_in_file(gaps, runs, cipher))
        if not by_map:
            return unknown, ()
        count = sum(part.length for part in by_map)
        detail = f"{count} bytes from here on, in {len(by_map)} ranges, were not read from the medium, says the map"
        return unknown, (Problem("bad_range", "error", detail, by_map[0].start),)

    def _cipher_range(self) -> CipherRange | None:
        if self.cipher is None or self.decrypted is None:
            return None
        layer = self.decrypted.layers[-1]
        return CipherRange(layer.start, layer.end, self.cipher.sector_size, chained=self.cipher.spec.mode == "cbc")


def open_evidence(path: Path, key: KeyOptions, start: int, length: int | None) -> OpenEvidence:
    """Open `path` and, where a key is given, the cipher over it.

    Raises:
        EvidenceError: it cannot be opened, or holds no bytes.
        UsageError: the range lies outside it, or the key does not fit the cipher.
    """
    cipher = None if key.key is None else SectorCipher(key.spec, key.key, key.sector_size, key.iv_unit)
    raw = RawSource(path)
    try:
        extent = _extent(path, raw.size, start, length)
        if cipher is not None:
            return _decrypted(path, raw, cipher, key, extent)
    except BaseException:
        raw.close()
        raise
    return OpenEvidence(path, raw, raw, None, None, extent, ())


def _extent(path: Path, size: int, start: int, length: int | None) -> ByteRange:
    if size == 0:
        raise EvidenceError(f"{path} is empty (0 bytes)", path=path)
    if start >= size:
        raise UsageError(f"--start {start} is not inside {path}, which has {size} bytes", option="--start")
    return ByteRange(start, size if length is None else min(start + length, size))


def _decrypted(path: Path, raw: RawSource, cipher: SectorCipher, key: KeyOptions, extent: ByteRange) -> OpenEvidence:
    crypt_start = extent.start if key.crypt_start is None else key.crypt_start
    if crypt_start >= raw.size:
        raise UsageError(
            f"--crypt-start {crypt_start} is not inside {path}, which has {raw.size} bytes", option="--crypt-start"
        )
    problems = []
    first_sector = key.first_sector
    if first_sector is None:
        solved = solve_first_sector(raw, cipher, crypt_start, extent.end)
        first_sector = 0 if solved is None else solved.first_sector
        problems.append(_solution(None if solved is None else first_sector, crypt_start, cipher))
    rest = (extent.end - crypt_start) % cipher.sector_size
    if rest and extent.end == raw.size:
        detail = f"the encrypted range ends {rest} bytes into a sector of {cipher.sector_size}"
        problems.append(Problem("partial_sector", "info", detail, extent.end - rest))
    clear = DecryptedSource(raw, cipher, start=crypt_start, end=raw.size, first_sector=first_sector)
    return OpenEvidence(path, raw, clear, clear, cipher, extent, tuple(problems))


def _solution(first_sector: int | None, crypt_start: int, cipher: SectorCipher) -> Problem:
    if first_sector is None:
        detail = "the number of the first sector could not be solved; 0 was taken, so sector starts may be wrong"
        return Problem("first_sector_unsolved", "error", detail)
    detail = f"the sector at byte {crypt_start} has the number {first_sector}"
    if first_sector < 0:
        advice = _advice(first_sector, crypt_start, cipher)
        return Problem("first_sector_solved", "warning", f"{detail}: {advice}", crypt_start)
    return Problem("first_sector_solved", "info", detail)


def _advice(first_sector: int, start: int, cipher: SectorCipher) -> str:
    """How to say it right: a negative number means that the encrypted range begins later."""
    if first_sector < 0:
        begin = start - first_sector * cipher.iv_unit
        return f"what lies before byte {begin} is not encrypted or belongs elsewhere; try --crypt-start {begin}"
    return f"try --first-sector {first_sector}, or auto"
