"""The folder that a run writes its results to: whole files or none, and never over anything that is not ours."""

import errno
import fcntl
import hashlib
import io
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from jpegrescue.errors import OutputError, UsageError
from jpegrescue.model.report import OutputFile
from jpegrescue.report.json import to_json
from jpegrescue.report.medium import lies_on
from jpegrescue.report.names import is_safe, safe_stem

REPORT_NAME = "report.json"
TRUTH_NAME = "truth.json"
INDEX_NAMES = (REPORT_NAME, TRUTH_NAME)
"""Files that list what a run has written: `report.json`, and `truth.json` of a simulated data set."""
KEY_NAME = "key.hex"
"""The key of a simulated data set, where one was made up."""
RESULT_SUFFIXES = (
    ".carved.jpg",
    ".decoded.png",
    ".repaired.jpg",
    ".aligned.jpg",
    ".restored.png",
    ".mask.png",
    ".sca.png",
    ".original.jpg",
    ".enc",
    ".damaged.jpg",
)
"""What marks a file as the result of a run."""

_TEMPORARY = ".jpegrescue-{}.part"
_KEY_FILE_MAX = 1024  # bytes; a key of AES-256 in XTS mode has 129, its line feed included
_CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EFBIG: "the file would be larger than the file system allows",
    errno.EEXIST: "there is a file of that name",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EIO: "the disk reports an input/output error",
}


