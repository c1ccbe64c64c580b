"""Protects where files end: sound ones to the byte, damaged ones near it, decoys nowhere."""

import io

import numpy as np
import pytest
from PIL import Image

from jpegrescue.carve.extent import measure
from jpegrescue.jpeg.parse import parse
from tests.carve.samples import FILLERS, MemorySource, carve, filler, spans
from tests.jpeg.samples import insert, photo, scan_start, segment, with_thumbnail

KINDS = {
    "baseline": photo(),
    "grey": photo(mode="L"),
    "cmyk": photo(mode="CMYK"),
    "444": photo(subsampling=0),
    "optimised": photo(optimize=True),
    "progressive": photo(progressive=True),
    "restarts": photo(restart_marker_blocks=3),
    "progressive_restarts": photo(progressive=True, restart_marker_rows=1),
    "thumbnail": with_thumbnail()[0],
    "tiny": photo(8, 8),
    "flat": photo(1, 1),
}
BIG = photo(1200, 900, 4, quality=90)


def measured(data, after="random", **options):
    source = MemorySource(data + filler(after, 400_000, seed=5))
    return measure(source, 0, source.size, **options)


def garbled(data, rate, seed):
    """CBC errors: 16 garbled bytes, then one flipped bit in the next 16; headers spared."""
    rng = np.random.default_rng(seed)
    damaged = np.frombuffer(data, np.uint8).copy()
    first = scan_start(data)
    for at in rng.integers(first, len(data) - 64, rng.poisson(rate * 8 * (len(data) - first))):
        block = at // 16 * 16
        damaged[block : block + 16] = rng.integers(0, 256, 16)
        damaged[at + 16] ^= 1 << rng.integers(8)
    return damaged.tobytes()


