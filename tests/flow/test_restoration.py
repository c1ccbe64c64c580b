import io
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jpegrescue.flow.image as flow_image
from jpegrescue.flow import restoration
from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.flow.image import process
from jpegrescue.flow.mask import LEVELS, MASK_LABEL
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.align import ALIGNED, LOST, PLACED, UNCERTAIN, Alignment
from jpegrescue.model.decode import ComponentPlane, Decode, Segment
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.report import Image as Entry
from jpegrescue.model.thumbnail import ThumbnailMatch
from jpegrescue.report.output import OutputFolder
from jpegrescue.resync.decode import decode
from tests.flow.conftest import damaged, photo, scene
from tests.oracles.encoder import Plan, encode, random_planes

ALL = Wanted(carved=False, picture="always", hashes=("sha256",), align=True)
MADE = ["aligned", "restored", "mask"]
LEVEL_OF = {"uncertain": 96, "placed": 160, "aligned": 224}
ROW, COLUMN = 20, 20  # MCUs of the stand-in's picture


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    return OutputFolder.open(tmp_path / "out", evidence=[])


def found(data: bytes, name: str = "a", **rest: object) -> FoundFile:
    return FoundFile(name, data, (ByteRange(0, len(data)),), "eoi", **rest)  # type: ignore[arg-type]


def decoded(data: bytes) -> Decode:
    outcome = decode(np.frombuffer(data, np.uint8), parse(data))
    assert outcome is not None
    return outcome


def pixels(data: bytes | Path) -> np.ndarray:
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as picture:
        return np.asarray(picture)


