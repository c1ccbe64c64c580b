"""A reliability table that cannot show a wrong confidence would be worth nothing."""

from pathlib import Path

import pytest

from benchmarks.reliability import Claimed, Judged, judged, print_tables, reliability
from benchmarks.restoration.modes import Mode
from benchmarks.restoration.photos import collect


def test_mcus_are_counted_in_the_bin_of_their_segment() -> None:
    segments = [
        Claimed("placed", 0.9991, 90, 90, 0),
        Claimed("aligned", 1.0, 10, 5, 5),
        Claimed("uncertain", 0.5, 40, 10, 0),
        Claimed("uncertain", 0.0, 7, 0, 0),
    ]
    rows = list(reliability(segments))

    assert [(low, high, count) for low, high, count, _, _ in rows] == [(0.0, 0.5, 7), (0.5, 0.8, 40), (0.999, 1.0, 100)]
    assert [right for *_, right in rows] == pytest.approx([0.0, 0.25, 0.95])
    assert rows[2][3] == pytest.approx((0.9991 * 90 + 10) / 100)


def test_no_segments_no_rows() -> None:
    assert list(reliability([])) == []


def test_claims_that_are_wrong_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    segments = (
        Claimed("placed", 0.999, 60, 57, 0),
        Claimed("aligned", 0.999, 40, 40, 30),
        Claimed("uncertain", 0.3, 500, 0, 0),
    )
    print_tables([Judged("small", "cbc 1e-05", segments), Judged("kodak", "cbc 1e-05", ())])
    lines = capsys.readouterr().out.splitlines()

    assert "| small | cbc 1e-05 | 1 | 100 | 3.000% | 40 | 25.000% |" in lines
    assert "| kodak | cbc 1e-05 | 1 | 0 | – | 0 | – |" in lines


def test_a_photo_is_judged(tmp_path: Path) -> None:
    photo = next(photo for photo in collect(None, tmp_path) if photo.kind == "kodak")
    result = judged(photo, Mode("cbc", "flips", 3e-5), 1)

    assert result is not None
    assert (result.kind, result.mode) == ("kodak", "cbc 3e-05")
    claimed = [part for part in result.segments if part.grade != "uncertain"]
    assert sum(part.placed for part in claimed) > 0.99 * sum(part.mcus for part in claimed) > 0
    assert all(0 <= part.exact <= part.placed <= part.mcus for part in result.segments)
