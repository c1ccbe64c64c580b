import hashlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jpegrescue.flow.carve as flow_carve
import jpegrescue.flow.session as flow_session
from jpegrescue.errors import EvidenceError, OutputError, UsageError
from jpegrescue.flow.carve import carve
from jpegrescue.flow.found import FoundFile
from jpegrescue.flow.options import CarveOptions, KeyOptions
from jpegrescue.flow.progress import NoProgress
from jpegrescue.model.evidence import ByteRange
from jpegrescue.report.json import from_json
from jpegrescue.report.output import OutputFolder
from jpegrescue.source.crypt.spec import DEFAULT_SPEC
from jpegrescue.source.keys import Key
from jpegrescue.source.raw import RawSource
from tests.flow.conftest import KEY, KEY_TEXT, KEYED, damaged, dump, earlier_set, encrypted, photo

Make = Callable[..., CarveOptions]


def test_intact_photos_come_out_byte_for_byte_and_without_a_picture(carve_options: Make) -> None:
    photos = [photo(seed=i, subsampling=i) for i in range(3)]
    data, offsets = dump(*photos)
    outcome = carve(carve_options(data))
    assert [i.name for i in outcome.report.images] == [f"f{o:012d}" for o in offsets]
    for image, original in zip(outcome.report.images, photos, strict=True):
        assert (image.grade, image.claim, image.end, image.lost_mcus) == ("no_damage_found", "consistent", "eoi", 0)
        assert image.hashes.sha256 == hashlib.sha256(original).hexdigest()
        assert [(o.kind, (outcome.folder / o.path).read_bytes()) for o in image.outputs] == [("carved", original)]


def test_a_damaged_photo_gets_a_picture_and_no_claim(carve_options: Make) -> None:
    broken = damaged(photo(320, 240))
    data, _ = dump(photo(seed=1), broken)
    outcome = carve(carve_options(data))
    intact, image = outcome.report.images
    assert intact.grade == "no_damage_found"
    assert (image.grade, image.claim) == ("partly_restored", "none")
    assert image.resync_points
    assert all(s.engine == "integer" and s.grade != "consistent" for s in image.segments)
    assert [o.kind for o in image.outputs] == ["carved", "decoded", "aligned", "restored", "mask"]
    with Image.open(outcome.folder / image.outputs[1].path) as picture:
        assert picture.size == (320, 240)


def test_encrypted_evidence_is_searched_and_hashed_as_it_lies(carve_options: Make) -> None:
    data, offsets = dump(photo(), photo(seed=1))
    cipher = encrypted(data)
    outcome = carve(carve_options(cipher, KEYED))
    assert [i.runs[0].start for i in outcome.report.images] == offsets
    assert outcome.report.evidence is not None
    assert outcome.report.evidence.hashes.sha256 == hashlib.sha256(cipher).hexdigest()
    assert [layer.kind for layer in outcome.report.evidence.layers] == ["raw", "decrypt"]
    assert KEY.reveal().hex() not in (outcome.folder / "report.json").read_text()


def test_bytes_before_the_encrypted_range_are_searched_as_plaintext(carve_options: Make) -> None:
    clear, clear_offsets = dump(photo())
    clear += bytes(-len(clear) % 512)
    hidden, hidden_offsets = dump(photo(seed=1))
    key = KeyOptions(spec=DEFAULT_SPEC, key=KEY, crypt_start=len(clear))
    outcome = carve(carve_options(clear + encrypted(hidden), key))
    assert [i.runs[0].start for i in outcome.report.images] == [*clear_offsets, len(clear) + hidden_offsets[0]]


def test_the_first_sector_is_solved(carve_options: Make) -> None:
    data, offsets = dump(bytes(8192), photo(), gap=512 * 8)
    key = KeyOptions(spec=DEFAULT_SPEC, key=KEY, first_sector=None)
    outcome = carve(carve_options(encrypted(data, first_sector=123_456), key))
    assert [p.kind for p in outcome.report.problems] == ["first_sector_solved"]
    assert outcome.report.evidence is not None
    assert outcome.report.evidence.layers[1].parameters["first_sector"] == 123_456
    assert [i.runs[0].start for i in outcome.report.images] == offsets[1:]


def test_an_unsolvable_first_sector_is_said(carve_options: Make) -> None:
    key = KeyOptions(spec=DEFAULT_SPEC, key=KEY, first_sector=None)
    outcome = carve(carve_options(np.random.default_rng(0).bytes(1 << 16), key))
    assert {p.kind for p in outcome.report.problems} == {"first_sector_unsolved", "nothing_found"}


