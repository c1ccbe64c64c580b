import os
import subprocess
import sys
from pathlib import Path

from jpegrescue import compiled

PROGRAM = """
from jpegrescue.compiled import CACHE_FOLDER, COLD_START
from jpegrescue.jpeg.entropy import kernels
import numpy as np
empty = np.empty(0, np.int64)
print(CACHE_FOLDER, COLD_START, kernels.destuff(np.zeros(4, np.uint8), False, np.empty(300, np.uint8), *[empty] * 3))
"""


def _run(**environment: str) -> list[str]:
    settings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(compiled.__file__).parents[1]), **environment}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=settings)
    return done.stdout.split(maxsplit=2)


def test_the_first_run_compiles_and_the_second_finds_the_cache(tmp_path: Path) -> None:
    folder, cold, result = _run(JPEGRESCUE_CACHE_DIR=str(tmp_path))
    assert Path(folder).parent == tmp_path / "jpegrescue"
    assert (cold, result.strip()) == ("True", "(4, 0)")
    assert any(Path(folder).rglob("*.nbi"))
    assert _run(JPEGRESCUE_CACHE_DIR=str(tmp_path))[1] == "False"


def test_without_a_writable_folder_kernels_still_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder, cold, result = _run(JPEGRESCUE_CACHE_DIR=str(tmp_path / "file"))
    assert (folder, cold, result.strip()) == ("None", "True", "(4, 0)")


def test_the_folder_changes_with_any_kernel_source(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "jpeg").mkdir()
    (tmp_path / "jpeg" / "_kernels_a.py").write_text("a = 1")
    monkeypatch.setattr(compiled, "_PACKAGE", tmp_path)
    before = compiled._sources_digest()
    (tmp_path / "jpeg" / "_kernels_a.py").write_text("a = 2")
    assert compiled._sources_digest() != before
