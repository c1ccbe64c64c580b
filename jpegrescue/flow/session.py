"""A run on its way: the record, the images so far, and a report on disk that is valid at any moment."""

import logging
import os
import platform
import time
import uuid
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Protocol, TypeVar

from jpegrescue import __version__
from jpegrescue.errors import JpegRescueError, OutputError
from jpegrescue.flow.examine import failed
from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.flow.here import Here
from jpegrescue.flow.image import process
from jpegrescue.flow.options import Outcome, RunOptions
from jpegrescue.flow.progress import Progress
from jpegrescue.model.evidence import Evidence
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Environment, Image, Report, Run, RunState
from jpegrescue.report.output import OutputFolder

PACKAGES = ("cryptography", "llvmlite", "numba", "numpy", "pillow")
REWRITE_SECONDS = 2.0
REWRITE_SHARE = 20  # a rewrite may take a twentieth of the time
WAITING_PER_JOB = 2
WAITING_BYTES = 128 << 20

Result_co = TypeVar("Result_co", covariant=True)

log = logging.getLogger(__name__)


class Session:
    """Collects what a run finds and keeps `report.json` up to date; used from one thread, the work runs in `jobs`."""

    def __init__(
        self, folder: OutputFolder, options: RunOptions, progress: Progress, evidence: Evidence | None
    ) -> None:
        self.folder = folder
        self.evidence = evidence
        self.undamaged = 0  # files done so far in which no damage was found
        self._progress = progress
        self._run = _begin(options)
        self._began = time.monotonic()
        self._images: dict[int, Image] = {}
        self._problems: list[Problem] = []
        self._pool: Executor = Here() if options.jobs == 1 else ThreadPoolExecutor(options.jobs, "restore")
        self._waiting: dict[Future[Image], tuple[int, FoundFile]] = {}
        self._limit = WAITING_PER_JOB * options.jobs
        self._submitted = 0
        self._queued = 0
        self._next_write = 0.0
        if folder.strays:
            detail = f"{len(folder.strays)} files of earlier runs, which no report lists, lie in the folder: "
            self.note(Problem("unlisted_files", "warning", f"{detail}{folder.strays[0]} and the like"))
        self._write()

    @property
    def images(self) -> int:
        """Files submitted so far."""
        return self._submitted

    def submit(self, found: FoundFile, wanted: Wanted) -> None:
        """Queue a file; blocks while the queue is full, so that memory stays bounded."""
        while self._waiting and (len(self._waiting) >= self._limit or self._queued + len(found.data) > WAITING_BYTES):
            self._collect(block=True)
        self._queued += len(found.data)
        self._waiting[self._pool.submit(process, found, wanted, self.folder)] = (self._submitted, found)
        self._submitted += 1
        self._collect(block=False)

    def note(self, problem: Problem) -> None:
        """Add a problem of the run."""
        self._problems.append(problem)

    def drain(self) -> None:
        """Wait for everything that is queued."""
        while self._waiting:
            self._collect(block=True)

    def finish(self, state: RunState) -> Outcome:
        """Stop the workers, write the report for the last time and hand it back."""
        for future in self._waiting:
            future.cancel()
        self._pool.shutdown(wait=True)
        for future, (order, found) in self._waiting.items():
            if not future.cancelled():
                with suppress(JpegRescueError):  # the first one is on its way to the user already
                    self._images[order] = self._result(future, found)
        self._waiting.clear()
        self._run = replace(self._run, state=state, finished=_now(), seconds=self._elapsed())
        return Outcome(self._write(), self.folder.path)

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def _collect(self, *, block: bool) -> None:
        done, _ = wait(self._waiting, timeout=None if block else 0, return_when=FIRST_COMPLETED)
        for future in done:
            order, found = self._waiting.pop(future)
            self._queued -= len(found.data)
            image = self._images[order] = self._result(future, found)
            self.undamaged += image.grade == "no_damage_found"
        if done:
            self._progress.found(len(self._images), len(self._images) - self.undamaged)
            if time.monotonic() >= self._next_write:
                self._write()

    @staticmethod
    def _result(future: Future[Image], found: FoundFile) -> Image:
        try:
            return future.result()
        except JpegRescueError:
            raise
        except Exception as error:
            log.exception("%s", found.name)
            return failed(found, error)

    def _write(self) -> Report:
        began = time.monotonic()
        images = tuple(self._images[order] for order in sorted(self._images))
        report = Report(run=self._run, evidence=self.evidence, images=images, problems=tuple(self._problems))
        self.folder.write_index(report)
        took = time.monotonic() - began
        self._next_write = began + took + max(REWRITE_SECONDS, REWRITE_SHARE * took)
        return report


class Record(Protocol[Result_co]):
    """What a run keeps of itself on disk: a `Session`, or the like for another index than `report.json`."""

    def note(self, problem: Problem) -> None:
        """Add a problem of the run."""

    def finish(self, state: RunState) -> Result_co:
        """Write the record for the last time and hand back what the run has to show."""


def conduct(record: Record[Result_co], body: Callable[[], None]) -> Result_co:
    """Run `body` and finish the record: state `done`, `interrupted` by Ctrl-C, or `failed` when it raises.

    Raises:
        Exception: whatever `body` raised, after the record was completed as far as that was possible.
    """
    try:
        body()
    except KeyboardInterrupt:
        return record.finish("interrupted")
    except Exception as error:
        record.note(Problem("run_failed", "error", f"the run ended early: {error}"))
        try:
            record.finish("failed")
        except OutputError as second:
            log.warning("the record of the run could not be completed: %s", second)
        raise
    return record.finish("done")


def _begin(options: RunOptions) -> Run:
    return Run(
        id=str(uuid.uuid4()),
        command=options.command,
        version=__version__,
        argv=options.argv,
        case=options.case,
        exhibit=options.exhibit,
        examiner=options.examiner,
        started=_now(),
        finished=None,
        seconds=None,
        state="running",
        environment=environment(),
    )


def environment() -> Environment:
    """Versions and machine of this process."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        packages={name: metadata.version(name) for name in PACKAGES},
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
