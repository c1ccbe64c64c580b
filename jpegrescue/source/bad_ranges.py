"""Maps of what could not be read from a medium, and what that makes unknown in a file that lies on it."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from jpegrescue.errors import UsageError
from jpegrescue.model.evidence import ByteRange
from jpegrescue.source.crypt.sector import BLOCK

_OPTION = "--bad-ranges"
_MAX_LINES = 2_000_000
_LONGEST_LINE = 4096  # bytes; a comment holds a command line
_LARGEST = 1 << 63
_COMMENT = re.compile(r"(^|\s)#.*")
_PLAIN = re.compile(r"[0-9]{1,19}|0[xX][0-9a-fA-F]{1,16}")
_CONSTANT = re.compile(r"0[xX][0-9a-fA-F]{1,16}|0[0-7]{0,22}|[1-9][0-9]{0,18}")
_RUN_STATUS = frozenset("?*/-FG+")
_BLOCK_STATUS = frozenset("?*/-+")
_RESCUED = "+"


@dataclass(frozen=True, slots=True)
class CipherRange:
    """Where the evidence is encrypted: bytes `[start, end)`, in sectors of `sector_size` bytes from `start` on.

    `chained`: CBC, where a cipher block also goes into the plaintext of the next one of its sector.
    """

    start: int
    end: int
    sector_size: int
    chained: bool


def load_bad_ranges(path: Path) -> tuple[ByteRange, ...]:
    """Unreadable bytes of the evidence by the map in the file `path`, sorted and merged; see `parse_bad_ranges`.

    Raises:
        UsageError: it cannot be read, or is no such map; the message gives the line.
    """
    try:
        with path.open("rb") as file:
            return parse_bad_ranges(str(path), iter(lambda: file.readline(_LONGEST_LINE + 1), b""))
    except OSError as error:
        raise UsageError(f"the map {path} cannot be read: {error.strerror}", option=_OPTION) from None


def parse_bad_ranges(name: str, lines: Iterable[bytes]) -> tuple[ByteRange, ...]:
    """Unreadable bytes by a map called `name`, sorted and merged.

    A map is a GNU ddrescue mapfile (manual, "Mapfile structure"): a status line, then position, size and status of
    contiguous blocks, of which all but those with `+` are unreadable; numbers as in C++. Or it is a list: on each line
    the first byte of an unreadable range and the byte behind its last, decimal or hexadecimal after 0x. In both, `#`
    at the start of a line or behind a blank begins a comment. What a map does not mention counts as readable.

    Raises:
        UsageError: neither of the two, or more than 2,000,000 lines; the message gives the line.
    """
    fields = _fields(name, lines)
    first = next(fields, None)
    if first is None:
        return ()
    number, words = first
    listed = len(words) == 2 and words[1] not in _RUN_STATUS
    if listed:
        return _merged(sorted(_list(name, chain([first], fields)), key=_start))
    if not _is_status_line(words):
        raise _error(name, number, "neither the status line of a ddrescue map nor a range, START END")
    return _merged(_blocks(name, fields))


def bad_in_file(
    bad: tuple[ByteRange, ...], runs: tuple[ByteRange, ...], cipher: CipherRange | None = None
) -> tuple[ByteRange, ...]:
    """Bytes of a file that unreadable bytes of the evidence make unknown, half-open, in the file, sorted and merged.

    Args:
        bad: unreadable bytes of the evidence, sorted and merged.
        runs: the file's byte ranges in the evidence, in file order.
        cipher: how the evidence is encrypted. An unreadable byte there takes its whole cipher block with it and, where
            blocks are chained, the next block of the sector.
    """
    found: list[ByteRange] = []
    at = 0
    for run in runs:
        # what garbles the run lies two cipher blocks before it at most
        low = bisect_right(bad, run.start - 2 * BLOCK, key=_end)
        high = bisect_left(bad, run.end + BLOCK, key=_start)
        for item in bad[low:high]:
            for part in _garbled(item, cipher):
                start, end = max(part.start, run.start), min(part.end, run.end)
                if start < end:
                    found.append(ByteRange(at + start - run.start, at + end - run.start))
        at += run.length
    return _merged(sorted(found, key=_start))


def merge_ranges(*ranges: ByteRange) -> tuple[ByteRange, ...]:
    """The same bytes, sorted, without overlaps or ranges that touch."""
    return _merged(sorted(ranges, key=_start))


def _garbled(item: ByteRange, cipher: CipherRange | None) -> Iterator[ByteRange]:
    """What of the plaintext an unreadable range takes along; a rest of less than a block at the end is plain."""
    yield item
    if cipher is None:
        return
    blocks_end = cipher.end - (cipher.end - cipher.start) % BLOCK
    start, end = max(item.start, cipher.start) - cipher.start, min(item.end, blocks_end) - cipher.start
    if start >= end:
        return
    start -= start % BLOCK
    end += -end % BLOCK
    if cipher.chained and end % cipher.sector_size:
        end += BLOCK
    yield ByteRange(cipher.start + start, min(cipher.start + end, blocks_end))


def _fields(name: str, lines: Iterable[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line that is more than a comment."""
    for number, line in enumerate(lines, start=1):
        if number > _MAX_LINES:
            raise _error(name, number, f"more than {_MAX_LINES} lines")
        if len(line) > _LONGEST_LINE:
            raise _error(name, number, f"longer than {_LONGEST_LINE} bytes")
        words = _COMMENT.sub("", line.decode("utf-8", "replace")).split()
        if words:
            yield number, words