class OutputFolder:
    """A folder opened by `OutputFolder.open`, locked against other runs until it is closed.

    Files appear under their names only when they are complete and on disk. Methods may be called from several threads,
    as long as the names differ. Every method that writes raises OutputError with a sentence that says why it cannot.
    `strays`: files with the suffix of a result that lay here before and that no report lists, so they were left alone;
    what the run reads is none of them.
    """

    def __init__(
        self, path: Path, lock: int, evidence: frozenset[tuple[int, int]], index: str, made: Sequence[Path]
    ) -> None:
        self.path = path
        self._made = made  # folders that were not there before, the innermost first
        self._index = index
        self.strays: tuple[str, ...] = ()
        self._lock: int | None = lock
        self._evidence = evidence
        self._written: set[str] = set()
        self._stems: set[str] = set()

    @classmethod
    def open(
        cls, path: Path | None, *, evidence: Sequence[Path], force: bool = False, index: str = REPORT_NAME
    ) -> Self:
        """Make or take the folder `path`; `None`: a new `jpegrescue-<UTC time>` in the working directory.

        `evidence`: files and devices that the run reads; they are never overwritten, nor taken for results of another
        run. With `force`, what the report (or truth) of an earlier run lists as its outputs is removed together with
        it; nothing else is, and of a key only the very file whose SHA-256 the truth gives. `index`: which of
        `INDEX_NAMES` this run writes.

        Raises:
            UsageError: the folder holds results of another run and `force` is not given, or lies on the medium that is
                being read, or making way for the new results would remove evidence.
            OutputError: it cannot be made or written, is no folder, or another run is writing to it right now.
        """
        path = _unused_default() if path is None else path
        for item in evidence:
            with _explained(path, "cannot be used as output folder"):
                on_medium = lies_on(path, item)
            if on_medium:
                raise UsageError(
                    f"{path} lies on {item}, which is being read: choose a folder on another medium", option="--output"
                )
        with _explained(path, "cannot be used as output folder"):
            made = [folder for folder in (path, *path.parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
            lock = _locked(path)
        folder = cls(path, lock, frozenset(_identities(evidence)), index, made)
        try:
            folder._prepare(force=force)
        except BaseException:
            folder.close()
            raise
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs use the folder; one that `open` made goes if it is empty. A second call does nothing."""
        if self._lock is not None:
            with suppress(OSError):  # ends at the first that is not empty
                for folder in self._made:
                    folder.rmdir()
            os.close(self._lock)
            self._lock = None

    def claim_stem(self, name: str) -> str:
        """A stem made of `name` that is fit for a file name and that no other call has been given.

        A stem that is taken, if only in another case, gets `-2`, `-3`, … appended.
        """
        stem = safe_stem(name)
        number = 1
        claimed = stem
        while claimed.casefold() in self._stems:
            number += 1
            claimed = f"{stem}-{number}"
        self._stems.add(claimed.casefold())
        return claimed

    def write(self, name: str, data: bytes, kind: str, *, private: bool = False) -> OutputFile:
        """Write `data` as the file `name`; see `write_with`."""
        return self.write_with(name, kind, lambda file: file.write(data), private=private)

    def write_with(
        self, name: str, kind: str, writer: Callable[[BinaryIO], object], *, private: bool = False
    ) -> OutputFile:
        """Write the file `name` with what `writer` puts, front to back, into the stream it is given.

        Returns its record, hashed on the way. An exception of `writer` leaves no file behind and passes through.
        `private`: only its owner may read it, where the file system knows owners.

        Raises:
            ValueError: `name` is not safe, as one made of a claimed stem is, or was written before: the caller's bug.
            UsageError: it would replace what the run reads.
            OutputError: it cannot be written, or would replace a file that is not of this run.
        """
        if not is_safe(name) or name in INDEX_NAMES or name.casefold() in self._written:
            raise ValueError(f"{name!r} cannot be the name of an output file, or is one already")
        self._written.add(name.casefold())
        self._refuse_foreign(self.path / name)
        sink = self._write_whole(name, writer, private=private)
        return OutputFile(path=name, kind=kind, size=sink.size, sha256=sink.digest.hexdigest())

    def write_index(self, value: object) -> Path:
        """Write `value`, a `Report` or `Truth`, as the folder's index, in place of one written before; its path."""
        data = to_json(value)
        if self._index not in self._written:
            self._refuse_foreign(self.path / self._index)
        self._write_whole(self._index, lambda file: file.write(data))
        self._written.add(self._index)
        return self.path / self._index

    def _prepare(self, *, force: bool) -> None:
        """Refuse or make way, then find out whether files can be written here at all before the long run begins."""
        with _explained(self.path, "cannot be used as output folder"):
            entries = sorted(entry.name for entry in self.path.iterdir())
            results = [
                name
                for name in entries
                if name in INDEX_NAMES or (name.endswith(RESULT_SUFFIXES) and not self._is_read(self.path / name))
            ]
            if results and not force:
                raise UsageError(
                    f"{self.path} holds results of another run ({results[0]}): choose another folder, or give --force "
                    "to replace them",
                    option="--output",
                )
            removed = self._make_way(entries)
            self.strays = tuple(name for name in results if self.path / name not in removed)
            probe = self.path / _TEMPORARY.format(secrets.token_hex(8))
            probe.touch(exist_ok=False)
            probe.unlink()

    def _make_way(self, entries: Sequence[str]) -> set[Path]:
        stale = [name for name in entries if name.startswith(".jpegrescue-") and name.endswith(".part")]
        indices = [name for name in INDEX_NAMES if name in entries]
        outputs = [name for index in indices for name in _listed_outputs(self.path / index)]
        doomed = [self.path / name for name in (*outputs, *stale, *indices)]
        for path in doomed:
            self._refuse_evidence(path)
        for path in doomed:
            path.unlink(missing_ok=True)
        return set(doomed)

    def _is_read(self, path: Path) -> bool:
        return not self._evidence.isdisjoint(_identities([path]))

    def _refuse_evidence(self, path: Path) -> None:
        if self._is_read(path):
            raise UsageError(f"{path} is being read and would be overwritten: choose another folder", option="--output")

    def _refuse_foreign(self, path: Path) -> None:
        """See that nothing is there: links count, wherever they lead, and results of another run are gone by now."""
        self._refuse_evidence(path)
        if os.path.lexists(path):
            raise OutputError(
                f"{path} is not of this run and would be overwritten: move it away or choose another folder", path=path
            )

    def _write_whole(self, name: str, writer: Callable[[BinaryIO], object], *, private: bool = False) -> "_HashedFile":
        target = self.path / name
        temporary = self.path / _TEMPORARY.format(secrets.token_hex(8))
        try:
            with _explained(target, "cannot be written"):
                raw = temporary.open("xb")
            try:
                if private:
                    with suppress(
                        OSError
                    ):  # some file systems know no owners; there the file is as private as the rest
                        os.fchmod(raw.fileno(), 0o600)
                sink = _HashedFile(raw, target)
                writer(cast(BinaryIO, sink))
                with _explained(target, "cannot be written"):
                    raw.flush()
                    os.fsync(raw.fileno())
            finally:
                with suppress(OSError):  # all is on disk, or has failed before: what is left in the buffer fails again
                    raw.close()
            with _explained(target, "cannot be written"):
                temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        return sink


class _HashedFile(io.RawIOBase):
    """What a writer sees: an append-only stream that counts and hashes, and names the file when it fails."""

    def __init__(self, raw: io.BufferedWriter, target: Path) -> None:
        self._raw = raw
        self._target = target
        self.size = 0
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]
        with _explained(self._target, "cannot be written"):
            self._raw.write(data)
        self.digest.update(data)
        length = memoryview(data).nbytes
        self.size += length
        return length


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """Turn an OSError into an OutputError that says in words what is wrong with `path`."""
    try:
        yield
    except OSError as error:
        cause = _CAUSES.get(error.errno or 0) or (error.strerror or str(error)).lower()
        raise OutputError(f"{path} {what}: {cause}", path=path) from error


def _locked(path: Path) -> int:
    """A descriptor of the folder that holds a lock for as long as it is open."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OutputError(f"{path} is in use: another run is writing to it", path=path) from None
    except OSError:
        pass  # some network file systems know no locks; the run then goes without
    return descriptor


def _unused_default() -> Path:
    base = f"jpegrescue-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    candidates = (Path(base if n == 1 else f"{base}-{n}") for n in range(1, 1000))
    return next((path for path in candidates if not path.exists()), Path(base))


def _identities(paths: Sequence[Path]) -> Iterator[tuple[int, int]]:
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            yield status.st_dev, status.st_ino


def _listed_outputs(index: Path) -> list[str]:
    """Names of the files that `index`, the report or truth of a run, lists as outputs and that are ours to remove.

    Read as plain JSON, so that a report of any schema version will do.

    Raises:
        UsageError: it is not the report of a run.
    """
    try:
        content = json.loads(index.read_bytes())
    except ValueError:
        content = None
    try:
        int(content["schema_version"])
        listed = [str(output["path"]) for image in content["images"] for output in image["outputs"]]
        key_sha256 = content.get("key_sha256") if content.get("key_file") == KEY_NAME else None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UsageError(
            f"{index} was not written by this program and would be overwritten: choose another folder",
            option="--output",
        ) from None
    ours = [name for name in listed if is_safe(name) and name.endswith(RESULT_SUFFIXES)]
    return [*ours, KEY_NAME] if key_sha256 and key_sha256 == _sha256(index.with_name(KEY_NAME)) else ours


def _sha256(path: Path) -> str | None:
    """Digest of a file; `None` of anything else, and of a file too large to be a key that was made up."""
    with suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= _KEY_FILE_MAX:
            return hashlib.sha256(path.read_bytes()).hexdigest()
    return None
