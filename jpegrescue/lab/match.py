"""Which image of a run is which file of the truth: by the SHA-256 of what the run read, never by name alone."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jpegrescue.lab.listed import listed, read_listed
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Image, Report
from jpegrescue.model.truth import TrueImage, Truth


@dataclass(frozen=True, slots=True)
class Match:
    """A file of the truth, what the run has of it (`None`: nothing), and what is odd about that."""

    truth: TrueImage
    image: Image | None
    problems: tuple[Problem, ...] = ()


def match(report: Report, truth: Truth, folder: Path) -> tuple[tuple[Match, ...], tuple[Problem, ...]]:
    """One `Match` per file of `truth`, in its order, and the problems of images that belong to none.

    `folder`: where the files of `truth` lie. They are read only for carved files that are none of them as a whole: such
    a file may be a damaged one without the bytes that follow its EOI.
    """
    owned: list[list[Image]] = [[] for _ in truth.images]
    strangers: list[Image] = []
    by_hash: dict[str, list[int]] = {}
    for position, true in enumerate(truth.images):
        for digest in sorted(_digests_of_file(true)):
            by_hash.setdefault(digest, []).append(position)
    _add_prefixes(by_hash, report, truth, folder)
    for image in report.images:
        candidates = next((by_hash[digest] for digest in _digests_read(image) if digest in by_hash), None)
        if candidates is None:
            strangers.append(image)
        else:
            owned[_best(candidates, image, truth, owned)].append(image)
    matches = tuple(_match(true, images, strangers) for true, images in zip(truth.images, owned, strict=True))
    told = {id(other) for one in matches if one.image is None for other in strangers if _same_name(one.truth, other)}
    return matches, tuple(_no_truth(image, truth) for image in strangers if id(image) not in told)


def _add_prefixes(by_hash: dict[str, list[int]], report: Report, truth: Truth, folder: Path) -> None:
    """Add the starts of damaged files that are as long as a carved file which `by_hash` does not know."""
    carved = [image for image in report.images if image.evidence is None]
    unknown = {digest: image.size for image in carved for digest in _digests_read(image) if digest not in by_hash}
    sizes = sorted(set(unknown.values()))
    if not sizes:
        return
    for position, true in enumerate(truth.images):
        for digest in _digests_of_starts(true, sizes, folder):
            if digest in unknown:
                by_hash.setdefault(digest, []).append(position)


def _digests_of_starts(true: TrueImage, sizes: Sequence[int], folder: Path) -> Iterator[str]:
    """SHA-256 of the first bytes of the damaged file, for each of the ascending `sizes` that holds the whole scan."""
    output = listed(true, "damaged")
    if output is None:
        return
    fitting = sizes[bisect_left(sizes, true.scan.end) : bisect_left(sizes, output.size)]
    data = read_listed(folder, output, "truth") if fitting else None
    if data is None or isinstance(data, Problem):  # told when the file is judged, or is without an image
        return
    hasher, done = hashlib.sha256(), 0
    for size in fitting:
        hasher.update(data[max(done, 0) : max(size, 0)].data)
        done = size
        yield hasher.hexdigest()


def _digests_of_file(true: TrueImage) -> set[str]:
    return {true.sha256} | {output.sha256 for output in true.outputs if output.kind in ("evidence", "damaged")}


def _digests_read(image: Image) -> Iterator[str]:
    """SHA-256 of the file that `restore` read, or of the bytes that `carve` took out of what it read."""
    if image.evidence is not None and image.evidence.hashes.sha256 is not None:
        yield image.evidence.hashes.sha256
        return
    if image.hashes.sha256 is not None:
        yield image.hashes.sha256
    yield from (output.sha256 for output in image.outputs if output.kind == "carved")


def _best(candidates: list[int], image: Image, truth: Truth, owned: list[list[Image]]) -> int:
    """Of files with the same bytes, the one with the image's name, else one that has no image yet."""
    return min(candidates, key=lambda n: (not _same_name(truth.images[n], image), bool(owned[n])))


def _match(true: TrueImage, images: list[Image], strangers: list[Image]) -> Match:
    if not images:
        namesake = next((image for image in strangers if _same_name(true, image)), None)
        if namesake is None:
            return Match(true, None, (Problem("no_image", "error", "the run has nothing of this file"),))
        return Match(true, None, (_other_truth(namesake),))
    usable = [image for image in images if not (true.changed and true.sha256 in _digests_read(image))]
    if not usable:
        detail = f"the run read the original ({images[0].name}), not what became of it: that it is right proves nothing"
        return Match(true, None, (Problem("original_read", "error", detail),))
    first = usable[0]
    others = [image for image in images if image is not first]
    problems = []
    if others:
        names = ", ".join(image.name for image in others)
        detail = f"the run has this file more than once: {first.name} is judged, {names} not"
        problems.append(Problem("second_image", "warning", detail))
    return Match(true, first, tuple(problems))


def _no_truth(image: Image, truth: Truth) -> Problem:
    if any(_same_name(true, image) for true in truth.images):
        return _other_truth(image)
    return Problem("no_truth", "error", f"the truth knows nothing of {image.name}, an image of the run")


def _other_truth(image: Image) -> Problem:
    detail = f"{image.name} of the run has this file's name but was made of other bytes: it is of another data set"
    return Problem("other_truth", "error", detail)


def _same_name(true: TrueImage, image: Image) -> bool:
    return image.name in {true.name, *(Path(output.path).stem for output in true.outputs)}
