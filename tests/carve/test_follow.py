"""Protects where scans are left in evidence: at the EOI that counts, or where nothing believable goes on."""

from dataclasses import replace

import pytest

from jpegrescue.carve.evidence import WINDOW
from jpegrescue.carve.follow import ScanFollower
from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.scans import ScanContext
from jpegrescue.jpeg.view import Memory
from tests.carve.samples import dull, filler
from tests.jpeg.samples import photo, scan_start, segment
from tests.jpeg.views import Narrow

FILE = photo(1200, 900, 4, quality=90)
FRAME = parse(FILE).frame
CODED = FILE[scan_start(FILE) : -2]
EOI = b"\xff\xd9"
ONLY = ScanContext(FRAME, more_scans=False, zeros_decode=False)
MORE = replace(ONLY, more_scans=True)
FLAT = replace(ONLY, zeros_decode=True)
DHT = FILE[FILE.index(b"\xff\xc4") :][:33]


def followed(data, context=ONLY, start=0, **options):
    follower = ScanFollower(**options)
    stop = follower(Memory(data), start, context)
    return follower, stop.end, stop.marker


def without_end(kind, size, seed=11):
    return filler(kind, size, seed).replace(b"\xff\xd9", b"\xff\xd7").replace(b"\xff\xd8", b"\xff\xd7")


@pytest.mark.parametrize("fill", [0, 1, 4])
def test_the_eoi_behind_a_scan_ends_it(fill):
    follower, end, marker = followed(FILE[:-2] + b"\xff" * fill + EOI + CODED, start=scan_start(FILE))
    assert (end, marker) == (len(FILE) - 2, len(FILE) - 2 + fill)
    assert follower.believed
    assert follower.stopped_by is None
    assert follower.problems == []


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (b"", "end_of_evidence"),
        (photo(), "next_file"),
        (bytes(3000) + photo(), "next_file"),
        (filler("text", 200_000), "foreign_data"),
        (without_end("random", 200_000), "foreign_data"),
        (bytes(200_000) + EOI, "foreign_data"),
    ],
    ids=["nothing", "photo", "slack_and_photo", "text", "random", "zeros"],
)
def test_a_scan_that_breaks_off_says_why(tail, reason):
    cut = 100_000
    follower, end, marker = followed(CODED[:cut] + tail)
    assert (follower.stopped_by, marker, follower.believed) == (reason, None, True)
    assert abs(end - cut) <= 2048


def test_no_scan_is_longer_than_its_frame_can_need():
    small = replace(FRAME, width=16, height=16)
    follower, end, _ = followed(CODED * 8, replace(ONLY, frame=small))
    assert follower.stopped_by == "frame_exhausted"
    assert end <= (1 << 20) + 80 * 80 * 3 * 4
    assert followed(CODED * 8)[0].stopped_by == "end_of_evidence"


@pytest.mark.parametrize(
    ("hole", "context", "crossed"),
    [
        (without_end("random", 22 * WINDOW), ONLY, True),
        (without_end("random", 26 * WINDOW), ONLY, False),
        (dull(44 * WINDOW), ONLY, True),
        (dull(52 * WINDOW), ONLY, False),
        (bytes(22 * WINDOW), ONLY, True),
        (bytes(26 * WINDOW), ONLY, False),
        (bytes(200 * WINDOW), FLAT, True),
        (bytes(1600 * WINDOW), FLAT, False),
        (dull(200 * WINDOW), FLAT, True),
        (filler("text", 26 * WINDOW), FLAT, False),
    ],
    ids=[
        "foreign",
        "much_foreign",
        "neutral",
        "much_neutral",
        "zeros",
        "many_zeros",
        "flat",
        "too_flat",
        "flat_neutral",
        "flat_foreign",
    ],
)
def test_holes_are_crossed_up_to_96_kib_of_what_cannot_be_a_scan(hole, context, crossed):
    data = CODED[:50_000] + hole + CODED[50_000:] + EOI
    follower, _, marker = followed(data, context)
    assert marker == (len(data) - 2 if crossed else None)
    assert follower.stopped_by == (None if crossed else "foreign_data")


def test_only_believable_data_make_a_scan_believed():
    for data in (filler("text", 9000), without_end("random", 200_000), b"\x12\x34" * 40):
        assert not followed(data)[0].believed


