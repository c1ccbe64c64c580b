"""The carvers that are compared: how each is called, and what it says about the files that it wrote."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ABOVE_FRAGMENT = ("no_damage_found", "repaired", "partly_restored")


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a tool wrote; `offset` in bytes and `grade` where the tool states them."""

    path: Path
    offset: int | None = None
    grade: str | None = None
    claimed_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A carver. `command` takes the dump and an empty folder, `collect` reads that folder afterwards."""

    name: str
    program: str
    command: Callable[[Path, Path], list[str]]
    collect: Callable[[Path], Iterator[Output]]
    good_exits: tuple[int, ...] = (0,)

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return shutil.which(self.program) is not None


def _jpegrescue(*options: str) -> Callable[[Path, Path], list[str]]:
    def command(dump: Path, out: Path) -> list[str]:
        carve = ["-m", "jpegrescue", "carve", str(dump), "-o", str(out / "results")]
        return [sys.executable, *carve, "--jobs", "1", "--quiet", *options]

    return command


def _from_report(out: Path) -> Iterator[Output]:
    folder = out / "results"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for image in report["images"]:
        offset = image["runs"][0]["start"]
        for written in image["outputs"]:
            if written["path"].endswith(".carved.jpg"):
                yield Output(folder / written["path"], offset, image["grade"], image["hashes"]["sha256"])


def _photorec(dump: Path, out: Path) -> list[str]:
    script = "partition_none,options,fileopt,everything,disable,jpg,enable,search"
    return ["photorec", "/d", str(out / "recup"), "/cmd", str(dump), script]


def _from_photorec(out: Path) -> Iterator[Output]:
    for path in sorted(out.glob("recup*/*.jpg")):
        sector = re.match(r"[a-z](\d+)", path.name)
        yield Output(path, int(sector[1]) * 512 if sector else None)


def _foremost(dump: Path, out: Path) -> list[str]:
    return ["foremost", "-t", "jpg", "-i", str(dump), "-o", str(out / "results")]


def _from_foremost(out: Path) -> Iterator[Output]:
    audit = (out / "results" / "audit.txt").read_text(encoding="utf-8", errors="replace")
    for name, offset in re.findall(r"^\d+:\s+(\S+\.jpg)\s.*?(\d+)\s*$", audit, re.MULTILINE):
        path = out / "results" / "jpg" / name
        if path.is_file():
            yield Output(path, int(offset))


def _recoverjpeg(*options: str) -> Callable[[Path, Path], list[str]]:
    return lambda dump, out: ["recoverjpeg", "-q", *options, "-o", str(out), str(dump)]


def _any_jpeg(out: Path) -> Iterator[Output]:
    return (Output(path) for path in sorted(out.rglob("*.jpg")))


TOOLS = {
    "scan": Tool(
        "jpegrescue, no hash, no restore",
        sys.executable,
        _jpegrescue("--no-restore", "--hash", "none"),
        _from_report,
        (0, 3),
    ),
    "hashed": Tool("jpegrescue, no restore", sys.executable, _jpegrescue("--no-restore"), _from_report, (0, 3)),
    "full": Tool("jpegrescue", sys.executable, _jpegrescue(), _from_report, (0, 3)),
    "photorec": Tool("PhotoRec", "photorec", _photorec, _from_photorec),
    "foremost": Tool("foremost", "foremost", _foremost, _from_foremost),
    "recoverjpeg-b1": Tool("recoverjpeg -b 1", "recoverjpeg", _recoverjpeg("-b", "1"), _any_jpeg),
    "recoverjpeg": Tool("recoverjpeg", "recoverjpeg", _recoverjpeg(), _any_jpeg),
}
