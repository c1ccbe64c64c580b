"""Protects the benchmark of headers: what it damages, and that it tells what was found."""

import numpy as np

from benchmarks import headers
from jpegrescue.jpeg.parse import parse
from tests.resync.damaged import encoded

JPEG = encoded("coffee")


def photo() -> headers.Photo:
    return headers.Photo(JPEG, tuple(headers.kinds_of(parse(JPEG))))


def test_every_block_of_the_header_is_told() -> None:
    made = photo()

    assert len(made.kinds) == -(-parse(JPEG).scans[0].start // 16)
    assert made.kinds[0] in headers.KINDS
    assert {"DQT", "DHT", "SOF", "SOS"} <= set(made.kinds)


def test_a_trial_finds_its_errors() -> None:
    for cipher in headers.CIPHERS:
        trial = headers.tried(photo(), cipher, 1, np.random.default_rng(3))
        assert trial.found == (True,)
        assert trial.false == 0


def test_the_tables_count(capsys) -> None:  # type: ignore[no-untyped-def]
    headers.print_tables([headers.Trial(("DHT", "DQT"), (True, False), 1, 0.5)], [0.1])

    told = capsys.readouterr().out
    assert "| DHT | 1 | 1 |" in told
    assert "| DQT | 1 | 0 |" in told
    assert "False: 1 in 1 trials" in told
