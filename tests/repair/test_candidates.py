"""Protects the trial of flips: the true one is worth most, wherever it lies and whatever markers it makes or breaks."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jpegrescue.jpeg import _kernels_entropy as entropy_kernels
from jpegrescue.repair import _kernels_candidates as kernels
from jpegrescue.repair.candidates import MOST_MCUS, Tried, block_offset, try_flips
from jpegrescue.repair.track import Track
from jpegrescue.score.plausibility import NAT
from jpegrescue.source.crypt.flips import BITS, Ciphertext
from jpegrescue.source.crypt.sector import BLOCK
from tests.repair.flipped import CBC, XTS, ciphertext, flip_name, scan_bit, tracked
from tests.resync.damaged import NAMES, damaged, encoded

KINDS = ({}, {"mode": "L"}, {"subsampling": 0}, {"subsampling": 1}, {"restart": 5})


def tried(file: Ciphertext, block: int, track: Track | None = None) -> Tried | None:
    return try_flips(track or tracked(file.plain), file.plain, block_offset(block, file.lead), file.variants(block))


def rank(file: Ciphertext, bit: int) -> int:
    """How many bits of its block look better than the true one."""
    found = tried(file, bit // BITS)
    assert found is not None
    return int(np.count_nonzero(found.gain >= found.gain[bit % BITS])) - 1


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize("options", KINDS)
def test_the_true_flip_is_worth_most(cipher: str, options: dict[str, object]) -> None:
    ranks, gains = [], []
    for name in NAMES[:3]:
        jpeg = encoded(name, **options)  # type: ignore[arg-type]
        for share in (0.05, 0.21, 0.43, 0.6, 0.77, 0.9):
            bit = scan_bit(jpeg, share, inside=int(100 * share), lead=5)
            file = ciphertext(jpeg, [bit], cipher, lead=5)
            ranks.append(rank(file, bit))
            gains.append(tried(file, bit // BITS).gain[bit % BITS] / NAT)  # type: ignore[union-attr]

    assert np.mean(np.array(ranks) == 0) > 0.85
    assert min(gains) >= 0
    assert np.median(gains) > 20


def test_decoding_begins_before_a_false_start() -> None:
    """The error lies in MCU 347; decoding fails there, skips two bits and finds what may be one."""
    jpeg = encoded("astronaut")
    bit = scan_bit(jpeg, 0.9, inside=90, lead=5)

    assert rank(ciphertext(jpeg, [bit], XTS, lead=5), bit) == 0


def test_the_end_is_no_gain_where_something_before_is_wrong() -> None:
    data = np.frombuffer(damaged(encoded("chelsea"), [0.2, 0.5, 0.8]), np.uint8)
    track = tracked(data)
    at = track.plan.scan.end - BLOCK

    assert not track.complete
    assert try_flips(track, data, at, data[None, at : at + BLOCK]).gain.tolist() == [0]  # type: ignore[union-attr]


@pytest.mark.parametrize("options", KINDS)
def test_no_flip_of_an_intact_file_gains_anything_to_speak_of(options: dict[str, object]) -> None:
    jpeg = encoded("coffee", **options)  # type: ignore[arg-type]
    file, track = ciphertext(jpeg, lead=5), tracked(jpeg)
    for block in range(60, file.blocks() - 2, 70):
        found = tried(file, block, track)

        assert found is not None
        assert found.gain.max() < 8 * NAT


@pytest.mark.parametrize("options", KINDS)
def test_what_stands_there_gains_nothing_and_is_in_step_at_once(options: dict[str, object]) -> None:
    data = np.frombuffer(encoded("chelsea", **options), np.uint8)  # type: ignore[arg-type]
    track = tracked(data)
    scan = track.plan.scan
    for at in range(scan.start - 20, scan.end - 16, 97):
        found = try_flips(track, data, at, data[None, at : at + BLOCK])

        if found is None:
            assert at + BLOCK <= scan.start
            continue
        assert found.gain.tolist() == [0]
        if found.joined[0] == -1:  # the end came first
            assert found.first + found.mcus[0] == track.weighed.count
        else:
            assert found.joined[0] == found.first + found.mcus[0]
        assert track.weighed.resumed[found.first] <= 8 * track.stripped_at(np.array([max(at, scan.start)]))[0]


def test_gains_agree_with_decoding_the_whole_file_again() -> None:
    """A small file without damage elsewhere, decoded from one end to the other for every candidate that is in step."""
    jpeg = encoded("coffee", size=(128, 96))
    compared = 0
    for share in (0.2, 0.5, 0.8):
        file = ciphertext(jpeg)
        track = tracked(jpeg)
        block = scan_bit(jpeg, share) // BITS
        found = tried(file, block, track)
        assert found is not None
        for bit in np.flatnonzero((found.joined >= 0) & (found.own > 0)).tolist():
            file.flip(flip_name(block, bit))
            again = tracked(file.plain)
            file.flip(flip_name(block, bit))
            if again.complete:
                compared += 1
                assert found.gain[bit] / NAT == pytest.approx((again.value - track.value) / NAT, abs=25)
    assert compared >= 3


def blocks_with(jpeg: bytes, pair: bytes, most: int, lead: int = 0) -> list[int]:
    """Blocks in which, or over the end of which, two bytes of the scan stand."""
    scan = tracked(jpeg).plan.scan
    found, at = [], jpeg.find(pair, scan.start + 4 * BLOCK)
    while 0 <= at < scan.end - 4 * BLOCK and len(found) < most:
        found.append((at + lead % BLOCK) // BLOCK)
        at = jpeg.find(pair, at + 40 * BLOCK)
    return found


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize(("pair", "restart"), [(b"\xff\x00", 0), (b"\xff\xd2", 4), (b"\xff\xd6", 4)])
def test_stuffing_and_markers_that_the_error_destroyed_come_back(cipher: str, pair: bytes, restart: int) -> None:
    jpeg = encoded("coffee", quality=92, restart=restart)
    blocks = blocks_with(jpeg, pair, 8)
    assert len(blocks) >= 5

    ranks = [rank(ciphertext(jpeg, [bit], cipher), bit) for bit in (flip_name(block, 50) for block in blocks)]

    assert np.count_nonzero(np.array(ranks) == 0) >= len(ranks) - 1


@pytest.mark.parametrize("pair", [b"\xff\x00", b"\xff\xd9", b"\xff\xd3", b"\xff\xff"])
@pytest.mark.parametrize("restart", [0, 5])
def test_stuffing_and_markers_that_a_candidate_makes_do_not_mislead(pair: bytes, restart: int) -> None:
    """Other candidates of the block have them, too: the true one wins all the same."""
    jpeg = encoded("astronaut", restart=restart)
    ranks = []
    for share in np.linspace(0.1, 0.9, 6).tolist():
        bit = scan_bit(jpeg, share)
        file = ciphertext(jpeg, [bit], XTS)
        variants = file.variants(bit // BITS).copy()
        wrong = np.delete(np.arange(BITS), bit % BITS)
        for k in wrong.tolist():
            variants[k, k % (BLOCK - 1) :][:2] = np.frombuffer(pair, np.uint8)
        found = try_flips(tracked(file.plain), file.plain, block_offset(bit // BITS, file.lead), variants)
        assert found is not None
        ranks.append(int(np.count_nonzero(found.gain >= found.gain[bit % BITS])) - 1)

    assert Counter(ranks)[0] >= 5


@pytest.mark.parametrize("pair", [b"\xff\x00", b"\xff\xd3"])
def test_stuffing_and_markers_that_the_error_made_go(pair: bytes) -> None:
    jpeg = encoded("coffee", restart=5)
    whole = ciphertext(jpeg, name=XTS)
    hits = []
    for block in range(60, whole.blocks() - 4):
        made = np.flatnonzero((whole.variants(block)[:, :-1] == 0xFF) & (whole.variants(block)[:, 1:] == pair[1]))
        hits += [flip_name(block, int(at) // (BLOCK - 1)) for at in made[:1]]
    assert len(hits) >= 10

    ranks = [rank(ciphertext(jpeg, [bit], XTS), bit) for bit in hits[:: len(hits) // 8]]

    assert np.count_nonzero(np.array(ranks) == 0) >= len(ranks) - 1


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize("options", KINDS)
def test_the_first_block_and_the_last_ones(cipher: str, options: dict[str, object]) -> None:
    ranks = []
    for name in NAMES[:3]:
        jpeg = encoded(name, **options)  # type: ignore[arg-type]
        scan = tracked(jpeg).plan.scan
        first, last = -(-scan.start // BLOCK), (scan.end - 1) // BLOCK
        for block in (first, last - 2, last - 1):
            bit = flip_name(block, 77)
            ranks.append(rank(ciphertext(jpeg, [bit], cipher), bit))

    assert np.count_nonzero(np.array(ranks) == 0) >= 7


def test_a_block_that_the_header_ends_in() -> None:
    """What of it belongs to the header is left out: only the header's own errors say something about it."""
    jpeg = encoded("coffee")
    scan = tracked(jpeg).plan.scan
    file = ciphertext(jpeg)
    block = scan.start // BLOCK
    assert scan.start % BLOCK

    found = tried(file, block)

    assert found is not None
    assert found.first == 0
    assert tried(file, block - 2) is None
    assert tried(file, scan.end // BLOCK + 1) is None


@pytest.mark.parametrize("bit", [0, 64, 127])
def test_a_file_that_begins_within_a_block(bit: int) -> None:
    jpeg = encoded("coffee", size=(64, 64))
    at = scan_bit(jpeg, 0.5, inside=bit, lead=11)
    file = ciphertext(jpeg, [at], lead=11)

    assert rank(file, at) <= 1
    assert block_offset(0, file.lead) == -11


def test_no_more_mcus_are_followed_than_wanted() -> None:
    jpeg = encoded("astronaut", mode="L", quality=30, size=(768, 512))
    file, track = ciphertext(jpeg), tracked(jpeg)
    for share in (0.1, 0.5, 0.9):
        found = tried(file, scan_bit(jpeg, share) // BITS, track)

        assert found is not None
        assert found.mcus.max() <= MOST_MCUS


@settings(max_examples=40)
@given(
    st.integers(0, 1 << 30), st.sampled_from(("noise", "ones", "ff")), st.integers(-40, 5000), st.sampled_from((0, 2))
)
def test_any_bytes_anywhere_are_tried(seed: int, kind: str, at: int, restart: int) -> None:
    """A small scan, whatever it holds; nothing runs out of its arrays."""
    rng = np.random.default_rng(seed)
    data = np.frombuffer(damaged(encoded("coffee", size=(96, 64), restart=restart), [0.2, 0.6], seed), np.uint8)
    track = tracked(data)
    variants = rng.integers(0, 256, (8, 32), dtype=np.uint8)
    if kind == "ones":
        variants[:] = 0xFF
    elif kind == "ff":
        variants[rng.random(variants.shape) < 0.5] = 0xFF
        variants[rng.random(variants.shape) < 0.2] = rng.choice([0x00, 0xD0, 0xD7, 0xD9, 0x01])

    found = try_flips(track, data, at, variants)

    scan = track.plan.scan
    assert (found is None) <= (at + 32 <= scan.start or at >= scan.end)
    if found is not None:
        assert found.gain.max() < 1000 * NAT
        assert np.all((found.joined == -1) | (found.joined >= found.first))
        assert found.joined.max() <= track.weighed.count
        again = try_flips(track, data, at, variants[::-1])
        assert again is not None
        np.testing.assert_array_equal(again.gain[::-1], found.gain)  # candidates do not hear of each other


@settings(max_examples=8)
@given(st.integers(0, 1 << 30), st.integers(0, 9))
def test_a_scan_of_noise_is_tried(seed: int, restart: int) -> None:
    jpeg = encoded("coffee", size=(96, 64), restart=restart)
    scan = tracked(jpeg).plan.scan
    data = np.frombuffer(jpeg, np.uint8).copy()
    noise = np.random.default_rng(seed).integers(0, 256, scan.end - scan.start, dtype=np.uint8)
    noise[noise == 0xD9] = 0xD0
    data[scan.start : scan.end] = noise
    file, track = ciphertext(data.tobytes()), tracked(data)

    for block in range(file.blocks()):
        found = tried(file, block, track)
        assert found is None or found.gain.max() < 200 * NAT


def strip(raw: NDArray[np.uint8], restarts: bool) -> tuple[bytes, list[int], bool]:
    out, length = np.empty((1, raw.size), np.uint8), np.empty(1, np.int64)
    cuts, count, ended = np.empty((1, kernels.CUTS), np.int64), np.empty(1, np.int64), np.empty(1, np.bool_)
    kernels.strip_candidates(raw[None], restarts, out, length, cuts, count, ended)
    return out[0, : length[0]].tobytes(), cuts[0, : count[0]].tolist(), bool(ended[0])


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([0xFF] * 4 + [0, 0, 1, 0x80, 0xD0, 0xD5, 0xD7, 0xD8, 0xFE, 0x33]), max_size=16),
    st.booleans(),
)
def test_stuffing_goes_as_in_the_scan(octets: list[int], restarts: bool) -> None:
    raw = np.array(octets, np.uint8)
    out, (at, length, kind) = np.empty(raw.size + 1, np.uint8), np.empty((3, raw.size + 1), np.int64)
    written, drops = entropy_kernels.destuff(raw, restarts, out, at, length, kind)
    markers = at[:drops][kind[:drops] >= entropy_kernels.RESTART].tolist()

    stripped, cuts, ended = strip(raw, restarts)

    if len(markers) <= kernels.CUTS:
        assert stripped == out[:written].tobytes()
        assert cuts == markers
    assert not ended


def test_an_end_of_image_ends_a_candidate() -> None:
    for restarts in (False, True):
        assert strip(np.frombuffer(b"ab\xff\x00c\xff\xd9de", np.uint8), restarts) == (b"ab\xffc", [4], True)


def test_behind_an_end_of_image_nothing_of_an_earlier_candidate_is_read() -> None:
    data = np.frombuffer(damaged(encoded("coffee", size=(96, 64)), [0.2, 0.6], 0), np.uint8)
    track = tracked(data)
    ends = np.frombuffer(bytes.fromhex("d782d7ffffeb0fd721ffd9ffffd7ff45" * 2), np.uint8)[None]
    before = np.random.default_rng(0).integers(0, 255, (8, 32), dtype=np.uint8)

    alone = try_flips(track, data, 851, ends)
    last = try_flips(track, data, 851, np.concatenate((before, ends)))

    assert alone is not None
    assert last is not None
    assert last.gain[-1] == alone.gain[0]
