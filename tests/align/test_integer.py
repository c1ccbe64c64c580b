"""Protects the promise of alignment: what it claims is as it was in the intact file."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jpegrescue.align.integer import CLAIM, CLAIM_LEAST, align
from jpegrescue.jpeg.pixels import ColourSpace
from jpegrescue.model.align import ALIGNED, LOST, PLACED, Alignment
from jpegrescue.model.decode import Segment
from jpegrescue.model.evidence import ByteRange
from tests.align.readings import reading
from tests.align.test_previewed import preview_of
from tests.resync.damaged import (
    NAMES,
    by_mcu,
    damaged,
    encoded,
    garbage,
    opened,
    planes_by_mcu,
    saved,
    screenshot,
    true_places,
)

KINDS: list[tuple[int, str, int, int]] = [(2, "RGB", 85, 0), (1, "RGB", 85, 0), (0, "RGB", 90, 0), (0, "L", 85, 0)]
RESTARTS: list[tuple[int, str, int, int]] = [(2, "RGB", 85, 24), (2, "RGB", 85, 30)]
TRIALS = 24


@cache
def trial(seed: int, kinds: int) -> tuple[bytes, bytes, ColourSpace]:
    """An intact file, the same with one to five errors, and its colour space."""
    given = (KINDS, RESTARTS)[kinds]
    subsampling, mode, quality, restart = given[seed % len(given)]
    rng = np.random.default_rng(seed)
    intact = encoded(NAMES[seed // len(given) % 4], subsampling, mode, quality=quality, restart=restart)
    at = np.sort(rng.random(int(rng.integers(1, 6)))).tolist()
    return intact, damaged(intact, at, seed), "grey" if mode == "L" else "ycc"


def aligned(
    jpeg: bytes, space: ColourSpace = "ycc", preview: NDArray[np.uint8] | None = None, *, encrypted: bool = True
) -> Alignment:
    file = opened(jpeg)
    alignment = align(file.data, file.structure, space, file.decoded, preview, encrypted=encrypted)
    assert alignment is not None
    return alignment


@cache
def kept(seed: int, kinds: int) -> Alignment:
    """Of `trial`, made once."""
    _, jpeg, space = trial(seed, kinds)
    return aligned(jpeg, space)


def per_mcu(segments: tuple[Segment, ...], count: int, value: str) -> NDArray[np.object_]:
    """A field of the segment that each MCU of the stream lies in, `None` outside of all."""
    out = np.full(count, None, object)
    for segment in segments:
        out[segment.mcu_start : segment.mcu_end] = getattr(segment, value)
    return out


def outcomes(kinds: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]:
    """Per trial and MCU of the stream: where it belongs (-1: garbled), where it was put, whether that is claimed."""
    for seed in range(TRIALS):
        intact, jpeg, _ = trial(seed, kinds)
        segments = kept(seed, kinds).segments
        truth = true_places(opened(jpeg), opened(intact))
        shift = per_mcu(segments, truth.size, "shift")
        put = np.array([-1 if s is None else i + s for i, s in enumerate(shift)])
        yield truth, put, np.isin(per_mcu(segments, truth.size, "grade"), ["aligned", "placed"])


@pytest.mark.parametrize("kinds", [0, 1])
def test_what_is_claimed_lies_elsewhere_as_rarely_as_promised(kinds: int) -> None:
    elsewhere = claims = 0
    for truth, put, claimed in outcomes(kinds):
        elsewhere += np.count_nonzero(claimed & (truth >= 0) & (put != truth))
        claims += np.count_nonzero(claimed)

    assert elsewhere <= 0.0005 * claims


@pytest.mark.parametrize("kinds", [0, 1])
def test_garbled_mcus_are_claimed_as_rarely_as_promised(kinds: int) -> None:
    garbled = claims = 0
    for truth, _, claimed in outcomes(kinds):
        garbled += np.count_nonzero(claimed & (truth < 0))
        claims += np.count_nonzero(claimed)

    assert claims > 4000
    assert garbled <= max(1.0, (1 - CLAIM[1]) * claims)


@pytest.mark.parametrize("kinds", [0, 1])
def test_most_of_what_damage_left_is_claimed(kinds: int) -> None:
    shares = [np.mean((put == truth)[truth >= 0]) for truth, put, _ in outcomes(kinds)]
    claims = [np.mean(claimed[truth >= 0]) for truth, _, claimed in outcomes(kinds)]

    assert np.median(shares) > 0.97
    assert np.mean(shares) > 0.9
    assert np.median(claims) > (0.8, 0.4)[kinds]


@pytest.mark.parametrize("seed", range(TRIALS))
def test_claims_in_the_picture_are_the_intact_files_coefficients(seed: int) -> None:
    intact = trial(seed, 0)[0]
    alignment = kept(seed, 0)
    grades = alignment.certainty.reshape(-1)
    whole = planes_by_mcu(opened(intact).decoded.planes, opened(intact))
    ours = planes_by_mcu(alignment.planes, opened(intact))
    alike = np.all([(a[..., 1:] == b[..., 1:]).all(axis=(1, 2)) for a, b in zip(ours, whole, strict=True)], axis=0)

    assert np.count_nonzero((grades >= PLACED) & ~alike) <= 3


def test_what_is_called_aligned_is_exact_to_the_dc() -> None:
    """But for one MCU in a hundred: behind an error that moves DC by little and costs no MCU."""
    exact = wrong = 0
    for seed in range(TRIALS):
        intact = trial(seed, 0)[0]
        alignment = kept(seed, 0)
        whole = planes_by_mcu(opened(intact).decoded.planes, opened(intact))
        ours = planes_by_mcu(alignment.planes, opened(intact))
        same = np.all([(a == b).all(axis=(1, 2)) for a, b in zip(ours, whole, strict=True)], axis=0)
        claims = alignment.certainty.reshape(-1) == ALIGNED
        exact += np.count_nonzero(claims & same)
        wrong += np.count_nonzero(claims & ~same)

    assert exact > 2000
    assert wrong <= 0.01 * exact


def quiet(intact: bytes, seed: int) -> bytes:
    """A file in which one flipped bit changes a DC offset and nothing else, and others lose an MCU far behind it."""
    whole, scan = opened(intact), opened(intact).structure.scans[0]
    rng = np.random.default_rng(seed)
    while True:
        jpeg = bytearray(intact)
        jpeg[scan.start + int(rng.integers(20, (scan.end - scan.start) // 4))] ^= 1 << int(rng.integers(8))
        file = opened(bytes(jpeg))
        moved = [(a[-1, 0, 0] != b[-1, 0, 0]).any() for a, b in zip(by_mcu(file), by_mcu(whole), strict=True)]
        if file.stream.bit_start.size == whole.stream.bit_start.size and any(moved):
            return damaged(bytes(jpeg), [0.8], seed)


@pytest.mark.parametrize("quality", [75, 92])
def test_what_lies_behind_a_quiet_error_is_not_called_aligned(quality: int) -> None:
    """One flipped bit in a DC difference, no MCU lost: all behind it, most of the photo, was called aligned."""
    exact = wrong = 0
    for seed in range(12):
        intact = encoded(NAMES[seed % 4], seed % 3, quality=quality)
        alignment = aligned(quiet(intact, seed), encrypted=False)
        whole = planes_by_mcu(opened(intact).decoded.planes, opened(intact))
        ours = planes_by_mcu(alignment.planes, opened(intact))
        same = np.all([(a == b).all(axis=(1, 2)) for a, b in zip(ours, whole, strict=True)], axis=0)
        claims = alignment.certainty.reshape(-1) == ALIGNED
        exact += np.count_nonzero(claims & same)
        wrong += np.count_nonzero(claims & ~same)

    assert exact > 100
    assert wrong <= 0.01 * exact


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("first", [9, 20])
def test_intervals_of_another_photo_are_not_claimed(name: str, first: int) -> None:
    """A foreign cluster brings restart markers with the right numbers along; whole intervals of it were claimed."""
    intact, other = (encoded(each, restart=8) for each in ("astronaut", name))
    starts = [[m.start() for m in re.finditer(b"\xff[\xd0-\xd7]", each)] for each in (intact, other)]
    (a, b), (c, d) = ((part[first] + 40, part[first + 8] + 40) for part in starts)
    alignment = aligned(intact[:a] + other[c:d] + intact[b:])
    whole = planes_by_mcu(opened(intact).decoded.planes, opened(intact))
    ours = planes_by_mcu(alignment.planes, opened(intact))
    same = np.all([(x[..., 1:] == y[..., 1:]).all(axis=(1, 2)) for x, y in zip(ours, whole, strict=True)], axis=0)
    claimed = alignment.certainty.reshape(-1) >= PLACED

    assert np.count_nonzero(claimed & ~same) <= 2
    assert np.count_nonzero(claimed) > 150


@pytest.mark.parametrize("kinds", [0, 1])
@pytest.mark.parametrize("seed", range(0, TRIALS, 3))
def test_segments_say_what_the_planes_hold(seed: int, kinds: int) -> None:
    file, alignment = opened(trial(seed, kinds)[1]), kept(seed, kinds)
    expected = [np.zeros((file.layout.mcus, *blocks.shape[1:]), np.int64) for blocks in by_mcu(file)]
    grades = np.full(file.layout.mcus, LOST, np.uint8)
    names = {"uncertain": 1, "placed": 2, "aligned": 3}
    for segment in alignment.segments:
        target = slice(segment.placed_at, segment.placed_at + segment.mcu_end - segment.mcu_start)
        grades[target] = names[segment.grade]
        assert segment.dc_offset is not None
        for plane, blocks, offset in zip(expected, by_mcu(file), segment.dc_offset, strict=True):
            plane[target] = blocks[segment.mcu_start : segment.mcu_end]
            plane[target, :, 0] += offset

    for ours, plane in zip(planes_by_mcu(alignment.planes, file), expected, strict=True):
        np.testing.assert_array_equal(ours, plane)
    np.testing.assert_array_equal(alignment.certainty.reshape(-1), grades)


@pytest.mark.parametrize("kinds", [0, 1])
@pytest.mark.parametrize("seed", range(0, TRIALS, 3))
def test_segments_are_consistent_in_themselves(seed: int, kinds: int) -> None:
    _, jpeg, space = trial(seed, kinds)
    read = reading(jpeg, grey=space == "grey")
    segments = kept(seed, kinds).segments

    for segment in segments:
        assert segment.mcu_start < segment.mcu_end <= read.bit_start.size
        assert segment.shift == segment.placed_at - segment.mcu_start
        assert (segment.scan, segment.engine) == (0, "integer")
        assert segment.dc_offset is not None
        assert len(segment.dc_offset) == (1 if space == "grey" else 3)
        assert segment.confidence is not None
        assert 0 <= segment.confidence <= 1
        assert segment.bit_start == read.bit_start[segment.mcu_start]
        assert segment.bit_end == read.bit_end[segment.mcu_end - 1]
        if segment.grade != "uncertain":
            assert segment.confidence >= CLAIM_LEAST - 1e-4
    for before, after in pairwise(segments):
        assert before.mcu_end <= after.mcu_start
        assert before.bit_end <= after.bit_start
        assert before.placed_at + before.mcu_end - before.mcu_start <= after.placed_at


@pytest.mark.parametrize("kinds", [0, 1])
def test_the_same_again(kinds: int) -> None:
    for seed in range(4):
        _, jpeg, space = trial(seed, kinds)
        first, second = aligned(jpeg, space), aligned(jpeg, space)
        assert first.segments == second.segments
        assert first.certainty.tobytes() == second.certainty.tobytes()
        assert [p.blocks.tobytes() for p in first.planes] == [p.blocks.tobytes() for p in second.planes]


def test_an_intact_file_stays_as_it_is() -> None:
    file = opened(encoded("coffee"))
    alignment = aligned(encoded("coffee"))

    for ours, theirs in zip(alignment.planes, file.decoded.planes, strict=True):
        np.testing.assert_array_equal(ours.blocks, theirs.blocks)
    assert {segment.dc_offset for segment in alignment.segments} == {(0, 0, 0)}
    assert np.mean(alignment.certainty >= PLACED) > 0.7
    assert np.mean(alignment.certainty == ALIGNED) > 0.2


@pytest.mark.parametrize("other", [1, 2, 3])
def test_the_preview_of_another_photo_makes_no_claim_wrong(other: int) -> None:
    for seed in range(0, 8, 2):
        intact, jpeg = encoded(NAMES[seed // 2]), damaged(encoded(NAMES[seed // 2]), [0.3, 0.6], seed)
        alignment = aligned(jpeg, preview=preview_of(NAMES[(seed // 2 + other) % 4]))
        truth = true_places(opened(jpeg), opened(intact))
        grades = per_mcu(alignment.segments, truth.size, "grade")
        shift = per_mcu(alignment.segments, truth.size, "shift")
        claimed = np.isin(grades, ["aligned", "placed"]) & (truth >= 0)
        put = np.array([-1 if s is None else i + s for i, s in enumerate(shift)])
        np.testing.assert_array_equal(put[claimed], truth[claimed])
        assert alignment.thumbnail is not None
        assert not alignment.thumbnail.trusted


def test_a_preview_that_seems_to_lie_beside_its_picture_is_tried_where_it_should_lie() -> None:
    """Errors in the first row had moved the picture below it."""
    jpeg = damaged(encoded("rocket", quality=90), [0.002, 0.3, 0.6], 1)

    found = aligned(jpeg, preview=preview_of("rocket", 160, 107)).thumbnail

    assert found is not None
    assert found.box[:2] == (0.0, 0.0)
    assert found.correlation > 0.95


def test_the_right_preview_is_trusted() -> None:
    alignment = aligned(damaged(encoded("coffee"), [0.3, 0.6]), preview=preview_of("coffee"))

    assert alignment.thumbnail is not None
    assert alignment.thumbnail.trusted
    assert aligned(damaged(encoded("coffee"), [0.3, 0.6])).thumbnail is None


@pytest.mark.parametrize("restart", [0, 7])
@pytest.mark.parametrize("seed", range(3))
def test_garbage_is_not_claimed(restart: int, seed: int) -> None:
    alignment = aligned(garbage(encoded("astronaut", restart=restart), seed))

    assert np.mean(alignment.certainty >= PLACED) < 0.03


def test_a_black_picture_is_not_claimed_beyond_what_is_fixed() -> None:
    """Nothing tells one black MCU from another; where one error lies, all behind it could be anywhere."""
    intact = saved(Image.new("RGB", (384, 256)))
    jpeg = damaged(intact, [0.5], seed=3)
    alignment = aligned(jpeg)
    whole = planes_by_mcu(opened(intact).decoded.planes, opened(intact))
    ours = planes_by_mcu(alignment.planes, opened(intact))
    same = np.all([(a == b).all(axis=(1, 2)) for a, b in zip(ours, whole, strict=True)], axis=0)

    assert same[alignment.certainty.reshape(-1) == ALIGNED].all()


def test_bad_bytes_are_never_claimed() -> None:
    jpeg = encoded("coffee")
    file, read = opened(jpeg), reading(jpeg)
    at = int(read.bit_start[200]) // 8
    alignment = align(file.data, file.structure, "ycc", file.decoded, None, (ByteRange(at, at + 40),))
    assert alignment is not None
    hit = (read.bit_start < 8 * (at + 40)) & (read.bit_end > 8 * at)
    grades = per_mcu(alignment.segments, hit.size, "grade")

    assert hit.sum() >= 2
    assert not np.isin(grades[hit], ["aligned", "placed"]).any()


def test_a_scan_that_begins_too_late_has_no_known_dc() -> None:
    """Ones are no code (T.81 C.2), so the first MCUs are lost and with them what the predictors were."""
    intact = encoded("chelsea")
    start = opened(intact).structure.scans[0].start
    jpeg = intact[:start] + b"\xff\x00" * 12 + intact[start + 24 :]
    alignment = aligned(jpeg)

    assert reading(jpeg).bit_start[0] > 8 * start
    assert not np.any(alignment.certainty == ALIGNED)


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_intervals_that_are_lost_leave_the_rest_in_place(lost: int) -> None:
    intact = encoded("coffee", size=(768, 512), restart=48)
    scan = opened(intact).structure.scans[0]
    markers = [intact.index(bytes([0xFF, 0xD0 + n % 8]), scan.start) for n in (2, 2 + lost)]
    jpeg = intact[: markers[0]] + intact[markers[1] :]
    alignment = aligned(jpeg)
    whole = planes_by_mcu(opened(intact).decoded.planes, opened(intact))
    ours = planes_by_mcu(alignment.planes, opened(intact))
    same = np.all([(a == b).all(axis=(1, 2)) for a, b in zip(ours, whole, strict=True)], axis=0)
    claimed = alignment.certainty.reshape(-1) >= PLACED

    assert same[claimed].all()
    assert claimed[48 * (3 + lost) :].mean() > 0.5


def test_files_of_several_scans_are_left_to_others() -> None:
    file = opened(encoded("coffee"))
    (scan,) = file.structure.scans
    twice = replace(file.structure, scans=(scan, scan))
    single = replace(file.structure, scans=(replace(scan, components=scan.components[:1]),))

    assert align(file.data, twice, "ycc", file.decoded, None) is None
    assert align(file.data, single, "ycc", file.decoded, None) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("restart", [3, 6])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_intervals_that_cannot_be_counted_are_not_claimed(name: str, restart: int, share: float) -> None:
    """Numbers of markers count modulo 8: behind more lost intervals than that, places are likely, not sure."""
    intact = encoded(name, restart=restart)
    scan = opened(intact).structure.scans[0]
    a, b = (scan.start + int(part * (scan.end - scan.start)) for part in (0.3, 0.3 + share))
    noise = np.random.default_rng(1).integers(0, 255, b - a).astype(np.uint8).tobytes()
    whole = planes_by_mcu(opened(intact).decoded.planes, opened(intact))
    for jpeg in (intact[:a] + intact[b:], intact[:a] + noise + intact[b:]):
        alignment = aligned(jpeg)
        ours = planes_by_mcu(alignment.planes, opened(intact))
        same = np.all([(x[..., 1:] == y[..., 1:]).all(axis=(1, 2)) for x, y in zip(ours, whole, strict=True)], axis=0)
        assert np.count_nonzero(~same[alignment.certainty.reshape(-1) >= PLACED]) <= 3


@pytest.mark.parametrize("seed", range(4))
def test_in_a_plain_picture_only_what_an_end_of_the_scan_holds_is_claimed(seed: int) -> None:
    """One line of text goes with another as well as with its own."""
    intact = screenshot()
    jpeg = damaged(intact, [0.3, 0.6], seed)
    alignment, evidence = aligned(jpeg), reading(jpeg).evidence
    truth = true_places(opened(jpeg), opened(intact))
    shift, grade = (per_mcu(alignment.segments, truth.size, name) for name in ("shift", "grade"))
    claimed = np.flatnonzero(np.isin(grade, ["placed", "aligned"]))

    assert evidence.plain
    assert (alignment.certainty > LOST).mean() > 0.9
    assert all(at + shift[at] == truth[at] for at in claimed)
    assert {shift[at] for at in claimed} <= {0, evidence.places - evidence.count}