def by_mcu(plane: ComponentPlane) -> np.ndarray:
    """int16 (MCU rows, MCU columns, coefficients)."""
    rows, columns, _ = plane.blocks.shape
    shape = (rows // plane.vertical, plane.vertical, columns // plane.horizontal, plane.horizontal, 64)
    return plane.blocks.reshape(shape).swapaxes(1, 2).reshape(shape[0], shape[2], -1)


def grades(image: Entry) -> np.ndarray:
    """Level of each MCU by the segments of the report, in raster order, 0 for lost ones."""
    assert image.mcus is not None
    levels = np.zeros(image.mcus, np.uint8)
    for segment in image.segments:
        levels[segment.placed_at : segment.placed_at + segment.mcu_end - segment.mcu_start] = LEVEL_OF[segment.grade]
    return levels


def test_a_damaged_photo_is_put_together(folder: OutputFolder) -> None:
    original = scene(seed=2)
    image = process(found(damaged(damaged(original, 0.35), 0.7), encrypted=True), ALL, folder)

    assert (image.grade, image.claim, image.problems) == ("partly_restored", "none", ())
    assert [output.kind for output in image.outputs] == ["decoded", *MADE]
    levels = grades(image)
    counted = {0: image.lost_mcus, 96: image.uncertain_mcus, 160: image.placed_mcus, 224: image.aligned_mcus}
    assert counted == {level: np.count_nonzero(levels == level) for level in counted}
    assert image.aligned_mcus is not None
    assert image.aligned_mcus > 100
    assert image.mcus == 40 * 30
    assert np.count_nonzero(levels >= 160) > 1000
    assert {segment.engine for segment in image.segments} == {"integer"}
    assert image.fill is not None
    assert image.fill.mcus == image.lost_mcus
    assert (image.thumbnail_match, image.sca) == (None, None)

    ours, truth = (decoded(data).planes for data in ((folder.path / "a.aligned.jpg").read_bytes(), original))
    grid = levels.reshape(30, 40)
    for one, other in zip(ours, truth, strict=True):
        np.testing.assert_array_equal(by_mcu(one)[grid == 224], by_mcu(other)[grid == 224])
        blocks = one.blocks.copy()
        blocks[..., 0] = other.blocks[..., 0]
        placed = by_mcu(replace(one, blocks=blocks))[grid == 160]
        wrong = (placed != by_mcu(other)[grid == 160]).any(axis=-1)
        assert np.count_nonzero(wrong) <= 1  # of a thousand: what is claimed may be wrong in one of two thousand
        np.testing.assert_array_equal(by_mcu(one)[grid < 160].reshape(-1, 64)[:, 1:], 0)

    mask, restored = (pixels(folder.path / f"a.{kind}.png") for kind in ("mask", "restored"))
    own = np.repeat(np.repeat(grid, 16, axis=0), 16, axis=1)
    assert (mask <= own).all()
    np.testing.assert_array_equal(mask[2::16, 2::16], grid)
    np.testing.assert_array_equal(restored[mask == 224], pixels(original)[mask == 224])
    difference = restored[mask == 160].astype(int) - pixels(original)[mask == 160]
    assert np.abs(difference).mean() < 8  # DC is an estimate there


def test_restart_markers_keep_damage_to_its_row(folder: OutputFolder) -> None:
    original = scene(seed=12, restart_marker_rows=1)
    image = process(found(damaged(damaged(original, 0.31), 0.7)), ALL, folder)

    rows = grades(image).reshape(30, 40)
    assert np.count_nonzero((rows >= 160).mean(axis=1) > 0.8) >= 27
    mask, restored = (pixels(folder.path / f"a.{kind}.png") for kind in ("mask", "restored"))
    np.testing.assert_array_equal(restored[mask == 224], pixels(original)[mask == 224])


def test_the_aligned_file_opens_without_a_warning_and_labels_say_what_pictures_are(folder: OutputFolder) -> None:
    image = process(found(damaged(scene(seed=3, subsampling=0))), ALL, folder)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(folder.path / "a.aligned.jpg") as picture:
            picture.load()
            assert (picture.size, picture.mode) == ((image.width, image.height), "RGB")
    with Image.open(folder.path / "a.restored.png") as picture:
        assert (picture.size, picture.mode) == ((640, 480), "RGB")
        assert "filled" in picture.info["Description"]
        assert "invented" in picture.info["Description"]
    with Image.open(folder.path / "a.mask.png") as picture:
        assert (picture.size, picture.mode, picture.info["Description"]) == ((640, 480), "L", MASK_LABEL)
        assert {value for _, value in picture.getcolors()} <= set(LEVELS.values())


def test_sound_files_and_files_of_which_nothing_decodes_stay_as_they_are(folder: OutputFolder) -> None:
    sound = process(found(photo(), "a"), ALL, folder)
    assert [output.kind for output in sound.outputs] == ["decoded"]
    assert (sound.placed_mcus, sound.aligned_mcus, sound.fill, sound.thumbnail_match) == (None, None, None, None)
    assert {segment.grade for segment in sound.segments} == {"consistent"}
    data = photo()
    nothing = process(found(data[: data.index(b"\xff\xda") + 14] + b"\xff\xd9", "b"), ALL, folder)
    assert nothing.grade == "undecodable"
    assert [output.kind for output in nothing.outputs] == ["decoded"]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_pictures_of_other_colours(folder: OutputFolder, mode: str) -> None:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(scene(320, 240, 4))) as picture:
        picture.convert(mode).save(buffer, "JPEG", quality=88)
    image = process(found(damaged(buffer.getvalue())), ALL, folder)
    assert [output.kind for output in image.outputs] == ["decoded", *MADE]
    assert "internal_error" not in [problem.kind for problem in image.problems]
    assert pixels(folder.path / "a.restored.png").shape == ((240, 320) if mode == "L" else (240, 320, 3))
    with Image.open(folder.path / "a.aligned.jpg") as picture:
        picture.load()
        assert picture.mode == mode


def test_several_scans_are_not_aligned(folder: OutputFolder) -> None:
    plan = Plan(80, 64, ((1, 1), (1, 1), (1, 1)), interleaved=False)
    data = encode(plan, random_planes(plan, np.random.default_rng(1)))
    image = process(found(damaged(data, 0.6)), ALL, folder)
    assert [output.kind for output in image.outputs] == ["decoded"]
    (problem,) = [problem for problem in image.problems if problem.kind == "not_aligned"]
    assert problem.severity == "info"
    assert {segment.grade for segment in image.segments} == {"uncertain"}
    assert (image.placed_mcus, image.aligned_mcus) == (None, None)


def test_foreign_data_behind_a_header_are_not_aligned(folder: OutputFolder) -> None:
    data = photo(320, 240)
    noise = np.random.default_rng(1).integers(0, 255, 40_000, dtype=np.uint8).tobytes()
    image = process(found(data[: parse(data).scans[0].start] + noise + b"\xff\xd9"), ALL, folder)
    assert image.grade == "fragment"
    assert [output.kind for output in image.outputs] == ["decoded"]
    assert "not_aligned" in [problem.kind for problem in image.problems]


