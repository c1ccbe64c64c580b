"""`restore`: damaged JPEG files, or their ciphertext as it lay on disk, one by one."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from jpegrescue.carve.extent import measure
from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.evidence import OpenEvidence, open_evidence
from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.flow.options import KeyOptions, Outcome, RestoreOptions
from jpegrescue.flow.progress import NoProgress, Progress
from jpegrescue.flow.session import Session, conduct
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.reference import Reference, unfit
from jpegrescue.model.evidence import ByteRange, Evidence
from jpegrescue.model.problem import Problem
from jpegrescue.report.output import OutputFolder
from jpegrescue.source.crypt.flips import Stored
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.hashing import Hasher

FILE_BYTES_MAX = 1 << 30


def restore(options: RestoreOptions, progress: Progress | None = None) -> Outcome:
    """Carry out a `restore` run; Ctrl-C ends it early with a valid report, state `interrupted`.

    Raises:
        EvidenceError: not one of the files can be read; a single unreadable one is a problem of the run.
        OutputError, UsageError: the run cannot begin, or cannot go on; the reference is no sound photo.
    """
    progress = progress or NoProgress()
    readable, problems = _readable(options)
    reference = None if options.reference is None else _reference(options.reference, options.key)
    try:
        read = options.key.protected([*options.files, *([options.reference] if options.reference else [])])
        with OutputFolder.open(options.run.output, evidence=read, force=options.run.force) as folder:
            session = Session(folder, options.run, progress, None)
            for problem in problems:
                session.note(problem)
            return conduct(session, lambda: _restore_all(readable, options, reference, folder, session, progress))
    finally:
        progress.close()


def _readable(options: RestoreOptions) -> tuple[list[Path], list[Problem]]:
    readable, errors = [], []
    unsolved = replace(options.key, first_sector=0)  # the key is checked here, the sector base solved once, later
    for path in options.files:
        try:
            _open(path, unsolved).close()
        except EvidenceError as error:
            errors.append(error)
        else:
            readable.append(path)
    if not readable:
        raise errors[0]
    return readable, [Problem("input_unreadable", "error", str(error)) for error in errors]


def _open(path: Path, key: KeyOptions) -> OpenEvidence:
    evidence = open_evidence(path, key, 0, None)
    if evidence.raw.size > FILE_BYTES_MAX:
        evidence.close()
        raise EvidenceError(f"{path} has {evidence.raw.size} bytes: too large for one JPEG; use carve", path=path)
    return evidence


def _reference(path: Path, key: KeyOptions) -> Reference:
    """The sound photo at `path`, which is never encrypted."""
    try:
        with closing(_open(path, replace(key, key=None))) as plain:
            content = plain.raw.read(0, plain.raw.size)
            gaps = plain.raw.gaps
    except EvidenceError as error:
        raise UsageError(f"the reference cannot be read: {error}", option="--reference") from None
    data = np.frombuffer(content, np.uint8)
    structure = parse(data)
    reason = unfit(structure) or ("it cannot be read as a whole" if gaps else None)
    if reason is not None:
        raise UsageError(f"{path} cannot serve as reference: {reason}", option="--reference")
    hasher = Hasher(("sha256",))
    hasher.update(content)
    return Reference(f"{path.name} (SHA-256 {hasher.result().sha256})", data, structure)


def _restore_all(
    paths: list[Path],
    options: RestoreOptions,
    reference: Reference | None,
    folder: OutputFolder,
    session: Session,
    progress: Progress,
) -> None:
    progress.start(sum(path.stat().st_size for path in paths), "restoring")
    for path in paths:
        found = _load(path, folder.claim_stem(path.stem), options)
        encrypted = found.evidence is not None and any(layer.kind == "decrypt" for layer in found.evidence.layers)
        wanted = Wanted(
            carved=encrypted,
            picture="always",
            hashes=options.run.hashes,
            repair=options.repair,
            jobs=options.run.jobs,
            align=options.align,
            sca=options.sca,
            reference=reference,
        )
        session.submit(found, wanted)
        progress.advance(len(found.data))
    session.drain()


def _load(path: Path, name: str, options: RestoreOptions) -> FoundFile:
    with closing(_open(path, replace(options.key, key=None))) as plain:
        data = plain.raw.read(0, plain.raw.size)
        if not _is_ciphertext(data, options):
            return _found(plain, data, name, options)
    with closing(_open(path, options.key)) as decrypted:
        return _found(decrypted, data, name, options)


def _is_ciphertext(data: bytes, options: RestoreOptions) -> bool:
    """With a key and no word from the user: what does not parse as a JPEG is taken for ciphertext."""
    if options.key.key is None or options.input == "plain":
        return False
    if options.input == "cipher":
        return True
    structure = parse(data)
    return structure.frame is None or not structure.scans


def _found(evidence: OpenEvidence, raw: bytes, name: str, options: RestoreOptions) -> FoundFile:
    """The file in `evidence`: plain input is kept whole, of decrypted input what follows the JPEG is slack."""
    hasher = Hasher(options.run.hashes)
    hasher.update(raw)
    size = evidence.raw.size
    carved = measure(evidence.clear, 0, size)
    end = carved.runs[-1].end if carved is not None and evidence.decrypted is not None else size
    data = evidence.clear.read(0, end)
    runs = (ByteRange(0, end),)
    bad, bad_problems = evidence.unknown_bytes(options.bad_ranges, runs)
    account: Evidence = evidence.describe(hasher.result(), ByteRange(0, size) if options.run.hashes else None)
    suspicion = evidence.suspect_sector_base(options.key)
    problems = (*evidence.problems, *evidence.read_problems(), *([suspicion] if suspicion else []), *bad_problems)
    if carved is None and evidence.clear.read(0, 2) != b"\xff\xd8":
        problems = (*problems, _not_a_jpeg(evidence))
    return FoundFile(
        name=name,
        data=data,
        runs=runs,
        end="unknown" if carved is None else carved.end,
        evidence=account,
        problems=problems if carved is None else (*problems, *carved.problems),
        bad=bad,
        encrypted=evidence.decrypted is not None,
        stored=_encrypted_again(data, options.key)
        if evidence.decrypted is None
        else evidence.decrypted.stored(0, size),
    )


def _encrypted_again(data: bytes, key: KeyOptions) -> Stored | None:
    """The ciphertext that was decrypted to `data`, whose first byte is a sector's; errors in it are as they were."""
    if key.key is None or (key.first_sector is None and key.spec.mode == "xts"):
        return None
    cipher = SectorCipher(key.spec, key.key, key.sector_size, key.iv_unit)
    number = key.first_sector or 0
    return Stored(cipher, cipher.encrypt(data, number), number, start=0, size=len(data), offset=0)


def _not_a_jpeg(evidence: OpenEvidence) -> Problem:
    if evidence.decrypted is not None:
        detail = "no JPEG at the start of the decrypted file: the key, the cipher or the first sector may be wrong"
        return Problem("not_a_jpeg", "error", detail)
    return Problem("not_a_jpeg", "error", "no JPEG at the start of the file; if it is encrypted, give its key", 0)
