"""A judge that forgeries do not get past: real runs of `restore`, then reports and files that were tampered with."""

import io
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from jpegrescue.jpeg.parse import parse
from jpegrescue.jpeg.write import write_jpeg
from jpegrescue.lab.judge import judge
from jpegrescue.lab.listed import Folders
from jpegrescue.lab.match import Match
from jpegrescue.model.decode import Segment
from jpegrescue.model.evaluation import FileScore
from jpegrescue.model.evidence import ByteRange, Hashes
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image, OutputFile
from jpegrescue.model.truth import TrueImage
from jpegrescue.resync.decode import decode
from tests.flow.conftest import photo, scene

from .truths import CBC, output, restored, true_image

ORIGINAL = photo(160, 120, subsampling=2)  # 10 × 8 MCUs
MCUS = 80


@dataclass
class Case:
    """A file of a set and a run's image of it, on disk."""

    folders: Folders
    truth: TrueImage
    image: Image

    def judge(self, **forged: object) -> FileScore:
        return judge(Match(self.truth, replace(self.image, **forged)), self.folders)  # type: ignore[arg-type]

    def add(self, name: str, kind: str, data: bytes) -> OutputFile:
        (self.folders.run / name).write_bytes(data)
        return output(name, kind, data)

    def with_output(self, name: str, kind: str, data: bytes) -> FileScore:
        return self.judge(outputs=(*self.image.outputs, self.add(name, kind, data)))

    def path(self, kind: str) -> Path:
        return self.folders.run / next(o.path for o in self.image.outputs if o.kind == kind)


def make(
    folder: Path,
    original: bytes = ORIGINAL,
    *,
    cipher: str | None = CBC,
    bits: Sequence[int] = (),
    size: int | None = None,
    align: bool = False,
) -> Case:
    folders = Folders(folder / "run", folder / "truth")
    truth = true_image(folders.truth, "a", original, cipher=cipher, bits=bits, size=size)
    read = folders.truth / ("a.enc" if cipher else "a.damaged.jpg")
    return Case(folders, truth, restored(folders.run, [read], cipher, align=align).images[0])


