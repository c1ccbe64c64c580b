"""Output names come from names an adversary may have chosen; they must never leave the folder or break a tool."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.report.names import LONGEST_STEM, is_safe, safe_stem

ANY_TEXT = st.text(st.characters(codec=None), max_size=300) | st.binary(max_size=300).map(os.fsdecode)


@given(ANY_TEXT)
def test_whatever_comes_in_a_safe_name_comes_out(text: str) -> None:
    stem = safe_stem(text)

    assert is_safe(stem)
    assert is_safe(f"{stem}-12.decoded.png")
    assert Path(stem).name == stem
    assert 0 < len(stem.encode()) <= LONGEST_STEM
    assert safe_stem(stem) == stem


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("IMG_0001", "IMG_0001"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "unnamed"),
        ("", "unnamed"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a\nb\x1b[31m", "a_b_[31m"),
        ("cat\u202egpj.exe", "cat_gpj.exe"),
        ("caf\udce9", "caf_"),
        ("trailing. ", "trailing"),
        ("grüße 1", "grüße 1"),
        ("ä" * 200, "ä" * 90),
    ],
)
def test_known_names(text: str, stem: str) -> None:
    assert safe_stem(text) == stem


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b", "a\n", ".part", "-x", "x" * 256, "\udcff"])
def test_unsafe_names_are_known_as_such(name: str) -> None:
    assert not is_safe(name)
