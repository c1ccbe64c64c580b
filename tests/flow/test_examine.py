"""Protects grade, claim and report entry of what is decoded before anything is mended."""

import numpy as np
import pytest

from jpegrescue.flow.examine import Result, completed, decoded_share, described, examine, failed, mcus_of, space_of
from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.evidence import ByteRange, Hashes
from jpegrescue.model.report import Image
from tests.flow.conftest import damaged, photo

ALWAYS = Wanted(carved=False, picture="always", hashes=())
WHEN_DAMAGED = Wanted(carved=False, picture="damaged", hashes=())
NEVER = Wanted(carved=False, picture="never", hashes=())


def examined(data: bytes, wanted: Wanted = ALWAYS, end: str = "eoi") -> tuple[Result, Image]:
    found = FoundFile("a", data, (ByteRange(0, len(data)),), end)
    array = np.frombuffer(data, np.uint8)
    structure = completed(array, parse(array), wanted)
    result = examine(array, structure, found, wanted)
    return result, described(found, structure, result, Hashes())


def test_a_sound_file() -> None:
    result, image = examined(photo())

    assert (result.grade, result.claim, result.problems) == ("no_damage_found", "consistent", ())
    assert (image.width, image.height, image.sampling, image.process) == (160, 120, "4:2:0", "baseline")
    assert (image.lost_mcus, image.uncertain_mcus, image.mcus) == (0, 0, 80)
    assert (image.repairs, image.verified_ranges, image.outputs) == ((), (), ())
    assert {segment.grade for segment in image.segments} == {"consistent"}


def test_one_sign_of_damage_and_nothing_is_sure() -> None:
    result, image = examined(damaged(photo(320, 240)))

    assert (result.grade, result.claim) == ("partly_restored", "none")
    assert {segment.grade for segment in image.segments} == {"uncertain"}
    assert image.uncertain_mcus == image.mcus - image.lost_mcus  # type: ignore[operator]


def test_an_unknown_end_is_a_sign_of_damage() -> None:
    assert examined(photo(), end="unknown")[0].grade == "partly_restored"


@pytest.mark.parametrize(("wanted", "data", "has"), [
    (ALWAYS, photo(), True),
    (WHEN_DAMAGED, photo(), False),
    (WHEN_DAMAGED, damaged(photo()), True),
    (NEVER, damaged(photo()), False),
])  # fmt: skip
def test_pictures_are_made_as_wanted(wanted: Wanted, data: bytes, has: bool) -> None:
    result, _ = examined(data, wanted)

    assert (result.picture is not None) == has
    assert result.picture is None or result.picture.samples.shape == (120, 160, 3)


def test_without_a_look_at_the_scan_nothing_is_claimed() -> None:
    result, image = examined(photo(), NEVER)

    assert (result.claim, result.decode, image.lost_mcus) == ("none", None, None)
    assert [problem.kind for problem in result.problems] == ["not_decoded"]


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff\xd9", photo(progressive=True)])
def test_what_cannot_be_decoded(data: bytes) -> None:
    result, image = examined(data)

    assert (result.grade, result.claim, result.picture) == ("undecodable", "none", None)
    assert image.problems
    assert decoded_share(data) == 0


@pytest.mark.parametrize(("options", "name"), [
    ({"subsampling": 0}, "4:4:4"), ({"subsampling": 1}, "4:2:2"), ({"subsampling": 2}, "4:2:0"),
])  # fmt: skip
def test_samplings_have_names(options: dict[str, object], name: str) -> None:
    assert examined(photo(**options))[1].sampling == name


def test_what_a_frame_says() -> None:
    structure = parse(np.frombuffer(photo(), np.uint8))

    assert structure.frame is not None
    assert mcus_of(structure.frame) == 80
    assert space_of(structure) == "ycc"


def test_a_bug_has_an_entry_of_its_own() -> None:
    image = failed(FoundFile("a", b"xy", (ByteRange(5, 7),), "eoi"), RuntimeError("boom"))

    assert (image.name, image.size, image.grade, image.claim) == ("a", 2, "undecodable", "none")
    (problem,) = image.problems
    assert (problem.kind, problem.severity) == ("internal_error", "error")
    assert "RuntimeError: boom" in problem.detail
