"""`simulate`: options reach the laboratory as they were meant, and results are said once, at the right place."""

import io
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from jpegrescue.lab import simulate as module
from jpegrescue.lab.original import Wish
from jpegrescue.lab.simulate import SimulateOptions, SimulateOutcome
from jpegrescue.model.truth import Recipe, Truth
from jpegrescue.source.keys import Key
from tests.flow.conftest import photo

from .conftest import Result, raise_signal

Run = Callable[..., Result]
KEY = "00112233445566778899aabbccddeeff"
RECIPE = Recipe("flips", 1e-5, "scan", 0, 0, "aes-cbc-essiv:sha256", 512, 0, 512)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SimulateOptions]:
    """Options that reach the laboratory, which makes nothing."""
    options: list[SimulateOptions] = []

    def standing_in(chosen: SimulateOptions, _: object) -> SimulateOutcome:
        options.append(chosen)
        return SimulateOutcome(Truth("0", "done", chosen.recipe, None, (), ()), tmp_path)

    monkeypatch.setattr(module, "simulate", standing_in)
    return options


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").write_bytes(photo())
    Path("b.jpg").write_bytes(photo(320, 240, seed=1))
    out = io.BytesIO()
    Image.open(io.BytesIO(photo(200, 120))).save(out, "PNG")
    Path("c.png").write_bytes(out.getvalue())
    return tmp_path


