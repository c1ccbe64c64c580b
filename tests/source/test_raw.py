"""Reading a medium that may fail anywhere, on a disk with known bad blocks behind a fake `preadv`."""

import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jpegrescue.errors import EvidenceError
from jpegrescue.model.evidence import Gap, Layer
from jpegrescue.source.raw import RawSource

IO_ERROR = os.strerror(errno.EIO)
CONTENT = np.random.default_rng(3).integers(1, 256, 300_000, np.uint8).tobytes()  # without zeros: a gap shows


class BadDisk:
    """`os.preadv` over a file whose blocks in `bad` fail; `prefix`: what precedes them is handed out, as by Linux."""

    def __init__(self, bad: Callable[[int], bool], *, prefix: bool = True, most: int = 1 << 30) -> None:
        self.bad, self.prefix, self.most = bad, prefix, most
        self.failures = 0
        self.calls = 0

    def __call__(self, descriptor: int, views: Sequence[memoryview], offset: int) -> int:
        self.calls += 1
        length = min(len(views[0]), self.most)
        blocks = range(offset // 512, (offset + length - 1) // 512 + 1)
        first_bad = next((block for block in blocks if self.bad(block)), None)
        if first_bad is not None:
            length = first_bad * 512 - offset if self.prefix else 0
            if length <= 0:
                self.failures += 1
                raise OSError(errno.EIO, IO_ERROR)
        return os.preadv(descriptor, [views[0][:length]], offset)


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "medium.bin"
    path.write_bytes(CONTENT)
    return path


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_healthy_file_reads_as_it_is(medium: Path) -> None:
    with RawSource(medium) as source:
        assert source.size == len(CONTENT)
        assert source.layers == (Layer("raw", 0, len(CONTENT), {"medium": "file"}),)
        assert source.read(0, 10**9) == CONTENT
        assert source.read(12_345, 678) == CONTENT[12_345:13_023]
        assert source.read(len(CONTENT) - 5, 100) == CONTENT[-5:]
        assert source.read(len(CONTENT), 1) == source.read(10**15, 1) == source.read(0, 0) == b""
        buffer = np.zeros(100, np.uint8)
        assert source.read_into(len(CONTENT) - 30, buffer) == 30
        assert buffer.tobytes() == CONTENT[-30:] + bytes(70)
        assert source.gaps == ()


def test_empty_file_is_a_source_of_nothing(tmp_path: Path) -> None:
    with RawSource(sparse(tmp_path / "empty", 0)) as source:
        assert (source.size, source.read(0, 10), source.gaps) == (0, b"", ())


def test_medium_larger_than_memory_is_read_at_its_end(tmp_path: Path) -> None:
    path = sparse(tmp_path / "large", 5 << 40)
    with path.open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"end")
    with RawSource(path) as source:
        assert source.size == 5 << 40
        assert source.read((5 << 40) - 4, 10) == b"\0end"


def test_what_cannot_be_evidence_is_refused_with_a_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    cases = {
        tmp_path / "missing": "does not exist",
        tmp_path: "is a directory",
        tmp_path / "pipe": "neither a file nor a block device",
        Path("/dev/zero"): "neither a file nor a block device",
    }
    for path, sentence in cases.items():
        with pytest.raises(EvidenceError, match=sentence) as caught:
            RawSource(path)
        assert caught.value.path == path
        assert str(path) in str(caught.value)


