"""The house of the package: one way up the floors, and a test beside every module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jpegrescue"

UNTESTED = {
    "__main__.py": "run by tests/cli/test_app.py",
    "errors.py": "values; tests/cli/test_session.py holds the exit codes",
    "flow/options.py": "values; filled in by tests/cli/test_carve.py and tests/cli/test_restore.py",
    "flow/progress.py": "tests/cli/test_progress.py runs both implementations",
    "source/base.py": "a protocol",
}
"""Module → why no test file mirrors it."""


def needs_a_test(path: Path) -> bool:
    """Values in `model` and the docstrings of packages do nothing; kernels are tested through their callers."""
    return path.name != "__init__.py" and not path.name.startswith("_kernels") and path.parts[0] != "model"


def modules() -> list[str]:
    paths = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(path.as_posix() for path in paths if needs_a_test(path))


def mirror(module: str) -> Path:
    path = Path(module)
    return ROOT / "tests" / path.parent / f"test_{path.stem}.py"


@pytest.mark.parametrize("module", modules())
def test_every_module_has_tests_or_a_reason(module: str) -> None:
    has_tests = mirror(module).exists()

    assert has_tests != (module in UNTESTED), f"{module}: write {mirror(module)}, or say in UNTESTED why not"


def test_reasons_are_for_modules_that_exist() -> None:
    assert set(UNTESTED) <= set(modules())
    assert all(UNTESTED.values())


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_files_stay_short_enough_to_be_read() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}

    assert {path: length for path, length in lengths.items() if length > 450} == {}


def compiled_functions() -> dict[tuple[str, str], tuple[str, set[tuple[str, str]]]]:
    """By file and name: how each is decorated, and which of the others it calls."""
    found = {}
    for path in PACKAGE.rglob("_kernels*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        home = path.relative_to(PACKAGE).with_suffix("").as_posix()
        known = {node.name: (home, node.name) for node in tree.body if isinstance(node, ast.FunctionDef)}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                module = node.module.removeprefix("jpegrescue.").replace(".", "/")
                known |= {alias.asname or alias.name: (module, alias.name) for alias in node.names}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.decorator_list:
                called = {
                    call.func.id
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                }
                found[home, node.name] = (
                    ast.unparse(node.decorator_list[0]),
                    {known[name] for name in called & known.keys()},
                )
    return found


def test_only_kernels_that_count_references_call_others_that_do() -> None:
    functions = compiled_functions()
    counting = {name for name, (decorator, _) in functions.items() if decorator == "allocating"}
    leaking = {
        name for name, (decorator, called) in functions.items() if decorator != "allocating" and called & counting
    }

    assert len(counting) > 20
    assert leaking == set()
