"""Damage is where the recipe says, exactly as much as the truth says, and the same for ever."""

import hashlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegrescue.lab.damage import Damaged, Donor, damage
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.truth import DamageKind, Recipe, Where
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key

KINDS: tuple[DamageKind, ...] = ("flips", "sector", "codeword", "page", "foreign", "tail")
PLAIN = Recipe("flips", 0.0, "scan", 0, 1, None, 512, 0, 512)
CBC = replace(PLAIN, cipher="aes-cbc-essiv:sha256")
XTS = replace(PLAIN, cipher="aes-xts-plain64")
SCAN = ByteRange(1003, 98_765)
SIZE = 100_001


def octets(count: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(count)


ORIGINAL = octets(SIZE)


def cipher_for(recipe: Recipe) -> SectorCipher | None:
    if recipe.cipher is None:
        return None
    spec = SPECS[recipe.cipher]
    key = Key(bytes(range(64 if spec.mode == "xts" else 16)))
    return SectorCipher(spec, key, recipe.sector_size, recipe.iv_unit)


def hurt(recipe: Recipe, *donors: Donor, original: bytes = ORIGINAL, scan: ByteRange = SCAN) -> Damaged:
    return damage(original, scan, recipe, cipher_for(recipe), donors)


def sound_evidence(recipe: Recipe, original: bytes = ORIGINAL) -> bytes:
    cipher = cipher_for(recipe)
    padded = original + bytes(-len(original) % recipe.sector_size)
    return cipher.encrypt(padded, recipe.first_sector) if cipher else original


def with_flips(data: bytes, bits: tuple[int, ...]) -> bytes:
    out = bytearray(data)
    for bit in bits:
        out[bit // 8] ^= 128 >> bit % 8
    return bytes(out)


def differing(one: bytes, other: bytes) -> list[int]:
    return [n for n, (a, b) in enumerate(itertools.zip_longest(one, other)) if a != b]


def covered(ranges: tuple[ByteRange, ...]) -> list[int]:
    return [n for part in ranges for n in range(part.start, part.end)]


GOLDEN = {
    "flips None": "796bdecccfee2fb1",
    "flips aes-cbc-essiv:sha256": "ff322cd9a294b361",
    "flips aes-xts-plain64": "be66714264a5e34d",
    "sector None": "f765508bbd6ab11c",
    "sector aes-cbc-essiv:sha256": "09aff92a2113fa5e",
    "sector aes-xts-plain64": "4ba4a8a56db88700",
    "codeword None": "44b679b7efe8ce31",
    "codeword aes-cbc-essiv:sha256": "bd0875720e176328",
    "codeword aes-xts-plain64": "07547a9ce8362078",
    "page None": "9e8c4184ecf25cf1",
    "page aes-cbc-essiv:sha256": "697657ce97f8ffc0",
    "page aes-xts-plain64": "8a78948a7aefb443",
    "foreign None": "ee5399d2b8fa0387",
    "foreign aes-cbc-essiv:sha256": "4c31b7ce3fca824c",
    "foreign aes-xts-plain64": "ab207390cf964703",
    "tail None": "b9a35b7dd5aed4d2",
    "tail aes-cbc-essiv:sha256": "1d6b138dff540cc4",
    "tail aes-xts-plain64": "6f56050fcbcbd69c",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cipher", [None, "aes-cbc-essiv:sha256", "aes-xts-plain64"])
def test_the_same_file_is_damaged_the_same_way_for_ever(kind: DamageKind, cipher: str | None) -> None:
    """A change of these digests changes every data set that was ever made."""
    original = bytes(n * n % 251 for n in range(40_000))
    recipe = Recipe(kind, 1e-5, "scan", 2, 5, cipher, 512, 8, 512)

    done = hurt(recipe, original=original, scan=ByteRange(700, 39_000))

    digest = hashlib.sha256(repr((done.flipped_bits, done.overwritten, done.foreign)).encode() + done.evidence)
    assert digest.hexdigest()[:16] == GOLDEN[f"{kind} {cipher}"]


def slow_flips(recipe: Recipe, start: int, end: int, original: bytes = ORIGINAL) -> tuple[int, ...]:
    """Bit errors of the bytes `[start, end)`, from nothing but hashlib and AES on single blocks."""
    labels = ["jpegrescue simulate", str(recipe.seed), hashlib.sha256(original).hexdigest(), "flips"]
    key = hashlib.sha256(b"".join(f"{len(label)}:{label}".encode() for label in labels)).digest()
    stream = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  (what counter mode is built of)
    words = []
    for pair in range(4 * (end - start)):
        block = stream.update(pair.to_bytes(16, "big"))
        words += [int.from_bytes(block[:8], "little"), int.from_bytes(block[8:], "little")]
    return tuple(8 * start + n for n, word in enumerate(words) if word < int(recipe.bit_error_rate * 2**64))


@pytest.mark.parametrize(
    ("where", "cipher", "start", "end"),
    [
        ("scan", None, 1003, 2765),
        ("scan", "aes-cbc-essiv:sha256", 1008, 2765),
        ("file", "aes-cbc-essiv:sha256", 0, 3001),
        ("file", None, 0, 3001),
    ],
)
def test_flips_are_those_of_a_slow_implementation(where: Where, cipher: str | None, start: int, end: int) -> None:
    original = ORIGINAL[:3001]
    recipe = replace(PLAIN, where=where, cipher=cipher, bit_error_rate=2.0**-10, seed=99)

    done = hurt(recipe, original=original, scan=ByteRange(1003, 2765))

    assert done.flipped_bits == slow_flips(recipe, start, end, original)
    assert len(done.flipped_bits) > 5
    assert done.evidence == with_flips(sound_evidence(recipe, original), done.flipped_bits)


def test_without_damage_nothing_happens() -> None:
    for recipe in (PLAIN, CBC, XTS):
        done = hurt(recipe)

        assert (done.plain, done.flipped_bits, done.overwritten, done.changed) == (ORIGINAL, (), (), ())
        assert done.evidence == sound_evidence(recipe)


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_a_flip_under_cbc_garbles_its_block_and_one_bit_of_the_next(sector_size: int) -> None:
    recipe = replace(CBC, bit_error_rate=1e-5, sector_size=sector_size, iv_unit=sector_size, seed=3)

    done = hurt(recipe)

    expected = []
    for bit in done.flipped_bits:
        block = bit // 128 * 16
        expected += [n for n in range(block, block + 16) if done.plain[n] != ORIGINAL[n]]
        follower = bit // 8 + 16
        if follower // sector_size == bit // 8 // sector_size:
            expected.append(follower)
            assert done.plain[follower] ^ ORIGINAL[follower] == 128 >> bit % 8
        assert sum(done.plain[n] != ORIGINAL[n] for n in range(block, block + 16)) >= 12
    assert len({bit // 128 for bit in done.flipped_bits}) == len(done.flipped_bits) > 3
    assert covered(done.changed) == sorted(expected)


def test_the_last_block_of_a_sector_takes_no_other_sector_with_it() -> None:
    for seed in range(400):
        done = hurt(replace(CBC, bit_error_rate=1e-5, seed=seed), original=ORIGINAL[:5000], scan=ByteRange(600, 5000))
        lasts = [bit // 8 for bit in done.flipped_bits if bit // 8 % 512 >= 496]
        if lasts and len(done.flipped_bits) == 1:
            assert all(part.end <= lasts[0] // 512 * 512 + 512 for part in done.changed)
            return
    pytest.fail("no seed hit the last block of a sector")


def test_a_flip_under_xts_garbles_its_block_only() -> None:
    done = hurt(replace(XTS, bit_error_rate=1e-5, seed=3))

    blocks = {bit // 128 for bit in done.flipped_bits}
    assert len(blocks) > 3
    assert {n // 16 for n in covered(done.changed)} == blocks


def test_a_flip_without_a_cipher_is_one_bit() -> None:
    done = hurt(replace(PLAIN, bit_error_rate=1e-4))

    assert done.plain == done.evidence == with_flips(ORIGINAL, done.flipped_bits)
    assert covered(done.changed) == sorted({bit // 8 for bit in done.flipped_bits})


def test_the_bit_error_rate_is_kept() -> None:
    flips = sum(len(hurt(replace(PLAIN, bit_error_rate=1e-4, seed=seed)).flipped_bits) for seed in range(20))

    expected = 20 * 8 * SCAN.length * 1e-4
    assert abs(flips - expected) < 4 * expected**0.5


class TestSectors:
    @pytest.mark.parametrize("sector_size", [512, 4096])
    @pytest.mark.parametrize("cipher", [None, "aes-cbc-essiv:sha256"])
    def test_whole_sectors_of_zeros(self, sector_size: int, cipher: str | None) -> None:
        recipe = replace(PLAIN, damage="sector", count=5, cipher=cipher, sector_size=sector_size, first_sector=7)

        done = hurt(recipe)

        assert len(done.overwritten) == 5
        for part in done.overwritten:
            assert part.start % sector_size == 0
            assert part.length == sector_size
            assert done.evidence[part.start : part.end] == bytes(part.length)
        assert set(differing(sound_evidence(recipe), done.evidence)) <= set(covered(done.overwritten))

    def test_all_of_them_leave_the_header(self) -> None:
        done = hurt(replace(CBC, damage="sector", count=10_000))

        assert covered(done.overwritten) == list(range(1008, SCAN.end))
        assert done.plain[:1008] == ORIGINAL[:1008]
        assert [problem.kind for problem in done.problems] == ["damage_fell_short"]

    def test_bit_errors_are_gone_where_zeros_are(self) -> None:
        done = hurt(replace(CBC, damage="sector", count=50, bit_error_rate=1e-3))

        zeros = set(covered(done.overwritten))
        assert done.flipped_bits
        assert not any(bit // 8 in zeros for bit in done.flipped_bits)
        assert all(done.evidence[n] == 0 for n in zeros)


class TestCodewords:
    @pytest.mark.parametrize("first_sector", [0, 1, 5])
    def test_each_has_forty_to_a_hundred_flips(self, first_sector: int) -> None:
        recipe = replace(CBC, damage="codeword", count=6, first_sector=first_sector, seed=2)

        done = hurt(recipe)

        base = 512 * first_sector
        words: dict[int, int] = {}
        for bit in done.flipped_bits:
            word = (bit // 8 + base) // 1024
            words[word] = words.get(word, 0) + 1
        assert len(words) == 6
        assert all(40 <= flips <= 100 for flips in words.values())
        assert done.evidence == with_flips(sound_evidence(recipe), done.flipped_bits)

    def test_two_flips_of_one_bit_are_none(self) -> None:
        recipe = replace(PLAIN, damage="codeword", count=90, bit_error_rate=0.05)

        done = hurt(recipe)

        assert done.evidence == with_flips(ORIGINAL, done.flipped_bits)
        assert len(set(done.flipped_bits)) == len(done.flipped_bits)

    def test_one_that_lies_outside_but_for_a_few_bytes_may_stay_whole(self) -> None:
        done = hurt(replace(PLAIN, damage="codeword", count=1), scan=ByteRange(2047, 2048))

        assert done.flipped_bits == () or {bit // 8 for bit in done.flipped_bits} == {2047}
        assert bool(done.flipped_bits) != bool(done.problems)


def test_pages_that_stick_out_are_hit_in_part_where_whole_ones_are_too_few() -> None:
    done = hurt(replace(CBC, damage="page", count=7))

    assert [(part.start, part.end) for part in done.overwritten] == [
        (1008, 16384),
        *((16384 * n, 16384 * n + 16384) for n in range(1, 6)),
        (98304, SCAN.end),
    ]
    assert done.problems == ()


def test_pages_are_noise() -> None:
    recipe = replace(CBC, damage="page", count=2, first_sector=8, seed=4)

    done = hurt(recipe)

    base = 4096
    assert len(done.overwritten) == 2
    for part in done.overwritten:
        assert (part.start + base) % 16384 == 0
        assert part.length == 16384
        counts = np.bincount(np.frombuffer(done.evidence[part.start : part.end], np.uint8), minlength=256)
        assert ((counts - part.length / 256) ** 2).sum() / (part.length / 256) < 351  # chi square, p = 1e-4 at 255


class TestForeignClusters:
    OTHERS = (octets(60_000, 1), octets(70_000, 2))

    def donors(self) -> list[Donor]:
        return [Donor.of(data, ByteRange(900, len(data) - 100)) for data in self.OTHERS]

    @pytest.mark.parametrize("cipher", [None, "aes-cbc-essiv:sha256", "aes-xts-plain64"])
    @pytest.mark.parametrize("sector_size", [512, 4096])
    def test_they_come_from_where_the_truth_says(self, cipher: str | None, sector_size: int) -> None:
        recipe = replace(PLAIN, damage="foreign", count=6, cipher=cipher, sector_size=sector_size, first_sector=3)

        done = hurt(recipe, *self.donors())

        files = {hashlib.sha256(data).hexdigest(): data for data in self.OTHERS}
        assert {part.sha256 for part in done.foreign} == set(files)
        base = 512 * 3 // sector_size * sector_size
        spoilt = bytearray(ORIGINAL)
        for source, part in zip(done.foreign, done.overwritten, strict=True):
            contents = files[source.sha256][source.start : source.end]
            assert done.plain[part.start : part.end] == contents
            assert (part.start + base) % 4096 == 0 or part.start == -(-SCAN.start // sector_size) * sector_size
            assert (source.start - part.start) % 4096 == 0
            assert 900 <= source.start < source.end <= len(files[source.sha256]) - 100
            spoilt[part.start : part.end] = contents
        assert done.plain == spoilt
        assert done.evidence == sound_evidence(recipe, bytes(spoilt))

    def test_the_order_of_the_others_and_copies_of_a_file_make_no_difference(self) -> None:
        recipe = replace(CBC, damage="foreign", count=3)
        one, two = self.donors()
        itself = Donor.of(ORIGINAL, SCAN)

        assert hurt(recipe, one, two) == hurt(recipe, two, itself, one, two)

    @pytest.mark.parametrize("donors", [[], [Donor.of(ORIGINAL, SCAN)], [Donor.of(b"x" * 5000, ByteRange(100, 5000))]])
    def test_without_another_file_they_come_from_another_place(self, donors: list[Donor]) -> None:
        done = hurt(replace(CBC, damage="foreign", count=8), *donors)

        assert len(done.foreign) == len(done.overwritten) == 8
        for source, part in zip(done.foreign, done.overwritten, strict=True):
            assert source.sha256 == hashlib.sha256(ORIGINAL).hexdigest()
            assert source.end <= part.start or part.end <= source.start
            assert done.plain[part.start : part.end] == ORIGINAL[source.start : source.end]
        assert [problem.kind for problem in done.problems] == ["damage_fell_short"]

    def test_nothing_fell_short_where_another_file_gave_them(self) -> None:
        assert hurt(replace(CBC, damage="foreign", count=8), *self.donors()).problems == ()

    def test_a_file_with_no_other_place_stays_as_it_is(self) -> None:
        done = hurt(replace(CBC, damage="foreign", count=1), original=ORIGINAL[:7000], scan=ByteRange(4000, 7000))

        assert (done.plain, done.foreign) == (ORIGINAL[:7000], ())
        assert [problem.kind for problem in done.problems] == ["damage_fell_short"]


class TestTails:
    @pytest.mark.parametrize("cipher", [None, "aes-cbc-essiv:sha256"])
    @pytest.mark.parametrize("sector_size", [512, 4096])
    def test_they_end_at_a_sector_within_the_scan(self, cipher: str | None, sector_size: int) -> None:
        ends = set()
        for seed in range(20):
            recipe = replace(PLAIN, damage="tail", cipher=cipher, sector_size=sector_size, seed=seed)
            done = hurt(recipe)
            end = len(done.evidence)
            assert end % sector_size == 0
            assert SCAN.start <= end < SCAN.end
            assert done.evidence == sound_evidence(recipe)[:end]
            assert done.plain == ORIGINAL[:end]
            assert done.changed == (ByteRange(end, SIZE),)
            ends.add(end)
        assert len(ends) > 5

    def test_bit_errors_are_gone_with_it(self) -> None:
        done = hurt(replace(CBC, damage="tail", bit_error_rate=1e-3))

        assert done.flipped_bits
        assert done.flipped_bits[-1] < 8 * len(done.evidence)

    def test_no_file_is_cut_to_nothing(self) -> None:
        ends = {
            len(hurt(replace(CBC, damage="tail", where="file", seed=seed), original=ORIGINAL[:1500]).plain)
            for seed in range(20)
        }

        assert ends == {512, 1024}

    def test_a_scan_within_one_sector_cannot_be_cut(self) -> None:
        done = hurt(replace(CBC, damage="tail"), original=ORIGINAL[:400], scan=ByteRange(100, 400))

        assert done.plain == ORIGINAL[:400]
        assert [problem.kind for problem in done.problems] == ["damage_fell_short"]


def recipes() -> st.SearchStrategy[Recipe]:
    def build(kind: DamageKind, where: Where, cipher: str | None, size: int, large: bool, **rest: int) -> Recipe:
        unit = size if large else 512
        return Recipe(kind, rest["rate"] / 1e5, where, rest["count"], rest["seed"], cipher, size, rest["first"], unit)

    return st.builds(
        build,
        st.sampled_from(KINDS),
        st.sampled_from(["scan", "file"]),
        st.sampled_from([None, *SPECS]),
        st.sampled_from([512, 1024, 4096]),
        st.booleans(),
        rate=st.integers(0, 100),
        count=st.integers(1, 5),
        seed=st.integers(0, 1 << 63),
        first=st.integers(0, 100) | st.integers(0, 1 << 62),
    )


@settings(max_examples=150, deadline=None)
@given(recipes(), st.integers(1, 9000), st.data())
def test_what_holds_for_all_damage(recipe: Recipe, size: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size))
    scan = ByteRange(start, data.draw(st.integers(start, size)))
    original = ORIGINAL[:size]
    other = octets(9000, 5)

    done = hurt(recipe, Donor.of(other, ByteRange(10, 8900)), original=original, scan=scan)

    assert hurt(recipe, Donor.of(other, ByteRange(10, 8900)), original=original, scan=scan) == done
    sound = sound_evidence(recipe, original)
    touched = covered(done.overwritten) + [bit // 8 for bit in done.flipped_bits]
    cut = range(len(done.evidence), len(sound))
    assert set(differing(sound, done.evidence)) <= {*touched, *cut}
    assert covered(done.changed) == differing(original, done.plain)
    assert all(a.end < b.start for a, b in itertools.pairwise(done.changed))
    assert list(done.flipped_bits) == sorted(set(done.flipped_bits))
    assert not set(covered(done.overwritten)) & {bit // 8 for bit in done.flipped_bits}
    assert len(done.overwritten) <= recipe.count
    first, last = (scan.start, scan.end) if recipe.where == "scan" else (0, size)
    assert all(first <= n < last for n in touched)
    assert (len(done.foreign) == len(done.overwritten)) or recipe.damage != "foreign"
    if recipe.where == "scan" and recipe.damage != "tail":
        assert len(done.plain) == size
        assert done.plain[: scan.start] == original[: scan.start]
