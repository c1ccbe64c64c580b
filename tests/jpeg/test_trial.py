import math
from dataclasses import replace

import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.trial import count_mcus, failures
from jpegrescue.model.jpeg import Frame, JpegStructure, Scan
from tests.jpeg.samples import photo
from tests.jpeg.siblings import array
from tests.oracles.encoder import Plan, encode, random_planes


def parts(structure: JpegStructure) -> tuple[Frame, Scan]:
    assert structure.frame is not None
    return structure.frame, structure.scans[0]


@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"mode": "L"}, {"restart_marker_blocks": 7}, {"optimize": True}]
)
def test_sound_scans_do_not_fail_and_hold_what_they_should(options: dict) -> None:
    data = photo(300, 210, **options)
    frame, scan = parts(parse(data))
    assert failures(array(data), frame, scan) == 0
    assert count_mcus(array(data), frame, scan, 10**5) == frame.mcu_columns * frame.mcu_rows
    assert count_mcus(array(data), frame, scan, 10) == 10


def test_a_scan_of_one_component_of_many() -> None:
    plan = Plan(70, 50, ((2, 2), (1, 1), (1, 1)), interleaved=False)
    data = encode(plan, random_planes(plan, np.random.default_rng(2)))
    structure = parse(data)
    assert structure.frame is not None
    for index, scan in enumerate(structure.scans):
        rows, columns = plan.own_blocks(index)
        assert count_mcus(array(data), structure.frame, scan, 10**5) == rows * columns


def test_headers_of_another_picture_fail_and_damage_fails_less() -> None:
    data = photo(640, 480)
    frame, scan = parts(parse(data))
    optimised = parse(photo(64, 48, seed=9, optimize=True, quality=20)).scans[0]
    foreign = failures(array(data), frame, replace(scan, components=optimised.components))
    factors = replace(frame, components=tuple(replace(c, horizontal=1, vertical=1) for c in frame.components))
    flipped = bytearray(data)
    for place in range(scan.start + 1000, scan.start + 32000, 3000):
        flipped[place] ^= 0x10
    assert 1 <= failures(array(flipped), frame, scan) < 20
    assert foreign > 30
    assert failures(array(data), factors, scan) > 30


def test_without_a_table_nothing_is_decoded() -> None:
    data = photo().replace(b"\xff\xc4", b"\xff\xef")
    frame, scan = parts(parse(data))
    assert failures(array(data), frame, scan) == math.inf
    assert count_mcus(array(data), frame, scan, 100) == 0


def test_an_empty_scan_and_an_absurd_interval_do_no_harm() -> None:
    data = photo()
    frame, scan = parts(parse(data))
    empty = replace(scan, end=scan.start, restart_interval=65535)
    assert failures(array(data), frame, empty) == 0
    assert count_mcus(array(data), frame, empty, 100) == 0
    assert failures(array(data), frame, replace(scan, restart_interval=65535)) == 0
