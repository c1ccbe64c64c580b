"""Protects sound MCUs behind garbage: they are found from the first on, and nothing sound is taken for garbage."""

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.resync.resume import Resumption, resume
from jpegrescue.resync.stream import Stream, decode_stream, split
from jpegrescue.score.soundness import calibrated_odds
from jpegrescue.score.symbols import weigh
from tests.resync.damaged import NAMES, Opened, damaged, encoded, garbage, opened

ERRORS = np.linspace(0.05, 0.95, 12).tolist()


def resumed(file: Opened) -> Resumption:
    scan = file.structure.scans[0]
    odds = calibrated_odds(file.stripped, file.intervals.bits, file.layout, scan)
    weighed = weigh(file.stripped, file.intervals.bits, file.layout.mcus, file.layout, odds)
    return resume(file.stripped, file.layout, odds, weighed)


def decoded(file: Opened) -> Stream:
    return decode_stream(file.stripped, file.layout, file.intervals, resumed(file))


def plain(file: Opened) -> Stream:
    """By the robust rule alone."""
    return decode_stream(file.stripped, file.layout, file.intervals)


def true_mcus(file: Opened, stream: Stream, intact: Opened) -> NDArray[np.bool_]:
    """Whether an MCU has the bits of one of the intact file's."""
    bits = [
        np.stack([f.stripped.file_bits(s.bit_start), f.stripped.file_bits(s.bit_end - 1)], 1)
        for f, s in ((file, stream), (intact, intact.stream))
    ]
    known = {tuple(pair) for pair in bits[1].tolist()}
    return np.array([tuple(pair) in known for pair in bits[0].tolist()])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("restart", [0, 16])
def test_an_intact_scan_is_left_alone(name: str, restart: int) -> None:
    file = opened(encoded(name, restart=restart))
    made = resumed(file)

    assert made.at.size == 0
    np.testing.assert_array_equal(decoded(file).bit_start, plain(file).bit_start)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quality", [75, 93])
def test_more_of_what_is_sound_is_found(name: str, quality: int) -> None:
    intact = opened(encoded(name, quality=quality))
    file = opened(damaged(encoded(name, quality=quality), ERRORS))
    before, now = true_mcus(file, plain(file), intact), true_mcus(file, decoded(file), intact)

    assert now.sum() > before.sum()
    assert (~now).sum() < (~before).sum()


def test_dc_predictors_go_on_from_before_the_garbage() -> None:
    """Those of the garbage would only lead astray."""
    intact, file = opened(encoded("coffee")), opened(damaged(encoded("coffee"), ERRORS))
    stream = decoded(file)
    made = resumed(file)
    true = true_mcus(file, stream, intact)
    index = np.searchsorted(
        intact.stripped.file_bits(intact.stream.bit_start), file.stripped.file_bits(stream.bit_start)
    )
    off = []
    for at in made.at.tolist():
        found = np.flatnonzero(true & (stream.bit_start > at))[:1]
        whole = intact.stream.coefficients[0].reshape(2, -1, 2, 64)[0, index[found], 0, 0].astype(int)
        off += (whole - stream.coefficients[0].reshape(2, -1, 2, 64)[0, found, 0, 0]).tolist()
    assert len(off) > len(ERRORS) / 3
    assert np.median(np.abs(np.diff([0, *off]))) < 100


def test_parts_follow_each_other_within_their_intervals() -> None:
    file = opened(damaged(encoded("astronaut", restart=16), ERRORS))
    parts, owner = split(file.intervals, resumed(file))

    assert np.all(parts[:, 0] < parts[:, 1])
    assert np.all(parts[1:, 0] >= parts[:-1, 1])
    assert np.all(np.diff(owner) >= 0)
    for interval, bits in enumerate(file.intervals.bits.tolist()):
        own = parts[owner == interval]
        assert [own[0, 0], own[-1, 1]] == bits
        np.testing.assert_array_equal(own[1:, 0], own[:-1, 1])


def test_the_stream_keeps_its_intervals() -> None:
    file = opened(damaged(encoded("astronaut", restart=16), ERRORS))
    stream = decoded(file)
    bits = file.intervals.bits[stream.interval]

    assert np.all(np.diff(stream.interval) >= 0)
    assert np.all((stream.bit_start >= bits[:, 0]) & (stream.bit_end <= bits[:, 1]))
    assert np.all(np.diff(stream.bit_start) > 0)
    assert stream.fresh[np.isin(stream.bit_start, resumed(file).at)].all()


def test_nothing_breaks_on_garbage() -> None:
    stream = decoded(opened(garbage(encoded("coffee"))))
    assert np.all(stream.bit_end[:-1] <= stream.bit_start[1:])
