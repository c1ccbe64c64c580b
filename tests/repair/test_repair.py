"""Protects repair as a whole: single flips come back bit for bit, and nothing wrong is called exact."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jpegrescue.flow.here import Here
from jpegrescue.jpeg.parse import parse
from jpegrescue.repair.repair import EFFORTS, Repaired, repair
from jpegrescue.repair.track import quick_look
from jpegrescue.source.crypt.flips import BITS, Ciphertext, Flippable, PlainBits
from jpegrescue.source.crypt.sector import BLOCK
from tests.jpeg.samples import photo
from tests.repair.flipped import CBC, FIRST_SECTOR, XTS, ciphertext, scan_bit, sector_cipher, tracked
from tests.resync.damaged import NAMES, encoded, garbage, saved

KINDS = {
    "4:2:0": {},
    "4:2:2": {"subsampling": 1},
    "4:4:4": {"subsampling": 0},
    "grey": {"mode": "L"},
    "restart markers": {"restart": 24},
}

SMALL = 256, 176


def repaired(file: Flippable, effort: str = "normal", threads: int = 1) -> Repaired | None:
    if threads == 1:
        return repair(file, parse, Here(), EFFORTS[effort])
    with ThreadPoolExecutor(threads) as pool:
        return repair(file, parse, pool, EFFORTS[effort])


def outcome(jpeg: bytes, bits: list[int], cipher: str = CBC, effort: str = "normal") -> tuple[bool, bool]:
    """Whether the file is the original again, and whether that is claimed. It is never claimed of another."""
    file = ciphertext(jpeg, bits, cipher, lead=5)
    found = repaired(file, effort)
    same, exact = file.plain.tobytes() == jpeg, found is not None and found.verdict.exact
    assert same or not exact, (len(jpeg), bits, cipher)
    if same and found is not None:
        assert found.flipped == frozenset(bits)
    return same, exact


def share(outcomes: list[tuple[bool, bool]]) -> tuple[float, float]:
    same, exact = np.mean(np.array(outcomes), axis=0).tolist()
    return same, exact


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize("kind", KINDS)
def test_single_flips_come_back(cipher: str, kind: str) -> None:
    outcomes = []
    for index, name in enumerate(("astronaut", "coffee")):
        jpeg = encoded(name, size=SMALL, **KINDS[kind])  # type: ignore[arg-type]
        for where in (0.15, 0.55, 0.8):
            bit = scan_bit(jpeg, where + 0.03 * index, inside=int(120 * where), lead=5)
            outcomes.append(outcome(jpeg, [bit], cipher))

    same, exact = share(outcomes)
    assert same >= 0.6
    assert exact >= 0.6


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_many_flips_come_back(cipher: str) -> None:
    outcomes = []
    for name in NAMES[:3]:
        jpeg = encoded(name)
        bits = [scan_bit(jpeg, at, int(900 * at) % BITS, lead=5) for at in np.linspace(0.05, 0.95, 7)]
        outcomes.append(outcome(jpeg, bits, cipher))

    assert share(outcomes)[0] >= 0.6


def test_a_search_that_is_cut_short_is_not_exact() -> None:
    """Its last flips brought the original back, and nobody looked at what they led to."""
    jpeg = encoded("chelsea")
    bit = scan_bit(jpeg, 0.4, 31, lead=5)
    outcomes = []
    for passes in (1, 24):
        file = ciphertext(jpeg, [bit], lead=5)
        found = repair(file, parse, Here(), replace(EFFORTS["normal"], passes=passes))
        assert found is not None
        outcomes.append((file.plain.tobytes() == jpeg, found.verdict.exact))

    assert outcomes == [(True, False), (True, True)]


def test_two_flips_in_one_block() -> None:
    outcomes = []
    for name in NAMES:
        jpeg = encoded(name, size=SMALL)
        outcomes.append(outcome(jpeg, [scan_bit(jpeg, 0.4, inside, lead=5) for inside in (5, 99)]))

    assert share(outcomes)[0] >= 0.5


def test_two_flips_in_one_block_are_searched_for_less_in_haste() -> None:
    found = {}
    for effort in ("quick", "normal"):
        outcomes = []
        for name in NAMES:
            jpeg = encoded(name, size=SMALL)
            outcomes.append(outcome(jpeg, [scan_bit(jpeg, 0.4, inside, lead=5) for inside in (5, 99)], effort=effort))
        found[effort] = share(outcomes)[0]

    assert found["quick"] < found["normal"]


def test_the_oddest_blocks_are_searched_for_two_flips_even_where_no_stretch_is_garbled() -> None:
    found = []
    for doubtful in (0, 32):
        same = 0
        for name in NAMES:
            jpeg = encoded(name, size=SMALL)
            file = ciphertext(jpeg, [scan_bit(jpeg, 0.4, inside, lead=5) for inside in (5, 99)], lead=5)
            effort = replace(EFFORTS["normal"], stretches=0, doubtful=doubtful)
            same += repair(file, parse, Here(), effort) is not None and file.plain.tobytes() == jpeg
        found.append(same)

    assert found[0] < found[1]


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_two_flips_in_neighbouring_blocks_are_undone_or_nothing_is_claimed(cipher: str) -> None:
    for name in NAMES[:3]:
        jpeg = encoded(name)
        outcome(jpeg, [scan_bit(jpeg, 0.4, 5, lead=5), scan_bit(jpeg, 0.4, 99, lead=5) + BITS], cipher, "quick")


def test_what_stays_garbled_is_not_exact() -> None:
    """The MCUs can be counted, one flip is undone, and two more leave blocks behind that are no photo's at all."""
    outcome(encoded("rocket"), [48517, 48739, 86696])
    outcome(encoded("chelsea"), [139220, 139295, 122428], XTS)
    outcome(encoded("astronaut"), [110295, 110212, 36287])
    outcome(encoded("coffee"), [99067, 99165, 83811])
    outcome(encoded("rocket"), [98940, 99079, 71697])


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", NAMES[:3])
def test_an_undamaged_file_is_left_alone(name: str, options: dict[str, object]) -> None:
    jpeg = encoded(name, **options)  # type: ignore[arg-type]
    file = ciphertext(jpeg, lead=5)

    assert repaired(file) is None
    assert file.plain.tobytes() == jpeg


