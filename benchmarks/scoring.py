"""Compare a carver's files with what lies in the dump. Files are matched by what they hold, not by their names."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.tools import ABOVE_FRAGMENT, Output

PREFIX = 2048
State = Literal["missed", "start", "exact"]
_RANK: dict[State, int] = {"missed": 0, "start": 1, "exact": 2}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something in the dump begins: a photo (`item` is its index), a picture inside one, or a decoy."""

    kind: str
    offset: int
    item: int | None = None


@dataclass(slots=True)
class Score:
    """`states`: what became of each photo, in the order of the truth; the rest is about outputs.

    `embedded` counts files that hold a thumbnail or second picture on its own, `false` describes files that hold no
    photo of the dump, `false_graded` those among them that were graded above fragment, `wrong_hashes` counts files
    that differ from the SHA-256 stated for them; `grades` counts grades by class of photo.
    """

    states: list[State]
    grades: dict[str, Counter[str]] = field(default_factory=dict)
    embedded: int = 0
    false: list[str] = field(default_factory=list)
    false_graded: list[str] = field(default_factory=list)
    wrong_hashes: int = 0


class Truth:
    """The contents of the dump in `folder`."""

    def __init__(self, folder: Path) -> None:
        data: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        self.dump = folder / "dump.bin"
        self.size: int = data["size"]
        self.items: list[dict[str, Any]] = data["items"]
        self._places: dict[bytes, Place] = {}
        with self.dump.open("rb") as dump:
            for place in _places(self.items, data["decoys"]):
                dump.seek(place.offset)
                self._places.setdefault(dump.read(PREFIX), place)

    @property
    def photo_bytes(self) -> int:
        """Bytes that belong to photos."""
        return sum(item["length"] for item in self.items)

    def kinds(self) -> dict[str, list[int]]:
        """Indices of the photos of each class, undamaged classes first."""
        found: dict[str, list[int]] = {}
        for index, item in sorted(enumerate(self.items), key=lambda pair: (pair[1]["damaged"], pair[1]["kind"])):
            found.setdefault(item["kind"], []).append(index)
        return found

    def identify(self, head: bytes) -> Place | None:
        """Find what a file was cut from; `head` is its first PREFIX bytes, or all of it if it is shorter."""
        if len(head) >= PREFIX:
            return self._places.get(head)
        return next((place for prefix, place in self._places.items() if head and prefix.startswith(head)), None)

    def score(self, outputs: Iterable[Output]) -> Score:
        """Judge every output."""
        score = Score(["missed"] * len(self.items))
        for output in outputs:
            self._judge(output, score)
        return score

    def _judge(self, output: Output, score: Score) -> None:
        with output.path.open("rb") as stream:
            place = self.identify(stream.read(PREFIX))
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        score.wrong_hashes += output.claimed_sha256 not in {None, digest}
        if place is not None and place.item is not None:
            item = self.items[place.item]
            state: State = "exact" if digest == item["sha256"] else "start"
            score.states[place.item] = max(score.states[place.item], state, key=_RANK.__getitem__)
            if output.grade:
                score.grades.setdefault(item["kind"], Counter())[output.grade] += 1
        elif place is not None and place.kind == "embedded":
            score.embedded += 1
        else:
            kind = place.kind if place else "unknown"
            what = f"{kind} at {output.offset}, {output.path.stat().st_size} bytes, {output.grade or 'no grade'}"
            score.false.append(what)
            if output.grade in ABOVE_FRAGMENT:
                score.false_graded.append(what)


def _places(items: list[dict[str, Any]], decoys: list[dict[str, Any]]) -> Iterator[Place]:
    for index, item in enumerate(items):
        yield Place("photo", item["offset"], index)
    for item in items:
        for at in item["embedded"]:
            yield Place("embedded", item["offset"] + at)
    for decoy in decoys:
        yield Place(decoy["kind"], decoy["offset"])
