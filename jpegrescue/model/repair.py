"""What repair found out."""

from dataclasses import dataclass
from typing import Literal

from jpegrescue.model.evidence import ByteRange

Verification = Literal["verified", "parsed", "unverifiable", "doubtful"]


@dataclass(frozen=True, slots=True)
class Repair:
    """One bit of the evidence that was flipped back.

    `evidence_byte`, `evidence_bit`: where it lies on the medium, its byte and its bit counted from the medium's first,
    0 = most significant of byte 0; `cipher_block`: evidence offset of its cipher block's first byte, `None` where the
    file is not encrypted; `start`, `end`: bytes of the file that it changed; `gain`: log-odds in nats, what a flip
    costs by itself taken off, that the file with it is the photo rather than without; `margin`: nats over the next best
    explanation of the same cipher block; `mcus`: that decode otherwise now, 0 for bits of a header. Bits that
    were found together share these three.
    """

    evidence_byte: int
    evidence_bit: int
    cipher_block: int | None
    start: int
    end: int
    gain: float
    margin: float
    mcus: int


@dataclass(frozen=True, slots=True)
class VerifiedRange:
    """Bytes of the repaired file, and what is known of them.

    `verified`: entropy-coded data of which every stretch looks like this photo's; `parsed`: header segments that parse
    and without which the scan would not decode; `unverifiable`: bytes that nothing depends on; `doubtful`:
    entropy-coded data in which an error may be left; all of a scan unless the claim is `exact_scan`.
    """

    range: ByteRange
    verification: Verification