def test_a_wrong_key_is_suspected_when_nothing_is_found(carve_options: Make) -> None:
    key = KeyOptions(spec=DEFAULT_SPEC, key=Key(bytes(16)))
    outcome = carve(carve_options(encrypted(dump(photo())[0]), key))
    (problem,) = outcome.report.problems
    assert problem.kind == "nothing_found"
    assert "key" in problem.detail


def test_a_wrong_first_sector_is_suspected_and_the_right_one_named(carve_options: Make) -> None:
    data, _ = dump(bytes(8192), photo(), photo(seed=1), gap=512 * 8)
    outcome = carve(carve_options(encrypted(data, first_sector=77), KEYED))
    assert not any(i.grade == "no_damage_found" for i in outcome.report.images)
    (problem,) = [p for p in outcome.report.problems if p.kind == "sector_base_suspect"]
    assert "--first-sector 77" in problem.detail


def test_a_right_first_sector_is_not_suspected(carve_options: Make) -> None:
    data, _ = dump(bytes(8192), damaged(photo(), 0.3), gap=512 * 8)
    options = carve_options(encrypted(data, first_sector=77), replace(KEYED, first_sector=77))
    assert "--first-sector" not in "".join(p.detail for p in carve(options).report.problems)


def test_a_solution_below_zero_says_where_the_encryption_begins(carve_options: Make) -> None:
    prefix = bytes(512 * 10)
    data, _ = dump(bytes(8192), photo(), gap=512 * 8)
    key = KeyOptions(spec=DEFAULT_SPEC, key=KEY, first_sector=None)
    outcome = carve(carve_options(prefix + encrypted(data), key))
    (problem,) = outcome.report.problems
    assert (problem.kind, problem.severity) == ("first_sector_solved", "warning")
    assert "--crypt-start 5120" in problem.detail


