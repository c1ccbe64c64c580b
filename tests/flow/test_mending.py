"""Protects repair in `restore` and `carve`: the file, its claim, its bits and its ranges."""

import io
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import jpegrescue.flow.image as flow_image
from jpegrescue.flow.carve import carve
from jpegrescue.flow.mending import Mended, mend
from jpegrescue.flow.options import CarveOptions, KeyOptions, Outcome, RestoreOptions
from jpegrescue.flow.restore import restore
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.repair import Repair, VerifiedRange
from jpegrescue.model.report import Image as Entry
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key
from tests.flow.conftest import KEY, KEYED, PLAIN, dump, encrypted
from tests.jpeg.samples import exif, insert
from tests.repair.flipped import scan_bit
from tests.resync.damaged import NAMES, encoded

MakeRestore = Callable[..., RestoreOptions]
MakeCarve = Callable[..., CarveOptions]
JPEG = encoded("coffee")
BIT = scan_bit(JPEG, 0.4)


def flipped(data: bytes, *bits: int) -> bytes:
    """With bits of it flipped, 0 being the most significant of the first byte."""
    out = bytearray(data)
    for bit in bits:
        out[bit >> 3] ^= 0x80 >> (bit & 7)
    return bytes(out)


def kinds(image: Entry) -> list[str]:
    return [output.kind for output in image.outputs]


def written(outcome: Outcome, image: Entry, kind: str) -> bytes:
    (output,) = [output for output in image.outputs if output.kind == kind]
    return (outcome.folder / output.path).read_bytes()


def covers(image: Entry, size: int) -> bool:
    """Whether the ranges are the file's bytes, in order, without gaps or overlaps."""
    ranges = [part.range for part in image.verified_ranges]
    ends = [0, *(part.end for part in ranges)]
    return [part.start for part in ranges] == ends[:-1] and ends[-1] == size and all(p.length > 0 for p in ranges)


def verifications(image: Entry) -> list[str]:
    return [part.verification for part in image.verified_ranges]


def is_repaired(outcome: Outcome, image: Entry, original: bytes, bits: Iterable[int]) -> None:
    """The whole promise."""
    assert (image.grade, image.claim) == ("repaired", "exact_scan")
    assert written(outcome, image, "repaired") == original
    assert [r.evidence_bit for r in image.repairs] == sorted(bits)
    assert all(r.evidence_byte == r.evidence_bit // 8 for r in image.repairs)
    assert covers(image, len(original))
    assert verifications(image) == ["parsed", "verified", "unverifiable"]
    with Image.open(io.BytesIO(original)) as truth, Image.open(io.BytesIO(written(outcome, image, "restored"))) as ours:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(truth))
    with Image.open(io.BytesIO(written(outcome, image, "mask"))) as mask:
        assert mask.size == truth.size
        assert np.all(np.asarray(mask) == 255)
    assert {segment.grade for segment in image.segments} == {"exact"}


def test_restore_undoes_a_flip(restore_options: MakeRestore) -> None:
    outcome = restore(restore_options({"x.enc": flipped(encrypted(JPEG), BIT)}, KEYED))

    (image,) = outcome.report.images
    is_repaired(outcome, image, JPEG, [BIT])
    assert kinds(image) == ["carved", "decoded", "repaired", "restored", "mask"]
    assert written(outcome, image, "carved") != JPEG
    (found,) = image.repairs
    assert found.cipher_block == BIT // 128 * 16
    assert (found.start, found.end) == (found.cipher_block, found.cipher_block + 32)
    assert found.gain > 10
    assert found.margin > 5
    assert found.mcus >= 1
    assert KEY.reveal().hex() not in (outcome.folder / "report.json").read_text()


def test_mcus_of_an_exact_scan_are_not_uncertain(restore_options: MakeRestore) -> None:
    (image,) = restore(restore_options({"x.enc": flipped(encrypted(JPEG), BIT)}, KEYED)).report.images

    assert (image.claim, image.lost_mcus, image.uncertain_mcus) == ("exact_scan", 0, 0)


