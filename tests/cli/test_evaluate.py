"""`evaluate`: the real command in a process of its own, and what it is asked and answers in this one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import skimage.metrics  # noqa: F401  (scipy must be there for good before a fixture hides it for a while)

from jpegrescue.cli.scores import Figure
from jpegrescue.errors import OutputError
from jpegrescue.lab.evaluate import sum_up
from jpegrescue.lab.figure import draw
from jpegrescue.model.evaluation import Evaluation, FileScore
from jpegrescue.model.problem import Problem
from jpegrescue.report.json import from_json, to_json
from tests.flow.conftest import photo
from tests.lab.test_evaluate import SCORE
from tests.lab.truths import CBC, restored, scan_of, true_image, write_truth
from tests.report.samples import REPORT

from .conftest import Result

Run = Callable[..., Result]
SOUND = replace(SCORE, errors_false=0, mcus_claimed_wrong=0, mcus_placed_wrong=0)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A run and its truth: one damaged file, one sound."""
    truth = tmp_path / "truth"
    data = photo(96, 80)
    bits = [8 * (scan_of(data).start + 900)]
    write_truth(
        truth,
        true_image(truth, "damaged", data, cipher=CBC, bits=bits),
        true_image(truth, "sound", photo(96, 80, seed=1), cipher=CBC),
    )
    restored(tmp_path / "run", [truth / "damaged.enc", truth / "sound.enc"], CBC)
    return tmp_path / "run", truth


def command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "jpegrescue", "evaluate", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )


def test_the_real_command(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """`main` hides scipy, which scikit-image needs: only a process of its own shows that it is found again."""
    figure = tmp_path / "figure.png"
    figure.write_bytes(draw(sum_up(REPORT, (), ())))
    older = figure.read_bytes()
    before = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}

    done = command(*folders, "--json", "--plot", figure)

    assert (done.returncode, done.stderr) == (0, "")
    result = from_json(done.stdout.encode(), Evaluation)
    assert (result.evaluated, result.errors, result.identical) == (2, 1, 1)
    assert result.summaries[0].ssim_mean is not None
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert figure.read_bytes() != older
    assert {path: path.read_bytes() for folder in folders for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "run", "truth"]


def test_a_forged_claim_is_exit_code_3(folders: tuple[Path, Path]) -> None:
    report = folders[0] / "report.json"
    content = json.loads(report.read_bytes())
    content["images"][0]["claim"] = "exact_scan"
    report.write_text(json.dumps(content))

    done = command(*folders, "--jobs", "1")

    assert done.returncode == 3
    damaged, sound = (line.split("\t") for line in done.stdout.splitlines())
    assert damaged[:8] == ["damaged", "damaged", "yes", "partly_restored", "exact_scan", "no", "no", "no"]
    assert sound[:8] == ["sound", "sound", "yes", "no_damage_found", "consistent", "-", "yes", "yes"]


def test_without_scikit_image_the_extra_is_named(folders: tuple[Path, Path]) -> None:
    program = """
        import sys
        sys.modules["skimage"] = None
        from jpegrescue.cli.app import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in program.splitlines()), "evaluate", *folders],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")
    assert "pip install 'jpegrescue[eval]'" in done.stderr


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Make the command find `files`, and note what it asked."""

    def answer(*files: FileScore, problems: Sequence[Problem] = ()) -> list[Any]:
        asked: list[Any] = []

        def evaluate(run: Path, truth: Path, *, jobs: int, progress: Any) -> Evaluation:
            asked.append((run, truth, jobs))
            progress.close()
            return sum_up(REPORT, files, problems)

        module = ModuleType("jpegrescue.lab.evaluate")
        module.evaluate = evaluate  # type: ignore[attr-defined]
        module.sources = lambda _run, _truth: (Path("source.png"),)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return asked

    return answer


def test_arguments(run: Run, judged: Callable[..., list[Any]]) -> None:
    asked = judged(SOUND)

    assert run("evaluate", "r", "t", "--jobs", "3").code == 0
    assert run("evaluate", "r", "t").code == 0
    assert asked == [(Path("r"), Path("t"), 3), (Path("r"), Path("t"), len(os.sched_getaffinity(0)))]


@pytest.mark.parametrize("arguments", [("", "t"), ("r", ""), ("r",), ("r", "t", "x"), ("r", "t", "--jobs", "0")])
def test_usage_errors(run: Run, judged: Callable[..., list[Any]], arguments: tuple[str, ...]) -> None:
    asked = judged(SOUND)

    assert (run("evaluate", *arguments).code, asked) == (2, [])


