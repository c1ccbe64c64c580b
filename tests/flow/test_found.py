"""What is found is shown without its ciphertext."""

import numpy as np

from jpegrescue.flow.found import FoundFile, Wanted
from jpegrescue.model.evidence import ByteRange
from jpegrescue.source.crypt.flips import Stored
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import DEFAULT_SPEC
from tests.flow.conftest import KEY


def test_neither_ciphertext_nor_key_is_shown() -> None:
    raw = np.random.default_rng(1).bytes(512)
    stored = Stored(SectorCipher(DEFAULT_SPEC, KEY), raw, 0, 0, 512, 0)
    found = FoundFile("a", b"x", (ByteRange(0, 1),), "eoi", stored=stored)

    assert "Stored" not in repr(found)
    assert KEY.reveal().hex() not in repr(found)


def test_nothing_is_searched_for_flips_unless_it_is_wanted() -> None:
    wanted = Wanted(carved=False, picture="always", hashes=())

    assert (wanted.repair, wanted.jobs, wanted.align) == (None, 1, False)
