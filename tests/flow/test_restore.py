import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jpegrescue.flow.evidence as flow_evidence
import jpegrescue.flow.restore as flow_restore
from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.options import KeyOptions, RestoreOptions
from jpegrescue.flow.restore import restore
from jpegrescue.source.crypt.spec import DEFAULT_SPEC
from jpegrescue.source.keys import Key
from tests.flow.conftest import KEY, KEY_TEXT, KEYED, damaged, earlier_set, encrypted, photo

Make = Callable[..., RestoreOptions]


def test_every_file_gets_its_picture(restore_options: Make) -> None:
    files = {"a.jpg": photo(subsampling=0), "b.jpg": damaged(photo(seed=1), 0.4), "sub/a.jpg": photo(seed=2)}
    outcome = restore(restore_options(files))
    assert [(i.name, i.grade) for i in outcome.report.images] == [
        ("a", "no_damage_found"),
        ("b", "partly_restored"),
        ("a-2", "no_damage_found"),
    ]
    assert outcome.report.evidence is None
    for image, data in zip(outcome.report.images, files.values(), strict=True):
        assert [o.path for o in image.outputs] == [f"{image.name}.decoded.png"]
        assert image.evidence is not None
        assert image.evidence.hashes.sha256 == hashlib.sha256(data).hexdigest()
    with Image.open(outcome.folder / "a.decoded.png") as ours, Image.open(io.BytesIO(files["a.jpg"])) as truth:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(truth))


@pytest.mark.parametrize("mode", ["auto", "cipher"])
def test_ciphertext_is_decrypted_and_its_slack_cut(restore_options: Make, mode: str) -> None:
    original = photo()
    outcome = restore(restore_options({"x.enc": encrypted(original)}, KEYED, input=mode))
    (image,) = outcome.report.images
    assert (image.grade, image.end, image.size) == ("no_damage_found", "eoi", len(original))
    assert (outcome.folder / "x.carved.jpg").read_bytes() == original
    assert image.evidence is not None
    assert [layer.kind for layer in image.evidence.layers] == ["raw", "decrypt"]


@pytest.mark.parametrize("mode", ["auto", "plain"])
def test_plain_input_stays_plain_though_a_key_is_given(restore_options: Make, mode: str) -> None:
    outcome = restore(restore_options({"x.jpg": photo()}, KEYED, input=mode))
    (image,) = outcome.report.images
    assert image.grade == "no_damage_found"
    assert [o.kind for o in image.outputs] == ["decoded"]


def test_the_first_sector_of_a_file_is_solved_once(restore_options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    solutions = []
    real = flow_evidence.solve_first_sector
    monkeypatch.setattr(flow_evidence, "solve_first_sector", lambda *a: (solutions.append(a), real(*a))[1])
    key = replace(KEYED, first_sector=None)
    outcome = restore(restore_options({"x.enc": encrypted(photo(), first_sector=9_000)}, key))
    (image,) = outcome.report.images
    assert image.grade == "no_damage_found"
    assert image.evidence is not None
    assert image.evidence.layers[1].parameters["first_sector"] == 9_000
    assert len(solutions) == 1


def test_a_wrong_first_sector_is_suspected(restore_options: Make) -> None:
    (image,) = restore(restore_options({"x.enc": encrypted(photo(), 9)}, KEYED, input="cipher")).report.images
    assert "--first-sector 9" in next(p.detail for p in image.problems if p.kind == "sector_base_suspect")


def test_a_wrong_key_is_suspected(restore_options: Make) -> None:
    key = KeyOptions(spec=DEFAULT_SPEC, key=Key(bytes(16)))
    (image,) = restore(restore_options({"x.enc": encrypted(photo())}, key)).report.images
    assert (image.grade, image.claim) == ("undecodable", "none")
    assert "key" in next(p.detail for p in image.problems if p.kind == "not_a_jpeg")
    assert KEY.reveal().hex() not in repr(image)


def test_what_is_no_jpeg_is_undecodable(restore_options: Make) -> None:
    files = {"a.txt": b"hello " * 100, "b.jpg": photo()}
    first, second = restore(restore_options(files)).report.images
    assert (first.grade, first.outputs) == ("undecodable", ())
    assert "not_a_jpeg" in [p.kind for p in first.problems]
    assert second.grade == "no_damage_found"


def test_one_unreadable_file_is_a_problem_and_all_of_them_an_error(restore_options: Make, tmp_path) -> None:
    options = restore_options({"a.jpg": photo(), "empty.jpg": b""})
    options = replace(options, files=(*options.files, tmp_path / "missing.jpg", tmp_path))
    report = restore(options).report
    assert [i.name for i in report.images] == ["a"]
    assert [p.kind for p in report.problems] == ["input_unreadable"] * 3
    with pytest.raises(EvidenceError, match=r"missing\.jpg"):
        restore(replace(options, files=(tmp_path / "missing.jpg",)))


def test_a_file_too_large_for_one_photo_is_refused(restore_options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_restore, "FILE_BYTES_MAX", 100)
    with pytest.raises(EvidenceError, match="carve"):
        restore(restore_options({"a.jpg": photo()}))


def test_a_damaged_header_is_decoded_as_far_as_it_goes(restore_options: Make) -> None:
    data = bytearray(photo())
    data[0] = 0  # the SOI
    (image,) = restore(restore_options({"a.jpg": bytes(data)})).report.images
    assert image.grade == "partly_restored"
    assert image.lost_mcus == 0


def test_bytes_behind_the_photo_do_not_matter(restore_options: Make) -> None:
    (image,) = restore(restore_options({"a.jpg": photo() + bytes(700)})).report.images
    assert (image.end, image.grade) == ("eoi", "no_damage_found")


def test_a_key_file_is_not_removed_with_the_set_it_came_from(restore_options: Make, tmp_path: Path) -> None:
    key = earlier_set(tmp_path / "out")
    options = restore_options({"x.enc": encrypted(photo())}, replace(KEYED, key_file=key))

    with pytest.raises(UsageError, match=r"key\.hex is being read"):
        restore(replace(options, run=replace(options.run, force=True)))

    assert key.read_bytes() == KEY_TEXT
    assert (tmp_path / "out" / "truth.json").exists()