class TestOptions:
    def test_defaults(self, run: Run, asked: list[SimulateOptions]) -> None:
        run("simulate", "a.jpg", "b.png")

        assert asked == [SimulateOptions(files=(Path("a.jpg"), Path("b.png")), output=None, recipe=RECIPE)]

    def test_all_of_them(self, run: Run, asked: list[SimulateOptions]) -> None:
        result = run(
            *("simulate", "a.png", "-o", "out", "--ber", "3e-6", "--damage", "page", "--count", "2", "--where", "file"),
            *("--seed", "0x10", "--cipher", "AES-XTS-plain64", "--key", KEY * 4, "--sector-size", "4096"),
            *("--first-sector", "2048", "--iv-unit", "sector", "--thumbnail", "160", "--quality", "75"),
            *("--sampling", "4:4:4", "--restart-interval", "8", "--force"),
        )

        (chosen,) = asked
        assert chosen == SimulateOptions(
            files=(Path("a.png"),),
            output=Path("out"),
            recipe=Recipe("page", 3e-6, "file", 2, 16, "aes-xts-plain64", 4096, 2048, 4096),
            wish=Wish(160, 75, "4:4:4", 8),
            key=Key(bytes.fromhex(KEY * 4)),
            force=True,
        )
        assert result.code == 0

    @pytest.mark.parametrize("kind", ["sector", "codeword", "page", "foreign"])
    def test_units_are_hit_once_and_without_bit_errors(self, run: Run, asked: list[SimulateOptions], kind: str) -> None:
        run("simulate", "a.jpg", "--damage", kind)

        assert (asked[0].recipe.count, asked[0].recipe.bit_error_rate) == (1, 0.0)

    def test_bit_errors_can_come_with_any_damage(self, run: Run, asked: list[SimulateOptions]) -> None:
        run("simulate", "a.jpg", "--damage", "tail", "--ber", "0.001")

        assert (asked[0].recipe.count, asked[0].recipe.bit_error_rate) == (0, 0.001)

    def test_no_cipher(self, run: Run, asked: list[SimulateOptions], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JPEGRESCUE_KEY", KEY)  # for the other commands of a script

        run("simulate", "a.jpg", "--cipher", "none", "--thumbnail", "none")

        assert (asked[0].recipe.cipher, asked[0].key, asked[0].wish.thumbnail) == (None, None, "none")

    def test_keys_from_elsewhere(
        self, run: Run, asked: list[SimulateOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "key"
        path.write_text(KEY)

        run("simulate", "a.jpg", "--key-file", path)
        monkeypatch.setattr(sys, "stdin", io.StringIO(KEY + "\n"))
        run("simulate", "a.jpg", "--key", "-")
        monkeypatch.setenv("JPEGRESCUE_KEY", KEY)
        run("simulate", "a.jpg")

        assert [(chosen.key, chosen.key_file) for chosen in asked] == [
            (Key(bytes.fromhex(KEY)), path),
            (Key(bytes.fromhex(KEY)), None),
            (Key(bytes.fromhex(KEY)), None),
        ]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--ber", "1.5"), "is not a number from 0 to 1"),
            (("--ber", "-1e-5"), "is not a number from 0 to 1"),
            (("--ber", "nan"), "is not a number from 0 to 1"),
            (("--ber", "low"), "is not a number from 0 to 1"),
            (("--count", "2"), "--count has no meaning for --damage flips"),
            (("--count", "0", "--damage", "page"), "--count"),
            (("--damage", "tail", "--count", "1"), "--count has no meaning for --damage tail"),
            (("--damage", "fire"), "--damage"),
            (("--cipher", "rot13"), "unknown cipher 'rot13'; known are aes-cbc-essiv:sha256,"),
            (("--cipher", "rot13"), "aes-cbc-essivbe32:sha256, none"),
            (("--cipher", "none", "--key", KEY), "--cipher none takes no key"),
            (("--key", KEY, "--key-file", "k"), "more than once"),
            (("--key", "00"), "takes a key of 16 bytes"),
            (("--cipher", "aes-xts-plain64", "--key", KEY), "takes a key of 32 bytes"),
            (("--seed", "-1"), "negative"),
            (("--first-sector", "auto"), "is not a number"),
            (("--thumbnail", "0"), "--thumbnail takes"),
            (("--thumbnail", "1025"), "--thumbnail takes"),
            (("--thumbnail", "9" * 5000), "--thumbnail takes"),
            (("--thumbnail", "²"), "--thumbnail takes"),
            (("--quality", "101"), "--quality"),
            (("--sampling", "4:1:1"), "--sampling"),
            (("--restart-interval", "65536"), "--restart-interval"),
            (("-o", ""), "is empty"),
            (("--jobs", "2"), "--jobs"),
        ],
    )
    def test_what_cannot_be_meant(
        self, run: Run, asked: list[SimulateOptions], arguments: tuple[str, ...], message: str
    ) -> None:
        result = run("simulate", "a.jpg", *arguments)

        assert (result.code, asked) == (2, [])
        assert message in result.err.replace("\n", " ")
        assert KEY not in result.err

    def test_files_are_needed(self, run: Run, asked: list[SimulateOptions]) -> None:
        assert run("simulate").code == run("simulate", "").code == 2
        assert asked == []


class TestResults:
    def test_a_line_per_file(self, run: Run, files: Path) -> None:
        result = run("simulate", "a.jpg", "b.jpg", "-o", "out", "--ber", "1e-3", "--damage", "sector")

        truth = json.loads((files / "out" / "truth.json").read_bytes())
        lines = [line.split("\t") for line in result.out.splitlines()]
        assert lines == [
            [
                image["name"],
                str(image["size"]),
                str(len(image["flipped_bits"])),
                "512",
                str(sum(part["end"] - part["start"] for part in image["changed"])),
            ]
            for image in truth["images"]
        ]
        assert (result.code, result.err) == (0, "")

    def test_json_is_the_truth_verbatim(self, run: Run, files: Path) -> None:
        result = run("simulate", "a.jpg", "-o", "out", "--json")

        assert result.out.encode() == (files / "out" / "truth.json").read_bytes()

    @pytest.mark.usefixtures("files")
    def test_quiet(self, run: Run) -> None:
        result = run("simulate", "a.jpg", "-o", "out", "--quiet", "--quality", "50")

        assert (result.code, result.out, result.err) == (0, "", "")

    @pytest.mark.usefixtures("files")
    def test_the_table_on_a_terminal(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "dumb")

        result = run("simulate", "a.jpg", "b.jpg", "-o", "out")

        head, *rows, summary = result.out.splitlines()
        assert head.split() == ["name", "size", "flips", "overwritten", "changed"]
        assert [row.split()[0] for row in rows] == ["a", "b"]
        assert summary == "2 files in out; their key in key.hex"

    @pytest.mark.usefixtures("files")
    def test_a_file_that_cannot_be_used(self, run: Run) -> None:
        Path("text\x1b[1m.jpg").write_text("text")

        result = run("simulate", "text\x1b[1m.jpg", "a.jpg", "-o", "out")

        assert result.code == 3
        assert result.err == "Error: text\\x1b[1m.jpg: neither a JPEG nor a PNG file\n"
        assert len(result.out.splitlines()) == 1

    @pytest.mark.usefixtures("files")
    def test_warnings_make_a_difference_to_the_code_and_are_not_said_when_quiet(self, run: Run) -> None:
        loud = run("simulate", "a.jpg", "-o", "out", "--damage", "page", "--count", "99")
        quiet = run("simulate", "a.jpg", "-o", "out2", "--damage", "page", "--count", "99", "--quiet")

        assert (loud.code, quiet.code, quiet.err) == (3, 3, "")
        assert loud.err.startswith("Warning: a.jpg: 99 units of 16384 bytes were to be hit")

    @pytest.mark.usefixtures("files")
    def test_only_so_many_problems_are_shown(self, run: Run) -> None:
        names = [f"no{n}.jpg" for n in range(13)]

        result = run("simulate", *names, "a.jpg", "-o", "out")

        assert len(result.err.splitlines()) == 11
        assert result.err.endswith("Warning: 3 more problems are in truth.json\n")

    @pytest.mark.usefixtures("files")
    def test_nothing_usable(self, run: Run) -> None:
        result = run("simulate", "no.jpg", "-o", "out")

        assert (result.code, result.out) == (1, "")
        assert result.err == "Error: no file can be used: no.jpg: cannot be read: No such file or directory\n"

        assert not Path("out").exists()

    @pytest.mark.usefixtures("files")
    def test_without_a_bit_that_flips_all_is_well(self, run: Run) -> None:
        result = run("simulate", "a.jpg", "-o", "out", "--ber", "1e-9")

        assert (result.code, result.err) == (0, "")
        assert [p["kind"] for p in json.loads(Path("out/truth.json").read_bytes())["problems"]] == ["undamaged"]

    @pytest.mark.usefixtures("files")
    def test_a_thumbnail_leaves_the_options_for_png_files_idle(self, run: Run) -> None:
        result = run("simulate", "a.jpg", "-o", "out", "--thumbnail", "40", "--quality", "50")

        assert "Warning: no file is a PNG file, so --quality had nothing to do" in result.err

    @pytest.mark.parametrize(("names", "warned"), [(("a.jpg", "b.jpg"), True), (("a.jpg", "c.png"), False)])
    @pytest.mark.usefixtures("files")
    def test_options_for_png_files_are_idle_without_one(self, run: Run, names: tuple[str, ...], warned: bool) -> None:
        result = run("simulate", *names, "-o", "out", "--quality", "50", "--sampling", "4:4:4")

        assert result.code == 0
        assert result.err == (
            "Warning: no file is a PNG file, so --quality and --sampling had nothing to do: JPEG files are taken as "
            "they are\n"
            if warned
            else ""
        )

    def test_a_key_shows_up_nowhere(self, run: Run, files: Path) -> None:
        result = run("simulate", "a.jpg", "-o", "out", "--key", KEY, "--json")

        assert KEY not in result.out + result.err
        assert "a key on the command line stays in the shell's history" in result.err
        assert not (files / "out" / "key.hex").exists()
        assert all(KEY.encode() not in path.read_bytes() for path in (files / "out").iterdir())

    def test_another_set_in_the_folder(self, run: Run, files: Path) -> None:
        run("simulate", "a.jpg", "-o", "out")

        refused = run("simulate", "b.jpg", "-o", "out")
        forced = run("simulate", "b.jpg", "-o", "out", "--force")

        assert (refused.code, forced.code) == (2, 0)
        assert {path.name.partition(".")[0] for path in (files / "out").iterdir()} == {"b", "key", "truth"}

    def test_ctrl_c(self, run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = module.make_original

        def interrupted(source: bytes, wish: Wish) -> object:
            if source == (files / "b.jpg").read_bytes():
                raise_signal(signal.SIGINT)
            return real(source, wish)

        monkeypatch.setattr(module, "make_original", interrupted)

        result = run("simulate", "a.jpg", "b.jpg", "-o", "out")

        assert result.code == 130
        assert [line.split("\t")[0] for line in result.out.splitlines()] == ["a"]
        assert json.loads((files / "out" / "truth.json").read_bytes())["state"] == "interrupted"
