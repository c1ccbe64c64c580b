"""Damage as worn flash does it: in the bytes that lie on the medium, seen through the decryption.

Everything here is a function of the file's bytes and the recipe: nothing is read, written or left to chance.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from jpegrescue.lab.draws import Draws
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.problem import Problem
from jpegrescue.model.truth import Foreign, Recipe
from jpegrescue.source.crypt.sector import BLOCK, SectorCipher

CODEWORD, CLUSTER, PAGE = 1 << 10, 4 << 10, 16 << 10
"""Bytes that one failure takes: of an error-correcting code, of a file system, of flash memory."""
CODEWORD_FLIPS = (40, 100)
"""Flipped bits in a codeword that its code could not correct, fewest and most."""


@dataclass(frozen=True, slots=True)
class Donor:
    """A file to take foreign clusters from: its scan (see `TrueImage`), and `read`, which yields a range of it."""

    sha256: str
    scan: ByteRange
    read: Callable[[ByteRange], bytes] = field(repr=False)

    @classmethod
    def of(cls, data: bytes, scan: ByteRange) -> Self:
        """The file `data`."""
        return cls(hashlib.sha256(data).hexdigest(), scan, lambda part: data[part.start : part.end])


@dataclass(frozen=True, slots=True)
class Damaged:
    """A damaged file: `evidence` as it lies on the medium and `plain` as it decrypts; else as in `TrueImage`.

    `problems`: what of the recipe could not be carried out.
    """

    evidence: bytes = field(repr=False)
    plain: bytes = field(repr=False)
    flipped_bits: tuple[int, ...]
    overwritten: tuple[ByteRange, ...]
    foreign: tuple[Foreign, ...]
    changed: tuple[ByteRange, ...]
    problems: tuple[Problem, ...]


def damage(
    original: bytes, scan: ByteRange, recipe: Recipe, cipher: SectorCipher | None, donors: Sequence[Donor] = ()
) -> Damaged:
    """`original` after what `recipe` says has happened to it.

    The file is padded with zeros to whole sectors and encrypted, damaged and decrypted; without a `cipher` it is
    damaged as it is. `where` `scan`: no byte before the first whole cipher block of `scan` changes, nor is a flipped or
    overwritten byte of the evidence outside `scan`; `file`: anything up to the file's end may be hit. Units lie aligned
    on the medium, on which the file begins at a sector's boundary, at or next below byte `first_sector` · `iv_unit`;
    those that stick out of that range are hit only where whole ones are too few, and lose what sticks out. Bit errors
    come first and are gone where something is then overwritten or missing.

    - `sector`: `count` sectors are zero in the evidence;
    - `codeword`: `count` codewords have 40 to 100 flipped bits each;
    - `page`: `count` pages are random bytes in the evidence;
    - `foreign`: `count` clusters hold clusters of another file's scan, rightly encrypted, the file drawn among `donors`
      with other contents, else, with a Problem, of another place in the same scan; only whole sectors are hit;
    - `tail`: the evidence ends at a sector's boundary within the range.

    Args:
        original: the file.
        scan: see `TrueImage`.
        recipe: what to do; `cipher` and `sector_size` must be those of the argument `cipher`.
        cipher: what the file is encrypted with, `None` for a file that lies unencrypted.
        donors: in any order; each content counts once.
    """
    victim = _Victim(original, scan, recipe, cipher, donors)
    victim.flip(8 * victim.hit.start + victim.draws("flips").bits(8 * victim.hit.length, recipe.bit_error_rate))
    _KINDS[recipe.damage](victim)
    return victim.result()


class _Victim:
    """A file while it is being damaged. `hit`: the bytes that may be."""

    def __init__(
        self, original: bytes, scan: ByteRange, recipe: Recipe, cipher: SectorCipher | None, donors: Sequence[Donor]
    ) -> None:
        self.original, self.scan, self.recipe, self.cipher = original, scan, recipe, cipher
        self.sha256 = hashlib.sha256(original).hexdigest()
        self.donors = donors
        self.foreign: list[Foreign] = []
        self.problems: list[Problem] = []
        self.padded = original + bytes(-len(original) % recipe.sector_size if cipher else 0)
        sound = cipher.encrypt(self.padded, recipe.first_sector) if cipher else original
        self.evidence = np.frombuffer(sound, np.uint8).copy()
        step = BLOCK if cipher else 1
        start = min(-(-scan.start // step) * step, scan.end)
        self.hit = ByteRange(start, scan.end) if recipe.where == "scan" else ByteRange(0, len(original))
        self._flips = np.zeros(0, np.int64)
        self._overwritten: list[ByteRange] = []

    def draws(self, purpose: str) -> Draws:
        """The stream for one purpose: what is drawn for another does not shift it."""
        return Draws("jpegrescue simulate", self.recipe.seed, self.sha256, purpose)

    def flip(self, bits: NDArray[np.int64]) -> None:
        """Flip `bits`, all different; one that has been flipped before flips back."""
        self._flips = np.setxor1d(self._flips, bits, assume_unique=True)
        flags = np.uint8(0x80) >> (bits & 7).astype(np.uint8)
        np.bitwise_xor.at(self.evidence, bits >> 3, flags)

    def overwrite(self, part: ByteRange, data: bytes) -> None:
        """Put `data` into the evidence."""
        self.evidence[part.start : part.end] = np.frombuffer(data, np.uint8)
        self._overwritten.append(part)
        self._forget_flips(8 * part.start, 8 * part.end)

    def cut(self, end: int) -> None:
        """Take away what lies from byte `end` on."""
        self.evidence = self.evidence[:end]
        self._forget_flips(8 * end, 8 * len(self.padded))

    def sectors(self, part: ByteRange, contents: bytes) -> bytes:
        """`contents` of the whole sectors `part`, as they lie on the medium."""
        if self.cipher is None:
            return contents
        first = part.start // self.recipe.sector_size * self.cipher.numbers_per_sector
        return self.cipher.encrypt(contents, self.recipe.first_sector + first)

    def result(self) -> Damaged:
        """What has become of the file."""
        plain = self.evidence
        if self.cipher is not None:
            plain = np.empty_like(self.evidence)
            self.cipher.decrypt_into(self.evidence, self.recipe.first_sector, plain)
        plain = plain[: len(self.original)]
        return Damaged(
            evidence=self.evidence.tobytes(),
            plain=plain.tobytes(),
            flipped_bits=tuple(self._flips.tolist()),
            overwritten=tuple(self._overwritten),
            foreign=tuple(self.foreign),
            changed=tuple(_differences(np.frombuffer(self.original, np.uint8), plain)),
            problems=tuple(self.problems),
        )

    def _forget_flips(self, start: int, end: int) -> None:
        self._flips = self._flips[(self._flips < start) | (self._flips >= end)]


def _flips_only(_: _Victim) -> None:
    """Bit errors have come first, as for every kind."""


def _zero_sectors(victim: _Victim) -> None:
    for unit in _chosen(victim, victim.recipe.sector_size, victim.hit):
        part = _common(unit, victim.hit)
        victim.overwrite(part, bytes(part.length))


def _fail_codewords(victim: _Victim) -> None:
    """Flip bits of whole codewords, and keep those in range: fewer in a codeword that sticks out."""
    draws = victim.draws("codeword")
    fewest, most = CODEWORD_FLIPS
    for unit in _chosen(victim, CODEWORD, victim.hit):
        drawn = draws.distinct(8 * CODEWORD, fewest + draws.below(most - fewest + 1))
        bits = 8 * unit.start + np.array(drawn, np.int64)
        kept = bits[(bits >= 8 * victim.hit.start) & (bits < 8 * victim.hit.end)]
        victim.flip(kept)
        if not kept.size:
            victim.problems.append(_short(f"no bit error of the codeword at byte {unit.start} is in range"))


def _garble_pages(victim: _Victim) -> None:
    draws = victim.draws("page")
    for unit in _chosen(victim, PAGE, victim.hit):
        garbage = draws.octets(PAGE)
        part = _common(unit, victim.hit)
        victim.overwrite(part, garbage[part.start - unit.start : part.end - unit.start])


def _mix_in_foreign_clusters(victim: _Victim) -> None:
    draws = victim.draws("foreign")
    others = {donor.sha256: donor for donor in victim.donors if donor.sha256 != victim.sha256}
    usable = [others[sha256] for sha256 in sorted(others) if _whole(victim, CLUSTER, others[sha256].scan)]
    itself = Donor(victim.sha256, victim.scan, lambda part: victim.original[part.start : part.end])
    hit = _whole_sectors(victim)
    for unit in _chosen(victim, CLUSTER, hit):
        donor = usable[draws.below(len(usable))] if usable else itself
        places = [place for place in _whole(victim, CLUSTER, donor.scan) if usable or place != unit]
        if not places:
            victim.problems.append(_short("no file of the set has a whole cluster to put in another's place"))
            return
        part = _common(unit, hit)
        shift = places[draws.below(len(places))].start - unit.start
        source = ByteRange(part.start + shift, part.end + shift)
        contents = donor.read(source)
        victim.foreign.append(Foreign(donor.sha256, source.start, source.end))
        victim.overwrite(part, victim.sectors(part, contents))
    if victim.foreign and not usable:
        victim.problems.append(
            _short("no other file of the set has a whole cluster to give: what it got comes from its own scan")
        )


def _cut_tail(victim: _Victim) -> None:
    size = victim.recipe.sector_size
    first = max(1, -(-victim.hit.start // size))
    ends = range(first, -(-victim.hit.end // size))
    if not ends:
        victim.problems.append(_short("no sector begins within the range that may be hit: nothing was cut off"))
        return
    victim.cut(size * ends[victim.draws("tail").below(len(ends))])


_KINDS: dict[str, Callable[[_Victim], None]] = {
    "flips": _flips_only,
    "sector": _zero_sectors,
    "codeword": _fail_codewords,
    "page": _garble_pages,
    "foreign": _mix_in_foreign_clusters,
    "tail": _cut_tail,
}


def _chosen(victim: _Victim, size: int, hit: ByteRange) -> list[ByteRange]:
    """`count` different aligned units, ascending, or all with a Problem; partly outside `hit` only if it must be."""
    wanted = victim.recipe.count
    units = _whole(victim, size, hit)
    if wanted > len(units):
        units = list(_units(victim, size, hit))
    if wanted > len(units):
        victim.problems.append(
            _short(f"{wanted} units of {size} bytes were to be hit, and the range that may be holds {len(units)}")
        )
    chosen = victim.draws("units").distinct(len(units), min(wanted, len(units)))
    return [units[index] for index in chosen]


def _units(victim: _Victim, size: int, hit: ByteRange) -> Iterator[ByteRange]:
    """Units of `size` bytes, aligned on the medium, that have a part in `hit`; the first may begin before the file."""
    if hit.length > 0:
        position = victim.recipe.first_sector * victim.recipe.iv_unit
        base = (position - position % victim.recipe.sector_size) % size
        first = (hit.start + base) // size * size - base
        yield from (ByteRange(start, start + size) for start in range(first, hit.end, size))


def _whole(victim: _Victim, size: int, hit: ByteRange) -> list[ByteRange]:
    return [unit for unit in _units(victim, size, hit) if _common(unit, hit) == unit]


def _whole_sectors(victim: _Victim) -> ByteRange:
    size = victim.recipe.sector_size
    start = -(-victim.hit.start // size) * size
    return ByteRange(start, max(start, victim.hit.end // size * size))


def _common(one: ByteRange, other: ByteRange) -> ByteRange:
    return ByteRange(max(one.start, other.start), min(one.end, other.end))


def _short(detail: str) -> Problem:
    return Problem("damage_fell_short", "warning", detail)


def _differences(original: NDArray[np.uint8], plain: NDArray[np.uint8]) -> Iterator[ByteRange]:
    """Ranges of bytes in which `plain`, which may be shorter, differs from `original`."""
    differs = np.ones(original.size + 2, np.bool_)
    differs[[0, -1]] = False
    differs[1 : plain.size + 1] = original[: plain.size] != plain
    edges = np.flatnonzero(differs[1:] != differs[:-1])
    yield from (ByteRange(start, end) for start, end in edges.reshape(-1, 2).tolist())
