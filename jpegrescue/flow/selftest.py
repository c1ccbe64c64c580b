"""A known-answer run over the bundled sample, for labs that must validate their tools."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from jpegrescue import __version__
from jpegrescue.flow.carve import carve
from jpegrescue.flow.options import CarveOptions, KeyOptions, Outcome, RestoreOptions, RunOptions
from jpegrescue.flow.restore import restore
from jpegrescue.flow.session import environment
from jpegrescue.model.report import Environment, Image
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key

_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "sample", _PACKAGE.parent / "fixtures" / "carve" / "sample")  # installed; source tree


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison with a known answer."""

    name: str
    expected: str
    actual: str
    passed: bool


@dataclass(frozen=True, slots=True)
class SelftestResult:
    """Outcome of the self-test."""

    passed: bool
    version: str
    sample_sha256: str
    checks: tuple[Check, ...]
    environment: Environment


def selftest(output: Path | None = None) -> SelftestResult:
    """Carve the sample with its key, restore what was carved, and compare with what its maker knows.

    `output`: folder for the results of both runs (`carve`, `restore`), kept; otherwise a temporary one.
    """
    sample = next(place for place in _PLACES if (place / "dump.bin").exists())
    known = json.loads((sample / "expected.json").read_text())
    with ExitStack() as stack:
        folder = output or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        carved = _carve(sample / "dump.bin", known["cipher"], folder / "carve")
        restored = _restore(carved, folder / "restore")
        checks = tuple(_compare(known, carved, restored))
    return SelftestResult(
        passed=all(check.passed for check in checks),
        version=__version__,
        sample_sha256=known["dump"]["sha256"],
        checks=checks,
        environment=environment(),
    )


def _run(command: str, folder: Path) -> RunOptions:
    return RunOptions(argv=("jpegrescue", "selftest"), command=command, output=folder, jobs=os.cpu_count() or 1)


def _carve(dump: Path, cipher: dict[str, Any], folder: Path) -> Outcome:
    key = KeyOptions(
        spec=parse_spec(cipher["spec"]),
        key=Key(bytes.fromhex(cipher["key"])),
        sector_size=cipher["sector_size"],
        first_sector=cipher["first_sector"],
        crypt_start=cipher["crypt_start"],
    )
    return carve(CarveOptions(evidence=dump, run=_run("carve", folder), key=key))


def _restore(carved: Outcome, folder: Path) -> Outcome:
    files = tuple(carved.folder / image.outputs[0].path for image in carved.report.images)
    plain = KeyOptions(spec=parse_spec("aes-cbc-essiv:sha256"))
    return restore(RestoreOptions(files=files, run=_run("restore", folder), key=plain))


def _compare(known: dict[str, Any], carved: Outcome, restored: Outcome) -> Iterator[Check]:
    evidence = carved.report.evidence
    yield _check("evidence sha256", known["dump"]["sha256"], evidence.hashes.sha256 if evidence else None)
    yield _check("photos", len(known["photos"]), len(carved.report.images))
    by_offset = {image.runs[0].start: image for image in carved.report.images}
    pictures = {image.name: image for image in restored.report.images}
    for photo in known["photos"]:
        image = by_offset.get(photo["offset"])
        yield from _compare_file(photo, image)
        picture = pictures.get(f"{image.name}.carved") if image else None
        if photo["decoded_rgb_sha256"] is not None:
            yield _check(f"{photo['name']}: pixels", photo["decoded_rgb_sha256"], _pixels(restored.folder, picture))


def _compare_file(photo: dict[str, Any], image: Image | None) -> Iterator[Check]:
    name = photo["name"]
    yield _check(f"{name}: offset", photo["offset"], image.runs[0].start if image else None)
    yield _check(f"{name}: sha256", photo["sha256"], image.hashes.sha256 if image else None)
    yield _check(f"{name}: end", photo["end"], image.end if image else None)
    grade = "repaired" if photo["damaged"] else "no_damage_found"
    yield _check(f"{name}: grade", grade, image.grade if image else None)
    claim = "exact_scan" if photo["damaged"] else "consistent"
    yield _check(f"{name}: claim", claim, image.claim if image else None)
    if photo["damaged"]:
        repaired = [output.sha256 for output in image.outputs if output.kind == "repaired"] if image else []
        yield _check(f"{name}: repaired", [photo["pristine_sha256"]], repaired)


def _pixels(folder: Path, picture: Image | None) -> str | None:
    """SHA-256 of the decoded picture's RGB samples."""
    if picture is None or not picture.outputs:
        return None
    with PillowImage.open(folder / picture.outputs[0].path) as image:
        return hashlib.sha256(np.asarray(image.convert("RGB")).tobytes()).hexdigest()


def _check(name: str, expected: object, actual: object) -> Check:
    return Check(name, str(expected), str(actual), expected == actual)
