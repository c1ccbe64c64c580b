"""Protects the learning of what repair believes: what counts as right, and that the same is learnt twice."""

from pathlib import Path

import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.lab import train_repair
from jpegrescue.repair.change import FEATURES, LEFT_WEIGHTS
from jpegrescue.source.crypt.flips import BITS
from jpegrescue.source.crypt.sector import BLOCK
from tests.repair.flipped import sector_cipher
from tests.repair.test_change import SURE
from tests.resync.damaged import encoded

JPEG = encoded("coffee")


def test_a_picture_teaches_the_same_twice() -> None:
    one, two = (train_repair.examine(JPEG, sector_cipher(), 3e-5, True, np.random.default_rng(4)) for _ in range(2))

    assert one is not None
    assert two is not None
    assert one.weighed.shape == (one.weighed_right.size, FEATURES)
    assert one.left.shape == (one.left_right.size, LEFT_WEIGHTS.size)
    assert one.weighed_right.any()
    np.testing.assert_array_equal(one.weighed, two.weighed)
    np.testing.assert_array_equal(one.sound, two.sound)
    assert np.median(one.sound) > 5 > -10 > np.median(one.garbled)
    assert 0 < one.counted[0] < one.counted[1]


def test_errors_lie_in_whole_blocks_of_the_scan() -> None:
    scan = parse(JPEG).scans[0]

    bits = train_repair._errors(scan.start, scan.end, 1e-3, True, np.random.default_rng(1))

    assert bits.size > 20
    assert np.all(np.diff(bits) > 0)
    assert bits[0] // BITS * BLOCK >= scan.start
    assert (bits[-1] // BITS + 1) * BLOCK <= scan.end


def test_right_is_what_flips_errors_and_flips_wrong_bits_back() -> None:
    errors = frozenset(SURE.flips)

    assert train_repair._right(SURE, frozenset(), errors)
    assert not train_repair._right(SURE, frozenset(), frozenset())
    assert train_repair._right(SURE, errors, frozenset())
    assert not train_repair._right(SURE, errors, errors)


def test_the_command_reports_every_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(encoded("coffee", quality=90 + number))
    monkeypatch.setattr(train_repair, "CIPHERS", ("aes-xts-plain64",))
    monkeypatch.setattr("sys.argv", ["train_repair", str(tmp_path), "--pictures", "2", "--jobs", "1"])

    train_repair.main()

    told = capsys.readouterr().out
    for name in ("\nWEIGHTS[0]: too few", "\nWEIGHTS[1], of", "\nLEFT_WEIGHTS", "\nONE", "\nTWO", "\nUNCOUNTED"):
        assert name in told
