"""What is generated from the code and kept in the repository is up to date, and the manual page is valid."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAN = Path(__file__).parent.parent / "man"


def generate(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, MAN / "generate.py", *arguments], capture_output=True, text=True, check=False, cwd=MAN.parent
    )


def test_generated_files_are_up_to_date() -> None:
    done = generate("--check")

    assert (done.stdout + done.stderr, done.returncode) == ("", 0), "run: python man/generate.py"


def test_a_difference_is_shown_and_fails(tmp_path: Path) -> None:
    for path in MAN.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    help_text = (tmp_path / "help.txt").read_text()
    (tmp_path / "help.txt").write_text(help_text.replace("--first-sector", "--last-sector"))
    (tmp_path / "report.schema.json").unlink()

    done = subprocess.run(
        [sys.executable, tmp_path / "generate.py", "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "-  --last-sector N|auto" in done.stdout
    assert '+  "$schema": "https://json-schema.org/draft/2020-12/schema",' in done.stdout
    assert not (tmp_path / "report.schema.json").exists()


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_the_manual_page_passes_mandoc() -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wstyle", MAN / "jpegrescue.1"], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.returncode) == ("", 0)