def _is_status_line(words: list[str]) -> bool:
    """Position, status of the run and, from ddrescue 1.22 on, the number of the pass."""
    if len(words) not in (2, 3) or not _CONSTANT.fullmatch(words[0]) or words[1] not in _RUN_STATUS:
        return False
    return len(words) == 2 or _CONSTANT.fullmatch(words[2]) is not None


def _list(name: str, fields: Iterable[tuple[int, list[str]]]) -> Iterator[ByteRange]:
    for number, words in fields:
        if len(words) != 2 or not all(_PLAIN.fullmatch(word) for word in words):
            raise _error(name, number, "not a range: it takes START and END, decimal or hexadecimal after 0x")
        start, end = (int(word, 0 if word[:2].lower() == "0x" else 10) for word in words)
        if not start <= end < _LARGEST:
            raise _error(name, number, "a range that ends before it begins, or beyond 2^63")
        yield ByteRange(start, end)


def _blocks(name: str, fields: Iterable[tuple[int, list[str]]]) -> Iterator[ByteRange]:
    behind: int | None = None
    for number, words in fields:
        if len(words) != 3 or words[2] not in _BLOCK_STATUS or not all(_CONSTANT.fullmatch(w) for w in words[:2]):
            raise _error(name, number, "not a block of a ddrescue map: it takes position, size and one of ? * / - +")
        start, size = (_constant(word) for word in words[:2])
        if behind not in (None, start):
            raise _error(name, number, f"the block begins at {start}, but the one before ends at {behind}")
        behind = start + size
        if behind >= _LARGEST:
            raise _error(name, number, "a block beyond 2^63")
        if words[2] != _RESCUED:
            yield ByteRange(start, behind)


def _constant(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text, 16)
    return int(text, 8 if text[0] == "0" else 10)


def _merged(ranges: Iterable[ByteRange]) -> tuple[ByteRange, ...]:
    merged: list[ByteRange] = []
    for item in ranges:
        if item.length and merged and item.start <= merged[-1].end:
            merged[-1] = ByteRange(merged[-1].start, max(merged[-1].end, item.end))
        elif item.length:
            merged.append(item)
    return tuple(merged)


def _error(name: str, number: int, what: str) -> UsageError:
    return UsageError(f"line {number} of the map {name}: {what}", option=_OPTION)


def _start(item: ByteRange) -> int:
    return item.start


def _end(item: ByteRange) -> int:
    return item.end
