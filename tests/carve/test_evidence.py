"""Protects the verdicts on windows of evidence, each rule at its border."""

import numpy as np
import pytest

from jpegrescue.carve.evidence import WINDOW, Kind, classify, could_be_entropy, ends_in_entropy, last_entropy_byte
from jpegrescue.jpeg.view import Memory
from tests.carve.samples import dull, filler
from tests.jpeg.samples import photo, scan_start

FILE = photo(1200, 900, 4, quality=90)
CODED = FILE[scan_start(FILE) : -2]
EOI = b"\xff\xd9"


def window(size=WINDOW, **parts):
    """A window of dull bytes that begins with `parts`: name → how many of them (of text, pairs)."""
    units = {"stuffed": b"\xff\x00", "strays": b"\xff\xe0", "restarts": b"\xff\xd3", "fill": b"\xff"}
    units |= {"text": b"ab", "zeros": b"\0", "constant": b"\x80"}
    head = b"".join(units[name] * count for name, count in parts.items())
    return head + dull(size - len(head))


def verdicts(data, *, zeros_decode=False, length=None):
    return classify(np.frombuffer(data, np.uint8), len(data) if length is None else length, zeros_decode=zeros_decode)[
        0
    ]


def test_windows_of_a_scan_are_entropy_and_of_filler_foreign():
    assert set(verdicts(CODED)) == {Kind.ENTROPY}
    for kind in ("random", "zero", "erased", "text"):
        assert set(verdicts(filler(kind, 50_000))) == {Kind.FOREIGN}
    assert set(verdicts(dull(50_000))) == {Kind.NEUTRAL}


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ({"stuffed": 1}, Kind.ENTROPY),
        ({"restarts": 1}, Kind.ENTROPY),
        ({"fill": 5}, Kind.NEUTRAL),
        ({"strays": 2}, Kind.NEUTRAL),
        ({"strays": 3}, Kind.FOREIGN),
        ({"strays": 3, "stuffed": 3}, Kind.NEUTRAL),
        ({"strays": 4, "stuffed": 3}, Kind.FOREIGN),
        ({"strays": 3, "stuffed": 5}, Kind.NEUTRAL),
        ({"strays": 3, "stuffed": 6}, Kind.ENTROPY),
        ({"stuffed": 1, "zeros": 2047}, Kind.ENTROPY),
        ({"stuffed": 1, "zeros": 2048}, Kind.NEUTRAL),
        ({"stuffed": 1, "text": 1944}, Kind.ENTROPY),
        ({"stuffed": 1, "text": 1946}, Kind.FOREIGN),
        ({"text": 1000, "zeros": 1880}, Kind.NEUTRAL),
        ({"text": 1000, "zeros": 1900}, Kind.FOREIGN),
        ({"stuffed": 1, "constant": 3680}, Kind.ENTROPY),
        ({"stuffed": 1, "constant": 3700}, Kind.FOREIGN),
    ],
    ids=str,
)
def test_the_borders_between_the_kinds(parts, kind):
    assert verdicts(window(**parts) + b"\x80", length=WINDOW).tolist() == [kind]


def test_zeros_are_no_sign_of_anything_foreign_where_they_decode():
    assert verdicts(bytes(WINDOW)).tolist() == [Kind.FOREIGN]
    assert verdicts(bytes(WINDOW), zeros_decode=True).tolist() == [Kind.NEUTRAL]
    assert verdicts(b"\x11" * WINDOW, zeros_decode=True).tolist() == [Kind.FOREIGN]


