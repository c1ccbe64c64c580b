"""A data set is what its truth says, whatever the files are called and whatever happens on the way."""

import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jpegrescue.errors import EvidenceError, OutputError, UsageError
from jpegrescue.flow.options import KeyOptions, RestoreOptions, RunOptions
from jpegrescue.flow.progress import NoProgress
from jpegrescue.flow.restore import restore
from jpegrescue.lab import simulate as module
from jpegrescue.lab.original import Wish
from jpegrescue.lab.simulate import SimulateOptions, SimulateOutcome, simulate
from jpegrescue.model.truth import Recipe, TrueImage, Truth
from jpegrescue.report.json import from_json
from jpegrescue.report.output import OutputFolder
from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.spec import parse_spec
from jpegrescue.source.keys import Key
from tests.flow.conftest import damaged, photo

CBC = Recipe("flips", 1e-4, "scan", 0, 1, "aes-cbc-essiv:sha256", 512, 0, 512)
XTS = replace(CBC, cipher="aes-xts-plain64", sector_size=4096, first_sector=16)
PLAIN = replace(CBC, cipher=None)
KEY = Key(bytes(range(16)))

Make = Callable[..., SimulateOutcome]


def png(seed: int = 0) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(photo(200, 120, seed))).save(out, "PNG")
    return out.getvalue()


FILES = {"a.jpg": photo(seed=1), "b.jpg": photo(320, 240, seed=2), "c.png": png()}


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., SimulateOptions]:
    def make(recipe: Recipe = CBC, files: dict[str, bytes] | None = None, **rest: Any) -> SimulateOptions:
        paths = []
        for name, data in (FILES if files is None else files).items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            paths.append(path)
        return SimulateOptions(files=tuple(paths), recipe=recipe, **{"output": tmp_path / "out", **rest})

    return make


@pytest.fixture
def make(options: Callable[..., SimulateOptions]) -> Make:
    return lambda *args, **rest: simulate(options(*args, **rest))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def by_name(outcome: SimulateOutcome) -> dict[str, TrueImage]:
    return {image.name: image for image in outcome.truth.images}