def test_restore_undoes_a_flip_under_xts(restore_options: MakeRestore) -> None:
    key = KeyOptions(spec=SPECS["aes-xts-plain64"], key=Key(bytes(range(32))), sector_size=4096, first_sector=80)
    cipher = SectorCipher(key.spec, key.key, 4096)  # type: ignore[arg-type]
    jpeg = encoded("astronaut")
    bit = scan_bit(jpeg, 0.6)

    outcome = restore(restore_options({"x": flipped(cipher.encrypt(jpeg + bytes(-len(jpeg) % 4096), 80), bit)}, key))

    (image,) = outcome.report.images
    is_repaired(outcome, image, jpeg, [bit])


def test_carve_undoes_flips_wherever_the_file_lies(carve_options: MakeCarve) -> None:
    other = encoded("astronaut")
    plain, (first, second) = dump(JPEG, other)
    bits = [8 * first + scan_bit(JPEG, 0.3), 8 * second + scan_bit(other, 0.7, 20)]
    assert first % 16
    assert second % 512

    outcome = carve(carve_options(flipped(encrypted(plain), *bits), KEYED))

    for image, original, at, bit in zip(outcome.report.images, (JPEG, other), (first, second), bits, strict=True):
        is_repaired(outcome, image, original, [bit])
        (found,) = image.repairs
        assert found.cipher_block == bit // 128 * 16
        assert (found.start, found.end) == (found.cipher_block - at, found.cipher_block - at + 32)
    assert KEY.reveal().hex() not in (outcome.folder / "report.json").read_text()


def test_evidence_offsets_are_those_of_the_medium(carve_options: MakeCarve) -> None:
    """The encrypted range begins later than the medium."""
    lead = 512 * 7 + 100
    plain, (at,) = dump(JPEG)
    bit = 8 * (lead + at) + scan_bit(JPEG, 0.3)
    options = carve_options(flipped(bytes(lead) + encrypted(plain), bit), replace(KEYED, crypt_start=lead))

    outcome = carve(options)

    (image,) = outcome.report.images
    is_repaired(outcome, image, JPEG, [bit])
    assert (image.repairs[0].cipher_block - lead) % 16 == 0  # type: ignore[operator]


def test_without_repair_no_bit_is_touched(restore_options: MakeRestore, carve_options: MakeCarve) -> None:
    cipher = flipped(encrypted(JPEG), BIT)
    images = [
        *restore(restore_options({"x.enc": cipher}, KEYED, repair=None)).report.images,
        *carve(carve_options(cipher, KEYED, {"force": True}, repair=None)).report.images,
    ]

    for image in images:
        assert "repaired" not in kinds(image)
        assert (image.repairs, image.verified_ranges) == ((), ())
        assert image.grade != "repaired"
        assert image.claim != "exact_scan"


def test_carving_without_restoring_does_not_repair(carve_options: MakeCarve) -> None:
    (image,) = carve(carve_options(flipped(encrypted(JPEG), BIT), KEYED, restore=False)).report.images

    assert kinds(image) == ["carved"]
    assert (image.repairs, image.claim) == ((), "none")


def test_an_intact_file_is_not_repaired(restore_options: MakeRestore) -> None:
    for index, name in enumerate(NAMES[:3]):
        options = restore_options({f"{index}.enc": encrypted(encoded(name))}, KEYED)
        (image,) = restore(replace(options, run=replace(options.run, force=index > 0))).report.images

        assert (image.grade, image.claim, image.repairs) == ("no_damage_found", "consistent", ())
        assert kinds(image) == ["carved", "decoded"]


