from collections.abc import Callable
from pathlib import Path

import pytest

from jpegrescue.errors import OutputError
from jpegrescue.flow import session as module
from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.flow.options import RunOptions
from jpegrescue.flow.progress import NoProgress
from jpegrescue.flow.session import Session, conduct, environment
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.problem import Problem
from jpegrescue.report.json import from_json
from jpegrescue.report.output import OutputFolder
from tests.flow.conftest import photo

WANTED = Wanted(carved=True, picture="damaged", hashes=())


@pytest.fixture
def make(tmp_path: Path, run_options: Callable[..., RunOptions]) -> Callable[..., Session]:
    def build(jobs: int = 2) -> Session:
        folder = OutputFolder.open(tmp_path / "out", evidence=[])
        return Session(folder, run_options("carve", jobs=jobs, case="C-17"), NoProgress(), None)

    return build


def _found(index: int) -> FoundFile:
    data = photo(seed=index)
    return FoundFile(f"f{index}", data, (ByteRange(index, index + len(data)),), "eoi")


def _on_disk(session: Session):
    return from_json((session.folder.path / "report.json").read_bytes())


def test_the_report_is_valid_from_the_first_moment(make: Callable[..., Session]) -> None:
    report = _on_disk(make())
    assert (report.run.state, report.run.finished, report.images) == ("running", None, ())
    assert (report.run.case, report.run.command) == ("C-17", "carve")


def test_images_keep_the_order_in_which_they_were_found(make: Callable[..., Session]) -> None:
    session = make(jobs=3)

    def body() -> None:
        for i in range(9):
            session.submit(_found(i), WANTED)
        session.note(Problem("p", "info", "said"))
        session.drain()

    outcome = conduct(session, body)
    assert [i.name for i in outcome.report.images] == [f"f{i}" for i in range(9)]
    assert outcome.report == _on_disk(session)
    assert outcome.report.run.state == "done"
    assert outcome.report.run.finished is not None


def test_the_queue_is_bounded(make: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    session = make(jobs=1)
    seen = []
    real = Session._collect

    def watch(self: Session, *, block: bool) -> None:
        seen.append(len(self._waiting))
        real(self, block=block)

    monkeypatch.setattr(Session, "_collect", watch)
    for i in range(12):
        session.submit(_found(i), WANTED)
    session.drain()
    assert max(seen) <= 2


def test_large_files_wait_for_each_other(make: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES", 10_000)
    session = make(jobs=4)
    for i in range(6):
        session.submit(_found(i), WANTED)
        assert session._queued <= 10_000 or len(session._waiting) == 1
    session.drain()
    assert session._queued == 0
    assert len(session._images) == 6


def test_the_report_grows_while_the_run_goes_on(make: Callable[..., Session], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REWRITE_SECONDS", 0.0)
    monkeypatch.setattr(module, "REWRITE_SHARE", 0)
    session = make()
    session.submit(_found(0), WANTED)
    session.drain()
    assert [i.name for i in _on_disk(session).images] == ["f0"]
    assert _on_disk(session).run.state == "running"


@pytest.mark.parametrize(
    ("error", "state"), [(KeyboardInterrupt(), "interrupted"), (OutputError("full", path=Path()), "failed")]
)
def test_however_it_ends_what_was_finished_is_reported(
    make: Callable[..., Session], error: BaseException, state: str
) -> None:
    session = make()

    def body() -> None:
        session.submit(_found(0), WANTED)
        session.drain()
        raise error

    if isinstance(error, KeyboardInterrupt):
        conduct(session, body)
    else:
        with pytest.raises(type(error)):
            conduct(session, body)
    assert (_on_disk(session).run.state, [i.name for i in _on_disk(session).images]) == (state, ["f0"])


def test_the_environment_names_what_could_change_a_result() -> None:
    here = environment()
    assert {"numpy", "numba", "cryptography", "pillow"} <= set(here.packages)
    assert here.cores >= 1
    assert here.python
