from collections.abc import Callable

import numpy as np
import pytest

from jpegrescue.flow.grade import cannot_decode, grade_aligned, grade_decoded, looks_foreign
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.report import Claim, FileGrade
from jpegrescue.resync.decode import decode
from tests.flow.conftest import damaged, photo


def _grade(data: bytes, *, complete: bool = True) -> tuple[FileGrade, Claim]:
    structure = parse(data)
    outcome = decode(np.frombuffer(data, np.uint8), structure)
    assert outcome is not None
    bits = 8 * sum(scan.end - scan.start for scan in structure.scans)
    return grade_decoded(outcome, mcus=outcome.scans[0].mcus, scan_bits=bits, complete=complete)


def _foreign(data: bytes) -> bool:
    outcome = decode(np.frombuffer(data, np.uint8), parse(data))
    assert outcome is not None
    return looks_foreign(outcome, mcus=outcome.scans[0].mcus)


def test_what_shows_no_damage_claims_consistency_only() -> None:
    assert _grade(photo()) == ("no_damage_found", "consistent")


def test_a_broken_structure_around_a_sound_scan_is_damage() -> None:
    assert _grade(photo(), complete=False) == ("partly_restored", "none")


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_random_bytes_behind_a_good_header_are_never_more_than_a_fragment(quality: int, subsampling: int) -> None:
    data = photo(320, 240, quality=quality, subsampling=subsampling)
    scan = parse(data).scans[0]
    noise = np.random.default_rng(quality).integers(0, 255, 2 * len(data), dtype=np.uint8).tobytes()
    foreign = data[: scan.start] + noise + b"\xff\xd9"
    assert _grade(foreign) == ("fragment", "none")
    assert _foreign(foreign)


@pytest.mark.parametrize("errors", [1, 5])
def test_scattered_garbles_are_partly_restored(errors: int) -> None:
    data = photo(640, 480, seed=3)
    for i in range(errors):
        data = damaged(data, 0.2 + 0.15 * i)
    assert _grade(data) == ("partly_restored", "none")
    assert not _foreign(data)


@pytest.mark.parametrize(
    ("grade", "placed", "then"),
    [
        ("fragment", 50, "partly_restored"),
        ("fragment", 49, "fragment"),
        ("partly_restored", 0, "partly_restored"),
        ("partly_restored", 100, "partly_restored"),
        ("undecodable", 100, "undecodable"),
    ],
)
def test_a_fragment_that_fits_together_is_one_no_longer(grade: FileGrade, placed: int, then: FileGrade) -> None:
    assert grade_aligned(grade, mcus=100, placed=placed) == then


def _patched(change: Callable[[bytearray, int], None]) -> bytes:
    data = bytearray(photo())
    change(data, data.index(b"\xff\xc0"))
    return bytes(data)


def _precision(data: bytearray, sof: int) -> None:
    data[sof + 1], data[sof + 4] = 0xC1, 12


def _lossless(data: bytearray, sof: int) -> None:
    data[sof + 1] = 0xC3


def _huge(data: bytearray, sof: int) -> None:
    data[sof + 5 : sof + 9] = b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (_patched(_precision), "unsupported_process"),
        (_patched(_lossless), "unsupported_process"),
        (_patched(_huge), "dimensions_implausible"),
        (b"\xff\xd8\xff\xd9", "no_frame"),
        (photo()[: photo().index(b"\xff\xda")], "no_scan"),
        (b"", "no_frame"),
    ],
)
def test_what_is_not_decoded_is_named(data: bytes, kind: str) -> None:
    problem = cannot_decode(parse(data), len(data))
    assert problem is not None
    assert (problem.kind, problem.severity) == (kind, "error")


def test_a_sound_file_meets_no_obstacle() -> None:
    assert cannot_decode(parse(photo()), 4000) is None