def test_what_lies_in_the_clear_is_at_most_consistent(restore_options: MakeRestore) -> None:
    files = {}
    for name in NAMES[:3]:
        jpeg = encoded(name)
        for share in (0.3, 0.6):
            bit = scan_bit(jpeg, share, 40)
            files[f"{name}-{bit}.jpg"] = flipped(jpeg, bit)

    outcome = restore(restore_options(files, PLAIN))

    for image in outcome.report.images:
        assert image.claim in ("consistent", "none")
        assert all(r.cipher_block is None and r.end == r.start + 1 for r in image.repairs)
        assert all(r.evidence_byte == r.start for r in image.repairs)
        assert not image.repairs or covers(image, len(written(outcome, image, "repaired")))
        assert all(segment.grade != "exact" for segment in image.segments)
        assert all(part.verification != "verified" for part in image.verified_ranges)


@pytest.mark.parametrize(
    ("stays", "verdict"), [(True, ("repaired", "consistent")), (False, ("partly_restored", "none"))]
)
def test_what_lies_in_the_clear_and_moves_is_not_called_repaired(
    restore_options: MakeRestore, monkeypatch: pytest.MonkeyPatch, stays: bool, verdict: tuple[str, str]
) -> None:
    """Other errors may have moved it without a trace in decoding."""
    data = np.frombuffer(JPEG, np.uint8)
    bit = Repair(BIT >> 3, BIT, None, BIT >> 3, (BIT >> 3) + 1, 20.0, 20.0, 1)
    known = (VerifiedRange(ByteRange(0, len(JPEG)), "doubtful"),)
    found = Mended(data, "eoi", parse(data), (bit,), known, exact=False, contradicted=False, unexplained=False)
    monkeypatch.setattr(flow_image, "mend", lambda *_, **__: found)
    monkeypatch.setattr(flow_image, "stays_put", lambda *_: stays)

    (image,) = restore(restore_options({"x.jpg": flipped(JPEG, BIT)}, PLAIN)).report.images

    assert (image.grade, image.claim) == verdict


def test_a_garbage_sector_is_no_exact_scan(restore_options: MakeRestore) -> None:
    data = bytearray(encrypted(JPEG))
    data[20 * 512 : 21 * 512] = np.random.default_rng(2).bytes(512)
    outcome = restore(restore_options({"x.enc": flipped(bytes(data), scan_bit(JPEG, 0.8))}, KEYED, repair="quick"))

    (image,) = outcome.report.images
    assert image.claim == "none"
    assert image.grade == "partly_restored"
    if "repaired" in kinds(image):
        assert covers(image, len(written(outcome, image, "repaired")))
    assert "mask" in kinds(image)


def test_what_stays_garbled_is_no_exact_scan(restore_options: MakeRestore) -> None:
    errors = {
        "chelsea": (56567, 56487, 37259),
        "chelsea again": (22468, 22653, 132511),
        "coffee": (153132, 153088, 83089),
    }
    originals = {name: encoded(name.split()[0]) for name in errors}
    files = {name: flipped(encrypted(jpeg), *errors[name]) for name, jpeg in originals.items()}

    outcome = restore(restore_options(files, KEYED, align=False))

    for image, jpeg in zip(outcome.report.images, originals.values(), strict=True):
        repaired = written(outcome, image, "repaired") if "repaired" in kinds(image) else b""
        assert image.claim != "exact_scan" or repaired == jpeg


def test_slack_behind_the_file_belongs_to_nothing(restore_options: MakeRestore) -> None:
    """A sector's rest, and a sector of noise: neither in the repaired file nor in its ranges."""
    noise = np.random.default_rng(3).integers(0, 255, 700, dtype=np.uint8).tobytes()

    outcome = restore(restore_options({"x.enc": flipped(encrypted(JPEG + noise), BIT)}, KEYED))

    (image,) = outcome.report.images
    is_repaired(outcome, image, JPEG, [BIT])


