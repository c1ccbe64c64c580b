"""The command line in this process, over flows that do as they are told."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jpegrescue import compiled
from jpegrescue.cli.app import main
from jpegrescue.flow.options import Outcome
from jpegrescue.model.report import Report
from jpegrescue.report.json import to_json
from tests.report.samples import REPORT


@dataclass
class Result:
    """What a command left."""

    code: int
    out: str
    err: str


@dataclass
class Flow:
    """Stands in for the flows: notes what it was asked and hands back `report`, or raises or does `then`."""

    folder: Path
    report: Report = REPORT
    then: Callable[[Any], None] | None = None
    asked: list[Any] = field(default_factory=list)

    def __call__(self, options: Any, progress: Any) -> Outcome:
        self.asked.append(options)
        if self.then is not None:
            try:
                self.then(progress)
            except KeyboardInterrupt:
                self.report = replace(self.report, run=replace(self.report.run, state="interrupted"))
        self.folder.mkdir(exist_ok=True)
        (self.folder / "report.json").write_bytes(to_json(self.report))
        return Outcome(self.report, self.folder)


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flow:
    standing_in = Flow(tmp_path / "out")
    for name in ("carve", "restore"):
        module = ModuleType(f"jpegrescue.flow.{name}")
        setattr(module, name, standing_in)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(compiled, "COLD_START", False)
    return standing_in


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Result]:
    """Run `jpegrescue ARGUMENTS`; the process title stays as it is."""
    setproctitle = ModuleType("setproctitle")
    setproctitle.setproctitle = lambda _: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "setproctitle", setproctitle)
    monkeypatch.setitem(sys.modules, "scipy", sys.modules.get("scipy"))  # `main` hides it from numba

    def call(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["jpegrescue", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        code = stop.value.code
        assert isinstance(code, int)
        return Result(code, out.decode(), err.decode())

    return call


def raise_signal(number: signal.Signals) -> None:
    """Send this process a signal and let its handler run."""
    os.kill(os.getpid(), number)
    threading.Event().wait(0.05)


def without_images(report: Report, problems: Sequence[Any] = ()) -> Report:
    return replace(report, images=(), problems=tuple(problems))
