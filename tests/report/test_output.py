"""Results are whole or absent, another run's are never mixed in, and nothing that is not ours is ever touched."""

import errno
import hashlib
import io
import json
import os
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image as PillowImage

from jpegrescue.errors import OutputError, UsageError
from jpegrescue.model.report import OutputFile
from jpegrescue.model.truth import Recipe, Truth
from jpegrescue.report import output
from jpegrescue.report.json import from_json, to_json
from jpegrescue.report.output import OutputFolder

from .samples import IMAGE, REPORT

TRUTH = Truth("0.1.0", "done", Recipe("flips", 1e-5, "scan", 0, 1, None, 512, 0, 512), None, (), ())

KEY = b"00" * 16
OTHER_KEYS = ("holiday.jpg", "../key.hex", "KEY.HEX")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[OutputFolder]:
    with OutputFolder.open(tmp_path / "out", evidence=[]) as opened:
        yield opened


def earlier_run(path: Path, names: tuple[str, ...]) -> None:
    """Results of a run that is over."""
    with OutputFolder.open(path, evidence=[]) as opened:
        outputs = tuple(opened.write(name, b"old", "carved") for name in names)
        opened.write_index(replace(REPORT, images=(replace(IMAGE, outputs=outputs),)))


def earlier_set(path: Path, key_file: str | None = None, key: bytes | None = None) -> None:
    """A simulated data set; `key_file`: the name of a key in its truth, which it need not have made; `key`: of one."""
    with OutputFolder.open(path, evidence=[], index="truth.json") as opened:
        outputs = tuple(opened.write(name, b"old", "") for name in ("a.original.jpg", "a.enc", "a.damaged.jpg"))
        digest = None if key is None else hashlib.sha256(key).hexdigest()
        content = json.loads(to_json(replace(TRUTH, key_file=key_file, key_sha256=digest)))
        listed = [{"path": output.path} for output in outputs]
        opened.write_index(TRUTH)
    (path / "truth.json").write_text(json.dumps(content | {"images": [{"outputs": listed}]}))


