"""What the carving table counts: a judge that cannot say no would flatter everybody."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scoring import PREFIX, Truth
from benchmarks.tools import TOOLS, Output
from fixtures.carve.sample import make

LENGTH = 4 * PREFIX
PARENT, OTHER, DECOY, SIZE = 1000, 20_000, 40_000, 60_000
THUMBNAIL = 3000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dump of noise, two "photos" in it, one with a picture inside, and a decoy."""
    data = make.pseudo_random("scoring", SIZE)

    def item(kind: str, offset: int, damaged: bool, embedded: list[int]) -> dict[str, Any]:
        digest = hashlib.sha256(data[offset : offset + LENGTH]).hexdigest()
        place = {"offset": offset, "length": LENGTH, "sha256": digest}
        return {"kind": kind, **place, "damaged": damaged, "embedded": embedded}

    truth = {
        "size": SIZE,
        "items": [item("bit_flips", OTHER, True, []), item("aligned", PARENT, False, [THUMBNAIL])],
        "decoys": [{"kind": "header_fragment", "offset": DECOY}],
    }
    (tmp_path / "dump.bin").write_bytes(data)
    (tmp_path / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    return tmp_path


def written(folder: Path, start: int, length: int, **stated: Any) -> Output:
    path = folder / f"{start}-{length}.jpg"
    path.write_bytes((folder / "dump.bin").read_bytes()[start : start + length])
    return Output(path, **stated)


def test_exact_start_and_missed(folder: Path) -> None:
    truth = Truth(folder)
    assert truth.kinds() == {"aligned": [1], "bit_flips": [0]}
    assert truth.score([]).states == ["missed", "missed"]
    assert truth.score([written(folder, PARENT, LENGTH)]).states == ["missed", "exact"]
    assert truth.score([written(folder, PARENT, LENGTH - 1)]).states == ["missed", "start"]
    assert truth.score([written(folder, PARENT, 100)]).states == ["missed", "start"]
    assert truth.score([written(folder, PARENT + 1, LENGTH)]).states == ["missed", "missed"]


def test_a_worse_copy_does_not_spoil_an_exact_one(folder: Path) -> None:
    outputs = [written(folder, PARENT, LENGTH), written(folder, PARENT, LENGTH + 9)]
    assert Truth(folder).score(outputs).states[1] == "exact"


def test_pictures_inside_others_are_counted_apart(folder: Path) -> None:
    score = Truth(folder).score([written(folder, PARENT + THUMBNAIL, 2500)])
    assert (score.embedded, score.false, score.states) == (1, [], ["missed", "missed"])


def test_decoys_and_strangers_are_false_and_grades_decide_how_bad(folder: Path) -> None:
    outputs = [
        written(folder, DECOY, 5000, offset=DECOY, grade="fragment"),
        written(folder, DECOY + 64, 5000, offset=DECOY + 64, grade="partly_restored"),
        written(folder, DECOY + 128, 0, offset=DECOY + 128),
    ]
    score = Truth(folder).score(outputs)
    assert len(score.false) == 3
    assert score.false[0].startswith(f"header_fragment at {DECOY}")
    assert len(score.false_graded) == 1
    assert "partly_restored" in score.false_graded[0]


def test_grades_are_counted_by_class_and_stated_hashes_checked(folder: Path) -> None:
    right = hashlib.sha256((folder / "dump.bin").read_bytes()[OTHER : OTHER + LENGTH]).hexdigest()
    outputs = [
        written(folder, OTHER, LENGTH, grade="partly_restored", claimed_sha256=right),
        written(folder, PARENT, LENGTH, grade="no_damage_found", claimed_sha256=right),
    ]
    score = Truth(folder).score(outputs)
    assert score.grades["bit_flips"]["partly_restored"] == 1
    assert score.grades["aligned"]["no_damage_found"] == 1
    assert score.wrong_hashes == 1


def test_report_of_jpegrescue_is_read(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    image = {
        "runs": [{"start": 4096, "end": 5000}],
        "grade": "fragment",
        "hashes": {"sha256": None},
        "outputs": [{"path": "f000000004096.carved.jpg"}, {"path": "f000000004096.decoded.png"}],
    }
    (results / "report.json").write_text(json.dumps({"images": [image]}), encoding="utf-8")
    (found,) = TOOLS["full"].collect(tmp_path)
    assert found == Output(results / "f000000004096.carved.jpg", 4096, "fragment", None)


def test_audit_of_foremost_and_names_of_photorec_are_read(tmp_path: Path) -> None:
    (tmp_path / "results" / "jpg").mkdir(parents=True)
    (tmp_path / "results" / "jpg" / "00000248.jpg").touch()
    audit = "Num\t Name (bs=512)\t Size\t File Offset\t Comment \n\n0:\t00000248.jpg \t     182 KB \t     126999 \t \n"
    (tmp_path / "results" / "audit.txt").write_text(audit, encoding="utf-8")
    assert [output.offset for output in TOOLS["foremost"].collect(tmp_path)] == [126999]
    (tmp_path / "recup.1").mkdir()
    (tmp_path / "recup.1" / "f0000248.jpg").touch()
    assert [output.offset for output in TOOLS["photorec"].collect(tmp_path)] == [126976]