def test_what_looks_odd_but_is_sound_is_left_as_it_is() -> None:
    """Blocks of this one make a search worth it."""
    jpeg = encoded("rocket", restart=5)
    file = ciphertext(jpeg, lead=5)

    found = repaired(file)

    assert found is None or not found.flipped
    assert file.plain.tobytes() == jpeg


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", encoded("coffee")[:400], photo(progressive=True), bytes(900)])
def test_without_a_scan_there_is_nothing_to_repair(data: bytes) -> None:
    file = ciphertext(data)

    assert repaired(file) is None
    assert file.plain.tobytes() == data


def with_garbage(jpeg: bytes, at: float, size: int, cipher: str) -> Ciphertext:
    """With as many bytes of its ciphertext overwritten, from a sector's start on."""
    secret = sector_cipher(cipher)
    raw = np.frombuffer(secret.encrypt(jpeg + bytes(-len(jpeg) % 512), FIRST_SECTOR), np.uint8).copy()
    begin = int(at * len(jpeg)) // 512 * 512
    raw[begin : begin + size] = np.random.default_rng(size).integers(0, 256, size)
    return Ciphertext(secret, raw, FIRST_SECTOR, 0, len(jpeg))


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize("name", NAMES[:2])
def test_a_garbage_sector_is_not_exact(cipher: str, name: str) -> None:
    file = with_garbage(encoded(name), 0.4, 512, cipher)

    found = repaired(file, "quick")

    assert found is not None
    assert not found.verdict.exact
    assert not found.track.counted


@pytest.mark.parametrize("seed", [1, 2])
def test_a_scan_of_garbage_is_not_exact(seed: int) -> None:
    jpeg = garbage(encoded("coffee", size=(96, 64)), seed)
    file = ciphertext(jpeg)

    found = repaired(file, "quick")

    assert found is None or not found.verdict.exact
    assert found is None or len(found.flipped) <= 4