def names_in(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


class TestWriting:
    def test_a_file_is_there_with_its_record(self, folder: OutputFolder) -> None:
        record = folder.write("a.carved.jpg", b"data", "carved")

        assert record == OutputFile("a.carved.jpg", "carved", 4, hashlib.sha256(b"data").hexdigest())
        assert (folder.path / "a.carved.jpg").read_bytes() == b"data"
        assert names_in(folder.path) == {"a.carved.jpg"}

    def test_a_stream_is_hashed_and_counted_over_all_its_pieces(self, folder: OutputFolder) -> None:
        def writer(file: BinaryIO) -> None:
            file.write(b"one")
            file.write(bytearray(b"two"))
            file.write(memoryview(b"three"))

        record = folder.write_with("b.decoded.png", "decoded", writer)

        written = (folder.path / "b.decoded.png").read_bytes()
        assert written == b"onetwothree"
        assert (record.size, record.sha256) == (11, hashlib.sha256(written).hexdigest())

    def test_pillow_can_write_into_the_stream(self, folder: OutputFolder) -> None:
        picture = PillowImage.effect_noise((40, 30), 50)

        record = folder.write_with("p.decoded.png", "decoded", lambda file: picture.save(file, "PNG"))

        written = (folder.path / "p.decoded.png").read_bytes()
        assert record.sha256 == hashlib.sha256(written).hexdigest()
        assert PillowImage.open(io.BytesIO(written)).tobytes() == picture.tobytes()

    def test_nothing_is_visible_before_it_is_whole(self, folder: OutputFolder) -> None:
        seen: list[set[str]] = []

        def writer(file: BinaryIO) -> None:
            file.write(b"half")
            seen.append({name for name in names_in(folder.path) if not name.startswith(".")})

        folder.write_with("c.carved.jpg", "carved", writer)

        assert seen == [set()]

    @pytest.mark.parametrize("failure", [RuntimeError("encoder"), KeyboardInterrupt()])
    def test_a_writer_that_fails_leaves_nothing_behind(self, folder: OutputFolder, failure: BaseException) -> None:
        def writer(file: BinaryIO) -> None:
            file.write(b"half")
            raise failure

        with pytest.raises(type(failure)):
            folder.write_with("d.carved.jpg", "carved", writer)

        assert names_in(folder.path) == set()

    def test_data_are_on_disk_before_they_get_their_name(
        self, folder: OutputFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps: list[str] = []
        fsync, rename = os.fsync, Path.replace
        monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(f"sync {os.fstat(fd).st_size}"), fsync(fd)))
        monkeypatch.setattr(Path, "replace", lambda a, b: (steps.append(f"name {b.name}"), rename(a, b)))

        folder.write("e.carved.jpg", b"12345", "carved")

        assert steps == ["sync 5", "name e.carved.jpg"]

    @pytest.mark.parametrize("name", ["../x.carved.jpg", "/x", "", ".x", "report.json", "truth.json", "x" * 256])
    def test_a_name_that_could_harm_is_a_bug_of_the_caller(self, folder: OutputFolder, name: str) -> None:
        with pytest.raises(ValueError, match="cannot be the name"):
            folder.write(name, b"", "carved")

        assert names_in(folder.path) == set()

    def test_one_result_never_replaces_another_of_the_same_run(self, folder: OutputFolder) -> None:
        folder.write("a.carved.jpg", b"first", "carved")

        for name in ("a.carved.jpg", "A.CARVED.jpg"):
            with pytest.raises(ValueError, match="is one already"):
                folder.write(name, b"second", "carved")

        assert (folder.path / "a.carved.jpg").read_bytes() == b"first"

    def test_stems_are_numbered_when_they_collide(self, folder: OutputFolder) -> None:
        asked = ["IMG_1", "img_1", "IMG_1", "a/b", "a:b", "..", "IMG_1-2"]

        stems = [folder.claim_stem(name) for name in asked]

        assert stems == ["IMG_1", "img_1-2", "IMG_1-3", "a_b", "a_b-2", "unnamed", "IMG_1-2-2"]
        assert len({stem.casefold() for stem in stems}) == len(asked)

    def test_the_longest_stem_still_takes_number_and_suffix(self, folder: OutputFolder) -> None:
        stems = [folder.claim_stem("ä" * 300) for _ in range(2)]

        for stem in stems:
            folder.write(f"{stem}.decoded.png", b"", "decoded")

        assert len(names_in(folder.path)) == 2

    def test_threads_can_write_at_once(self, folder: OutputFolder) -> None:
        contents = {f"f{n:03}.carved.jpg": bytes([n]) * 10_000 for n in range(40)}
        records: list[OutputFile] = []

        def work(names: list[str]) -> None:
            records.extend(folder.write(name, contents[name], "carved") for name in names)

        threads = [threading.Thread(target=work, args=(list(contents)[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {r.path: r.sha256 for r in records} == {n: hashlib.sha256(c).hexdigest() for n, c in contents.items()}
        assert {name: (folder.path / name).read_bytes() for name in contents} == contents

    def test_a_truth_is_written_under_its_own_name(self, tmp_path: Path) -> None:
        with OutputFolder.open(tmp_path / "set", evidence=[], index="truth.json") as opened:
            path = opened.write_index(TRUTH)

        assert from_json(path.read_bytes(), Truth) == TRUTH
        assert names_in(tmp_path / "set") == {"truth.json"}

    def test_what_is_private_is_for_its_owner_only(self, folder: OutputFolder) -> None:
        folder.write("a.carved.jpg", b"", "carved")
        folder.write("key.hex", b"secret", "key", private=True)

        assert stat.S_IMODE((folder.path / "key.hex").stat().st_mode) == 0o600
        assert stat.S_IMODE((folder.path / "a.carved.jpg").stat().st_mode) & 0o044

    def test_what_is_private_is_so_before_it_holds_anything(self, folder: OutputFolder) -> None:
        modes: list[int] = []

        def writer(file: BinaryIO) -> None:
            (temporary,) = folder.path.iterdir()
            modes.append(stat.S_IMODE(temporary.stat().st_mode))
            file.write(b"secret")

        folder.write_with("key.hex", "key", writer, private=True)

        assert modes == [0o600]

    def test_file_systems_without_owners_take_private_files_too(
        self, folder: OutputFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "fchmod", fail)

        folder.write("key.hex", b"secret", "key", private=True)

        assert (folder.path / "key.hex").read_bytes() == b"secret"

    def test_the_report_can_be_rewritten_and_read_back(self, folder: OutputFolder) -> None:
        folder.write_index(replace(REPORT, images=()))
        path = folder.write_index(REPORT)

        assert path == folder.path / "report.json"
        assert from_json(path.read_bytes()) == REPORT
        assert names_in(folder.path) == {"report.json"}


class TestFailingDisks:
    @pytest.mark.parametrize(
        ("code", "words"),
        [
            (errno.ENOSPC, "the disk is full"),
            (errno.EDQUOT, "the disk quota is used up"),
            (errno.EROFS, "the file system is read-only"),
            (errno.EACCES, "permission denied"),
            (errno.EIO, "input/output error"),
            (errno.ELOOP, "too many levels"),
        ],
    )
    @pytest.mark.parametrize("step", ["open", "fsync", "replace"])
    def test_a_failing_step_is_explained_and_leaves_no_file(
        self, folder: OutputFolder, monkeypatch: pytest.MonkeyPatch, step: str, code: int, words: str
    ) -> None:
        folder.write_index(replace(REPORT, images=()))

        def fail(*_args: object, **_kwargs: object) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(os if step == "fsync" else Path, step, fail)
            with pytest.raises(OutputError, match=words) as caught:
                folder.write("a.carved.jpg", b"data", "carved")
            with pytest.raises(OutputError, match=re.escape("report.json cannot be written")):
                folder.write_index(REPORT)

        assert "a.carved.jpg cannot be written" in str(caught.value)
        assert caught.value.path == folder.path / "a.carved.jpg"
        assert names_in(folder.path) == {"report.json"}
        assert from_json((folder.path / "report.json").read_bytes()).images == ()

    def test_a_disk_that_fills_up_in_the_middle(self, folder: OutputFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Path.open
        monkeypatch.setattr(Path, "open", lambda path, *_: (real(path, "xb").close(), real(Path("/dev/full"), "wb"))[1])
        monkeypatch.setattr(os, "fsync", lambda _: None)

        with pytest.raises(OutputError, match=r"a\.carved\.jpg cannot be written: the disk is full"):
            folder.write_with("a.carved.jpg", "carved", lambda file: file.write(b"x" * 100_000))

        assert names_in(folder.path) == set()

    @pytest.mark.parametrize("name", ["a.carved.jpg", "report.json"])
    def test_a_disk_that_is_full_when_the_buffer_is_emptied(
        self, folder: OutputFolder, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Few bytes fail on flush, and once more on close."""
        real = Path.open
        monkeypatch.setattr(Path, "open", lambda path, *_: (real(path, "xb").close(), real(Path("/dev/full"), "wb"))[1])

        with pytest.raises(OutputError, match=rf"{re.escape(name)} cannot be written: the disk is full"):
            folder.write(name, b"few", "carved") if name != "report.json" else folder.write_index(REPORT)

        assert names_in(folder.path) == set()

    @pytest.mark.parametrize(("name", "words"), [("x" * 300, "the name is too long"), ("loop", "cannot be used")])
    def test_a_folder_that_cannot_be(self, tmp_path: Path, name: str, words: str) -> None:
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "dump.bin").touch()

        with pytest.raises(OutputError, match=words):
            OutputFolder.open(tmp_path / name, evidence=[tmp_path / "dump.bin"])

    def test_a_folder_that_takes_no_files_is_found_out_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_args: object, **_kwargs: object) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr(Path, "touch", fail)

        with pytest.raises(OutputError, match="cannot be used as output folder: the file system is read-only"):
            OutputFolder.open(tmp_path / "out", evidence=[])

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(OutputError, match="there is a file of that name"):
            OutputFolder.open(tmp_path / "file", evidence=[])
        with pytest.raises(OutputError, match="a file, not a folder"):
            OutputFolder.open(tmp_path / "file" / "below", evidence=[])


class TestOtherRuns:
    @pytest.mark.parametrize(
        "name", ["report.json", "truth.json", "f000.carved.jpg", "x.decoded.png", "x.original.jpg", "x.enc"]
    )
    def test_results_are_refused_without_force(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"old")

        with pytest.raises(UsageError, match=re.escape(f"holds results of another run ({name})")):
            OutputFolder.open(tmp_path, evidence=[])

        assert (tmp_path / name).read_bytes() == b"old"

    @pytest.mark.parametrize("index", ["report.json", "truth.json"])
    def test_a_data_set_is_refused_without_force_and_replaced_with_it(self, tmp_path: Path, index: str) -> None:
        earlier_set(tmp_path, "key.hex", KEY)
        (tmp_path / "key.hex").write_bytes(KEY)
        (tmp_path / "b.enc").write_bytes(b"mine")
        before = names_in(tmp_path)

        with pytest.raises(UsageError, match="holds results of another run"):
            OutputFolder.open(tmp_path, evidence=[], index=index)
        assert names_in(tmp_path) == before

        with OutputFolder.open(tmp_path, evidence=[], index=index, force=True) as opened:
            assert names_in(tmp_path) == {"b.enc"}
            assert opened.strays == ("b.enc",)

    @pytest.mark.parametrize(
        ("key_file", "key"),
        [(None, None), ("key.hex", None), ("key.hex", KEY), (None, b"mine"), *((name, b"mine") for name in OTHER_KEYS)],
    )
    def test_a_key_is_removed_only_where_the_truth_proves_that_it_was_made_up(
        self, tmp_path: Path, key_file: str | None, key: bytes | None
    ) -> None:
        inside = tmp_path / "out"
        earlier_set(inside, key_file, key)
        for path in (inside / "key.hex", inside / "holiday.jpg", tmp_path / "key.hex"):
            path.write_text("mine")

        OutputFolder.open(inside, evidence=[], force=True).close()

        assert names_in(inside) == {"key.hex", "holiday.jpg"}
        assert names_in(tmp_path) == {"key.hex", "out"}

    def test_a_key_of_a_data_set_that_is_read_is_not_removed(self, tmp_path: Path) -> None:
        earlier_set(tmp_path, "key.hex", KEY)
        (tmp_path / "key.hex").write_bytes(KEY)
        before = names_in(tmp_path)

        with pytest.raises(UsageError, match=r"key\.hex is being read"):
            OutputFolder.open(tmp_path, evidence=[tmp_path / "key.hex"], force=True)

        assert names_in(tmp_path) == before

    @pytest.mark.parametrize("kind", ["link", "folder", "large"])
    def test_what_is_called_like_a_key_and_cannot_be_one_is_not_removed(self, tmp_path: Path, kind: str) -> None:
        inside = tmp_path / "out"
        large = KEY * 100
        earlier_set(inside, "key.hex", large if kind == "large" else KEY)
        (tmp_path / "mine").write_bytes(KEY)
        match kind:
            case "link":
                (inside / "key.hex").symlink_to(tmp_path / "mine")
            case "folder":
                (inside / "key.hex").mkdir()
            case _:
                (inside / "key.hex").write_bytes(large)

        OutputFolder.open(inside, evidence=[], force=True).close()

        assert names_in(inside) == {"key.hex"}

    @pytest.mark.parametrize("name", ["foo.enc", "foo.damaged.jpg", "foo.original.jpg", "foo.carved.jpg"])
    def test_what_the_run_reads_is_no_result_of_another(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"read")
        (tmp_path / "link").symlink_to(name)

        for evidence in (tmp_path / name, tmp_path / "link"):
            with OutputFolder.open(tmp_path, evidence=[evidence]) as opened:
                assert opened.strays == ()
            with OutputFolder.open(tmp_path, evidence=[evidence], force=True) as opened:
                assert opened.strays == ()
        (tmp_path / "bar.enc").write_bytes(b"other")
        with pytest.raises(UsageError, match=r"holds results of another run \(bar\.enc\)"):
            OutputFolder.open(tmp_path, evidence=[tmp_path / name])

        assert (tmp_path / name).read_bytes() == b"read"

    def test_a_report_that_is_read_is_still_that_of_another_run(self, tmp_path: Path) -> None:
        earlier_run(tmp_path, ())

        with pytest.raises(UsageError, match=r"holds results of another run \(report\.json\)"):
            OutputFolder.open(tmp_path, evidence=[tmp_path / "report.json"])

    def test_a_folder_with_other_files_is_taken(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")

        OutputFolder.open(tmp_path, evidence=[]).close()

        assert names_in(tmp_path) == {"notes.txt"}

    def test_force_removes_what_the_other_run_made_and_nothing_else(self, tmp_path: Path) -> None:
        earlier_run(tmp_path, ("a.carved.jpg", "a.decoded.png"))
        (tmp_path / "b.carved.jpg").write_bytes(b"mine")
        (tmp_path / "holiday.jpg").write_bytes(b"mine")

        with OutputFolder.open(tmp_path, evidence=[], force=True) as opened:
            assert names_in(tmp_path) == {"b.carved.jpg", "holiday.jpg"}
            assert opened.strays == ("b.carved.jpg",)

    @pytest.mark.parametrize(
        "listed", ["../outside.carved.jpg", "/outside.carved.jpg", "holiday.jpg", "sub/x.carved.jpg", ".carved.jpg"]
    )
    def test_a_forged_report_cannot_have_other_files_removed(self, tmp_path: Path, listed: str) -> None:
        inside = tmp_path / "out"
        earlier_run(inside, ())
        (inside / "sub").mkdir()
        others = [tmp_path / "outside.carved.jpg", inside / "holiday.jpg", inside / "sub/x.carved.jpg"]
        for path in others:
            path.write_bytes(b"mine")
        forged = replace(REPORT, images=(replace(IMAGE, outputs=(OutputFile(listed, "carved", 4, ""),)),))
        (inside / "report.json").write_bytes(to_json(forged))

        OutputFolder.open(inside, evidence=[], force=True).close()

        assert [path.read_bytes() for path in others] == [b"mine"] * 3
        assert not (inside / "report.json").exists()

    @pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"schema_version": 1, "images": [{}]}', b"\xff\xfe"])
    @pytest.mark.parametrize("index", ["report.json", "truth.json"])
    def test_a_report_of_another_program_is_kept_even_with_force(
        self, tmp_path: Path, content: bytes, index: str
    ) -> None:
        (tmp_path / index).write_bytes(content)

        with pytest.raises(UsageError, match=f"{index} was not written by this program"):
            OutputFolder.open(tmp_path, evidence=[], force=True)

        assert (tmp_path / index).read_bytes() == content

    def test_a_report_of_another_version_is_understood(self, tmp_path: Path) -> None:
        earlier_run(tmp_path, ("a.carved.jpg",))
        content = json.loads((tmp_path / "report.json").read_bytes())
        later = {"schema_version": 9, "images": [{"outputs": content["images"][0]["outputs"], "new": 1}]}
        (tmp_path / "report.json").write_text(json.dumps(later))

        OutputFolder.open(tmp_path, evidence=[], force=True).close()

        assert names_in(tmp_path) == set()

    def test_leftovers_of_a_killed_run_are_cleaned_up(self, tmp_path: Path) -> None:
        (tmp_path / ".jpegrescue-0123.part").write_bytes(b"half")
        (tmp_path / ".other-0123.part").write_bytes(b"mine")

        OutputFolder.open(tmp_path, evidence=[]).close()

        assert names_in(tmp_path) == {".other-0123.part"}

    def test_two_runs_cannot_write_to_one_folder_at_once(self, tmp_path: Path) -> None:
        with (
            OutputFolder.open(tmp_path, evidence=[]),
            pytest.raises(OutputError, match="another run is writing to it"),
        ):
            OutputFolder.open(tmp_path, evidence=[], force=True)

        OutputFolder.open(tmp_path, evidence=[]).close()

    def test_a_refused_folder_is_not_left_locked(self, tmp_path: Path) -> None:
        (tmp_path / "report.json").write_bytes(b"{}")
        for _ in range(2):
            with pytest.raises(UsageError, match="holds results"):
                OutputFolder.open(tmp_path, evidence=[])

    def test_file_systems_without_locks_are_used_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(output.fcntl, "flock", fail)

        with OutputFolder.open(tmp_path, evidence=[]) as opened:
            opened.write("a.carved.jpg", b"", "carved")


class TestForeignFiles:
    """With --force, what has the name of an output but is not of the other run."""

    @staticmethod
    def write(folder: OutputFolder, name: str) -> None:
        if name == "report.json":
            folder.write_index(REPORT)
        else:
            folder.write(name, b"new", "carved")

    @pytest.mark.parametrize("name", ["f1.carved.jpg", "f1.decoded.png", "report.json"])
    @pytest.mark.parametrize("kind", ["file", "link", "dangling link", "folder"])
    def test_they_are_not_replaced(self, tmp_path: Path, name: str, kind: str) -> None:
        inside = tmp_path / "out"
        mine = tmp_path / "mine"
        mine.write_bytes(b"mine")
        with OutputFolder.open(inside, evidence=[], force=True) as opened:
            target = inside / name
            match kind:
                case "file":
                    target.write_bytes(b"mine")
                case "link":
                    target.symlink_to(mine)
                case "dangling link":
                    target.symlink_to(tmp_path / "none")
                case _:
                    target.mkdir()
            before = target.lstat()

            with pytest.raises(OutputError, match=rf"{re.escape(name)} is not of this run and would be overwritten"):
                self.write(opened, name)

        assert target.lstat().st_ino == before.st_ino
        assert kind not in {"file", "link"} or target.read_bytes() == mine.read_bytes() == b"mine"
        assert names_in(inside) == {name}
        assert names_in(tmp_path) == {"mine", "out"}

    def test_a_file_that_no_report_lists_outlives_the_other_run(self, tmp_path: Path) -> None:
        earlier_run(tmp_path, ("a.carved.jpg",))
        (tmp_path / "b.carved.jpg").write_bytes(b"mine")

        with OutputFolder.open(tmp_path, evidence=[], force=True) as opened:
            opened.write("a.carved.jpg", b"new", "carved")
            with pytest.raises(OutputError, match=r"b\.carved\.jpg is not of this run"):
                opened.write("b.carved.jpg", b"new", "carved")

        assert (tmp_path / "b.carved.jpg").read_bytes() == b"mine"


class TestEvidence:
    @pytest.mark.parametrize("linked", [False, True])
    def test_evidence_that_bears_the_name_of_a_result_is_not_overwritten(self, tmp_path: Path, linked: bool) -> None:
        evidence = tmp_path / ("dump.bin" if linked else "f1.carved.jpg")
        evidence.write_bytes(b"evidence")
        if linked:
            (tmp_path / "f1.carved.jpg").symlink_to(evidence)

        with (
            OutputFolder.open(tmp_path, evidence=[evidence], force=True) as opened,
            pytest.raises(UsageError, match="is being read and would be overwritten"),
        ):
            opened.write("f1.carved.jpg", b"new", "carved")

        assert evidence.read_bytes() == b"evidence"
        assert (tmp_path / "f1.carved.jpg").is_symlink() is linked

    def test_results_of_another_run_that_are_now_the_input_are_not_removed(self, tmp_path: Path) -> None:
        earlier_run(tmp_path, ("a.carved.jpg", "b.carved.jpg"))
        before = names_in(tmp_path)

        with pytest.raises(UsageError, match=r"b\.carved\.jpg is being read"):
            OutputFolder.open(tmp_path, evidence=[tmp_path / "b.carved.jpg"], force=True)

        assert names_in(tmp_path) == before

    def test_evidence_under_another_name_is_recognised(self, tmp_path: Path) -> None:
        earlier_run(tmp_path, ("a.carved.jpg",))
        (tmp_path / "link.jpg").symlink_to("a.carved.jpg")

        with pytest.raises(UsageError, match=r"a\.carved\.jpg is being read"):
            OutputFolder.open(tmp_path, evidence=[tmp_path / "link.jpg"], force=True)

    def test_a_folder_on_the_medium_is_refused_before_anything_is_made(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(output, "lies_on", lambda _, evidence: evidence == Path("/dev/sdz"))

        with pytest.raises(UsageError, match="lies on /dev/sdz, which is being read"):
            OutputFolder.open(tmp_path / "out", evidence=[Path("/dev/sdz")], force=True)

        assert not (tmp_path / "out").exists()


def test_the_default_folder_is_new_and_named_after_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    opened = [OutputFolder.open(None, evidence=[]) for _ in range(3)]
    names = [folder.path.name for folder in opened]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"jpegrescue-\d{8}T\d{6}Z(-[23])?", name) for name in names)
    assert names_in(tmp_path) == set(names)
    for folder in opened:
        folder.close()


def test_folders_above_are_made(tmp_path: Path) -> None:
    with OutputFolder.open(tmp_path / "a/b/c", evidence=[]) as opened:
        assert opened.path.is_dir()
    opened.close()


class TestEmptyFolders:
    def test_one_that_was_made_and_not_used_goes_with_those_above_it(self, tmp_path: Path) -> None:
        OutputFolder.open(tmp_path / "a" / "b" / "out", evidence=[]).close()

        assert names_in(tmp_path) == set()

    def test_one_that_was_there_stays(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()

        OutputFolder.open(tmp_path / "a", evidence=[]).close()
        OutputFolder.open(tmp_path / "a" / "out", evidence=[]).close()

        assert names_in(tmp_path) == {"a"}

    def test_one_that_holds_anything_stays(self, tmp_path: Path) -> None:
        with OutputFolder.open(tmp_path / "a" / "out", evidence=[]):
            (tmp_path / "a" / "out" / "notes.txt").touch()

        assert names_in(tmp_path / "a" / "out") == {"notes.txt"}
