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
import jpegrescue.flow.session as flow_session
from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.found import FoundFile
from jpegrescue.flow.options import KeyOptions, RestoreOptions
from jpegrescue.flow.restore import restore
from jpegrescue.model.evidence import ByteRange
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
        assert image.outputs[0].path == f"{image.name}.decoded.png"
        made = [f"b.{kind}" for kind in ("aligned.jpg", "restored.png", "mask.png")] if image.name == "b" else []
        assert [o.path for o in image.outputs[1:]] == made
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


def test_without_repair_and_alignment_files_are_only_decoded(restore_options: Make) -> None:
    (image,) = restore(restore_options({"a.jpg": damaged(photo())}, repair=None, align=False)).report.images
    assert [o.kind for o in image.outputs] == ["decoded"]
    assert {s.engine for s in image.segments} == {"decoder"}


def test_a_scan_that_names_more_components_than_the_frame_has_is_left_out(restore_options: Make) -> None:
    data = photo()
    at = data.index(b"\xff\xc0")
    length = int.from_bytes(data[at + 2 : at + 4])
    frame = bytearray(data[at : at + 2 + length - 3])
    frame[2:4], frame[9] = (length - 3).to_bytes(2), 2
    (image,) = restore(restore_options({"a.jpg": data[:at] + frame + data[at + 2 + length :]})).report.images
    assert image.grade == "undecodable"
    assert "internal_error" not in [p.kind for p in image.problems]


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


def headless(data: bytes) -> bytes:
    """From the first byte of the scan on."""
    at = data.index(b"\xff\xda")
    return data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :]


def test_a_file_without_its_header_is_decoded_by_that_of_a_sibling(restore_options: Make, tmp_path: Path) -> None:
    sibling = tmp_path / "DCIM 7.jpg"
    sibling.write_bytes(photo(320, 240, seed=5))
    original = photo(320, 240, seed=1)
    options = restore_options({"a.jpg": headless(original), "b.jpg": original}, reference=sibling)

    outcome = restore(options)

    image, sound = outcome.report.images
    with Image.open(outcome.folder / "a.decoded.png") as ours, Image.open(io.BytesIO(original)) as truth:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(truth))
    (problem,) = [p for p in image.problems if p.kind == "header_from_reference"]
    assert problem.severity == "warning"
    assert f"DCIM 7.jpg (SHA-256 {hashlib.sha256(sibling.read_bytes()).hexdigest()})" in problem.detail
    assert "frame header, all Huffman tables, quantisation table 0" in problem.detail
    assert (image.grade, image.claim, image.lost_mcus) == ("partly_restored", "none", 0)
    # addresses are those of the file as it came, not of one with a header put before it
    assert image.segments[0].bit_start == 0
    assert (sound.grade, sound.problems) == ("no_damage_found", ())


def test_typical_tables_are_the_last_resort(restore_options: Make) -> None:
    original = photo(320, 240)
    bare = original.replace(b"\xff\xc4", b"\xff\xef")
    outcome = restore(restore_options({"a.jpg": bare}))
    (image,) = outcome.report.images
    with Image.open(outcome.folder / "a.decoded.png") as ours, Image.open(io.BytesIO(original)) as truth:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(truth))
    assert "standard_tables" in [p.kind for p in image.problems]
    assert (image.grade, image.claim) == ("partly_restored", "none")


@pytest.mark.parametrize("content", [None, b"", b"no photo", photo()[:300], photo(progressive=True)])
def test_a_reference_has_to_be_a_sound_photo(restore_options: Make, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "reference.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="reference") as error:
        restore(restore_options({"a.jpg": photo()}, reference=path))
    assert error.value.option == "--reference"
    assert not (tmp_path / "out").exists()


def test_a_reference_is_not_replaced_by_the_results(restore_options: Make, tmp_path: Path) -> None:
    first = restore(restore_options({"x.enc": encrypted(photo())}, KEYED))
    carved = first.folder / "x.carved.jpg"
    options = restore_options({"y.jpg": headless(photo(seed=1))}, reference=carved)
    with pytest.raises(UsageError, match=r"x\.carved\.jpg is being read"):
        restore(replace(options, run=replace(options.run, force=True)))
    assert carved.read_bytes() == photo()
    assert (tmp_path / "out" / "report.json").exists()


def submitted(monkeypatch: pytest.MonkeyPatch) -> list[FoundFile]:
    """What the flow hands to the stages from here on."""
    seen: list[FoundFile] = []
    real = flow_session.process
    monkeypatch.setattr(flow_session, "process", lambda found, *rest: (seen.append(found), real(found, *rest))[1])
    return seen


@pytest.mark.parametrize(("kind", "end"), [("plain", 0x500), ("cipher", 0x510)])
def test_unreadable_bytes_are_handed_on(
    restore_options: Make, monkeypatch: pytest.MonkeyPatch, kind: str, end: int
) -> None:
    seen = submitted(monkeypatch)
    original = photo()
    files = {"a.jpg": original if kind == "plain" else encrypted(original)}
    bad = (ByteRange(0x400, 0x500), ByteRange(0x1000, 1 << 40))

    (image,) = restore(restore_options(files, KEYED, bad_ranges=bad, input=kind)).report.images

    assert seen[0].bad == (ByteRange(0x400, end), ByteRange(0x1000, len(original)))
    (problem,) = [p for p in image.problems if p.kind == "bad_range"]
    assert (problem.severity, problem.offset) == ("error", 0x400)
    assert str(end - 0x400 + len(original) - 0x1000) in problem.detail
    assert (image.grade, image.claim) == ("partly_restored", "none")
