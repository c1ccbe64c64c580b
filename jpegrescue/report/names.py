"""Names of output files, made of names that came from anywhere, fit for any file system a case may be copied to."""

import re

LONGEST_STEM = 180
LONGEST_NAME = 255
"""Bytes of UTF-8: what common file systems take, and what leaves room for a number and a suffix below that."""

_UNFIT = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')


def safe_stem(text: str) -> str:
    """`text` without what file systems, shells or terminals take amiss, cut to `LONGEST_STEM` bytes; never empty.

    Separators, control and direction characters and bytes that are not UTF-8 (lone surrogates) become `_`; leading
    dots, hyphens and spaces and trailing dots and spaces are taken off.
    """
    cleaned = _UNFIT.sub("_", text).lstrip(".- ")
    cut = cleaned.encode()[:LONGEST_STEM].decode(errors="ignore").rstrip(". ")
    return cut or "unnamed"


def is_safe(name: str) -> bool:
    """Whether a file may be given this `name`: made of a safe stem, it is."""
    return bool(name) and name[0] not in ".- " and not _UNFIT.search(name) and len(name.encode()) <= LONGEST_NAME
