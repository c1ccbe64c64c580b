"""Protects what alignment starts from: every MCU that can be decoded, in the order of its bits."""

import numpy as np
import pytest
from PIL import Image

from jpegrescue.jpeg.parse import parse
from tests.resync.damaged import NAMES, addresses, by_mcu, damaged, encoded, opened, planes_by_mcu, saved, true_places

KINDS = [(2, "RGB", 0), (1, "RGB", 0), (0, "RGB", 0), (0, "L", 0), (2, "RGB", 1), (2, "RGB", 5), (1, "CMYK", 24)]


@pytest.mark.parametrize(("subsampling", "mode", "restart"), KINDS)
def test_an_intact_stream_holds_what_the_decoder_places(subsampling: int, mode: str, restart: int) -> None:
    file = opened(encoded("coffee", subsampling, mode, restart=restart))

    assert file.stream.bit_start.size == file.layout.mcus
    for ours, theirs in zip(by_mcu(file), planes_by_mcu(file.decoded.planes, file), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(addresses(file)[:, 0], file.decoded.scans[0].mcu_bit)


def test_mcus_follow_each_other_to_the_last_bit() -> None:
    file = opened(encoded("coffee"))
    stream = file.stream

    assert stream.bit_start[0] == 0
    np.testing.assert_array_equal(stream.bit_start[1:], stream.bit_end[:-1])
    assert 0 <= 8 * file.stripped.size - stream.bit_end[-1] < 8  # T.81 F.1.2.3: padded to a byte
    assert np.flatnonzero(stream.fresh).tolist() == [0]
    assert not stream.interval.any()


def test_restart_intervals_begin_anew() -> None:
    file = opened(encoded("coffee", restart=7))
    stream = file.stream
    opens = np.arange(0, file.layout.mcus, 7)

    np.testing.assert_array_equal(stream.interval, np.arange(file.layout.mcus) // 7)
    np.testing.assert_array_equal(np.flatnonzero(stream.fresh), opens)
    np.testing.assert_array_equal(stream.bit_start[opens], file.intervals.bits[:, 0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("subsampling", [0, 2])
def test_behind_an_error_mcus_are_found_at_their_bits_again(name: str, subsampling: int) -> None:
    intact = opened(encoded(name, subsampling))
    file = opened(damaged(encoded(name, subsampling), [0.4], seed=3))
    places = true_places(file, intact)
    sound = places >= 0
    garbled = np.flatnonzero(~sound)

    assert 0 < garbled.size < 24
    assert garbled[-1] - garbled[0] < 24  # two blocks of 16 bytes, and what it takes to find back
    assert intact.layout.mcus - np.unique(places[sound]).size < 24
    assert np.all(np.diff(places[sound]) > 0)
    assert places[-1] == intact.layout.mcus - 1


def test_a_dc_offset_is_all_that_an_error_leaves_behind() -> None:
    intact = opened(encoded("coffee"))
    file = opened(damaged(encoded("coffee"), [0.4], seed=3))
    places = true_places(file, intact)
    behind = places > 250

    for ours, theirs in zip(by_mcu(file), by_mcu(intact), strict=True):
        off = ours[behind].astype(int) - theirs[places[behind]]
        assert np.unique(off[..., 0]).size == 1
        assert not off[..., 1:].any()


def test_bits_that_decode_to_nothing_are_skipped_and_marked() -> None:
    jpeg = bytearray(encoded("coffee"))
    scan = parse(bytes(jpeg)).scans[0]
    middle = (scan.start + scan.end) // 2
    jpeg[middle : middle + 8] = b"\xfe" * 8
    stream = opened(bytes(jpeg)).stream
    gaps = np.flatnonzero(stream.bit_start[1:] != stream.bit_end[:-1]) + 1

    assert gaps.size > 0
    np.testing.assert_array_equal(np.flatnonzero(stream.fresh), [0, *gaps])


def test_what_is_more_than_the_picture_holds_is_decoded_too() -> None:
    jpeg = encoded("coffee")
    scan = parse(jpeg).scans[0]
    twice = jpeg[: scan.end] + jpeg[scan.start + 1000 : scan.start + 3000] + jpeg[scan.end :]
    file, intact = opened(twice), opened(jpeg)

    assert file.stream.bit_start.size > intact.layout.mcus + 10
    for more, whole in zip(by_mcu(file), by_mcu(intact), strict=True):
        np.testing.assert_array_equal(more[: intact.layout.mcus - 1], whole[:-1])


def test_no_byte_makes_no_mcu() -> None:
    jpeg = encoded("coffee")
    scan = parse(jpeg).scans[0]
    picture = np.zeros((8, 8), np.uint8)
    tiny = opened(saved(Image.fromarray(picture)))
    empty = opened(jpeg[: scan.start] + b"\xfe" + jpeg[scan.end :]).stream

    assert tiny.stream.bit_start.size == 1
    assert empty.bit_start.size == empty.interval.size == empty.fresh.size == 0
    assert [blocks.shape for blocks in empty.coefficients] == [(2, 0, 64), (1, 0, 64), (1, 0, 64)]


def test_surplus_of_one_interval_does_not_reach_into_the_next() -> None:
    jpeg = encoded("coffee", restart=24)
    scan = parse(jpeg).scans[0]
    third = jpeg.index(b"\xff\xd1", scan.start) + 2
    grown = jpeg[:third] + jpeg[third : third + 100] * 5 + jpeg[third:]
    file, intact = opened(grown), opened(jpeg)
    behind, before = file.stream.interval > 2, file.stream.interval < 2

    assert np.count_nonzero(file.stream.interval == 2) > 24
    for ours, whole in zip(by_mcu(file), by_mcu(intact), strict=True):
        np.testing.assert_array_equal(ours[behind], whole[72:])
        np.testing.assert_array_equal(ours[before], whole[:48])