@dataclass
class StandIn:
    """Stands in for the alignment: everything at its place, with a `certainty` as a test wants it."""

    planes: tuple[ComponentPlane, ...]
    certainty: np.ndarray
    thumbnail: ThumbnailMatch | None = None
    preview: np.ndarray | None = None
    bad: tuple[ByteRange, ...] | None = None
    encrypted: bool | None = None
    segments: tuple[Segment, ...] = ()

    def __call__(  # type: ignore[no-untyped-def]
        self, _data, _structure, space, outcome, preview, bad=(), *, encrypted
    ) -> Alignment:
        assert (space, len(outcome.planes)) == ("ycc", 3)
        self.preview, self.bad, self.encrypted = preview, bad, encrypted
        return Alignment(self.planes, self.certainty, self.segments, self.thumbnail)


@pytest.fixture
def original() -> bytes:
    return scene(16 * COLUMN - 5, 16 * ROW - 3, 6)


@pytest.fixture
def aligned(original: bytes, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    certainty = np.random.default_rng(3).choice(np.array([LOST, UNCERTAIN, PLACED, ALIGNED, ALIGNED]), (ROW, COLUMN))
    standing_in = StandIn(decoded(original).planes, certainty.astype(np.uint8))
    monkeypatch.setattr(restoration, "align", standing_in)
    return standing_in


def test_only_lost_mcus_are_invented(folder: OutputFolder, original: bytes, aligned: StandIn) -> None:
    image = process(found(damaged(original)), ALL, folder)

    mask, restored, truth = (
        *(pixels(folder.path / f"a.{kind}.png") for kind in ("mask", "restored")),
        pixels(original),
    )
    np.testing.assert_array_equal(restored[mask > 0], truth[mask > 0])
    assert (restored != truth)[mask == 0].any()
    counts = [int(np.count_nonzero(aligned.certainty == level)) for level in range(4)]
    assert [image.lost_mcus, image.uncertain_mcus, image.placed_mcus, image.aligned_mcus] == counts
    assert image.fill is not None
    assert (image.fill.mcus, len(image.fill.components)) == (counts[LOST], 3)


@pytest.mark.parametrize(("shift", "repaired"), [(0, True), (1, True), (0, False)])
def test_what_was_repaired_and_decodes_is_no_hole_if_nothing_moves(
    original: bytes, aligned: StandIn, shift: int, repaired: bool
) -> None:
    """Captions look like garbled blocks."""
    data, structure, sound = np.frombuffer(original, np.uint8), parse(original), decoded(original)
    empty = tuple(replace(plane, blocks=np.zeros_like(plane.blocks)) for plane in aligned.planes)
    lost = aligned.certainty == LOST
    aligned.planes = empty
    aligned.segments = (Segment(0, 0, 1, 0, 0, shift, shift, (0,), 0.9, "integer", "placed"),)

    made = restoration.put_together(data, structure, sound, "ycc", (), encrypted=True, repaired=repaired)

    assert made.alignment is not None
    assert made.picture is not None
    if shift or not repaired:
        assert made.picture.record.mcus == np.count_nonzero(lost)
        return
    assert made.picture.record.mcus == 0
    np.testing.assert_array_equal(made.alignment.certainty, np.where(lost, UNCERTAIN, aligned.certainty))
    for ours, truth in zip(made.alignment.planes, sound.planes, strict=True):
        np.testing.assert_array_equal(by_mcu(ours)[lost], by_mcu(truth)[lost])
        assert not by_mcu(ours)[~lost].any()
    added = [segment for segment in made.alignment.segments if segment.engine == "decoder"]
    inside = np.zeros(lost.size, np.bool_)
    for segment in added:
        inside[segment.mcu_start : segment.mcu_end] = True
        assert (segment.placed_at, segment.grade) == (segment.mcu_start, "uncertain")
        assert segment.bit_start == sound.scans[0].mcu_bit[segment.mcu_start]
        assert segment.bit_start < segment.bit_end
    np.testing.assert_array_equal(inside, lost.ravel())


def test_what_is_moved_or_changed_does_not_stay_put(original: bytes, aligned: StandIn) -> None:
    data, structure, sound = np.frombuffer(original, np.uint8), parse(original), decoded(original)
    there = Segment(0, 0, 9, 0, 0, 0, 0, (0, 0, 0), 0.9, "integer", "placed")
    verdicts = []
    for one in (there, replace(there, shift=1, placed_at=1), replace(there, dc_offset=(0, 0, 2))):
        aligned.segments = (there, one)
        verdicts.append(restoration.stays_put(data, structure, sound, "ycc"))

    assert verdicts == [True, False, False]


def test_holes_are_filled_from_what_is_likelier_right_than_not() -> None:
    certainty = np.array([[ALIGNED, UNCERTAIN, UNCERTAIN], [LOST, UNCERTAIN, UNCERTAIN]], np.uint8)
    part = Segment(0, 0, 2, 0, 0, 0, 0, (0,), 0.5, "integer", "uncertain")
    segments = (part, replace(part, mcu_start=8, mcu_end=10, placed_at=3), replace(part, placed_at=5, confidence=0.3))
    likely = restoration._likely(Alignment((), certainty, segments, None))

    assert likely.tolist() == [[True, True, False], [False, True, False]]


def test_the_aligned_file_holds_what_is_sure_and_flat_blocks(
    folder: OutputFolder, original: bytes, aligned: StandIn
) -> None:
    process(found(damaged(original)), ALL, folder)

    sure = aligned.certainty >= PLACED
    for ours, truth in zip(decoded((folder.path / "a.aligned.jpg").read_bytes()).planes, aligned.planes, strict=True):
        np.testing.assert_array_equal(by_mcu(ours)[sure], by_mcu(truth)[sure])
        flat, whole = (by_mcu(plane)[~sure].reshape(-1, 64) for plane in (ours, truth))
        assert not flat[:, 1:].any()
        off = np.abs(flat[:, 0].astype(int) - whole[:, 0])
        assert off.mean() < np.abs(whole[:, 0] - whole[:, 0].mean()).mean()


def test_a_preview_and_unreadable_bytes_reach_the_alignment_and_its_verdict_the_report(
    folder: OutputFolder, original: bytes, aligned: StandIn
) -> None:
    with Image.open(io.BytesIO(original)) as picture:
        small = picture.resize((40, 40), Image.Resampling.BOX)
    raster = np.asarray(small).tobytes()
    body = b"JFIF\0\x01\x02\0\0\x01\0\x01\x28\x28" + raster
    data = original[:2] + b"\xff\xe0" + (len(body) + 2).to_bytes(2) + body + original[2:]
    aligned.thumbnail = ThumbnailMatch("trusted", 0, (0, 0, 40, 40), 0.9, (1.0,) * 3, (0.0,) * 3, (2.0,) * 3)
    bad = (ByteRange(9000, 9016),)

    image = process(found(damaged(data), bad=bad, encrypted=True), ALL, folder)

    assert (aligned.bad, aligned.encrypted) == (bad, True)
    assert aligned.preview is not None
    assert np.abs(aligned.preview.astype(int) - np.asarray(small.convert("YCbCr"))).max() <= 1
    assert image.thumbnail_match == aligned.thumbnail
    assert image.fill is not None
    assert all(component.model is not None for component in image.fill.components)


@pytest.mark.parametrize(
    ("part", "kept"),
    [("align", []), ("write_jpeg", ["restored", "mask"]), ("fill", ["aligned"])],
)
def test_a_bug_costs_what_rests_on_it_and_no_more(
    folder: OutputFolder, monkeypatch: pytest.MonkeyPatch, part: str, kept: list[str]
) -> None:
    monkeypatch.setattr(restoration, part, lambda *_, **__: 1 // 0)
    wanted = replace(ALL, sca=("alignment",))

    image = process(found(damaged(scene(320, 240))), wanted, folder)

    assert [output.kind for output in image.outputs] == ["decoded", "sca", *kept]
    (problem,) = [problem for problem in image.problems if problem.kind == "internal_error"]
    assert problem.severity == "error"
    assert "ZeroDivisionError" in problem.detail
    assert {segment.engine for segment in image.segments} == {"decoder" if part == "align" else "integer"}


def test_a_bug_in_the_published_alignment_costs_its_picture(
    folder: OutputFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_image, "published_sca", lambda *_: 1 // 0)
    image = process(found(damaged(scene(320, 240))), replace(ALL, sca=("alignment",)), folder)
    assert [output.kind for output in image.outputs] == ["decoded", *MADE]
    assert image.sca is None
    assert [problem.kind for problem in image.problems] == ["internal_error"]


def test_tables_that_lack_a_symbol_are_extended_and_named(
    folder: OutputFolder, original: bytes, aligned: StandIn
) -> None:
    large = aligned.planes[1].blocks.copy()
    large[..., 63] = 1023
    aligned.planes = (aligned.planes[0], replace(aligned.planes[1], blocks=large), aligned.planes[2])
    with Image.open(io.BytesIO(original)) as picture:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=88, optimize=True)
    image = process(found(damaged(buffer.getvalue())), ALL, folder)
    (problem,) = [problem for problem in image.problems if problem.kind == "tables_extended"]
    assert problem.severity == "info"
    assert "AC 1 of scan 1" in problem.detail
    assert problem.detail.startswith("In the aligned file:")
