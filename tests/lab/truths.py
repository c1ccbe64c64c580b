"""Small data sets with damage at places that a test chooses."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from jpegrescue.flow.options import KeyOptions, RestoreOptions, RunOptions
from jpegrescue.flow.restore import restore
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.report import OutputFile, Report
from jpegrescue.model.truth import Making, Recipe, TrueImage, Truth
from jpegrescue.report.json import from_json, to_json
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key

CBC = "aes-cbc-essiv:sha256"
XTS = "aes-xts-plain64"
KEYS = {CBC: Key(bytes(range(16))), XTS: Key(bytes(range(32)))}


def flipped(data: bytes, bits: Iterable[int]) -> bytes:
    """`data` with these bits the other way round."""
    out = bytearray(data)
    for bit in bits:
        out[bit // 8] ^= 0x80 >> bit % 8
    return bytes(out)


def scan_of(data: bytes) -> ByteRange:
    """The first scan's data to behind EOI."""
    structure = parse(data)
    assert structure.eoi is not None
    return ByteRange(structure.scans[0].start, structure.eoi + 2)


def changes(original: bytes, damaged: bytes) -> tuple[ByteRange, ...]:
    """Bytes that differ, each a range of its own, and the missing end."""
    ranges = [ByteRange(n, n + 1) for n, (a, b) in enumerate(zip(original, damaged, strict=False)) if a != b]
    if len(damaged) < len(original):
        ranges.append(ByteRange(len(damaged), len(original)))
    return tuple(ranges)


def cipher_of(name: str) -> SectorCipher:
    return SectorCipher(SPECS[name], KEYS[name])


def key_options(name: str | None) -> KeyOptions:
    return KeyOptions(spec=SPECS[name or CBC], key=None if name is None else KEYS[name])


def decrypted(name: str, evidence: bytes, size: int) -> bytes:
    """What `evidence` holds, up to `size` bytes."""
    out = np.empty(len(evidence), np.uint8)
    cipher_of(name).decrypt_into(np.frombuffer(evidence, np.uint8), 0, out)
    return out.tobytes()[:size]


def true_image(
    folder: Path,
    name: str,
    original: bytes,
    *,
    cipher: str | None = None,
    bits: Sequence[int] = (),
    overwritten: Sequence[ByteRange] = (),
    size: int | None = None,
) -> TrueImage:
    """Write a file's part of a set to `folder`: `bits` flipped, `overwritten` zeroed, the evidence cut to `size`."""
    sound = original if cipher is None else cipher_of(cipher).encrypt(original + bytes(-len(original) % 512), 0)
    hit = bytearray(flipped(sound, bits))
    for part in overwritten:
        hit[part.start : part.end] = bytes(part.length)
    evidence = bytes(hit[:size])
    damaged = evidence if cipher is None else decrypted(cipher, evidence, len(original))
    outputs = [_written(folder, f"{name}.original.jpg", "original", original)]
    if cipher is not None:
        outputs.append(_written(folder, f"{name}.enc", "evidence", evidence))
    outputs.append(_written(folder, f"{name}.damaged.jpg", "damaged", damaged))
    digest = hashlib.sha256(original).hexdigest()
    return TrueImage(
        name=name,
        source=f"{name}.jpg",
        source_sha256=digest,
        making=Making(None, None, None, None, "keep"),
        size=len(original),
        sha256=digest,
        scan=scan_of(original),
        recipe=recipe(cipher),
        flipped_bits=tuple(sorted(bits)),
        overwritten=tuple(overwritten),
        foreign=(),
        changed=changes(original, damaged),
        outputs=tuple(outputs),
    )


def recipe(cipher: str | None) -> Recipe:
    return Recipe("flips", 1e-5, "scan", 0, 1, cipher, 512, 0, 512)


def _written(folder: Path, path: str, kind: str, data: bytes) -> OutputFile:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)
    return output(path, kind, data)


def output(path: str, kind: str, data: bytes) -> OutputFile:
    return OutputFile(path, kind, len(data), hashlib.sha256(data).hexdigest())


def write_truth(folder: Path, *images: TrueImage) -> Truth:
    truth = Truth("0.0", "done", recipe(None), None, images, ())
    (folder / "truth.json").write_bytes(to_json(truth))
    return truth


def restored(folder: Path, files: Sequence[Path], cipher: str | None = None, *, align: bool = False) -> Report:
    """The report of a real run of `restore` into `folder`."""
    run = RunOptions(argv=("jpegrescue", "restore"), command="restore", output=folder, jobs=1)
    report = restore(
        RestoreOptions(files=tuple(files), run=run, key=key_options(cipher), repair=None, align=align)
    ).report
    assert from_json((folder / "report.json").read_bytes()) == report
    return report