def test_files_of_an_earlier_run_that_no_report_lists_are_mentioned(carve_options: Make, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f000000000009.carved.jpg").write_bytes(b"old")
    report = carve(carve_options(dump(photo())[0], run={"force": True})).report
    assert [p.kind for p in report.problems] == ["unlisted_files"]


def test_start_and_length_bound_the_search_and_the_hash(carve_options: Make) -> None:
    data, offsets = dump(photo(), photo(seed=1), photo(seed=2))
    start, length = offsets[0] + 1, offsets[2] - offsets[0] - 1
    outcome = carve(carve_options(data, start=start, length=length))
    assert [i.runs[0].start for i in outcome.report.images] == [offsets[1]]
    assert outcome.report.evidence is not None
    assert outcome.report.evidence.hashed is not None
    assert (outcome.report.evidence.hashed.start, outcome.report.evidence.hashed.length) == (start, length)
    assert outcome.report.evidence.hashes.sha256 == hashlib.sha256(data[start : start + length]).hexdigest()


def test_photos_across_chunks_are_whole(carve_options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_carve, "CHUNK", 4096)
    photos = [photo(seed=i) for i in range(4)]
    data, offsets = dump(*photos, gap=3000)
    outcome = carve(carve_options(encrypted(data), KEYED))
    assert [(i.runs[0].start, i.size) for i in outcome.report.images] == [
        (o, len(p)) for o, p in zip(offsets, photos, strict=True)
    ]
    assert outcome.report.evidence is not None
    assert outcome.report.evidence.hashes.sha256 == hashlib.sha256(encrypted(data)).hexdigest()


@pytest.mark.parametrize(("option", "value"), [("min_size", 10_000), ("min_pixels", 30_000)])
def test_small_ones_are_left_out(carve_options: Make, option: str, value: int) -> None:
    data, offsets = dump(photo(), photo(320, 240))
    outcome = carve(carve_options(data, **{option: value}))
    assert [i.runs[0].start for i in outcome.report.images] == offsets[1:]


def test_without_restoring_nothing_is_claimed(carve_options: Make) -> None:
    data, _ = dump(photo(), damaged(photo(seed=1)))
    outcome = carve(carve_options(data, restore=False))
    assert [(i.claim, i.lost_mcus, i.segments) for i in outcome.report.images] == [("none", None, ())] * 2
    assert all("not_decoded" in [p.kind for p in i.problems] for i in outcome.report.images)
    assert [o.kind for i in outcome.report.images for o in i.outputs] == ["carved", "carved"]


def test_a_quarter_of_a_photo_is_a_fragment(carve_options: Make) -> None:
    data, _ = dump(photo(320, 240)[:6000])
    (image,) = carve(carve_options(data)).report.images
    assert (image.end, image.grade, image.claim) == ("unknown", "fragment", "none")


def test_a_header_with_absurd_dimensions_costs_no_memory(carve_options: Make) -> None:
    data = bytearray(photo())
    sof = data.index(b"\xff\xc0")
    data[sof + 5 : sof + 9] = b"\xff\xff\xff\xff"
    (image,) = carve(carve_options(dump(bytes(data))[0])).report.images
    assert image.grade == "undecodable"
    assert "dimensions_implausible" in [p.kind for p in image.problems]


def test_progressive_files_are_carved_whole_and_their_process_named(carve_options: Make) -> None:
    original = photo(progressive=True)
    (image,) = carve(carve_options(dump(original)[0])).report.images
    assert image.hashes.sha256 == hashlib.sha256(original).hexdigest()
    assert (image.process, image.grade) == ("progressive", "undecodable")
    assert [p.kind for p in image.problems] == ["unsupported_process"]


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_do_not_depend_on_the_number_of_jobs(carve_options: Make, tmp_path, jobs: int) -> None:
    data, _ = dump(*[damaged(photo(seed=i), 0.3 + i / 20) for i in range(6)])
    outputs = []
    for name, count in (("one", 1), ("many", jobs)):
        outcome = carve(carve_options(data, run={"output": tmp_path / name, "jobs": count}))
        report = json.loads((outcome.folder / "report.json").read_text())
        files = {p.name: p.read_bytes() for p in outcome.folder.glob("f*")}
        outputs.append((report["images"], report["evidence"], files))
    assert outputs[0] == outputs[1]


def test_an_interrupt_leaves_finished_images_and_a_valid_report(
    carve_options: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(NoProgress):
        def advance(self, bytes_done: int) -> None:  # noqa: ARG002
            raise KeyboardInterrupt

    monkeypatch.setattr(flow_carve, "CHUNK", 1 << 16)
    data, offsets = dump(photo(), photo(seed=1), gap=60_000)
    outcome = carve(carve_options(data), Impatient())
    on_disk = from_json((outcome.folder / "report.json").read_bytes())
    assert on_disk == outcome.report
    assert (on_disk.run.state, [i.runs[0].start for i in on_disk.images]) == ("interrupted", offsets[:1])
    assert on_disk.evidence is not None
    assert on_disk.evidence.hashes.sha256 is None
    assert [(p.kind, p.offset) for p in on_disk.problems] == [("search_incomplete", 1 << 16)]
    assert all((outcome.folder / o.path).exists() for i in on_disk.images for o in i.outputs)


def test_a_full_disk_ends_the_run_with_what_was_finished(carve_options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    original = OutputFolder.write

    def full(self: OutputFolder, name: str, data: bytes, kind: str) -> object:
        if len(list(self.path.glob("*.carved.jpg"))) == 2:
            raise OutputError(f"{name} cannot be written: the disk is full", path=self.path / name)
        return original(self, name, data, kind)

    monkeypatch.setattr(OutputFolder, "write", full)
    options = carve_options(dump(*[photo(seed=i) for i in range(4)])[0], run={"jobs": 1})
    with pytest.raises(OutputError, match="full"):
        carve(options)
    assert options.run.output is not None
    report = from_json((options.run.output / "report.json").read_bytes())
    assert (report.run.state, len(report.images)) == ("failed", 2)
    assert [p.kind for p in report.problems] == ["search_incomplete", "run_failed"]
    assert "the disk is full" in report.problems[1].detail


def test_a_bug_in_one_image_does_not_end_the_run(carve_options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import jpegrescue.flow.examine as flow_image

    real = flow_image.decode

    def buggy(data: np.ndarray, structure: object) -> object:
        if structure.frame.width == 320:  # type: ignore[attr-defined]
            raise RuntimeError("boom")
        return real(data, structure)  # type: ignore[arg-type]

    monkeypatch.setattr(flow_image, "decode", buggy)
    report = carve(carve_options(dump(photo(), photo(320, 240), photo(seed=2))[0])).report
    assert [i.grade for i in report.images] == ["no_damage_found", "undecodable", "no_damage_found"]
    assert "boom" in report.images[1].problems[-1].detail
    assert report.run.state == "done"


def _unreadable(monkeypatch: pytest.MonkeyPatch, bad: range) -> None:
    """Make every read that touches the bytes `bad` fail as a worn medium does."""

    def failing(descriptor: int, views: list[memoryview], position: int) -> int:
        if position < bad.stop and position + len(views[0]) > bad.start:
            if position >= bad.start:
                raise OSError(5, "Input/output error")
            views = [views[0][: bad.start - position]]
        return os.preadv(descriptor, views, position)

    monkeypatch.setattr("jpegrescue.flow.evidence.RawSource", lambda path: RawSource(path, preadv=failing))


def test_an_unreadable_stretch_is_reported_and_the_rest_goes_on(
    carve_options: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, offsets = dump(photo(), bytes(8192), photo(seed=1))
    bad = range(offsets[1] - offsets[1] % 512 + 1024, offsets[1] - offsets[1] % 512 + 2048)
    _unreadable(monkeypatch, bad)
    report = carve(carve_options(data)).report
    assert [i.runs[0].start for i in report.images] == [offsets[0], offsets[2]]
    assert [i.grade for i in report.images] == ["no_damage_found"] * 2
    assert report.evidence is not None
    assert [(g.start, g.end) for g in report.evidence.gaps] == [(bad.start, bad.stop)]
    assert [(p.kind, p.offset) for p in report.problems] == [("read_error", bad.start)]


def test_a_photo_over_an_unreadable_stretch_says_so(carve_options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data, offsets = dump(photo(640, 480))
    bad = range(offsets[0] - offsets[0] % 512 + 10240, offsets[0] - offsets[0] % 512 + 10752)
    _unreadable(monkeypatch, bad)
    (image,) = carve(carve_options(data)).report.images
    assert (image.grade, image.claim) == ("partly_restored", "none")
    assert ("read_error", bad.start) in [(p.kind, p.offset) for p in image.problems]


def test_evidence_that_cannot_be_searched_is_refused(carve_options: Make, tmp_path) -> None:
    with pytest.raises(EvidenceError, match="0 bytes"):
        carve(carve_options(b""))
    with pytest.raises(UsageError, match="--start"):
        carve(carve_options(b"abc", start=3))
    assert not (tmp_path / "out").exists()


def test_a_partial_last_sector_is_mentioned(carve_options: Make) -> None:
    outcome = carve(carve_options(encrypted(dump(photo())[0])[:-100], KEYED))
    assert [p.kind for p in outcome.report.problems] == ["partial_sector"]
    assert len(outcome.report.images) == 1


def test_rows_between_restart_markers_stay_right_beside_damaged_ones(carve_options: Make) -> None:
    original = photo(320, 240, restart_marker_rows=1)  # 15 rows of 20 MCUs
    broken = damaged(damaged(original, 0.31), 0.7)
    outcome = carve(carve_options(dump(broken)[0], repair=None, align=False))
    (image,) = outcome.report.images
    with Image.open(outcome.folder / image.outputs[1].path) as ours, Image.open(io.BytesIO(original)) as truth:
        same = (np.asarray(ours) == np.asarray(truth)).all(axis=(1, 2))
    # chroma upsampling reaches one pixel into the neighbouring rows
    assert sum(same[16 * row + 1 : 16 * row + 15].all() for row in range(15)) == 13
    assert {s.grade for s in image.segments} == {"uncertain"}
    assert [o.kind for o in image.outputs] == ["carved", "decoded"]


def test_a_key_file_is_not_removed_with_the_set_it_came_from(carve_options: Make, tmp_path: Path) -> None:
    key = earlier_set(tmp_path / "out")

    with pytest.raises(UsageError, match=r"key\.hex is being read"):
        carve(carve_options(encrypted(photo()), replace(KEYED, key_file=key), {"force": True}))

    assert key.read_bytes() == KEY_TEXT
    assert (tmp_path / "out" / "truth.json").exists()


def test_evidence_that_lies_where_the_results_go_is_no_obstacle(carve_options: Make, tmp_path: Path) -> None:
    options = carve_options(encrypted(photo()), KEYED)
    (tmp_path / "x").mkdir()
    moved = options.evidence.rename(tmp_path / "x" / "foo.enc")

    outcome = carve(replace(options, evidence=moved, run=replace(options.run, output=tmp_path / "x")))

    assert (len(outcome.report.images), outcome.report.problems) == (1, ())
    assert moved.read_bytes() == encrypted(photo())


def test_files_that_touch_bad_ranges_know_it_and_others_do_not(
    carve_options: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[FoundFile] = []
    real = flow_session.process
    monkeypatch.setattr(flow_session, "process", lambda found, *rest: (seen.append(found), real(found, *rest))[1])
    data, (first, second) = dump(photo(), photo(seed=1))
    end = first + len(photo())
    bad = (ByteRange(0, 10), ByteRange(first + 600, first + 700), ByteRange(end - 5, second))
    outcome = carve(carve_options(data, bad_ranges=bad, run={"jobs": 1}))
    assert [found.bad for found in seen] == [
        (ByteRange(600, 700), ByteRange(len(photo()) - 5, len(photo()))),
        (),
    ]
    touched, other = outcome.report.images
    assert "bad_range" in [p.kind for p in touched.problems]
    assert (touched.grade, other.grade) == ("partly_restored", "no_damage_found")