def middle(original: bytes = ORIGINAL) -> int:
    """A bit in the middle of the scan."""
    scan = parse(original).scans[0]
    return 8 * ((scan.start + scan.end) // 2) + 2


@pytest.fixture
def damaged(tmp_path: Path) -> Case:
    return make(tmp_path, bits=[middle()])


@pytest.fixture
def sound(tmp_path: Path) -> Case:
    return make(tmp_path)


def kinds(score: FileScore) -> list[str]:
    return [problem.kind for problem in score.problems]


def png(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(samples).save(buffer, "PNG")
    return buffer.getvalue()


def segment(start: int, end: int, grade: str, scan: int = 0) -> Segment:
    return Segment(scan, start, end, 0, 0, start, 0, None, None, "decoder", grade)  # type: ignore[arg-type]


def test_an_undamaged_file(sound: Case) -> None:
    score = sound.judge()

    assert score.evaluated
    assert (score.identical, score.scan_identical) == (True, True)
    assert (score.grade, score.claim, score.claim_holds) == ("no_damage_found", "consistent", None)
    assert (score.errors, score.errors_found, score.errors_false) == (0, 0, 0)
    assert (score.mcus, score.mcus_touched, score.mcus_exact) == (MCUS, 0, MCUS)
    assert (score.mcus_claimed, score.mcus_claimed_wrong, score.problems) == (0, 0, ())
    (picture,) = score.pictures
    assert (picture.kind, picture.whole.mse, picture.whole.psnr, picture.holes) == ("decoded", 0.0, None, None)
    assert picture.whole.pixels == score.pixels == 160 * 120


def test_a_damaged_file(damaged: Case) -> None:
    score = damaged.judge()

    assert score.evaluated
    assert (score.identical, score.scan_identical) == (False, False)
    assert (score.errors, score.errors_found, score.errors_false) == (1, 0, 0)
    assert 1 <= score.mcus_touched <= 8
    assert 10 < score.mcus_exact <= MCUS - score.mcus_touched
    (picture,) = score.pictures
    assert picture.whole.psnr is not None
    assert picture.holes is not None
    assert picture.holes.pixels == 256 * score.mcus_touched
    assert picture.holes.mse > 0


def test_pictures_are_compared_with_pillows_decode_of_the_original(damaged: Case) -> None:
    """libjpeg's pixels in place of the project's own, as an independent reference."""
    weights = np.array([0.299, 0.587, 0.114])
    original = np.asarray(PillowImage.open(io.BytesIO(ORIGINAL)).convert("RGB")) @ weights
    picture = np.asarray(PillowImage.open(damaged.path("decoded"))) @ weights

    (score,) = damaged.judge().pictures
    assert score.whole.mse == pytest.approx(float(np.mean((original - picture) ** 2)), rel=0.002)


@pytest.mark.parametrize(("claim", "holds"), [("exact_scan", False), ("consistent", None), ("none", None)])
def test_a_wrong_claim_is_caught(damaged: Case, claim: str, holds: bool | None) -> None:
    assert damaged.judge(claim=claim).claim_holds is holds


def test_a_true_claim_holds(sound: Case) -> None:
    assert sound.judge(claim="exact_scan").claim_holds is True


def test_exact_scan_is_of_the_scan_and_not_of_the_header(tmp_path: Path) -> None:
    """A bit of a comment is wrong: the file is not identical, its scan is."""
    original = ORIGINAL[:2] + b"\xff\xfe\x00\x42" + bytes(64) + ORIGINAL[2:]
    score = make(tmp_path, original, cipher=None, bits=[8 * 20]).judge(claim="exact_scan")

    assert (score.identical, score.scan_identical, score.claim_holds) == (False, True, True)
    assert (score.errors, score.mcus_touched, score.mcus_exact) == (1, 0, MCUS)


@pytest.mark.parametrize("grade", ["intact", "exact", "aligned"])
def test_segments_that_claim_damaged_mcus_are_caught(damaged: Case, grade: str) -> None:
    honest = damaged.judge()
    score = damaged.judge(segments=(segment(0, MCUS, grade),))

    assert (honest.mcus_claimed, honest.mcus_claimed_wrong) == (0, 0)
    assert (score.mcus_claimed, score.mcus_claimed_wrong) == (MCUS, MCUS - score.mcus_exact)
    assert score.mcus_claimed_wrong > 0
    assert damaged.judge(segments=(segment(0, 10, grade),)).mcus_claimed_wrong == 0


def test_placed_segments_claim_everything_but_dc(damaged: Case) -> None:
    """What is displaced behind the damage is a wrong place; what is only off in DC, as a placed MCU may be, is none."""
    score = damaged.judge(segments=(segment(0, MCUS, "placed"),))

    assert (score.mcus_claimed, score.mcus_claimed_wrong, score.mcus_dc_near) == (0, 0, 0)
    assert score.mcus_placed == MCUS
    assert score.mcus_recoverable == MCUS - score.mcus_touched
    assert 0 < score.mcus_placed_wrong <= MCUS - score.mcus_exact


def test_a_dc_step_is_near_and_a_wrong_claim_all_the_same(sound: Case) -> None:
    data = np.frombuffer(ORIGINAL, np.uint8)
    structure = parse(data)
    outcome = decode(data, structure)
    assert outcome is not None
    blocks = outcome.planes[0].blocks.copy()
    blocks[0, 0, 0] += 1  # MCU 0
    blocks[0, 3, 0] += 2  # MCU 1 of 4:2:0
    written = write_jpeg(data, structure, (replace(outcome.planes[0], blocks=blocks), *outcome.planes[1:]))
    assert not isinstance(written, Problem)
    aligned = sound.add("a.aligned.jpg", "aligned", written.data)
    score = sound.judge(outputs=(*sound.image.outputs, aligned), segments=(segment(0, MCUS, "aligned"),))

    assert (score.mcus_exact, score.mcus_claimed, score.mcus_placed) == (MCUS - 2, MCUS, MCUS)
    assert (score.mcus_claimed_wrong, score.mcus_placed_wrong, score.mcus_dc_near) == (2, 0, 1)


def test_segments_astray_are_named(damaged: Case) -> None:
    assert kinds(damaged.judge(segments=(segment(0, MCUS + 1, "intact"),))) == ["segment_astray"]
    assert kinds(damaged.judge(segments=(segment(0, 1, "intact", scan=3),))) == ["segment_astray"]


def test_claims_on_a_picture_of_another_size_are_all_wrong(damaged: Case) -> None:
    other = photo(160, 64, subsampling=2)
    score = replace_best(damaged, other, segments=(segment(0, 30, "intact"),))

    assert kinds(score) == ["geometry_differs"]
    assert (score.mcus_exact, score.mcus_claimed, score.mcus_claimed_wrong) == (0, 30, 30)
    assert (score.mcus_placed, score.mcus_placed_wrong, score.mcus_dc_near) == (30, 30, 0)


def test_claims_on_what_does_not_decode_are_all_wrong(damaged: Case) -> None:
    score = replace_best(damaged, b"no JPEG", segments=(segment(0, 1 << 70, "intact"),))

    assert kinds(score) == ["undecodable"]
    assert (score.mcus_exact, score.mcus_claimed, score.mcus_claimed_wrong) == (0, MCUS, MCUS)


def replace_best(case: Case, data: bytes, **forged: object) -> FileScore:
    written = case.add("b.carved.jpg", "carved", data)
    pictures = tuple(o for o in case.image.outputs if o.kind == "decoded")
    return case.judge(outputs=(written, *pictures), hashes=Hashes(written.sha256), **forged)


def test_repaired_goes_before_carved(damaged: Case) -> None:
    score = damaged.with_output("a.repaired.jpg", "repaired", ORIGINAL)

    assert (score.identical, score.scan_identical, score.mcus_exact) == (True, True, MCUS)
    assert (score.errors, score.errors_found, score.errors_false) == (1, 1, 0)


def test_a_run_that_aligns_is_judged_by_what_it_wrote(tmp_path: Path) -> None:
    original = scene(480, 320, 9)
    at = middle(original)
    score = make(tmp_path, original, cipher=CBC, bits=[at - 40_000, at, at + 20_000], align=True).judge()

    assert [picture.kind for picture in score.pictures] == ["decoded", "restored"]
    decoded, best = (picture.whole for picture in score.pictures)
    assert best.mse < decoded.mse / 10
    assert score.problems == ()
    assert score.mcus == 600
    assert score.mcus_exact >= score.mcus_claimed - score.mcus_claimed_wrong > 100
    assert score.mcus_placed > 500
    assert score.mcus_placed_wrong <= 3


def test_aligned_counts_for_mcus_and_not_for_bytes(damaged: Case) -> None:
    score = damaged.with_output("a.aligned.jpg", "aligned", ORIGINAL)

    assert (score.scan_identical, score.errors_found, score.mcus_exact) == (False, 0, MCUS)


def test_claims_are_held_against_the_aligned_file(damaged: Case) -> None:
    aligned = damaged.add("a.aligned.jpg", "aligned", ORIGINAL)
    score = damaged.judge(outputs=(*damaged.image.outputs, aligned), segments=(segment(0, MCUS, "aligned"),))

    assert (score.mcus_claimed, score.mcus_claimed_wrong) == (MCUS, 0)


def test_plain_input_that_was_not_written_again_is_read_from_the_truth(tmp_path: Path) -> None:
    case = make(tmp_path, cipher=None, bits=[middle()])
    assert [o.kind for o in case.image.outputs] == ["decoded"]

    score = case.judge()

    assert (score.evaluated, score.errors, score.errors_found, score.identical) == (True, 1, 0, False)
    assert case.judge(hashes=Hashes()).evaluated


def test_the_report_does_not_choose_the_bytes_that_it_is_judged_by(tmp_path: Path) -> None:
    """A claim to hold the original, by its SHA-256 alone, and by all that is said of what was read."""
    case = make(tmp_path, cipher=None, bits=[middle()])
    forged = Hashes(case.truth.sha256)
    assert case.image.evidence is not None

    score = case.judge(hashes=forged, claim="exact_scan")
    assert (kinds(score), score.evaluated, score.claim_holds) == (["report_invalid"], False, None)
    score = case.judge(hashes=Hashes(), evidence=replace(case.image.evidence, hashes=forged), claim="exact_scan")
    assert (kinds(score), score.evaluated) == (["output_missing"], False)


def test_the_hashes_of_decrypted_bytes_are_those_of_the_file_that_was_written(damaged: Case) -> None:
    forged = Hashes(damaged.truth.sha256)
    pictures = tuple(o for o in damaged.image.outputs if o.kind == "decoded")

    assert kinds(damaged.judge(hashes=forged)) == ["report_invalid"]
    assert kinds(damaged.judge(outputs=pictures)) == ["report_invalid"]
    assert kinds(damaged.judge(outputs=pictures, hashes=forged)) == ["report_invalid"]
    assert kinds(damaged.judge(outputs=pictures, hashes=Hashes())) == ["output_missing"]


def test_ciphertext_taken_for_the_file_itself_is_not_judged(tmp_path: Path) -> None:
    """As after a `restore` without the key."""
    case = make(tmp_path, bits=[middle()])
    case.image = restored(tmp_path / "keyless", [case.folders.truth / "a.enc"]).images[0]

    assert kinds(case.judge()) == ["output_missing"]


def test_a_missing_tail(tmp_path: Path) -> None:
    score = make(tmp_path, size=3072).judge()

    assert (score.errors, score.errors_found, score.scan_identical) == (1, 0, False)
    assert 0 < score.mcus_exact <= MCUS - score.mcus_touched < MCUS


def test_an_edited_picture_is_named_and_not_scored(damaged: Case) -> None:
    damaged.path("decoded").write_bytes(png(np.zeros((120, 160, 3), np.uint8)))
    score = damaged.judge()

    assert (kinds(score), score.evaluated, score.pictures) == (["output_edited"], True, ())


@pytest.mark.parametrize("kind", ["carved", "repaired", "aligned"])
def test_edited_bytes_are_named_and_the_file_is_not_judged(damaged: Case, kind: str) -> None:
    written = damaged.add("b.jpg", kind, ORIGINAL)
    (damaged.folders.run / "b.jpg").write_bytes(ORIGINAL[:-1] + b"\0")
    hashes = Hashes(written.sha256) if kind == "carved" else damaged.image.hashes
    score = damaged.judge(outputs=(written, *damaged.image.outputs), hashes=hashes, claim="exact_scan")

    assert (kinds(score), score.evaluated, score.claim_holds, score.mcus) == (["output_edited"], False, None, 0)


@pytest.mark.parametrize("name", ["a.original.jpg", "a.damaged.jpg"])
def test_an_edited_truth_is_named_and_the_file_is_not_judged(damaged: Case, name: str) -> None:
    path = damaged.folders.truth / name
    path.write_bytes(path.read_bytes() + b"\0")
    score = damaged.judge()

    assert (kinds(score), score.evaluated) == (["truth_edited"], False)


@pytest.mark.parametrize("where", ["truth", "run"])
def test_missing_files_are_named(damaged: Case, where: str) -> None:
    if where == "truth":
        (damaged.folders.truth / "a.original.jpg").unlink()
    else:
        damaged.path("carved").unlink()

    score = damaged.judge()
    assert (kinds(score), score.evaluated) == (["truth_missing" if where == "truth" else "output_missing"], False)


def test_a_missing_picture_is_named(damaged: Case) -> None:
    damaged.path("decoded").unlink()

    score = damaged.judge()
    assert (kinds(score), score.evaluated, score.pictures) == (["output_missing"], True, ())


def test_a_pipe_does_not_keep_the_judge_waiting(damaged: Case) -> None:
    damaged.path("carved").unlink()
    os.mkfifo(damaged.path("carved"))

    assert kinds(damaged.judge()) == ["output_edited"]


@pytest.mark.parametrize("path", ["../truth/a.original.jpg", "/etc/hostname", "sub/a.jpg", ""])
def test_paths_stay_in_their_folder(damaged: Case, path: str) -> None:
    forged = output(path, "repaired", ORIGINAL)

    assert kinds(damaged.judge(outputs=(forged, *damaged.image.outputs))) == ["output_unsafe"]
    damaged.truth = replace(damaged.truth, outputs=(output(path, "original", ORIGINAL), *damaged.truth.outputs))
    assert kinds(damaged.judge()) == ["truth_unsafe"]


@pytest.mark.parametrize(
    "forged",
    [
        {"sha256": "0" * 64},
        {"size": 5},
        {"scan": ByteRange(100, 50)},
        {"scan": ByteRange(-5, 50)},
        {"scan": ByteRange(0, 1 << 40)},
        {"changed": ()},
        {"changed": (ByteRange(0, len(ORIGINAL)),)},
        {"changed": (ByteRange(-5, 1),)},
        {"flipped_bits": (-8,)},
        {"flipped_bits": (1 << 80,)},
        {"overwritten": (ByteRange(0, 1 << 80),)},
    ],
)
def test_a_truth_at_odds_with_its_files_is_not_used(damaged: Case, forged: dict[str, object]) -> None:
    damaged.truth = replace(damaged.truth, **forged)  # type: ignore[arg-type]
    score = damaged.judge()

    assert (kinds(score), score.evaluated) == (["truth_invalid"], False)


@pytest.mark.parametrize("forged", [{"cipher": "rot13"}, {"sector_size": 0}, {"sector_size": 513}])
def test_an_impossible_recipe_is_not_used(damaged: Case, forged: dict[str, object]) -> None:
    damaged.truth = replace(damaged.truth, recipe=replace(damaged.truth.recipe, **forged))  # type: ignore[arg-type]

    assert kinds(damaged.judge()) == ["truth_invalid"]


def test_a_truth_without_the_original_is_named(damaged: Case) -> None:
    damaged.truth = replace(damaged.truth, outputs=damaged.truth.outputs[1:])

    assert kinds(damaged.judge()) == ["truth_missing"]


def test_a_picture_of_another_size_is_named_and_the_others_are_scored(damaged: Case) -> None:
    score = damaged.with_output("a.sca.png", "sca", png(np.zeros((120, 161, 3), np.uint8)))

    assert (kinds(score), [p.kind for p in score.pictures]) == (["size_differs"], ["decoded"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        ORIGINAL,
        png(np.zeros((120, 160, 4), np.uint8)),
        png(np.zeros((120, 160), np.uint16)),
        png(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8))[:20000],
    ],
)
def test_what_is_no_picture_is_named(damaged: Case, data: bytes) -> None:
    score = damaged.with_output("a.sca.png", "sca", data)

    assert (kinds(score), [p.kind for p in score.pictures]) == (["picture_unreadable"], ["decoded"])


def test_a_picture_that_claims_to_be_huge_is_never_decompressed(damaged: Case) -> None:
    data = bytearray(png(np.zeros((120, 160, 3), np.uint8)))
    data[16:24] = (1 << 30).to_bytes(4) * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4)

    assert kinds(damaged.with_output("a.sca.png", "sca", bytes(data))) == ["size_differs"]


