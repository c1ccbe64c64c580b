"""Costs are those of the child, and an exit code is not lost on the way."""

import resource
import sys
from pathlib import Path

from benchmarks import process


def test_cost_is_the_childs(tmp_path: Path) -> None:
    busy = "import sys; block = b'x' * (400 << 20); sum(range(3_000_000)); sys.stderr.write('late words'); sys.exit(3)"
    cost = process.run([sys.executable, "-c", busy], tmp_path)
    assert cost.exit_code == 3
    assert cost.errors.endswith("late words")
    assert 0 < cost.cpu <= cost.wall * 1.5
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # with all the tests before this one
    assert 400 << 20 < cost.peak < max(600 << 20, ours + (100 << 20))


def test_child_runs_in_its_folder_with_the_environment(tmp_path: Path) -> None:
    code = "import os, pathlib; pathlib.Path('seen').write_text(os.environ['MARK'])"
    assert process.run([sys.executable, "-c", code], tmp_path, {"MARK": "yes"}).exit_code == 0
    assert (tmp_path / "seen").read_text(encoding="utf-8") == "yes"
