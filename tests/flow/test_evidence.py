from pathlib import Path

import pytest

from jpegrescue.errors import EvidenceError, UsageError
from jpegrescue.flow.evidence import open_evidence
from jpegrescue.flow.options import KeyOptions
from jpegrescue.model.evidence import ByteRange, Hashes
from jpegrescue.source.crypt.spec import DEFAULT_SPEC
from jpegrescue.source.keys import Key
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