@pytest.mark.parametrize("back", [1, 2])
def test_an_end_that_was_lost_is_found_again(restore_options: MakeRestore, back: int) -> None:
    """The EOI itself is garbled; behind the file lies a sector's rest of zeros."""
    bit = (len(JPEG) // 16 - back + 1) * 128 + 70
    outcome = restore(restore_options({"x.enc": flipped(encrypted(JPEG), bit)}, KEYED))

    (image,) = outcome.report.images
    if "repaired" in kinds(image):
        assert covers(image, len(written(outcome, image, "repaired")))
    assert image.claim != "exact_scan" or written(outcome, image, "repaired") == JPEG


def test_a_preview_is_no_part_of_what_is_verified(restore_options: MakeRestore) -> None:
    """Nor does an embedded file mislead the search."""
    preview = encoded("chelsea", size=(160, 112), quality=70)
    jpeg = insert(JPEG, exif(preview))
    bit = scan_bit(jpeg, 0.4)

    outcome = restore(restore_options({"x.enc": flipped(encrypted(jpeg), bit)}, KEYED))

    (image,) = outcome.report.images
    is_repaired(outcome, image, jpeg, [bit])


def test_the_number_of_jobs_changes_nothing(restore_options: MakeRestore) -> None:
    cipher = flipped(encrypted(JPEG), BIT, scan_bit(JPEG, 0.7))
    told = []
    for jobs in (1, 3):
        options = restore_options({"x.enc": cipher}, KEYED)
        outcome = restore(replace(options, run=replace(options.run, jobs=jobs, force=True)))
        (image,) = outcome.report.images
        told.append((image, written(outcome, image, "repaired")))

    assert told[0] == told[1]


def test_effort_reaches_the_search(restore_options: MakeRestore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = mend
    monkeypatch.setattr(flow_image, "mend", lambda *args, **rest: (asked.append(rest), real(*args, **rest))[1])

    restore(restore_options({"x.enc": flipped(encrypted(JPEG), BIT)}, KEYED, repair="quick"))

    assert asked == [{"effort": "quick", "jobs": 2, "header_only": False}]


def test_a_bug_in_the_search_costs_only_that(restore_options: MakeRestore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(flow_image, "mend", broken)
    (image,) = restore(restore_options({"x.enc": flipped(encrypted(JPEG), BIT)}, KEYED)).report.images

    assert "boom" in next(p.detail for p in image.problems if p.kind == "internal_error")
    assert image.claim != "exact_scan"
    assert "decoded" in kinds(image)


def test_a_flip_in_a_preview_is_undone_and_nothing_more_is_claimed(restore_options: MakeRestore) -> None:
    preview = encoded("chelsea", size=(160, 112), quality=85)
    jpeg = insert(JPEG, exif(preview))
    bit = scan_bit(preview, 0.5) + 8 * jpeg.index(preview)

    outcome = restore(restore_options({"x.enc": flipped(encrypted(jpeg), bit)}, KEYED))

    (image,) = outcome.report.images
    assert image.claim != "exact_scan"
    assert (image.grade, [r.evidence_bit for r in image.repairs]) == ("repaired", [bit])
    assert written(outcome, image, "repaired") == jpeg


def test_ranges_end_with_the_file(restore_options: MakeRestore) -> None:
    """Of two errors, the one that garbled the EOI stays; noise follows in the slack."""
    jpeg = encoded("chelsea", size=(160, 112), restart=4)
    for seed in range(12):
        noise = np.random.default_rng(seed).bytes(2000)
        data = flipped(encrypted(jpeg + noise), 8 * len(jpeg) - 11, scan_bit(jpeg, 0.3 + seed / 25, seed))
        options = restore_options({"x.enc": data}, KEYED, align=False)
        outcome = restore(replace(options, run=replace(options.run, force=seed > 0)))

        (image,) = outcome.report.images
        assert "repaired" not in kinds(image) or covers(image, len(written(outcome, image, "repaired")))


def test_pixels_of_a_garbled_quantisation_table_are_not_exact(restore_options: MakeRestore) -> None:
    """The scan is the original's; what it is multiplied with is not: two errors in a block of the header are left."""
    outcome = restore(restore_options({"x.enc": flipped(encrypted(JPEG), 289, 350, BIT)}, KEYED))

    (image,) = outcome.report.images
    assert [r.evidence_bit for r in image.repairs] == [BIT]
    with Image.open(io.BytesIO(JPEG)) as truth, Image.open(io.BytesIO(written(outcome, image, "restored"))) as ours:
        wrong = (np.asarray(ours) != np.asarray(truth)).any(axis=2)
    with Image.open(io.BytesIO(written(outcome, image, "mask"))) as mask:
        assert not np.any(wrong & (np.asarray(mask) == 255))


@pytest.mark.parametrize("marker", [0xD8, 0xDB, 0xC0, 0xC4, 0xDA])
def test_a_flipped_bit_in_the_header_is_undone(restore_options: MakeRestore, marker: int) -> None:
    """Even where nothing decodes before."""
    bit = 8 * JPEG.index(bytes([0xFF, marker])) + 13
    outcome = restore(restore_options({"x.enc": flipped(encrypted(JPEG), bit, BIT)}, KEYED))

    (image,) = outcome.report.images
    assert sorted(repair.evidence_bit for repair in image.repairs) == sorted((bit, BIT))
    assert (image.grade, image.claim) == ("repaired", "exact_scan")
    assert written(outcome, image, "repaired") == JPEG
    assert [repair.mcus for repair in image.repairs if repair.evidence_bit == bit] == [0]


def test_what_is_no_photo_is_not_searched_for_long(restore_options: MakeRestore) -> None:
    noise = np.random.default_rng(1).integers(0, 256, 65536, dtype=np.uint8).tobytes()

    outcome = restore(restore_options({"x.enc": noise}, KEYED))

    (image,) = outcome.report.images
    assert image.repairs == ()
    assert image.claim == "none"


@pytest.mark.parametrize("spec", ["aes-cbc-essiv:sha256", "aes-xts-plain64"])
def test_what_was_decrypted_elsewhere_is_encrypted_again_to_be_searched(
    restore_options: MakeRestore, spec: str
) -> None:
    key = replace(KEYED, spec=SPECS[spec], key=Key(bytes(range(32))))
    assert key.key is not None
    cipher = SectorCipher(key.spec, key.key, key.sector_size, key.iv_unit)
    stored = flipped(cipher.encrypt(JPEG, key.first_sector or 0), BIT)
    clear = np.empty(len(stored), np.uint8)
    cipher.decrypt_into(np.frombuffer(stored, np.uint8), key.first_sector or 0, clear)
    plain = clear.tobytes()
    assert plain != JPEG

    outcome = restore(restore_options({"x.jpg": plain}, key))

    (image,) = outcome.report.images
    assert [repair.evidence_bit for repair in image.repairs] == [BIT]
    assert (image.grade, image.claim) == ("repaired", "exact_scan")
    assert written(outcome, image, "repaired") == JPEG


def test_plain_input_without_its_sector_number_is_not_encrypted_again(restore_options: MakeRestore) -> None:
    key = replace(KEYED, spec=SPECS["aes-xts-plain64"], key=Key(bytes(range(32))), first_sector=None)

    outcome = restore(restore_options({"x.jpg": JPEG}, key, input="plain"))

    (image,) = outcome.report.images
    assert image.grade == "no_damage_found"


def test_damage_that_no_bit_explains_puts_the_sector_base_in_doubt(restore_options: MakeRestore) -> None:
    stored = bytearray(encrypted(JPEG))
    rng = np.random.default_rng(2)
    for share in (0.3, 0.5, 0.7):
        at = int(share * len(stored)) // 16 * 16
        stored[at : at + 48] = rng.integers(0, 256, 48, dtype=np.uint8).tobytes()

    files = {"x.enc": bytes(stored), "y.enc": flipped(encrypted(JPEG), BIT)}
    lost, flips = sorted(restore(restore_options(files, KEYED)).report.images, key=lambda image: image.name)

    assert "sector_base_suspect" in [problem.kind for problem in lost.problems]
    assert lost.repairs == ()
    assert "sector_base_suspect" not in [problem.kind for problem in flips.problems]