def test_a_grey_picture_of_a_colour_original_is_scored(damaged: Case) -> None:
    score = damaged.with_output("a.gca.png", "gca", png(np.full((120, 160), 90, np.uint8)))

    assert [p.kind for p in score.pictures] == ["decoded", "gca"]


def test_a_mask_is_no_picture(damaged: Case) -> None:
    score = damaged.with_output("a.mask.png", "mask", png(np.zeros((120, 160), np.uint8)))

    assert (score.problems, [p.kind for p in score.pictures]) == ((), ["decoded"])


def test_an_original_that_is_not_decoded_is_compared_by_its_bytes(tmp_path: Path) -> None:
    score = make(tmp_path, photo(progressive=True)).judge(claim="exact_scan")

    assert (kinds(score), score.evaluated, score.identical, score.claim_holds) == (
        ["original_undecodable"],
        True,
        True,
        True,
    )
    assert (score.mcus, score.pictures) == (0, ())


def test_an_original_that_is_damaged_itself_is_named(tmp_path: Path) -> None:
    scan = parse(ORIGINAL).scans[0]
    middle_byte = (scan.start + scan.end) // 2
    broken = ORIGINAL[:middle_byte] + b"\xfe" * 16 + ORIGINAL[middle_byte + 16 :]

    score = make(tmp_path, broken).judge()
    assert (kinds(score), score.mcus_exact) == (["original_damaged"], MCUS)


def test_problems_of_the_match_come_first(damaged: Case) -> None:
    problem = Problem("no_image", "error", "nothing")
    score = judge(Match(damaged.truth, None, (problem,)), damaged.folders)

    assert (score.image, score.evaluated, score.problems, score.grade, score.claim) == (
        None,
        False,
        (problem,),
        None,
        None,
    )
    second = Problem("second_image", "warning", "two")
    assert judge(Match(damaged.truth, damaged.image, (second,)), damaged.folders).problems == (second,)
