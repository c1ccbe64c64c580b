"""What in a truth or a report cannot be: whoever edits one must not get a score for it."""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from jpegrescue.jpeg.parse import parse
from jpegrescue.lab.listed import Bytes, listed
from jpegrescue.lab.original import scan_of
from jpegrescue.lab.tally import reachable
from jpegrescue.model.evidence import ByteRange
from jpegrescue.model.report import Image
from jpegrescue.model.truth import TrueImage
from jpegrescue.source.crypt.sector import SECTOR_SIZES
from jpegrescue.source.crypt.spec import SPECS


def flaw_of_truth(truth: TrueImage, original: Bytes, damaged: Bytes) -> str | None:
    """What `truth` says that does not fit its own files, `None` where everything does.

    Every difference must lie where the errors that are listed can have made it, and nothing may be listed twice or
    outside the evidence. Takes time proportional to the file and to the list.
    """
    return next(chain(_flaws_of_file(truth, original, damaged), _flaws_of_damage(truth, original, damaged)), None)


def _flaws_of_file(truth: TrueImage, original: Bytes, damaged: Bytes) -> Iterator[str]:
    recipe = truth.recipe
    if not any(o.kind == "original" and o.sha256 == truth.sha256 for o in truth.outputs):
        yield "the SHA-256 of the original"
    if original.size != truth.size or damaged.size > original.size:
        yield "the size of the original"
    if recipe.cipher is not None and recipe.cipher not in SPECS:
        yield f"the cipher {recipe.cipher}"
    if (recipe.cipher is None) != (listed(truth, "evidence") is None):
        yield "that there is a ciphertext" if recipe.cipher is None else "that there is no ciphertext"
    if recipe.cipher is not None and recipe.sector_size not in SECTOR_SIZES:
        yield f"sectors of {recipe.sector_size} bytes"
    if truth.scan != scan_of(parse(original)):
        yield "the range of the scan"


def _flaws_of_damage(truth: TrueImage, original: Bytes, damaged: Bytes) -> Iterator[str]:
    """Each check relies on those before it, and all on `_flaws_of_file` having found nothing."""
    size = _evidence_size(truth, damaged.size)
    if not _ascending(((bit, bit + 1) for bit in truth.flipped_bits), 8 * size):
        yield "the flipped bits"
    if not _ascending(((part.start, part.end) for part in truth.overwritten), size):
        yield "the overwritten ranges"
    altered = np.ones(original.size, np.bool_)
    altered[: damaged.size] = original[: damaged.size] != damaged
    if not _ascending(((part.start, part.end) for part in truth.changed), original.size):
        yield "the order of the bytes that changed"
    if not np.array_equal(_mask(truth.changed, original.size), altered):
        yield "the bytes that changed"
    if (altered & ~reachable(truth, damaged.size)).any():
        yield "bytes changed that none of the errors can have changed"


def _evidence_size(truth: TrueImage, damaged_size: int) -> int:
    """Bytes of the evidence, in which a file that kept its end is padded to whole sectors."""
    if truth.recipe.cipher is None or damaged_size < truth.size:
        return damaged_size
    return -(-truth.size // truth.recipe.sector_size) * truth.recipe.sector_size


def _ascending(ranges: Iterable[tuple[int, int]], size: int) -> bool:
    """Whether ranges `[start, end)` are not empty, do not overlap, ascend and lie in `[0, size)`."""
    behind = 0
    for start, end in ranges:
        if not behind <= start < end <= size:
            return False
        behind = end
    return True


def _mask(ranges: Iterable[ByteRange], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, np.bool_)
    for part in ranges:
        mask[part.start : part.end] = True
    return mask


def flaw_of_image(image: Image) -> str | None:
    """What a report says about the bytes of `image` that no run writes, `None` where there is nothing of the kind.

    A run writes what it carved or decrypted, and its SHA-256 is the one in `hashes`; plain input of `restore` is kept
    as it was read.
    """
    digest, carved = image.hashes.sha256, listed(image, "carved")
    if digest is None:
        return None
    if carved is not None and carved.sha256 != digest:
        return f"{image.name} has another SHA-256 than the file that was carved"
    if image.evidence is None or any(layer.kind == "decrypt" for layer in image.evidence.layers):
        return None if carved is not None else f"{image.name} has a SHA-256, and no file that was carved"
    if image.evidence.hashes.sha256 != digest:
        return f"{image.name} has another SHA-256 than the file that was read"
    return None