@pytest.mark.parametrize("after", FILLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_end_at_their_eoi(kind, after):
    file = measured(KINDS[kind], after)
    assert (file.runs[0].end, file.end) == (len(KINDS[kind]), "eoi")
    assert file.entropy_end == len(KINDS[kind]) - 2
    assert file.problems == ()


def test_fill_before_the_eoi_is_no_obstacle():
    data = photo()[:-2] + b"\xff\xff\xff\xd9"
    assert measured(data).runs[0].end == len(data)


def test_an_evidence_offset_is_not_a_file_offset():
    source = MemorySource(bytes(999) + KINDS["baseline"] + bytes(999))
    file = measure(source, 999, source.size)
    assert (file.runs[0].start, file.runs[0].end) == (999, 999 + len(KINDS["baseline"]))
    assert file.entropy_end == len(KINDS["baseline"]) - 2


@pytest.mark.parametrize("seed", range(6))
def test_garbled_scans_are_followed_to_their_eoi(seed):
    data = garbled(BIG, 1e-4, seed)
    file = measured(data, count_mcus=lambda _: 0.5)
    assert (file.runs[0].end, file.end) == (len(data), "eoi")


@pytest.mark.parametrize("size", [512, 4096, 16384, 65536])
@pytest.mark.parametrize("kind", FILLERS)
def test_holes_in_the_scan_are_crossed(kind, size):
    data = bytearray(BIG)
    hole = filler(kind, size, seed=11).replace(b"\xff\xd9", b"\xff\xd7")
    data[50_000 : 50_000 + size] = hole
    file = measured(bytes(data))
    assert (file.runs[0].end, file.end) == (len(data), "eoi")


@pytest.mark.parametrize("after", FILLERS)
@pytest.mark.parametrize("cut", [30_000, 101_111, 200_003])
def test_truncated_files_end_near_the_cut(cut, after):
    file = measured(BIG[:cut], after)
    assert file.end == "unknown"
    assert cut - 64 <= file.runs[0].end <= cut + 2048
    assert [p.kind for p in file.problems] == ["unterminated"]


def test_a_truncated_file_ends_with_the_evidence():
    source = MemorySource(BIG[:100_000])
    file = measure(source, 0, source.size)
    assert (file.end, file.runs[0].end) == ("unknown", 100_000)


def test_a_smooth_fragment_without_any_stuffing_is_kept():
    data = photo(quality=10)
    start = scan_start(data)
    cut = next(n for n in range(3000, 1500, -1) if b"\xff" not in data[start : start + n])
    for after in FILLERS:
        assert measured(data[: start + cut], after).end == "unknown"


@pytest.mark.parametrize("slack", [0, 3000, 40_000])
def test_the_next_file_ends_a_truncated_one(slack):
    files = carve(BIG[:100_000] + bytes(slack) + KINDS["thumbnail"] + bytes(1000))
    begin = 100_000 + slack
    assert spans(files)[1] == (begin, begin + len(KINDS["thumbnail"]))
    assert abs(files[0].runs[0].end - 100_000) <= 16
    assert files[0].end == "unknown"


@pytest.mark.parametrize("seed", range(3))
def test_what_follows_sustained_foreign_data_is_not_reached(seed):
    source = MemorySource(BIG[:100_000] + filler("random", 8 << 20, seed))
    assert measure(source, 0, source.size).runs[0].end < 103_000
    assert source.bytes_read < 3 << 20


HEADER = BIG[: scan_start(BIG)]
DECOYS = {
    "soi": b"\xff\xd8\xff",
    "soi_app0": b"\xff\xd8\xff\xe0\x00\x10JFIF\0",
    "tables_only": HEADER[: BIG.index(b"\xff\xc0")] + b"\xff\xd9",
    "header": HEADER,
    "header_without_scan": HEADER[: BIG.index(b"\xff\xda")],
    "header_with_thumbnail": KINDS["thumbnail"][:3000],
}


@pytest.mark.parametrize("after", FILLERS)
@pytest.mark.parametrize("decoy", DECOYS)
def test_decoys_are_no_files(decoy, after):
    assert measured(DECOYS[decoy], after) is None


@pytest.mark.parametrize("kind", FILLERS)
def test_no_file_is_found_in_filler_that_holds_soi(kind):
    data = bytearray(filler(kind, 2_000_000, seed=8))
    for at in range(1000, len(data), 4999):
        data[at : at + 4] = b"\xff\xd8\xff\xe0"
    assert carve(bytes(data)) == []


def test_a_header_cut_by_another_photo_does_not_claim_it():
    head = KINDS["thumbnail"][:1500]
    *others, last = spans(carve(head + BIG + bytes(5000)))
    assert last == (len(head), len(head) + len(BIG))
    assert all(end <= len(head) for _, end in others)


def test_a_damaged_exif_length_does_not_lose_the_file():
    data, _ = with_thumbnail()
    damaged = data[:4] + b"\x01\x00" + data[6:]
    assert spans(carve(damaged + filler("random", 9000))) == [(0, len(damaged))]


@pytest.mark.parametrize("gap", ["", "text", "random"])
@pytest.mark.parametrize("kind", ["baseline", "progressive", "thumbnail"])
def test_no_decoy_swallows_the_photo_into_which_a_stray_length_leads(kind, gap):
    after, fill = KINDS[kind], filler("text", 1498)
    decoy = KINDS["444"][: scan_start(KINDS["444"]) - 14] + (filler(gap, 3000, seed=4) if gap else b"")
    for inner in parse(after).segments[2:-1]:
        stray = b"\xff\xe9" + (2 + len(fill) + inner.offset).to_bytes(2)
        data = decoy + stray + fill + after
        assert spans(carve(data + bytes(5000))) == [(len(data) - len(after), len(data))]


def test_an_exif_segment_that_ends_behind_the_soi_of_the_stream_does_not_cost_the_file():
    data, thumbnail = with_thumbnail()
    head = data.index(thumbnail) + len(thumbnail)
    ending = bytes(300) + b"\xff\xd8"  # as some cameras write it: Exif put before the stream, up to its first marker
    whole = b"\xff\xd8\xff\xe1" + (head - 4 + len(ending)).to_bytes(2) + data[6:head] + ending + photo()[2:]
    assert spans(carve(whole + bytes(5000))) == [(0, len(whole))]


def test_a_preview_behind_garbage_in_the_header_does_not_cost_its_parent():
    data, _ = with_thumbnail()
    damaged = insert(data, segment(0xEB, filler("random", 600))[:-40])
    assert spans(carve(damaged + filler("random", 9000))) == [(0, len(damaged))]


def test_a_preview_that_goes_on_in_the_next_segment_does_not_cost_its_parent():
    preview = photo(400, 300, 3)
    data = insert(photo(), segment(0xE2, preview[:5000]) + segment(0xE2, preview[5000:]))
    assert spans(carve(data + bytes(5000))) == [(0, len(data))]


def with_false_eoi(data, at):
    return data[:at] + b"\xff\xd9" + data[at + 2 :]


def test_without_a_decoder_the_first_eoi_ends_the_file():
    data = with_false_eoi(BIG, 100_000)
    assert measured(data).runs[0].end == 100_002


def test_a_false_eoi_is_crossed_when_too_few_mcus_decode():
    data = with_false_eoi(BIG, 100_000)
    asked = []

    def share(prefix):
        asked.append(len(prefix))
        return min(len(prefix) / len(BIG), 1.0)

    file = measured(data, count_mcus=share)
    assert (file.runs[0].end, file.end) == (len(data), "eoi")
    assert asked == [100_002, len(data)]
    assert [(p.kind, p.offset) for p in file.problems] == [("false_eoi", 100_000)]


def test_a_garbage_page_may_follow_a_false_eoi():
    data = bytearray(with_false_eoi(BIG, 100_000))
    data[100_002:116_386] = filler("random", 16384, seed=3).replace(b"\xff\xd9", b"\xff\xd7")
    file = measured(bytes(data), count_mcus=lambda prefix: len(prefix) / len(BIG))
    assert file.runs[0].end == len(data)


def test_a_whole_photo_is_not_extended_into_the_middle_of_another():
    other = photo(1200, 900, 5, quality=90)
    source = MemorySource(BIG + other[60_000:] + bytes(5000))
    file = measure(source, 0, source.size, count_mcus=lambda _: 1.0)
    assert (file.runs[0].end, file.end) == (len(BIG), "eoi")


def test_an_extension_that_finds_no_end_falls_back_on_the_first_eoi():
    source = MemorySource(BIG + BIG[60_000:120_000] + filler("random", 300_000))
    file = measure(source, 0, source.size, count_mcus=lambda _: 0.9)
    assert (file.runs[0].end, file.end) == (len(BIG), "eoi")


def test_a_decoder_is_not_asked_where_nothing_is_doubtful():
    def refuse(_):
        raise AssertionError("asked")

    for after in FILLERS:
        assert measured(BIG, after, count_mcus=refuse).end == "eoi"


def test_pixels_can_be_asked_for():
    assert measured(photo(), min_pixels=320 * 240) is not None
    assert measured(photo(), min_pixels=320 * 240 + 1) is None


def test_an_absurd_frame_does_not_walk_the_evidence():
    at = BIG.index(b"\xff\xc0")
    absurd = BIG[: at + 5] + b"\xff\xff\xff\xff" + BIG[at + 9 : 60_000]
    source = MemorySource(absurd + filler("random", 16 << 20))
    file = measure(source, 0, source.size)
    assert file.end == "unknown"
    assert source.bytes_read < 3 << 20


def test_a_small_frame_bounds_the_scan():
    at = BIG.index(b"\xff\xc0")
    small = BIG[: at + 5] + b"\0\x10\0\x10" + BIG[at + 9 : -2]
    body = BIG[scan_start(BIG) : -2]
    source = MemorySource(small + body * 8)
    file = measure(source, 0, source.size)
    assert file.runs[0].end < 1_300_000


def test_zeros_are_data_where_zero_bits_are_a_flat_area():
    grey = np.full((2048, 8192), 128, np.uint8)
    grey[:64, :64] = np.random.default_rng(1).integers(0, 256, (64, 64))
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", optimize=True)
    data = buffer.getvalue()
    assert measured(data, "zero").runs[0].end == len(data)


def test_segments_that_no_decoder_needs_do_not_hide_the_scan():
    data = insert(photo(), segment(0xE5, filler("random", 60_000)) + segment(0xFE, b"\xff\xd8\xff\xd9" * 9))
    assert measured(data).runs[0].end == len(data)
