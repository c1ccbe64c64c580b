"""`simulate`: a data set of damaged files whose every error is known."""

import hashlib
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from jpegrescue import __version__
from jpegrescue.errors import EvidenceError
from jpegrescue.flow.progress import NoProgress, Progress
from jpegrescue.flow.session import REWRITE_SHARE, conduct
from jpegrescue.lab.damage import Damaged, Donor, damage
from jpegrescue.lab.draws import Draws
from jpegrescue.lab.original import Original, Wish, make_original
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import RunState
from jpegrescue.model.truth import Recipe, TrueImage, Truth
from jpegrescue.report.output import KEY_NAME, TRUTH_NAME, OutputFolder
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key

SOURCE_BYTES_MAX = 256 << 20
FLIPS_MAX = 1_000_000  # expected in one file: the truth lists each
MADE_UP_KEY = {"cbc": 16, "xts": 64}
"""Bytes of a key that is made up, by the cipher's mode."""


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What to make of `files`, JPEG or PNG. Everything here has been validated by whoever built it.

    `output`: folder for the set, `None` for a new one named after the UTC time in the working directory; `key`: `None`
    to make one up where the recipe has a cipher; `key_file`: where `key` came from, a file that must not be
    overwritten.
    """

    files: tuple[Path, ...]
    output: Path | None
    recipe: Recipe
    wish: Wish = field(default_factory=Wish)
    key: Key | None = field(default=None, repr=False)
    key_file: Path | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class SimulateOutcome:
    """What a run hands back: the truth as it was written to `folder` / `truth.json`."""

    truth: Truth
    folder: Path


def simulate(options: SimulateOptions, progress: Progress | None = None) -> SimulateOutcome:
    """Build a data set; Ctrl-C ends it early with a valid truth, state `interrupted`.

    Of every file NAME.original.jpg, NAME.damaged.jpg and, where there is a cipher, NAME.enc. What befalls a file
    depends on the original's bytes, the recipe and the key alone: not on its name, nor on the other files. Only
    `foreign` takes clusters from them, whatever their order. The original is the source itself, so that damage is the
    same on every machine; but one that is encoded here, or whose thumbnail is, has other bytes, and other damage, where
    another version of the encoder is at work (see `Making`).

    A run that is killed leaves a truth that lists what was finished up to a moment before. Files behind that are named
    in a Problem by the next run into the folder, like everything there that no truth lists.

    Raises:
        EvidenceError: not one of the files can be used; a single one that cannot is a problem of the run.
        OutputError, UsageError: the run cannot begin, or cannot go on.
    """
    progress = progress or NoProgress()
    read = options.files if options.key_file is None else (*options.files, options.key_file)
    try:
        with OutputFolder.open(options.output, evidence=read, force=options.force, index=TRUTH_NAME) as folder:
            ledger = _Ledger(folder, options)
            return conduct(ledger, lambda: _simulate_all(ledger, options, progress))
    finally:
        progress.close()


class _Ledger:
    """The truth so far, and on disk a copy that is valid at any moment from the first usable file on.

    That copy is renewed as often as a twentieth of the time allows: what it does not list when the run is killed, no
    later run can tell from files of somebody else.
    """

    def __init__(self, folder: OutputFolder, options: SimulateOptions) -> None:
        self.folder = folder
        self.images: list[TrueImage] = []
        self.problems: list[Problem] = []
        self._options = options
        self._key_text: bytes | None = None  # of a key that is made up
        self.cipher: SectorCipher | None = None
        if options.recipe.cipher is not None:
            spec = parse_spec(options.recipe.cipher)
            key = options.key
            if key is None:
                made_up = Draws("jpegrescue simulate", options.recipe.seed, "key").octets(MADE_UP_KEY[spec.mode])
                key = Key(made_up)
                self._key_text = f"{made_up.hex()}\n".encode()
            self.cipher = SectorCipher(spec, key, options.recipe.sector_size, options.recipe.iv_unit)
        self._begun = False
        self._next_write = 0.0

    def begin(self) -> None:
        """See that the truth, and after it the key that it names, are on disk before any file of the set is."""
        if self._begun:
            return
        self._begun = True
        if self.folder.strays:
            detail = f"{len(self.folder.strays)} files of earlier runs, which no truth lists, lie in the folder: "
            self.note(Problem("unlisted_files", "warning", f"{detail}{self.folder.strays[0]} and the like"))
        self._write("running")
        if self._key_text is not None:
            self.folder.write(KEY_NAME, self._key_text, "key", private=True)
        self._next_write = 0.0  # the first file is listed at once

    def add(self, image: TrueImage) -> None:
        """Enter a file of the set."""
        self.images.append(image)
        if time.monotonic() >= self._next_write:
            self._write("running")

    def note(self, problem: Problem) -> None:
        """Add a problem of the run."""
        self.problems.append(problem)

    def finish(self, state: RunState) -> SimulateOutcome:
        """Write the truth for the last time and hand it back.

        Raises:
            EvidenceError: everything was done, and not one file could be used; then nothing is written.
        """
        if state == "done" and not self.images:
            raise EvidenceError(f"no file can be used: {self.problems[0].detail}", path=self._options.files[0])
        return SimulateOutcome(self._write(state), self.folder.path)

    def _write(self, state: RunState) -> Truth:
        began = time.monotonic()
        key_text = self._key_text if self._begun else None
        truth = Truth(
            version=__version__,
            state=state,
            recipe=self._options.recipe,
            key_file=None if key_text is None else KEY_NAME,
            key_sha256=None if key_text is None else hashlib.sha256(key_text).hexdigest(),
            images=tuple(self.images),
            problems=tuple(self.problems),
        )
        self.folder.write_index(truth)
        took = time.monotonic() - began
        self._next_write = began + took + REWRITE_SHARE * took
        return truth


def _simulate_all(ledger: _Ledger, options: SimulateOptions, progress: Progress) -> None:
    donors = list(_donors(options, progress)) if options.recipe.damage == "foreign" else []
    progress.start(_total(options.files), "simulating")
    for path in options.files:
        name = ledger.folder.claim_stem(path.stem)
        made = _load(path, options)
        if isinstance(made, Problem):
            ledger.problems.append(made)
        else:
            source, original = made
            ledger.problems += (_named(path, problem) for problem in original.problems)
            _simulate_one(name, path, source, original, donors, ledger, options.recipe)
        progress.advance(_size(path))
        progress.found(len(ledger.images), sum(bool(image.changed) for image in ledger.images))


def _simulate_one(
    name: str,
    path: Path,
    source: bytes,
    original: Original,
    donors: Sequence[Donor],
    ledger: _Ledger,
    recipe: Recipe,
) -> None:
    expected = recipe.bit_error_rate * 8 * len(original.data)
    if expected > FLIPS_MAX:
        detail = f"about {expected:.0f} bits would flip, and the truth lists each: {FLIPS_MAX} are the most"
        ledger.problems.append(_named(path, Problem("too_many_flips", "error", detail)))
        return
    damaged = damage(original.data, original.scan, recipe, ledger.cipher, donors)
    ledger.problems += (_named(path, problem) for problem in damaged.problems)
    if not damaged.changed:
        ledger.note(_named(path, Problem("undamaged", "info", "not one byte of it came out differently")))
    ledger.begin()
    ledger.add(_written(name, path, source, original, damaged, ledger.folder, recipe))


def _written(
    name: str,
    path: Path,
    source: bytes,
    original: Original,
    damaged: Damaged,
    folder: OutputFolder,
    recipe: Recipe,
) -> TrueImage:
    outputs = [folder.write(f"{name}.original.jpg", original.data, "original")]
    if recipe.cipher is not None:
        outputs.append(folder.write(f"{name}.enc", damaged.evidence, "evidence"))
    outputs.append(folder.write(f"{name}.damaged.jpg", damaged.plain, "damaged"))
    return TrueImage(
        name=name,
        source=str(path),
        source_sha256=hashlib.sha256(source).hexdigest(),
        making=original.making,
        size=len(original.data),
        sha256=outputs[0].sha256,
        scan=original.scan,
        recipe=recipe,
        flipped_bits=damaged.flipped_bits,
        overwritten=damaged.overwritten,
        foreign=damaged.foreign,
        changed=damaged.changed,
        outputs=tuple(outputs),
    )


def _load(path: Path, options: SimulateOptions) -> tuple[bytes, Original] | Problem:
    """The source and the original made of it, or why it cannot be used."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
            return _named(path, Problem("input_unreadable", "error", "not a regular file"))
        if status.st_size > SOURCE_BYTES_MAX:
            detail = f"{status.st_size} bytes are too many for one picture: {SOURCE_BYTES_MAX} are the most"
            return _named(path, Problem("source_too_large", "error", detail))
        source = path.read_bytes()
    except OSError as error:
        return _named(path, Problem("input_unreadable", "error", f"cannot be read: {error.strerror}"))
    made = make_original(source, options.wish)
    return _named(path, made) if isinstance(made, Problem) else (source, made)


def _donors(options: SimulateOptions, progress: Progress) -> Iterator[Donor]:
    """Every usable file of the set; its bytes are made again when they are needed, so that memory stays bounded."""
    progress.start(_total(options.files), "looking for foreign clusters")
    for path in options.files:
        made = _load(path, options)
        if not isinstance(made, Problem):
            _, original = made
            sha256 = hashlib.sha256(original.data).hexdigest()
            yield Donor(sha256, original.scan, partial(_read_again, path, options, sha256))
        progress.advance(_size(path))


def _read_again(path: Path, options: SimulateOptions, sha256: str, part: ByteRange) -> bytes:
    made = _load(path, options)
    if isinstance(made, Problem) or hashlib.sha256(made[1].data).hexdigest() != sha256:
        raise EvidenceError(f"{path} changed while the data set was being made", path=path)
    return made[1].data[part.start : part.end]


def _named(path: Path, problem: Problem) -> Problem:
    return replace(problem, detail=f"{path}: {problem.detail}")


def _total(paths: Sequence[Path]) -> int:
    return sum(map(_size, paths))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