def test_evidence_is_opened_for_reading_only_and_without_touching_its_access_time(
    medium: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags: list[int] = []
    really_open = os.open

    def not_the_owner(path: Path, how: int) -> int:
        flags.append(how)
        if how & os.O_NOATIME:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return really_open(path, how)

    monkeypatch.setattr(os, "open", not_the_owner)
    with RawSource(medium) as source:
        assert source.read(0, 9) == CONTENT[:9]
    assert flags == [os.O_RDONLY | os.O_NOATIME, os.O_RDONLY]

    def forbidden(path: Path, how: int) -> int:  # noqa: ARG001
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", forbidden)
    with pytest.raises(EvidenceError, match="cannot be read: Permission denied"):
        RawSource(medium)


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("block", [0, 1, 100, len(CONTENT) // 512])
def test_one_bad_block_costs_only_itself(medium: Path, block: int, prefix: bool) -> None:
    disk = BadDisk({block}.__contains__, prefix=prefix)
    with RawSource(medium, preadv=disk) as source:
        start, end = block * 512, min(block * 512 + 512, len(CONTENT))
        assert source.read(0, len(CONTENT)) == CONTENT[:start] + bytes(end - start) + CONTENT[end:]
        assert source.gaps == (Gap(start, end, IO_ERROR),)
        assert disk.failures <= 12
        failures = disk.failures
        assert source.read(start, 512) == bytes(end - start)
        assert disk.failures == failures, "a gap is not read again"


runs = st.lists(st.tuples(st.integers(0, 585), st.integers(1, 60)), max_size=5)
requests = st.lists(st.tuples(st.integers(0, len(CONTENT)), st.integers(0, 200_000)), min_size=1, max_size=6)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=runs, requests=requests, prefix=st.booleans(), most=st.sampled_from((700, 65536)))
def test_every_byte_is_either_true_or_a_reported_zero(
    medium: Path, runs: list[tuple[int, int]], requests: list[tuple[int, int]], prefix: bool, most: int
) -> None:
    bad = {block for first, length in runs for block in range(first, first + length)}
    with RawSource(medium, preadv=BadDisk(bad.__contains__, prefix=prefix, most=most)) as source:
        for offset, length in requests:
            read = source.read(offset, length)
            assert len(read) == min(length, len(CONTENT) - offset)
            expected = bytearray(CONTENT)
            for gap in source.gaps:
                expected[gap.start : gap.end] = bytes(gap.end - gap.start)
            assert read == expected[offset : offset + length]
            assert source.read(offset, length) == read, "the same bytes every time"
        for gap in source.gaps:
            assert 0 <= gap.start < gap.end <= len(CONTENT)
            assert gap.start // 512 in bad, "a gap begins in a bad block"
            assert (gap.end - 1) // 512 in bad, "and ends in one"
        assert all(left.end < right.start for left, right in pairwise(source.gaps)), "sorted and merged"


def test_long_bad_stretch_is_bounded_exactly_with_few_failures(tmp_path: Path) -> None:
    disk = BadDisk(range(10_000, 90_001).__contains__)
    with RawSource(sparse(tmp_path / "disk", 100 << 20), preadv=disk) as source:
        for offset in range(0, source.size, 1 << 20):
            assert source.read(offset, 1 << 20) == bytes(1 << 20)
        assert source.gaps == (Gap(10_000 * 512, 90_001 * 512, IO_ERROR),)
    assert disk.failures < 80


@pytest.mark.parametrize("size", [1 << 30, 1 << 40])
def test_dead_disk_is_given_up_after_about_a_thousand_failures(tmp_path: Path, size: int) -> None:
    disk = BadDisk(range(8, 1 << 50).__contains__)
    with RawSource(sparse(tmp_path / "disk", size), preadv=disk) as source:
        source.read(0, 1 << 20)
        assert source.gaps == (Gap(4096, size, IO_ERROR),)
        source.read(size // 2, 1 << 20)
    assert disk.failures < 1200


def test_disk_with_errors_everywhere_is_not_tortured(tmp_path: Path) -> None:
    disk = BadDisk(lambda block: block % 16 == 5, prefix=False)
    with RawSource(sparse(tmp_path / "disk", 512 << 20), preadv=disk) as source:
        buffer = np.empty(1 << 20, np.uint8)
        for offset in range(0, source.size, len(buffer)):
            source.read_into(offset, buffer)
    assert disk.failures < 25_000, "65,536 bad blocks"


def test_failure_that_passes_leaves_no_gap(medium: Path) -> None:
    calls = iter(range(1000))

    def moody(descriptor: int, views: Sequence[memoryview], offset: int) -> int:
        if next(calls) == 0:
            raise OSError(errno.EIO, IO_ERROR)
        return os.preadv(descriptor, views, offset)

    with RawSource(medium, preadv=moody) as source:
        assert source.read(0, len(CONTENT)) == CONTENT
        assert source.gaps == ()


def test_file_that_shrinks_reads_as_zeros_with_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "shrinking"
    path.write_bytes(CONTENT)
    with RawSource(path) as source:
        os.truncate(path, 100_000)
        assert source.read(0, len(CONTENT)) == CONTENT[:100_000] + bytes(200_000)
        (gap,) = source.gaps
        assert (gap.start, gap.end) == (100_000, 300_000)
        assert "ended earlier" in gap.cause


def test_threads_agree_on_bytes_and_gaps(medium: Path) -> None:
    bad = {*range(37, 55), 200, 201, *range(400, 470)}
    expected = bytearray(CONTENT)
    for block in bad:
        expected[block * 512 : block * 512 + 512] = bytes(512)
    with RawSource(medium, preadv=BadDisk(bad.__contains__)) as source, ThreadPoolExecutor(8) as pool:
        offsets = [*range(0, len(CONTENT), 7_000)] * 4
        parts = list(pool.map(lambda offset: source.read(offset, 7_000), offsets))
        assert all(part == expected[at : at + 7_000] for at, part in zip(offsets, parts, strict=True))
        assert [(gap.start // 512, gap.end // 512) for gap in source.gaps] == [(37, 55), (200, 202), (400, 470)]


def test_gap_noted_by_another_thread_meanwhile_is_not_noted_twice(medium: Path) -> None:
    """The other thread is played by a read that comes in between the failure and its treatment."""
    disk = BadDisk(range(20, 40).__contains__)
    meanwhile = [0]

    def interrupted(descriptor: int, views: Sequence[memoryview], offset: int) -> int:
        try:
            return disk(descriptor, views, offset)
        except OSError:
            if meanwhile:
                source.read(meanwhile.pop(), len(CONTENT))
            raise

    with RawSource(medium, preadv=interrupted) as source:
        expected = CONTENT[: 20 * 512] + bytes(20 * 512) + CONTENT[40 * 512 :]
        assert source.read(0, len(CONTENT)) == expected
        assert source.gaps == (Gap(20 * 512, 40 * 512, IO_ERROR),)


def test_blocks_that_die_later_join_the_gaps_beside_them(medium: Path) -> None:
    bad = {10, 12}
    with RawSource(medium, preadv=BadDisk(bad.__contains__)) as source:
        source.read(0, len(CONTENT))
        assert len(source.gaps) == 2
        bad.add(11)
        source.read(0, len(CONTENT))
        assert source.gaps == (Gap(10 * 512, 13 * 512, IO_ERROR),)


def test_closed_source_raises_instead_of_inventing_gaps(medium: Path) -> None:
    source = RawSource(medium)
    source.close()
    source.close()
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        source.read(0, 1)
    assert source.gaps == ()
    with pytest.raises(ValueError, match="negative"):
        source.read(-1, 1)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs /proc")
@pytest.mark.parametrize("path", ["/proc/cpuinfo", "/proc/self/mem"])
def test_files_without_a_size_are_refused_and_closed(path: str) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(EvidenceError, match=f"{path} has no size that can be found out") as caught:
        RawSource(Path(path))
    assert caught.value.path == Path(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
