"""`carve`: one pass over the evidence that hashes, decrypts and searches each byte once, and restores what it finds."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jpegrescue.carve.find import Carver
from jpegrescue.flow.evidence import OpenEvidence, open_evidence
from jpegrescue.flow.examine import decoded_share
from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.flow.options import CarveOptions, Outcome
from jpegrescue.flow.progress import NoProgress, Progress
from jpegrescue.flow.session import Session, conduct
from jpegrescue.model.carve import CarvedFile
from jpegrescue.model.evidence import ByteRange, Hashes
from jpegrescue.model.problem import Problem
from jpegrescue.report.output import OutputFolder
from jpegrescue.source.crypt.flips import Stored
from jpegrescue.source.hashing import Hasher

CHUNK = 4 << 20
BUFFERS = 2  # one is hashed while the next is read and searched


def carve(options: CarveOptions, progress: Progress | None = None) -> Outcome:
    """Carry out a `carve` run; Ctrl-C ends it early with a valid report, state `interrupted`.

    Raises:
        EvidenceError, OutputError, UsageError: the run cannot begin, or cannot go on.
    """
    progress = progress or NoProgress()
    evidence = open_evidence(options.evidence, options.key, options.start, options.length)
    try:
        read = options.key.protected([options.evidence])
        with OutputFolder.open(options.run.output, evidence=read, force=options.run.force) as folder:
            session = Session(folder, options.run, progress, evidence.describe(Hashes(), None))
            return conduct(session, lambda: _search(evidence, options, session, progress))
    finally:
        progress.close()
        evidence.close()


def _search(evidence: OpenEvidence, options: CarveOptions, session: Session, progress: Progress) -> None:
    extent = evidence.extent
    progress.start(extent.length, "carving")
    for problem in evidence.problems:
        session.note(problem)
    carver = Carver(
        evidence.clear,
        extent.start,
        extent.end,
        min_size=options.min_size,
        min_pixels=options.min_pixels,
        count_mcus=decoded_share,
    )
    picture: Literal["damaged", "never"] = "damaged" if options.restore else "never"
    wanted = Wanted(
        carved=True,
        picture=picture,
        hashes=options.run.hashes,
        repair=options.repair if options.restore else None,
        jobs=options.run.jobs,
        align=options.align,
        sca=options.sca,
    )
    hasher = Hasher(options.run.hashes)
    searched = extent.start
    try:
        for offset, clear in _chunks(evidence, hasher, parallel=options.run.jobs > 1):
            for found in carver.feed(offset, clear):
                session.submit(_load(evidence, found, options.bad_ranges), wanted)
            searched = offset + clear.size
            progress.advance(clear.size)
        session.drain()
    except BaseException:
        session.note(Problem("search_incomplete", "warning", f"searched up to byte {searched} only", searched))
        raise
    for problem in evidence.read_problems():
        session.note(problem)
    for problem in _doubts(evidence, options, session):
        session.note(problem)
    session.evidence = evidence.describe(hasher.result(), extent if options.run.hashes else None)


def _chunks(evidence: OpenEvidence, hasher: Hasher, *, parallel: bool) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(offset, plaintext) of successive pieces; each is read once, and hashed as read while it is searched."""
    buffers = [np.empty(CHUNK, np.uint8) for _ in range(BUFFERS)]
    plaintext = np.empty(CHUNK, np.uint8)
    hashing: list[Future[None] | None] = [None] * BUFFERS
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as pool:
        for turn, offset in enumerate(range(evidence.extent.start, evidence.extent.end, CHUNK)):
            slot = turn % BUFFERS
            pending = hashing[slot]
            if pending is not None:
                pending.result()
            raw = buffers[slot][: min(CHUNK, evidence.extent.end - offset)]
            evidence.raw.read_into(offset, raw)
            if parallel:
                hashing[slot] = pool.submit(hasher.update, raw)
            else:
                hasher.update(raw)
            if evidence.decrypted is None:
                yield offset, raw
                continue
            clear = plaintext[: raw.size]
            evidence.decrypted.transform(offset, raw, clear)
            yield offset, clear


def _load(evidence: OpenEvidence, found: CarvedFile, listed: tuple[ByteRange, ...]) -> FoundFile:
    data = b"".join(evidence.clear.read(run.start, run.length) for run in found.runs)
    bad, bad_problems = evidence.unknown_bytes(listed, found.runs)
    return FoundFile(
        name=f"f{found.runs[0].start:012d}",
        data=data,
        runs=found.runs,
        end=found.end,
        problems=(*evidence.read_problems(found.runs), *bad_problems, *found.problems),
        bad=bad,
        encrypted=evidence.decrypted is not None,
        stored=_stored(evidence, found),
    )


def _stored(evidence: OpenEvidence, found: CarvedFile) -> Stored | None:
    if evidence.decrypted is None or len(found.runs) != 1:
        return None
    return evidence.decrypted.stored(found.runs[0].start, found.runs[0].end)


def _doubts(evidence: OpenEvidence, options: CarveOptions, session: Session) -> Iterator[Problem]:
    """What the results as a whole say about the key and its options."""
    if session.images == 0:
        yield _nothing_found(with_key=evidence.decrypted is not None)
    if evidence.decrypted is None or session.undamaged or options.key.first_sector is None:
        return
    suspicion = evidence.suspect_sector_base(options.key)
    if suspicion is not None:
        yield suspicion
    elif session.images and options.restore:
        detail = "nothing undamaged was found: the cipher, the sector size or the first sector may be wrong"
        yield Problem("sector_base_suspect", "warning", detail)


def _nothing_found(*, with_key: bool) -> Problem:
    if with_key:
        detail = "no JPEG was found: the key, the cipher, the sector size or the first sector may be wrong"
        return Problem("nothing_found", "warning", detail)
    return Problem("nothing_found", "warning", "no JPEG was found; if the evidence is encrypted, give its key")
