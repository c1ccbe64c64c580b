import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.evidence import OpenEvidence, open_evidence
from jpegrescue.flow.options import KeyOptions
from jpegrescue.model.evidence import ByteRange, Hashes
from jpegrescue.source.crypt.spec import DEFAULT_SPEC, parse_spec
from jpegrescue.source.keys import Key
from jpegrescue.source.raw import RawSource
from tests.flow.conftest import KEY, KEYED, PLAIN


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    path = tmp_path / "medium"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def test_without_a_key_the_medium_is_searched_itself(medium: Path) -> None:
    evidence = open_evidence(medium, PLAIN, 100, 50)
    assert evidence.clear is evidence.raw
    assert evidence.extent == ByteRange(100, 150)
    account = evidence.describe(Hashes(), None)
    assert (account.path, account.size, account.gaps) == (str(medium), 10240, ())
    evidence.close()


def test_the_encrypted_range_starts_with_the_search_unless_told(medium: Path) -> None:
    for crypt_start, expected in ((None, 512), (0, 0)):
        key = KeyOptions(spec=DEFAULT_SPEC, key=KEY, crypt_start=crypt_start)
        evidence = open_evidence(medium, key, 512, None)
        assert evidence.clear.layers[-1].start == expected
        evidence.close()


def test_a_length_past_the_end_is_clipped(medium: Path) -> None:
    evidence = open_evidence(medium, KEYED, 0, 1 << 40)
    assert evidence.extent == ByteRange(0, 10240)
    evidence.close()


@pytest.mark.parametrize("crypt_start", [10240, 1 << 50])
def test_an_encrypted_range_outside_is_refused(medium: Path, crypt_start: int) -> None:
    with pytest.raises(UsageError, match="--crypt-start"):
        open_evidence(medium, KeyOptions(spec=DEFAULT_SPEC, key=KEY, crypt_start=crypt_start), 0, None)


def test_a_key_that_does_not_fit_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        open_evidence(tmp_path / "missing", KeyOptions(spec=DEFAULT_SPEC, key=Key(bytes(5))), 0, None)


def test_empty_evidence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(EvidenceError, match="0 bytes"):
        open_evidence(tmp_path / "empty", PLAIN, 0, None)


@pytest.mark.parametrize(("spec", "garbled"), [("aes-cbc-essiv:sha256", 32), ("aes-xts-plain64", 16)])
def test_what_is_unreadable_takes_its_cipher_blocks_along(medium: Path, spec: str, garbled: int) -> None:
    key = KeyOptions(spec=parse_spec(spec), key=Key(bytes(range(32))), crypt_start=512)
    evidence = open_evidence(medium, key, 0, None)
    unknown, problems = evidence.unknown_bytes((ByteRange(7, 8), ByteRange(1025, 1026)), (ByteRange(0, 5000),))
    assert unknown == (ByteRange(7, 8), ByteRange(1024, 1024 + garbled))
    assert [(p.kind, p.offset) for p in problems] == [("bad_range", 7)]
    evidence.close()


def test_gaps_are_unknown_bytes_too(medium: Path) -> None:
    def failing(descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        if offset < 1024 and offset + sum(len(buffer) for buffer in buffers) > 512:
            raise OSError(errno.EIO, "bad")
        return os.preadv(descriptor, buffers, offset)

    raw = RawSource(medium, preadv=failing)
    raw.read(0, 4096)
    evidence = OpenEvidence(medium, raw, raw, None, None, ByteRange(0, raw.size), ())
    assert evidence.unknown_bytes((ByteRange(1000, 1100),), (ByteRange(600, 3000),))[0] == (ByteRange(0, 500),)
    unknown, problems = evidence.unknown_bytes((), (ByteRange(0, 3000),))
    assert (unknown, problems) == ((ByteRange(512, 1024),), ())
    evidence.close()