@pytest.mark.parametrize("size", [100, 1000, WINDOW - 1])
def test_a_short_window_is_judged_by_its_own_size(size):
    for parts, kind in (({"text": size // 2}, Kind.FOREIGN), ({"zeros": size // 2, "stuffed": 1}, Kind.NEUTRAL)):
        data = window() + window(size, **parts) + b"\x80"
        assert verdicts(data, length=WINDOW + size).tolist() == [Kind.NEUTRAL, kind]


def test_strays_are_counted_in_the_given_length_alone():
    data = np.frombuffer(window(strays=7) + window(strays=2) + window(strays=1000), np.uint8)
    assert np.sum(classify(data, 2 * WINDOW, zeros_decode=False)[1]) == 9


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (CODED[:4000], True),
        (window(2048, strays=2), True),
        (window(2048, strays=3), False),
        (window(2048, strays=9, stuffed=9), True),
        (window(2048, strays=10, stuffed=9), False),
        (window(2048, text=970), True),
        (window(2048, text=975), False),
        (window(2048, zeros=2047), True),
        (window(2048, zeros=2048), False),
    ],
    ids=["scan", "2_strays", "3_strays", "9_of_18", "10_of_19", "text", "more_text", "zeros", "all_zeros"],
)
def test_a_marker_may_end_what_can_be_a_scan(tail, expected):
    data = filler("random", 9000) + tail
    assert ends_in_entropy(Memory(data + EOI), 0, len(data), zeros_decode=False) is expected


def test_zeros_may_end_a_scan_in_which_they_decode():
    data = CODED[:5000] + bytes(3000) + EOI
    assert ends_in_entropy(Memory(data), 0, 8000, zeros_decode=True)
    assert not ends_in_entropy(Memory(data), 0, 8000, zeros_decode=False)


@pytest.mark.parametrize(("size", "expected"), [(0, True), (63, True), (64, False)])
def test_a_short_scan_may_look_like_text(size, expected):
    data = b"before the scan" * 99 + b"a" * size + EOI
    assert ends_in_entropy(Memory(data), len(data) - size - 2, len(data) - 2, zeros_decode=False) is expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (dull(16), True),
        (dull(15), False),
        (CODED[:100], True),
        (CODED[:9000], True),
        (bytes(range(130, 155)) * 4, True),
        (bytes(range(130, 154)) * 4 + b"\x82" * 4, False),
        (bytes(range(120, 248)) * 32, True),
        (bytes(range(120, 247)) * 32, False),
        (b"only text " * 9, False),
        (bytes(400), False),
    ],
    ids=["shortest", "shorter", "short_scan", "scan", "25", "24", "128", "127", "text", "zeros"],
)
def test_smooth_fragments_are_at_least_diverse(data, expected):
    assert could_be_entropy(Memory(b"\0" * 5 + data), 5, 5 + len(data)) is expected


BODY = dull(3000, seed=1)


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (b"", 0),
        (b"\xff" * 16, 0),
        (b"\xff" * 15, 15),
        (b"\x11" * 500, 0),
        (bytes(5), 0),
        (bytes(1), 1),
        (b"text" * 16, 0),
        (b"text" * 15 + b"tex", 63),
        (b"text" * 16 + bytes(9), 0),
        (b"ab" + b"\xff\xe0" + dull(500) + b"\xff\xc4" + dull(500) + b"\xff\x01" + dull(700), 2),
        (b"ab" + b"\xff\xe0" + dull(500) + b"\xff\xc4" + dull(700) + b"\xff\x01" + dull(700), None),
        (b"\xff\xe0" + dull(500) + b"\xff\xd4" + dull(300) + b"\xff\x00" + dull(300), None),
    ],
    ids=[
        "nothing",
        "constant",
        "short_constant",
        "long_constant",
        "zeros",
        "one_zero",
        "text",
        "short_text",
        "text_and_zeros",
        "dense_strays",
        "sparse_strays",
        "legal",
    ],
)
def test_what_follows_the_last_believable_byte_is_cut(tail, kept):
    data = b"before" + BODY + tail + b"behind"
    end = last_entropy_byte(Memory(data), 6, len(data) - 6)
    assert end - 6 - len(BODY) == (len(tail) if kept is None else kept)


def test_nothing_has_no_last_byte():
    assert last_entropy_byte(Memory(b"abc"), 2, 2) == 2
    assert last_entropy_byte(Memory(bytes(100)), 10, 90) == 10
