import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jpegrescue.flow.examine import decoded_share
from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.flow.image import process
from jpegrescue.flow.restoration import Restoration, put_together
from jpegrescue.model.align import SCA_PARTS, ScaPart
from jpegrescue.model.decode import ComponentPlane
from jpegrescue.model.evidence import ByteRange
from jpegrescue.report.output import OutputFolder
from tests.flow.conftest import damaged, photo
from tests.oracles.encoder import Plan, encode, random_planes

ALL = Wanted(carved=True, picture="always", hashes=("sha256",))


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    return OutputFolder.open(tmp_path / "out", evidence=[])


def _found(data: bytes, end: str = "eoi") -> FoundFile:
    return FoundFile("a", data, (ByteRange(7, 7 + len(data)),), end)


@pytest.mark.parametrize(("option", "sampling"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_the_entry_says_what_the_file_is(folder: OutputFolder, option: int, sampling: str) -> None:
    image = process(_found(photo(150, 100, subsampling=option)), ALL, folder)
    assert (image.width, image.height, image.sampling, image.process) == (150, 100, sampling, "baseline")
    across, down = (16 if option else 8), (16 if option == 2 else 8)
    assert image.mcus == -(-150 // across) * -(-100 // down)
    assert image.runs == (ByteRange(7, 7 + image.size),)


def test_unusual_factors_are_spelt_out(folder: OutputFolder) -> None:
    plan = Plan(40, 40, ((2, 2), (2, 1), (1, 2)))
    image = process(_found(encode(plan, random_planes(plan, _rng()))), ALL, folder)
    assert image.sampling == "2x2,2x1,1x2"


def test_a_lone_component_counts_blocks_whatever_its_factors(folder: OutputFolder) -> None:
    plan = Plan(40, 24, ((2, 2),))
    image = process(_found(encode(plan, random_planes(plan, _rng()))), ALL, folder)
    assert (image.sampling, image.mcus, image.lost_mcus) == ("grey", 15, 0)


def test_one_sign_of_damage_makes_every_segment_uncertain(folder: OutputFolder) -> None:
    sound = process(_found(photo()), ALL, folder)
    assert ({s.grade for s in sound.segments}, sound.uncertain_mcus) == ({"consistent"}, 0)
    outside = process(FoundFile("b", photo(), (ByteRange(0, 9),), "unknown"), ALL, folder)
    assert ({s.grade for s in outside.segments}, outside.uncertain_mcus) == ({"uncertain"}, outside.mcus)
    assert outside.lost_mcus == 0


def test_restart_intervals_without_markers_are_damage(folder: OutputFolder) -> None:
    data = photo()
    at = data.index(b"\xff\xda")
    image = process(_found(data[:at] + b"\xff\xdd\x00\x04\x00\x01" + data[at:]), ALL, folder)
    assert image.grade != "no_damage_found"


def test_a_missing_quantisation_table_is_named(folder: OutputFolder) -> None:
    image = process(_found(photo().replace(b"\xff\xdb", b"\xff\xfe")), ALL, folder)
    assert "missing_quantisation_table" in [p.kind for p in image.problems]
    assert image.grade == "partly_restored"


def test_a_picture_of_which_nothing_decodes_is_undecodable(folder: OutputFolder) -> None:
    data = photo()
    start = data.index(b"\xff\xda") + 14
    image = process(_found(data[:start] + b"\xff\xd9"), ALL, folder)
    assert (image.grade, image.lost_mcus) == ("undecodable", image.mcus)


def test_an_unknown_end_is_damage_even_if_all_decodes(folder: OutputFolder) -> None:
    assert process(_found(photo(), "unknown"), ALL, folder).grade == "partly_restored"


def test_pictures_of_sound_files_are_written_on_request_only(folder: OutputFolder) -> None:
    wanted = Wanted(carved=False, picture="damaged", hashes=())
    assert process(_found(photo()), wanted, folder).outputs == ()
    (output,) = process(_found(damaged(photo())), wanted, folder).outputs
    with Image.open(folder.path / output.path) as picture:
        assert picture.size == (160, 120)


def test_the_share_of_what_decodes(folder: OutputFolder) -> None:  # noqa: ARG001
    data = photo(320, 240)
    assert decoded_share(data) == 1.0
    assert 0.3 < decoded_share(data[: len(data) // 2]) < 0.7
    assert decoded_share(b"\xff\xd8\xff\xd9") == 0.0


def _rng():
    import numpy as np

    return np.random.default_rng(1)


def test_the_published_alignment_makes_a_second_picture(folder: OutputFolder) -> None:
    wanted = replace(ALL, sca=SCA_PARTS)
    image = process(_found(damaged(photo(320, 240))), wanted, folder)
    assert [output.kind for output in image.outputs] == ["carved", "decoded", "sca"]
    assert image.sca is not None
    assert (image.sca.grade, image.sca.parts) == ("heuristic", SCA_PARTS)
    assert image.sca.segments[-1].mcu_end == image.mcus
    with Image.open(folder.path / "a.sca.png") as picture:
        assert picture.size == (320, 240)
        assert picture.info["Description"].startswith("heuristic")
    with Image.open(folder.path / "a.decoded.png") as picture:
        assert picture.info == {}


def test_no_second_picture_unless_asked_for_or_where_there_is_no_first(folder: OutputFolder) -> None:
    image = process(_found(damaged(photo())), ALL, folder)
    assert (image.sca, [output.kind for output in image.outputs]) == (None, ["carved", "decoded"])
    sound = process(FoundFile("b", photo(), (), "eoi"), replace(ALL, picture="damaged", sca=SCA_PARTS), folder)
    assert (sound.sca, [output.kind for output in sound.outputs]) == (None, ["carved"])
    junk = process(FoundFile("c", b"\xff\xd8\xff\xd9", (), "eoi"), replace(ALL, sca=SCA_PARTS), folder)
    assert (junk.sca, [output.kind for output in junk.outputs]) == (None, ["carved"])


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_pictures_of_other_colours_can_be_aligned_too(folder: OutputFolder, mode: str) -> None:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(photo())) as picture:
        picture.convert(mode).save(buffer, "JPEG")
    image = process(_found(damaged(buffer.getvalue())), replace(ALL, sca=SCA_PARTS), folder)
    with Image.open(folder.path / "a.sca.png") as picture:
        assert picture.mode == ("L" if mode == "L" else "RGB")
    assert image.sca is not None


@pytest.mark.parametrize("sca", [None, SCA_PARTS])
def test_coefficients_make_room_while_a_file_is_put_together(
    folder: OutputFolder, monkeypatch: pytest.MonkeyPatch, sca: tuple[ScaPart, ...] | None
) -> None:
    """They would take as much room as those that alignment reads anew."""
    seen: list[ComponentPlane] = []

    def spy(*arguments: Any, **named: Any) -> Restoration:
        seen.extend(arguments[2].planes)
        return put_together(*arguments, **named)

    monkeypatch.setattr("jpegrescue.flow.image.put_together", spy)
    image = process(_found(damaged(photo())), replace(ALL, align=True, sca=sca), folder)
    kinds = [output.kind for output in image.outputs]
    assert {"decoded", "aligned", "restored", "mask"} <= set(kinds)
    assert ("sca" in kinds) == (sca is not None)
    assert [bool(any(plane.blocks.strides)) for plane in seen] == [False] * 3
