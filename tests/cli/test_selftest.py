"""`selftest`: labs read its JSON and its exit code."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from .conftest import Result

Run = Callable[..., Result]


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    passed: bool


@dataclass(frozen=True, slots=True)
class SelftestResult:
    passed: bool
    checks: tuple[Check, ...]


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
@pytest.mark.parametrize(("arguments", "folder"), [((), None), (("-o", "kept"), Path("kept"))])
def test_the_result_is_json_and_decides_the_code(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    passed: bool,
    code: int,
    arguments: tuple[str, ...],
    folder: Path | None,
) -> None:
    asked: list[Path | None] = []

    def flow(output: Path | None) -> SelftestResult:
        asked.append(output)
        return SelftestResult(passed, (Check("pixels", passed),))

    module = ModuleType("jpegrescue.flow.selftest")
    module.selftest = flow  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)

    result = run("selftest", *arguments)

    assert json.loads(result.out) == {"passed": passed, "checks": [{"name": "pixels", "passed": passed}]}
    assert result.out.endswith("\n")
    assert (result.code, result.err, asked) == (code, "", [folder])
