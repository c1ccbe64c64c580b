import hashlib

import numpy as np
import pytest

from jpegrescue.errors import UsageError
from jpegrescue.model.evidence import Hashes
from jpegrescue.source.hashing import Hasher, parse_hash_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sha256", ("sha256",)),
        ("none", ()),
        (" NONE ", ()),
        ("md5,sha256", ("sha256", "md5")),
        ("sha1, md5 ,SHA256,md5", ("sha256", "md5", "sha1")),
    ],
)
def test_names_are_parsed_into_a_fixed_order(text: str, names: tuple[str, ...]) -> None:
    assert parse_hash_names(text) == names


@pytest.mark.parametrize("text", ["", "sha512", "sha256,,md5", "none,md5", "sha-256"])
def test_other_names_are_refused_and_the_known_ones_listed(text: str) -> None:
    with pytest.raises(UsageError, match="sha256, md5, sha1") as caught:
        parse_hash_names(text)
    assert caught.value.option == "--hash"


def test_digests_cover_all_buffers_in_order() -> None:
    data = bytes(range(256)) * 5
    hasher = Hasher(("sha256", "md5", "sha1"))
    hasher.update(np.frombuffer(data[:700], np.uint8))
    hasher.update(data[700:701])
    hasher.update(memoryview(data)[701:])
    expected = Hashes(*(hashlib.new(name, data).hexdigest() for name in ("sha256", "md5", "sha1")))
    assert hasher.result() == expected


def test_what_was_not_asked_for_is_none() -> None:
    assert Hasher(()).result() == Hashes()
    assert Hasher(("md5",)).result() == Hashes(md5=hashlib.md5(b"", usedforsecurity=False).hexdigest())