def test_a_plain_file_is_never_exact() -> None:
    undone = 0
    for name in NAMES:
        jpeg = np.frombuffer(encoded(name), np.uint8)
        for where in (0.3, 0.6):
            data = jpeg.copy()
            data[scan_bit(jpeg.tobytes(), where) >> 3] ^= 4
            file = PlainBits(data)

            found = repaired(file, "quick")

            assert found is None or not found.verdict.exact
            undone += int(found is not None and np.array_equal(file.plain, jpeg))
    assert undone <= 8


def test_the_number_of_threads_changes_nothing() -> None:
    jpeg = encoded("coffee")
    bits = [scan_bit(jpeg, at, int(900 * at) % BITS, lead=5) for at in (0.1, 0.4, 0.41, 0.7)]
    outcomes = []
    for threads in (1, 4):
        file = ciphertext(jpeg, bits, lead=5)
        found = repaired(file, threads=threads)
        assert found is not None
        outcomes.append((file.plain.tobytes(), found.changes, found.flipped, found.verdict))

    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("cipher", [CBC, XTS])
@pytest.mark.parametrize(
    "jpeg",
    [
        saved(Image.new("RGB", (384, 256))),
        saved(Image.new("L", (384, 256))),
        saved(Image.new("RGB", (384, 256)), restart=6),
        encoded("coffee", size=(16, 512)),
        encoded("coffee", size=(8, 400), subsampling=0),
        encoded("coffee", size=(16, 16)),
        encoded("coffee", size=(16, 16), restart=1),
    ],
    ids=["black", "black, grey", "black with markers", "one MCU wide", "one block wide", "one MCU", "one MCU, marked"],
)
def test_odd_pictures_are_repaired_or_nothing_is_claimed(jpeg: bytes, cipher: str) -> None:
    for where in (0.1, 0.3, 0.6, 0.9):
        outcome(jpeg, [scan_bit(jpeg, where, lead=5)], cipher)


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_an_end_in_the_middle_of_the_scan_misleads_nobody(cipher: str) -> None:
    """Errors that garble a block into one with an EOI in it."""
    jpeg = encoded("coffee", size=SMALL)
    whole = ciphertext(jpeg, name=cipher, lead=5)
    hits = []
    for block in range(60, whole.blocks() - 8):
        variants = whole.variants(block)
        made = np.flatnonzero(((variants[:, :15] == 0xFF) & (variants[:, 1:16] == 0xD9)).any(axis=1))
        hits += [BITS * block + int(bit) for bit in made[:1]]
    assert len(hits) >= 2

    for bit in hits[:: -(-len(hits) // 6)]:
        outcome(jpeg, [bit], cipher)


def test_a_destroyed_marker_comes_back() -> None:
    outcomes = []
    for name in NAMES[:3]:
        jpeg = encoded(name, size=SMALL, restart=16)
        markers = tracked(jpeg).cut_at[4:7:2].tolist()
        outcomes += [outcome(jpeg, [(at - 1 + 5) // BLOCK * BITS + 64]) for at in markers]

    assert share(outcomes)[0] >= 0.5


def test_the_end_of_the_file_comes_back() -> None:
    outcomes = []
    for name in NAMES:
        jpeg = encoded(name, size=SMALL)
        end = len(jpeg) + 5
        outcomes += [outcome(jpeg, [(end // BLOCK - back) * BITS + 20]) for back in (1, 2, 3)]

    assert share(outcomes)[0] >= 0.3


def test_a_header_in_pieces_is_no_obstacle() -> None:
    """Bits of the header's own blocks are not searched; whatever they do, nothing is claimed that is not so."""
    jpeg = encoded("coffee")
    for at in range(0, parse(np.frombuffer(jpeg, np.uint8)).scans[0].start, 48):
        outcome(jpeg, [8 * at + 3], effort="quick")


def test_in_the_clear_what_decodes_to_its_end_is_left_alone() -> None:
    """Odd blocks say nothing there; a prior does."""
    jpeg = encoded("coffee")
    quiet = []
    for bit in range(scan_bit(jpeg, 0.4, 0), scan_bit(jpeg, 0.4, 0) + 400):
        file = PlainBits(np.frombuffer(jpeg, np.uint8))
        file.flip(bit)
        track = quick_look(file.plain, parse(file.plain))
        if track is not None and track.counted:
            quiet.append(file)

    assert len(quiet) > 20
    assert all(repaired(file) is None for file in quiet)
