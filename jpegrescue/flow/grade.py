"""What a file's decode entitles its report to say (the vocabulary of grades and claims)."""

from jpegrescue.model.decode import Decode
from jpegrescue.model.jpeg import JpegStructure
from jpegrescue.model.problem import Problem
from jpegrescue.model.report import Claim, FileGrade

FRAGMENT_SHARE = 0.5
FRAGMENT_SKIPPED = 0.2
FRAGMENT_FAILURES = 0.005
FOREIGN_FAILURES = 0.008
FAILURES_ALWAYS = 2
PIXELS_MAX = 1 << 28
PIXELS_ALWAYS = 1 << 24
PIXELS_PER_BYTE = 4096

SEQUENTIAL = ("baseline", "extended")


def cannot_decode(structure: JpegStructure, size: int) -> Problem | None:
    """Why a file of `size` bytes is not handed to the decoder, or `None`.

    The picture's size is bounded by the file's: a header damaged to 65535×65535 must not cost gigabytes.
    """
    frame = structure.frame
    if frame is None:
        return Problem("no_frame", "error", "no frame header (SOFn) that the decoder knows: nothing can be decoded")
    pixels = frame.width * frame.height
    obstacles = (
        (
            frame.process not in SEQUENTIAL or frame.precision != 8,
            "unsupported_process",
            f"{frame.precision}-bit {frame.process.replace('_', ' ')} JPEG is not decoded by this version",
        ),
        (len(frame.components) > 4, "unsupported_components", f"{len(frame.components)} components: 4 are decoded"),
        (pixels == 0, "no_height", "the frame header gives no height, and no DNL segment follows"),
        (
            pixels > min(PIXELS_MAX, max(PIXELS_ALWAYS, PIXELS_PER_BYTE * size)),
            "dimensions_implausible",
            f"{frame.width}×{frame.height} pixels are out of proportion to a file of {size} bytes: not decoded",
        ),
        (not structure.scans, "no_scan", "no scan header (SOS): nothing can be decoded"),
    )
    return next((Problem(kind, "error", detail) for holds, kind, detail in obstacles if holds), None)


def looks_foreign(decode: Decode, *, mcus: int) -> bool:
    """Whether a decode of `mcus` MCUs fails as often as one of random bytes: it is not worth the time to align that."""
    return _fails_more_than(FOREIGN_FAILURES, decode, mcus)


def _fails_more_than(share: float, decode: Decode, mcus: int) -> bool:
    failures = sum(len(scan.resync_points) for scan in decode.scans)
    blocks: int = sum(plane.blocks.shape[0] * plane.blocks.shape[1] for plane in decode.planes)
    return failures > FAILURES_ALWAYS + share * blocks * (mcus - decode.lost_mcus) / mcus


def grade_aligned(grade: FileGrade, *, mcus: int, placed: int) -> FileGrade:
    """`grade` of a decoded picture of `mcus` MCUs, now that `placed` of them have a place that is sure.

    What looked like foreign data is a photo after all if most of it fits together; less than half stays a fragment.
    """
    return "partly_restored" if grade == "fragment" and placed >= FRAGMENT_SHARE * mcus else grade


def grade_decoded(decode: Decode, *, mcus: int, scan_bits: int, complete: bool) -> tuple[FileGrade, Claim]:
    """Grade and claim of a decoded picture of `mcus` MCUs from `scan_bits` bits of entropy-coded data.

    `complete`: the structure around it is whole, too. Less than half of the picture, or a decode that stumbles like one
    of foreign data, is a fragment: what precedes may be right, but nothing shows where it ends. Random bytes fail 0.009
    to 0.02 times per block and, where there are more than the picture needs, most of them are skipped; a photo at a bit
    error rate of 1e-4 fails 0.002 to 0.003 times per block.
    """
    points = [point for scan in decode.scans for point in scan.resync_points]
    decoded = mcus - decode.lost_mcus
    if decoded == 0:
        return "undecodable", "none"
    if (
        decoded < FRAGMENT_SHARE * mcus
        or sum(point.skipped_bits for point in points) > FRAGMENT_SKIPPED * scan_bits
        or _fails_more_than(FRAGMENT_FAILURES, decode, mcus)
    ):
        return "fragment", "none"
    if decode.damaged or not complete:
        return "partly_restored", "none"
    return "no_damage_found", "consistent"