@pytest.mark.parametrize(
    ("files", "problems", "code"),
    [
        ([SOUND], [], 0),
        ([], [], 0),
        ([replace(SOUND, problems=(Problem("note", "info", "said"),))], [], 0),
        ([replace(SOUND, problems=(Problem("size_differs", "warning", "said"),))], [], 3),
        ([replace(SOUND, evaluated=False, problems=(Problem("no_image", "error", "said"),))], [], 3),
        ([SOUND], [Problem("no_truth", "error", "said")], 3),
        ([SOUND, replace(SOUND, claim="exact_scan", claim_holds=False)], [], 3),
        ([replace(SOUND, mcus_claimed_wrong=1)], [], 3),
        ([replace(SOUND, mcus_placed_wrong=1)], [], 3),
        ([replace(SOUND, errors_false=5)], [], 0),
    ],
)
@pytest.mark.parametrize("option", [(), ("--json",), ("--quiet",)])
def test_exit_codes(
    run: Run,
    judged: Callable[..., list[Any]],
    files: list[FileScore],
    problems: list[Problem],
    code: int,
    option: tuple[str, ...],
) -> None:
    judged(*files, problems=problems)

    assert run("evaluate", "r", "t", *option).code == code


def test_json_is_the_evaluation(run: Run, judged: Callable[..., list[Any]]) -> None:
    judged(SOUND, SCORE)

    assert run("evaluate", "r", "t", "--json").out.encode() == to_json(sum_up(REPORT, [SOUND, SCORE], ()))


@pytest.mark.parametrize("place", ["run/figure.png", "truth/figure.png", "run/deep/figure.png", "link/figure.png"])
def test_a_figure_never_lies_among_what_is_judged(
    run: Run, judged: Callable[..., list[Any]], tmp_path: Path, place: str
) -> None:
    asked = judged(SOUND)
    (tmp_path / "run" / "deep").mkdir(parents=True)
    (tmp_path / "truth").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")

    result = run("evaluate", tmp_path / "run", tmp_path / "truth", "--plot", tmp_path / place)

    assert (result.code, asked) == (2, [])
    assert "would lie among the files" in result.err
    assert not (tmp_path / place).exists()


@pytest.mark.parametrize(("name", "code"), [("figure.jpg", 2), ("nowhere/figure.png", 1), ("", 2)])
def test_a_figure_that_cannot_be_written_is_refused_before_the_work(
    run: Run, judged: Callable[..., list[Any]], tmp_path: Path, name: str, code: int
) -> None:
    asked = judged(SOUND)
    target = str(tmp_path / name) if name else ""

    assert (run("evaluate", tmp_path / "r", tmp_path / "t", "--plot", target).code, asked) == (code, [])


@pytest.mark.parametrize("name", ["photo.png", "evidence.PNG"])
def test_a_figure_never_replaces_what_is_no_figure(
    run: Run, judged: Callable[..., list[Any]], tmp_path: Path, name: str
) -> None:
    asked = judged(SOUND)
    (tmp_path / name).write_bytes(photo(16, 16))

    result = run("evaluate", tmp_path / "r", tmp_path / "t", "--plot", tmp_path / name)

    assert (result.code, asked) == (2, [])
    assert "exists and is no figure" in result.err
    assert (tmp_path / name).read_bytes() == photo(16, 16)


def test_a_figure_never_replaces_a_source(
    run: Run, judged: Callable[..., list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that is a figure itself, from which somebody made a data set."""
    asked = judged(SOUND)
    monkeypatch.chdir(tmp_path)
    content = draw(sum_up(REPORT, (), ()))
    Path("source.png").write_bytes(content)

    result = run("evaluate", "r", "t", "--plot", tmp_path / "source.png")

    assert (result.code, asked) == (2, [])
    assert "is what the run or the truth was made of" in result.err
    assert Path("source.png").read_bytes() == content


def test_a_folder_in_the_place_of_the_figure_is_refused_before_the_work(
    run: Run, judged: Callable[..., list[Any]], tmp_path: Path
) -> None:
    asked = judged(SOUND)
    (tmp_path / "d.png").mkdir()

    assert (run("evaluate", "r", "t", "--plot", tmp_path / "d.png").code, asked) == (2, [])


def test_a_figure_that_fails_does_not_take_the_result_with_it(
    run: Run, judged: Callable[..., list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(SOUND)

    def fail(*_: object) -> None:
        raise OutputError("no space", path=tmp_path)

    monkeypatch.setattr(Figure, "write", fail)

    result = run("evaluate", "r", "t", "--json", "--plot", tmp_path / "f.png")
    assert result.code == 1
    assert result.out.encode() == to_json(sum_up(REPORT, [SOUND], ()))
