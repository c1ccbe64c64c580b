import json
from pathlib import Path

import pytest

import jpegrescue.flow.selftest as module
from jpegrescue.flow.selftest import selftest


def test_the_sample_gives_the_known_answers(tmp_path: Path) -> None:
    result = selftest(tmp_path)
    assert [check for check in result.checks if not check.passed] == []
    assert result.passed
    assert len(result.checks) > 30
    assert (tmp_path / "carve" / "report.json").exists()
    assert (tmp_path / "restore" / "report.json").exists()


def test_a_wrong_answer_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = next(place for place in module._PLACES if (place / "dump.bin").exists())
    known = json.loads((real / "expected.json").read_text())
    known["photos"][0]["decoded_rgb_sha256"] = "0" * 64
    known["photos"][1]["offset"] += 1
    (tmp_path / "dump.bin").write_bytes((real / "dump.bin").read_bytes())
    (tmp_path / "expected.json").write_text(json.dumps(known))
    monkeypatch.setattr(module, "_PLACES", (tmp_path,))
    result = selftest()
    failed = {check.name for check in result.checks if not check.passed}
    assert not result.passed
    assert failed >= {f"{known['photos'][0]['name']}: pixels", f"{known['photos'][1]['name']}: sha256"}