def test_an_eoi_behind_what_is_no_scan_is_not_believed():
    text = filler("text", 9000)
    assert followed(CODED[:50_000] + text + EOI + CODED + EOI)[2] == 50_000 + 9000 + 2 + len(CODED)


@pytest.mark.parametrize("following", [DHT, DHT + segment(0xDA, b"\1\2\0\0\x3f\0")], ids=["table", "table_and_scan"])
def test_segments_end_a_scan_only_where_more_scans_can_come(following):
    data = CODED[:50_000] + following + CODED[50_000:] + EOI
    assert followed(data, MORE)[1:] == (50_000, 50_000)
    assert followed(data, ONLY)[1:] == (len(data) - 2, len(data) - 2)


def test_a_soi_that_begins_no_file_is_data():
    data = CODED[:50_000] + b"\xff\xd8\xff\xe0\x12" + CODED[50_000:] + EOI
    assert followed(data)[2] == len(data) - 2


def with_false_eois(count):
    """A scan with an EOI every 20,000 bytes, and where they are."""
    pieces = [CODED[at : at + 20_000] for at in range(0, 20_000 * count, 20_000)]
    return EOI.join([*pieces, CODED[20_000 * count :]]) + EOI, [20_000 + 20_002 * n for n in range(count)]


def test_without_a_count_the_first_eoi_ends_the_scan():
    data, (first, *_) = with_false_eois(3)
    assert followed(data)[1:] == (first, first)


def test_false_eois_are_passed_until_the_picture_is_complete():
    data, false = with_false_eois(3)
    follower, end, _ = followed(data, count_mcus=lambda prefix: len(prefix) / len(data))
    assert end == len(data) - 2
    assert [(p.kind, p.offset) for p in follower.problems] == [("false_eoi", false[0])]


@pytest.mark.parametrize(("share", "passed"), [(0.94, True), (0.95, False), (1.0, False)])
def test_a_picture_that_is_nearly_complete_needs_no_more(share, passed):
    data, (first,) = with_false_eois(1)
    follower, end, _ = followed(data, count_mcus=lambda prefix: 1.0 if len(prefix) == len(data) else share)
    assert end == (len(data) - 2 if passed else first)
    assert len(follower.problems) == passed


@pytest.mark.parametrize(("gain", "passed"), [(0.0, False), (0.01, False), (0.03, True)])
def test_a_later_eoi_must_bring_more_of_the_picture(gain, passed):
    data, (first,) = with_false_eois(1)
    _, end, _ = followed(data, count_mcus=lambda prefix: 0.5 + gain * (len(prefix) == len(data)))
    assert end == (len(data) - 2 if passed else first)


def test_counting_is_limited():
    data, (first, *_) = with_false_eois(8)
    asked = []

    def share(prefix):
        asked.append(len(prefix))
        return 0.01

    assert followed(data, count_mcus=share)[1] == first
    assert asked == [first + 2 + 20_002 * n for n in range(4)]


@pytest.mark.parametrize("tail", [b"", photo(), filler("text", 200_000)], ids=["nothing", "photo", "text"])
def test_where_no_other_eoi_comes_the_first_one_counts(tail):
    data, (first,) = with_false_eois(1)
    follower, end, marker = followed(data[:100_000] + tail, count_mcus=lambda _: 0.5)
    assert (end, marker) == (first, first)
    assert follower.problems == []


def test_a_follower_goes_from_scan_to_scan():
    data = CODED[:90_000] + DHT + CODED[:5000]
    follower = ScanFollower()
    assert follower(Memory(data[:90_000]), 0, MORE).marker is None
    assert follower.stopped_by == "end_of_evidence"
    assert follower(Memory(data), 0, MORE).marker == 90_000
    assert follower.stopped_by is None
    follower(Memory(filler("text", 500)), 0, MORE)
    assert follower.believed, "one believable scan is enough"


def test_a_scan_is_followed_the_same_however_its_bytes_come():
    for data in (FILE, FILE[:150_000], FILE[:100_000] + photo()):
        stop = ScanFollower()(Memory(data), scan_start(FILE), ONLY)
        assert ScanFollower()(Narrow(data, 50), scan_start(FILE), ONLY) == stop
