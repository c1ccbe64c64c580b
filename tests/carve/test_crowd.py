import numpy as np
import pytest

from jpegrescue.carve import find
from jpegrescue.carve.find import Carver
from tests.flow.conftest import photo
from tests.source.memory import MemorySource

PATTERNS = [
    b"\xff\xd8\xff\xe0" * 5000,
    b"\xff\xd8" * 5000 + b"\xff\xe0" + bytes(5000),
    b"\xff\xd8\xff\xe1\x00\x04ab" * 5000,
    b"\xff\xd8\xff\xdb\x00\x03\x00" * 5000,
]


def _carve(data: bytes) -> list[tuple[int, int]]:
    source = MemorySource(data)
    files = Carver(source, 0, source.size).feed(0, np.frombuffer(data, np.uint8))
    return [(file.runs[0].start, file.runs[0].end) for file in files]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_crowd_of_soi_markers_costs_few_walks(pattern: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    walks = []
    real = find.find_extent
    monkeypatch.setattr(find, "find_extent", lambda *args: (walks.append(args[1]), real(*args))[1])
    assert _carve(pattern) == []
    assert len(walks) <= 20


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("gap", [0, 7, 5000])
def test_photos_in_a_crowd_are_found(pattern: bytes, gap: int) -> None:
    filler = bytes(gap)
    first, second = photo(seed=1), photo(seed=2)
    head = pattern + filler
    found = _carve(head + first + filler + pattern + filler + second)
    start = len(head)
    behind = start + len(first) + len(filler) + len(pattern) + len(filler)
    assert found == [(start, start + len(first)), (behind, behind + len(second))]