@pytest.mark.parametrize("recipe", [CBC, XTS])
def test_the_evidence_decrypts_to_the_damaged_file(make: Make, recipe: Recipe) -> None:
    outcome = make(recipe)

    files = contents(outcome.folder)
    key = Key(bytes.fromhex(files["key.hex"].decode()))
    assert len(key) == (16 if recipe is CBC else 64)
    assert recipe.cipher is not None
    cipher = SectorCipher(parse_spec(recipe.cipher), key, recipe.sector_size, recipe.iv_unit)
    for image in outcome.truth.images:
        evidence = np.frombuffer(files[f"{image.name}.enc"], np.uint8)
        assert evidence.size % recipe.sector_size == 0
        plain = np.empty_like(evidence)
        cipher.decrypt_into(evidence, recipe.first_sector, plain)
        assert plain.tobytes()[: image.size] == files[f"{image.name}.damaged.jpg"]
        sound = bytearray(evidence)
        for bit in image.flipped_bits:
            sound[bit // 8] ^= 128 >> bit % 8
        cipher.decrypt_into(np.frombuffer(bytes(sound), np.uint8), recipe.first_sector, plain)
        original = files[f"{image.name}.original.jpg"]
        assert plain.tobytes() == original + bytes(-len(original) % recipe.sector_size)
    assert any(image.flipped_bits for image in outcome.truth.images)


def test_the_truth_lists_what_is_there(make: Make) -> None:
    outcome = make()

    files = contents(outcome.folder)
    truth = from_json(files.pop("truth.json"), Truth)
    assert truth == outcome.truth
    assert (truth.state, truth.recipe, truth.key_file, truth.problems) == ("done", CBC, "key.hex", ())
    del files["key.hex"]
    listed = {output.path: output for image in truth.images for output in image.outputs}
    assert {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()} == {
        path: (output.size, output.sha256) for path, output in listed.items()
    }
    assert [image.name for image in truth.images] == ["a", "b", "c"]
    for image, (name, source) in zip(truth.images, FILES.items(), strict=True):
        assert Path(image.source).name == name
        assert image.source_sha256 == hashlib.sha256(source).hexdigest()
        assert [output.kind for output in image.outputs] == ["original", "evidence", "damaged"]
        assert (image.outputs[0].size, image.outputs[0].sha256) == (image.size, image.sha256)
    assert files["a.original.jpg"] == FILES["a.jpg"]


def test_without_a_cipher_there_is_no_evidence_apart_and_no_key(make: Make) -> None:
    outcome = make(PLAIN)

    assert {name.partition(".")[2] for name in contents(outcome.folder)} == {"original.jpg", "damaged.jpg", "json"}
    assert outcome.truth.key_file is None


def test_files_are_damaged_alike_in_any_order_and_under_any_name(make: Make, tmp_path: Path) -> None:
    first = by_name(make())
    files = {"z.jpg": FILES["b.jpg"], "y.png": FILES["c.png"], "x.jpg": FILES["a.jpg"]}
    second = by_name(make(files=files, output=tmp_path / "again"))

    for one, other in (("a", "x"), ("b", "z"), ("c", "y")):
        assert replace(first[one], name="", source="", outputs=()) == replace(
            second[other], name="", source="", outputs=()
        )
        assert [o.sha256 for o in first[one].outputs] == [o.sha256 for o in second[other].outputs]


def test_seeds_differ(make: Make, tmp_path: Path) -> None:
    one, other = make(), make(replace(CBC, seed=2), output=tmp_path / "other")

    assert by_name(one)["b"].flipped_bits != by_name(other)["b"].flipped_bits
    assert (one.folder / "key.hex").read_bytes() != (other.folder / "key.hex").read_bytes()


def test_the_wish_reaches_the_originals(make: Make) -> None:
    outcome = make(wish=Wish(thumbnail=40, quality=50))

    making = by_name(outcome)["c"].making
    assert (making.thumbnail, making.quality) == ("40", 50)
    assert b"Exif\0\0" in (outcome.folder / "a.damaged.jpg").read_bytes()


class TestKeys:
    def test_a_made_up_key_is_for_its_owner_only(self, make: Make) -> None:
        path = make().folder / "key.hex"

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_given_key_is_written_nowhere(self, make: Make) -> None:
        outcome = make(key=KEY)

        files = contents(outcome.folder)
        assert outcome.truth.key_file is None
        assert "key.hex" not in files
        assert not any(KEY.reveal() in data or KEY.reveal().hex().encode() in data for data in files.values())

    def test_a_made_up_key_is_not_in_the_truth(self, make: Make) -> None:
        files = contents(make().folder)

        assert files["key.hex"].strip() not in files["truth.json"]

    def test_a_key_file_is_not_removed_with_the_set_it_came_from(self, make: Make) -> None:
        path = make().folder / "key.hex"
        key = path.read_bytes()

        with pytest.raises(UsageError, match=r"key\.hex is being read"):
            make(key=Key(bytes.fromhex(key.decode())), key_file=path, force=True)

        assert path.read_bytes() == key

    def test_options_do_not_show_it(self, options: Callable[..., SimulateOptions]) -> None:
        assert KEY.reveal().hex() not in repr(options(key=KEY))
        assert "redacted" not in repr(options(key=KEY))


FOREIGN = replace(CBC, damage="foreign", bit_error_rate=0.0, count=1)
LARGE = {f"{n}.jpg": photo(500, 400, seed=n, quality=95) for n in range(3)}


class TestForeign:
    def test_clusters_are_those_of_other_originals(self, make: Make) -> None:
        outcome = make(FOREIGN, LARGE)

        files = contents(outcome.folder)
        originals = {image.sha256: files[f"{image.name}.original.jpg"] for image in outcome.truth.images}
        for image in outcome.truth.images:
            ((source,), (part,)) = image.foreign, image.overwritten
            assert source.sha256 in set(originals) - {image.sha256}
            data = originals[source.sha256][source.start : source.end]
            assert files[f"{image.name}.damaged.jpg"][part.start : part.end] == data

    def test_a_file_alone_is_told_to_have_got_its_own(self, make: Make) -> None:
        outcome = make(FOREIGN, {"0.jpg": LARGE["0.jpg"]})

        (image,) = outcome.truth.images
        assert [source.sha256 for source in image.foreign] == [image.sha256]
        assert [(p.kind, p.severity) for p in outcome.truth.problems] == [("damage_fell_short", "warning")]
        assert "no other file of the set" in outcome.truth.problems[0].detail

    def test_the_order_of_the_files_makes_no_difference(self, make: Make, tmp_path: Path) -> None:
        first = by_name(make(FOREIGN, LARGE))
        second = by_name(make(FOREIGN, dict(reversed(LARGE.items())), output=tmp_path / "again"))

        assert first == second

    def test_a_file_that_changes_meanwhile_ends_the_run(
        self, options: Callable[..., SimulateOptions], tmp_path: Path
    ) -> None:
        chosen = options(FOREIGN, LARGE)

        class Meddler(NoProgress):
            def start(self, _: int | None, what: str) -> None:
                if what == "simulating":
                    for path in chosen.files[1:]:
                        path.write_bytes(photo(50, 50))

        with pytest.raises(EvidenceError, match="changed while the data set was being made"):
            simulate(chosen, Meddler())

        assert json.loads((tmp_path / "out" / "truth.json").read_bytes())["state"] == "failed"


class TestFilesThatCannotBeUsed:
    def test_they_are_problems_and_the_rest_goes_on(self, options: Callable[..., SimulateOptions]) -> None:
        chosen = options(files={"a.jpg": FILES["a.jpg"], "text.jpg": b"text", "cut.jpg": FILES["b.jpg"][:200]})
        missing = chosen.files[0].with_name("missing.jpg")
        pipe = chosen.files[0].with_name("pipe.jpg")
        os.mkfifo(pipe)

        outcome = simulate(replace(chosen, files=(*chosen.files[1:], missing, pipe, chosen.files[0])))

        assert [image.name for image in outcome.truth.images] == ["a"]
        assert [(p.kind, p.severity, p.detail.partition(": ")[0]) for p in outcome.truth.problems] == [
            ("source_unsupported", "error", str(chosen.files[1])),
            ("source_undecodable", "error", str(chosen.files[2])),
            ("input_unreadable", "error", str(missing)),
            ("input_unreadable", "error", str(pipe)),
        ]

    def test_if_all_are_it_is_an_error_and_the_folder_stays_free(self, make: Make, tmp_path: Path) -> None:
        with pytest.raises(EvidenceError, match=r"no file can be used: .*neither a JPEG nor a PNG"):
            make(files={"text.jpg": b"text"})

        assert not (tmp_path / "out").exists()

    def test_a_damaged_source_is_used_with_a_warning(self, make: Make) -> None:
        outcome = make(files={"a.jpg": damaged(photo())})

        assert len(outcome.truth.images) == 1
        assert [(p.kind, p.severity) for p in outcome.truth.problems] == [("source_damaged", "warning")]

    def test_large_ones_are_refused_unread(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "SOURCE_BYTES_MAX", len(FILES["a.jpg"]))

        outcome = make()

        assert "b" not in by_name(outcome)
        assert outcome.truth.problems[0].kind == "source_too_large"

    def test_more_flips_than_a_truth_can_list_are_refused(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "FLIPS_MAX", 8 * len(FILES["a.jpg"]) * 1e-4 + 1e-3)

        outcome = make()

        assert set(by_name(outcome)) >= {"a"}
        assert {p.kind for p in outcome.truth.problems} == {"too_many_flips"}

    def test_damage_that_falls_short_is_told_with_the_file(self, make: Make) -> None:
        outcome = make(replace(CBC, damage="sector", count=9999))

        assert [p.kind for p in outcome.truth.problems] == ["damage_fell_short"] * 3
        assert outcome.truth.problems[0].detail.startswith(str(outcome.truth.images[0].source))

    def test_a_file_that_comes_out_as_it_went_in_is_told_of(self, make: Make) -> None:
        outcome = make(replace(CBC, bit_error_rate=1e-9), files={"a.jpg": FILES["a.jpg"]})

        (image,) = outcome.truth.images
        assert image.changed == ()
        assert [(p.kind, p.severity) for p in outcome.truth.problems] == [("undamaged", "info")]
        assert outcome.truth.problems[0].detail.startswith(f"{image.source}: ")

    def test_what_is_wrong_with_a_file_is_said_alike_in_every_run(self, make: Make, tmp_path: Path) -> None:
        files = {
            "a.jpg": FILES["a.jpg"],
            "head.jpg": FILES["b.jpg"][:20],
            "head.png": png()[:20],
            "cut.png": png()[:90],
        }

        for folder in ("one", "two"):
            make(files=files, wish=Wish(thumbnail=40), output=tmp_path / folder)

        one, two = ((tmp_path / folder / "truth.json").read_bytes() for folder in ("one", "two"))
        assert one == two
        assert b"0x" not in one
        assert len(json.loads(one)["problems"]) == 3


class TestFolders:
    def test_another_set_is_replaced_only_by_force(self, make: Make) -> None:
        folder = make().folder

        with pytest.raises(UsageError, match="holds results of another run"):
            make()
        outcome = make(PLAIN, files={"n.jpg": FILES["a.jpg"]}, force=True)

        assert set(contents(folder)) == {"n.original.jpg", "n.damaged.jpg", "truth.json"}
        assert outcome.truth.problems == ()

    def test_a_key_that_the_truth_of_somebody_else_names_is_kept(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "truth.json").write_text('{"schema_version":1,"images":[],"key_file":"key.hex"}')
        (tmp_path / "out" / "key.hex").write_text("mine")

        with pytest.raises(OutputError, match=r"key\.hex is not of this run"):
            make(force=True)

        assert (tmp_path / "out" / "key.hex").read_text() == "mine"

    def test_the_truth_tells_the_key_file_that_is_of_the_set(self, make: Make, tmp_path: Path) -> None:
        with_one, without = make(), make(key=KEY, output=tmp_path / "given")

        digest = hashlib.sha256((with_one.folder / "key.hex").read_bytes()).hexdigest()
        assert (with_one.truth.key_sha256, without.truth.key_sha256) == (digest, None)

    def test_a_source_beside_the_results_is_no_obstacle(self, make: Make, tmp_path: Path) -> None:
        outcome = make(PLAIN, files={"a.damaged.jpg": FILES["a.jpg"]}, output=tmp_path / "in")

        assert (outcome.truth.state, outcome.truth.problems) == ("done", ())
        assert (tmp_path / "in" / "a.damaged.jpg").read_bytes() == FILES["a.jpg"]

    def test_sources_in_the_folder_are_never_touched(self, make: Make, tmp_path: Path) -> None:
        make(PLAIN)
        source = tmp_path / "out" / "a.original.jpg"

        with pytest.raises(UsageError, match="is being read"):
            simulate(SimulateOptions(files=(source,), output=tmp_path / "out", recipe=PLAIN, force=True))

        assert source.read_bytes() == FILES["a.jpg"]

    def test_files_that_no_truth_lists_are_told_of(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "old.enc").write_bytes(b"mine")

        outcome = make(force=True)

        assert [p.kind for p in outcome.truth.problems] == ["unlisted_files"]
        assert (tmp_path / "out" / "old.enc").read_bytes() == b"mine"

    def test_names_that_collide_are_numbered(self, make: Make) -> None:
        outcome = make(files={"x/a.jpg": FILES["a.jpg"], "y/a.jpg": FILES["b.jpg"]})

        assert [image.name for image in outcome.truth.images] == ["a", "a-2"]


class Stopper(NoProgress):
    """Presses Ctrl-C after the first file."""

    def found(self, *_: int) -> None:
        raise KeyboardInterrupt


class TestEndingEarly:
    def test_ctrl_c_leaves_a_valid_truth(self, options: Callable[..., SimulateOptions]) -> None:
        outcome = simulate(options(), Stopper())

        truth = from_json((outcome.folder / "truth.json").read_bytes(), Truth)
        assert (truth.state, [image.name for image in truth.images]) == ("interrupted", ["a"])
        assert truth == outcome.truth

    def test_what_is_finished_is_in_the_truth_before_the_end(
        self, options: Callable[..., SimulateOptions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(module, "REWRITE_SHARE", 0)
        seen: list[tuple[str, int]] = []

        class Watcher(NoProgress):
            def found(self, *_: int) -> None:
                truth = from_json((tmp_path / "out" / "truth.json").read_bytes(), Truth)
                seen.append((truth.state, len(truth.images)))

        simulate(options(), Watcher())

        assert seen == [("running", 1), ("running", 2), ("running", 3)]

    def test_the_first_file_is_in_the_truth_at_once(
        self, options: Callable[..., SimulateOptions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(module, "REWRITE_SHARE", 1e9)
        seen: list[int] = []

        class Watcher(NoProgress):
            def found(self, *_: int) -> None:
                seen.append(len(from_json((tmp_path / "out" / "truth.json").read_bytes(), Truth).images))

        simulate(options(), Watcher())

        assert seen == [1, 1, 1]

    def test_a_killed_run_has_listed_what_it_finished_and_can_be_replaced(
        self, options: Callable[..., SimulateOptions], tmp_path: Path
    ) -> None:
        killed = tmp_path / "killed"

        class Killer(NoProgress):
            def found(self, images: int, _: int) -> None:
                if images == 1:
                    shutil.copytree(tmp_path / "out", killed)

        simulate(options(), Killer())

        truth = from_json((killed / "truth.json").read_bytes(), Truth)
        assert (truth.state, [image.name for image in truth.images]) == ("running", ["a"])
        outcome = simulate(options(output=killed, force=True))
        assert (outcome.truth.state, outcome.truth.problems) == ("done", ())

    def test_a_full_disk_is_an_error_with_a_truth_that_says_so(
        self, options: Callable[..., SimulateOptions], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        write = OutputFolder.write

        def fail(folder: OutputFolder, name: str, *rest: Any, **more: Any) -> Any:
            if name == "b.enc":
                raise OutputError("the disk is full", path=folder.path)
            return write(folder, name, *rest, **more)

        monkeypatch.setattr(OutputFolder, "write", fail)

        with pytest.raises(OutputError, match="the disk is full"):
            simulate(options())

        truth = from_json((tmp_path / "out" / "truth.json").read_bytes(), Truth)
        assert (truth.state, [image.name for image in truth.images]) == ("failed", ["a"])
        assert [p.kind for p in truth.problems] == ["run_failed"]


def test_restore_reads_the_set(make: Make, tmp_path: Path) -> None:
    outcome = make(replace(CBC, bit_error_rate=0.0, first_sector=5), files={"b.jpg": FILES["b.jpg"]})
    key = Key(bytes.fromhex((outcome.folder / "key.hex").read_text()))

    restored = restore(
        RestoreOptions(
            files=(outcome.folder / "b.enc",),
            run=RunOptions(argv=("jpegrescue",), command="restore", output=tmp_path / "restored", jobs=1),
            key=KeyOptions(spec=parse_spec("aes-cbc-essiv:sha256"), key=key, first_sector=5),
        )
    )

    (image,) = restored.report.images
    assert image.grade == "no_damage_found"
    assert image.hashes.sha256 == outcome.truth.images[0].sha256


def test_restore_sees_the_damage(make: Make, tmp_path: Path) -> None:
    outcome = make(replace(CBC, damage="sector", count=2, bit_error_rate=0.0), files={"b.jpg": FILES["b.jpg"]}, key=KEY)

    restored = restore(
        RestoreOptions(
            files=(outcome.folder / "b.enc",),
            run=RunOptions(argv=("jpegrescue",), command="restore", output=tmp_path / "restored", jobs=1),
            key=KeyOptions(spec=parse_spec("aes-cbc-essiv:sha256"), key=KEY),
        )
    )

    (image,) = restored.report.images
    (true,) = outcome.truth.images
    assert image.grade in {"partly_restored", "fragment"}
    assert image.hashes.sha256 == true.outputs[2].sha256
