"""Protects what a scan is worth: the best path through its MCUs, and the way back to the file."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.jpeg._kernels_entropy import PADDING
from jpegrescue.jpeg.parse import parse
from jpegrescue.repair._kernels_candidates import END, HOLE, NEVER, path_values
from jpegrescue.repair.track import Track, follow, plan_scan, quick_look, scratch, still_fits
from jpegrescue.score._kernels_symbols import FAILURE
from jpegrescue.score.plausibility import NAT
from tests.jpeg.samples import photo
from tests.repair.flipped import tracked
from tests.resync.damaged import NAMES, damaged, encoded, garbage


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"mode": "L"}, {"restart": 5}, {"subsampling": 0}, {"subsampling": 1}])
def test_an_intact_scan_is_complete_and_counted(name: str, options: dict[str, object]) -> None:
    track = tracked(encoded(name, **options))  # type: ignore[arg-type]

    assert track.complete
    assert track.counted
    assert track.value >= track.weighed.odds.sum() + END
    assert track.value > 4 * NAT * track.stripped.size / 16


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_worth_less(name: str) -> None:
    jpeg = encoded(name)
    values = [tracked(damaged(jpeg, at)).value for at in ([], [0.4], [0.2, 0.4, 0.8])]

    assert values[0] > values[1] + 10 * NAT
    assert values[1] > values[2] + 10 * NAT
    assert quick_look(np.frombuffer(garbage(jpeg), np.uint8), parse(garbage(jpeg))).value < NAT  # type: ignore[union-attr]


@given(
    st.lists(st.integers(-20 * NAT, 20 * NAT), max_size=7),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.booleans(),
)
def test_values_are_those_of_the_best_path(odds: list[int], failures: list[bool], complete: bool) -> None:
    count = len(odds)
    failed = np.array(failures[: count + 1])
    before, behind = np.empty((2, count + 1, 2), np.int64)

    value = path_values(np.array(odds, np.int64), failed, complete, before, behind)

    best = NEVER
    for sound in product((True, False), repeat=count):
        worth = sum(weight for weight, counts in zip(odds, sound, strict=True) if counts)
        along = (True, *sound, True)  # a hole that reaches the end costs nothing more
        for m in range(count + 1):
            entered = along[m] and m < count and not along[m + 1]
            jumped = along[m] and along[m + 1] and failed[m]
            worth -= HOLE * (entered or jumped)
        in_the_end = along[count] and not failed[count]
        best = max(best, worth + (END if complete and in_the_end else 0))
    assert value == best
    for m in range(count):
        sound_before, hole_before = before[m].tolist()
        through = max(hole_before, sound_before - HOLE) + behind[m, 1]
        if not failed[m]:
            through = max(through, max(sound_before, hole_before) + behind[m, 0])
        assert through == value


@pytest.mark.parametrize("options", [{}, {"restart": 3}, {"quality": 95}])
@pytest.mark.parametrize("hit", [[], [0.3, 0.7]])
def test_offsets_lead_there_and_back(options: dict[str, object], hit: list[float]) -> None:
    data = np.frombuffer(damaged(encoded("coffee", **options), hit), np.uint8)  # type: ignore[arg-type]
    track = tracked(data)
    held = track.stripped

    at = np.arange(held.size)
    offsets = held.file_bits(8 * at) >> 3
    np.testing.assert_array_equal(track.stripped_at(offsets), at)
    np.testing.assert_array_equal(data[offsets], held.data[: held.size])

    everywhere = track.stripped_at(np.arange(track.plan.scan.start, track.plan.scan.end + 1))
    assert (everywhere[0], everywhere[-1]) == (0, held.size)


@pytest.mark.parametrize("restart", [0, 3])
def test_positions_ascend_with_offsets(restart: int) -> None:
    track = tracked(encoded("coffee", restart=restart))

    everywhere = track.stripped_at(np.arange(track.plan.scan.start, track.plan.scan.end + 1))

    assert set(np.diff(everywhere).tolist()) <= {0, 1}


def test_stuffing_and_markers_count_as_what_follows() -> None:
    data = np.frombuffer(encoded("coffee", restart=3), np.uint8)
    track = tracked(data)
    scan = track.plan.scan
    marks = [at for at in range(scan.start, scan.end - 1) if data[at] == 0xFF and data[at + 1] in range(0xD0, 0xD8)]
    assert len(marks) == track.stripped.restart_at.size > 50

    for at in marks:
        here = track.stripped_at(np.array([at, at + 1, at + 2])).tolist()
        assert here[0] in track.stripped.restart_at
        assert here == here[:1] * 3


@pytest.mark.parametrize("options", [{}, {"restart": 5}])
def test_cuts_are_where_intervals_end(options: dict[str, object]) -> None:
    data = np.frombuffer(encoded("coffee", **options), np.uint8)  # type: ignore[arg-type]
    track = tracked(data)
    scan = track.plan.scan

    assert track.cuts.tolist() == [*track.stripped.restart_at, track.stripped.size]
    assert track.cut_at[-1] == scan.end
    for at in track.cut_at[:-1].tolist():
        assert data[at - 2] == 0xFF
        assert data[at - 1] in range(0xD0, 0xD8)


@pytest.mark.parametrize("options", [{}, {"restart": 3}])
def test_odds_of_all_bytes_are_odds_of_the_whole(options: dict[str, object]) -> None:
    track = tracked(damaged(encoded("coffee", **options), [0.3]))  # type: ignore[arg-type]
    scan = track.plan.scan
    whole = (track.weighed.odds.sum() - FAILURE * np.count_nonzero(track.weighed.failed)) / NAT
    cuts = np.sort(np.random.default_rng(1).integers(scan.start, scan.end, 40))
    edges = np.concatenate(([0, scan.start], cuts, [scan.end, scan.end + 999]))

    parts = track.odds_between(edges)

    assert parts.sum() == pytest.approx(whole)
    assert parts[0] == parts[-1] == 0
    assert track.odds_between(edges[[0, -1]])[0] == pytest.approx(parts.sum())


def test_a_scan_without_its_end_is_not_complete() -> None:
    track = tracked(encoded("coffee")[:-2])

    assert not track.plan.ends
    assert not track.complete


def test_a_missing_mcu_is_not_counted() -> None:
    jpeg = encoded("coffee", restart=1, size=(64, 64))
    data = np.frombuffer(jpeg, np.uint8)
    at = tracked(data).cut_at.tolist()

    short = tracked(np.concatenate((data[: at[2]], data[at[3] :])))  # an interval less

    assert not short.counted


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", encoded("coffee")[:500], photo(progressive=True)])
def test_what_has_no_scan_has_no_track(data: bytes) -> None:
    array = np.frombuffer(data, np.uint8)

    assert quick_look(array, parse(array)) is None
    assert plan_scan(array, parse(array)) is None


def test_a_plan_fits_until_the_header_changes() -> None:
    jpeg = encoded("coffee")
    track = tracked(jpeg)

    def fits(data: bytes) -> bool:
        return still_fits(track.plan, parse(np.frombuffer(data, np.uint8)))

    scan = track.plan.scan
    assert fits(jpeg)
    assert fits(damaged(jpeg, [0.5]))
    assert not fits(jpeg[:-2])
    assert not fits(jpeg[: scan.start] + jpeg[scan.start + 40 :])
    assert not fits(encoded("coffee", mode="L"))
    assert not fits(b"")


def test_calibration_makes_the_file_likelier() -> None:
    for name in NAMES:
        data = np.frombuffer(encoded(name), np.uint8)
        usual = quick_look(data, parse(data))

        assert usual is not None
        assert tracked(data).value > usual.value


def test_the_same_again() -> None:
    tracks: list[Track] = [tracked(damaged(encoded("coffee"), [0.4])) for _ in range(2)]

    assert tracks[0].value == tracks[1].value
    np.testing.assert_array_equal(tracks[0].behind, tracks[1].behind)
    np.testing.assert_array_equal(
        follow(np.frombuffer(encoded("coffee"), np.uint8), tracks[0].plan).before[0], [0, -HOLE]
    )


def test_scratch_can_be_read_behind_its_end() -> None:
    assert scratch(100).size == 100 + PADDING


@pytest.mark.parametrize("restart", [0, 5])
def test_mcus_too_many_are_counted_up_to_the_next_restart_marker(restart: int) -> None:
    track = tracked(encoded("coffee", restart=restart))
    first = 12

    assert track.surplus(first, first + 1, 0) == (0, 0)
    assert track.surplus(first, first + 1, -2) == (0, -2)
    if restart:
        assert track.surplus(first, first + restart + 1, 1) == (None, None)  # beyond a marker


def test_what_fails_to_decode_has_no_count_but_for_what_leads_past_it() -> None:
    track = tracked(damaged(encoded("coffee", quality=95, subsampling=0), [0.2, 0.5, 0.6, 0.8]))
    failed = np.flatnonzero(track.weighed.failed)
    assert failed.size >= 1
    at, behind = int(failed[0]), int(failed[-1])

    assert track.surplus(at, behind, 0)[0] is None
    assert track.surplus(at, behind, 0)[1] is not None
    assert track.surplus(behind + 1, behind + 2, 0) == (None, None)


def test_without_an_end_of_image_the_last_interval_has_no_count() -> None:
    track = tracked(encoded("coffee", restart=5)[:-2])

    last = track.weighed.count - 1
    assert track.surplus(last, last + 1, 0) == (None, None)
    assert track.surplus(1, 2, 0) == (0, 0)
