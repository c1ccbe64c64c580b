"""Truths and reports that were edited, one value at a time."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.consistency import flaw_of_image, flaw_of_truth
from jpegrescue.lab.damage import damage
from jpegrescue.lab.original import Wish, make_original
from jpegrescue.model.evidence import ByteRange, Hashes, Layer
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image
from jpegrescue.model.truth import DamageKind, TrueImage
from tests.flow.conftest import photo
from tests.report.samples import EVIDENCE, IMAGE

from .truths import CBC, XTS, cipher_of, output, recipe, true_image

ORIGINAL = photo(120, 90)
SIZE = len(ORIGINAL)
PADDED = -(-SIZE // 512) * 512
BIT = 8 * 1605 + 3


def flaw(folder: Path, truth: TrueImage) -> str | None:
    original, damaged = (np.fromfile(folder / f"a.{kind}.jpg", np.uint8) for kind in ("original", "damaged"))
    return flaw_of_truth(truth, original, damaged)


@pytest.mark.parametrize("cipher", [None, CBC, XTS])
def test_what_was_not_edited_has_no_flaw(tmp_path: Path, cipher: str | None) -> None:
    parts = [ByteRange(512, 600), ByteRange(600, 2048)]

    assert flaw(tmp_path, true_image(tmp_path, "a", ORIGINAL, cipher=cipher)) is None
    assert flaw(tmp_path, true_image(tmp_path, "a", ORIGINAL, cipher=cipher, bits=[BIT, BIT + 1])) is None
    assert flaw(tmp_path, true_image(tmp_path, "a", ORIGINAL, cipher=cipher, overwritten=parts, size=3072)) is None
    if cipher is not None:
        assert flaw(tmp_path, true_image(tmp_path, "a", ORIGINAL, cipher=cipher, bits=[8 * PADDED - 1])) is None


@pytest.mark.parametrize("kind", ["flips", "sector", "codeword", "page", "foreign", "tail"])
@pytest.mark.parametrize("cipher", [None, CBC, XTS])
@pytest.mark.parametrize("where", ["scan", "file"])
def test_whatever_simulate_does_has_no_flaw(tmp_path: Path, kind: DamageKind, cipher: str | None, where: str) -> None:
    made = make_original(ORIGINAL + b"slack" * 50, Wish())
    assert not isinstance(made, Problem)
    asked = replace(recipe(cipher), damage=kind, where=where, count=2, bit_error_rate=1e-3)  # type: ignore[arg-type]
    done = damage(made.data, made.scan, asked, cipher_of(cipher) if cipher else None)
    assert done.changed
    truth = replace(
        true_image(tmp_path, "a", made.data, cipher=cipher),
        scan=made.scan,
        recipe=asked,
        flipped_bits=done.flipped_bits,
        overwritten=done.overwritten,
        changed=done.changed,
    )
    (tmp_path / "a.damaged.jpg").write_bytes(done.plain)

    assert flaw(tmp_path, truth) is None


@pytest.mark.parametrize("cut", [1, 2, 60])
def test_the_scan_of_an_original_without_eoi(tmp_path: Path, cut: int) -> None:
    """As `simulate` gives it."""
    made = make_original(ORIGINAL[:-cut], Wish())
    assert not isinstance(made, Problem)
    assert parse(made.data).eoi is None
    complete = true_image(tmp_path, "a", ORIGINAL)
    digest = output("a.original.jpg", "original", made.data)
    truth = replace(complete, size=SIZE - cut, sha256=digest.sha256, scan=made.scan, outputs=(digest,))
    data = np.frombuffer(made.data, np.uint8)

    assert flaw_of_truth(truth, data, data) is None
    assert flaw_of_truth(replace(truth, scan=complete.scan), data, data) == "the range of the scan"


SCAN = parse(ORIGINAL).scans[0]


@pytest.mark.parametrize("cipher", [None, CBC, XTS])
@pytest.mark.parametrize(
    ("forged", "said"),
    [
        ({"sha256": "0" * 64}, "the SHA-256 of the original"),
        ({"size": 10**400}, "the size of the original"),
        ({"scan": ByteRange(SCAN.start, SCAN.start + 1)}, "the range of the scan"),
        ({"scan": ByteRange(SCAN.start, SIZE - 2)}, "the range of the scan"),
        ({"scan": ByteRange(SCAN.start + 1, SIZE)}, "the range of the scan"),
        ({"flipped_bits": ()}, "bytes changed that none of the errors can have changed"),
        ({"flipped_bits": (BIT + 128,)}, "bytes changed that none of the errors can have changed"),
        ({"flipped_bits": (BIT, 1 << 52)}, "the flipped bits"),
        ({"flipped_bits": (BIT, 8 * PADDED)}, "the flipped bits"),
        ({"flipped_bits": (5, 5, BIT)}, "the flipped bits"),
        ({"flipped_bits": (BIT, 5)}, "the flipped bits"),
        ({"flipped_bits": (-1, BIT)}, "the flipped bits"),
        ({"overwritten": (ByteRange(0, 1 << 52),) * 3000}, "the overwritten ranges"),
        ({"overwritten": (ByteRange(0, 16), ByteRange(15, 32))}, "the overwritten ranges"),
        ({"overwritten": (ByteRange(0, 16), ByteRange(0, 16))}, "the overwritten ranges"),
        ({"overwritten": (ByteRange(16, 32), ByteRange(0, 16))}, "the overwritten ranges"),
        ({"overwritten": (ByteRange(16, 16),)}, "the overwritten ranges"),
        ({"overwritten": (ByteRange(0, PADDED + 1),)}, "the overwritten ranges"),
        ({"changed": ()}, "the bytes that changed"),
        ({"changed": (ByteRange(0, SIZE),) * 3000}, "the order of the bytes that changed"),
        ({"changed": (ByteRange(0, SIZE),)}, "the bytes that changed"),
    ],
)
def test_what_was_edited(tmp_path: Path, cipher: str | None, forged: dict[str, object], said: str) -> None:
    truth = true_image(tmp_path, "a", ORIGINAL, cipher=cipher, bits=[BIT])
    assert flaw(tmp_path, truth) is None

    assert flaw(tmp_path, replace(truth, **forged)) == said  # type: ignore[arg-type]


@pytest.mark.parametrize("cipher", [CBC, XTS])
def test_the_cipher_cannot_be_edited_away(tmp_path: Path, cipher: str) -> None:
    truth = true_image(tmp_path, "a", ORIGINAL, cipher=cipher, bits=[BIT])
    plain = replace(truth, recipe=replace(truth.recipe, cipher=None))

    assert flaw(tmp_path, plain) == "that there is a ciphertext"
    without = tuple(o for o in truth.outputs if o.kind != "evidence")
    assert flaw(tmp_path, replace(plain, outputs=without)) == "bytes changed that none of the errors can have changed"
    assert flaw(tmp_path, replace(truth, outputs=without)) == "that there is no ciphertext"


def test_the_mode_cannot_be_edited(tmp_path: Path) -> None:
    truth = true_image(tmp_path, "a", ORIGINAL, cipher=CBC, bits=[BIT])
    other = replace(truth, recipe=replace(truth.recipe, cipher=XTS))

    assert flaw(tmp_path, other) == "bytes changed that none of the errors can have changed"


def test_errors_behind_the_end_of_a_cut_file(tmp_path: Path) -> None:
    truth = true_image(tmp_path, "a", ORIGINAL, cipher=CBC, size=3072)

    assert flaw(tmp_path, replace(truth, flipped_bits=(8 * 3072 - 1,))) is None
    assert flaw(tmp_path, replace(truth, flipped_bits=(8 * 3072,))) == "the flipped bits"
    assert flaw(tmp_path, replace(truth, overwritten=(ByteRange(3000, 3073),))) == "the overwritten ranges"


def test_a_long_list_takes_no_long_time(tmp_path: Path) -> None:
    truth = true_image(tmp_path, "a", ORIGINAL, cipher=CBC, bits=[BIT])
    ranges = tuple(ByteRange(n, n + 1) for n in range(PADDED))
    long = replace(truth, overwritten=ranges, flipped_bits=tuple(range(8 * PADDED)))

    before = time.process_time()
    assert flaw(tmp_path, long) is None
    assert flaw(tmp_path, replace(long, overwritten=ranges * 30)) == "the overwritten ranges"
    assert time.process_time() - before < 2


DIGEST, OTHER = "1" * 64, "2" * 64
CARVED = replace(output("f.carved.jpg", "carved", b""), sha256=DIGEST)
PLAIN = replace(EVIDENCE, hashes=Hashes(DIGEST), layers=())
DECRYPTED = replace(PLAIN, layers=(Layer("decrypt", 0, 512, {}),))
FILE = replace(IMAGE, name="f", hashes=Hashes(DIGEST), outputs=())


@pytest.mark.parametrize(
    "image",
    [
        replace(FILE, evidence=None, outputs=(CARVED,)),
        replace(FILE, evidence=DECRYPTED, outputs=(CARVED,)),
        replace(FILE, evidence=replace(DECRYPTED, hashes=Hashes(OTHER)), outputs=(CARVED,)),
        replace(FILE, evidence=PLAIN),
        replace(FILE, evidence=None, hashes=Hashes(), outputs=(CARVED,)),
        replace(FILE, evidence=PLAIN, hashes=Hashes()),
        replace(FILE, evidence=None, hashes=Hashes()),
    ],
)
def test_what_runs_write_has_no_flaw(image: Image) -> None:
    assert flaw_of_image(image) is None


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (replace(FILE, evidence=None, hashes=Hashes(OTHER), outputs=(CARVED,)), "than the file that was carved"),
        (replace(FILE, evidence=DECRYPTED, hashes=Hashes(OTHER), outputs=(CARVED,)), "than the file that was carved"),
        (replace(FILE, evidence=None), "no file that was carved"),
        (replace(FILE, evidence=DECRYPTED), "no file that was carved"),
        (replace(FILE, evidence=PLAIN, hashes=Hashes(OTHER)), "than the file that was read"),
        (replace(FILE, evidence=replace(PLAIN, hashes=Hashes())), "than the file that was read"),
    ],
)
def test_reports_that_contradict_themselves(image: Image, said: str) -> None:
    found = flaw_of_image(image)

    assert found is not None
    assert found.endswith(said)
