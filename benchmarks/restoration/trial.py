"""One trial: a photo is damaged (`simulate`), restored (`restore`) and judged (`evaluate`), all through the flows.

Results are kept by what decides them: the photo, how it was encoded and with which library, the recipe with its seed,
and the code of the package.
"""

import hashlib
import io
import shutil
import tempfile
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import PIL
import skimage
from PIL import features

import jpegrescue
from benchmarks.restoration.modes import Mode
from benchmarks.restoration.photos import Photo, PhotoClass
from jpegrescue.flow.options import KeyOptions, RestoreOptions, RunOptions
from jpegrescue.flow.restore import restore
from jpegrescue.lab.evaluate import evaluate
from jpegrescue.lab.original import Wish
from jpegrescue.lab.simulate import SimulateOptions, simulate
from jpegrescue.model.align import SCA_PARTS
from jpegrescue.model.evaluation import FileScore
from jpegrescue.model.truth import TrueImage
from jpegrescue.report.json import from_json, to_json
from jpegrescue.report.output import KEY_NAME
from jpegrescue.source.crypt.spec import DEFAULT_SPEC, parse_spec
from jpegrescue.source.keys import load_key

ENCODER = f"Pillow {PIL.__version__}, {features.version('libjpeg_turbo') or features.version('jpg')}"
DONOR = Path(skimage.__file__).parent / "data" / "coffee.png"
"""Whose clusters the files get that are to have foreign ones."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one photo in one mode.

    `seconds`: wall time of the `restore` run, pictures written; `preview`: whether the photo was given a thumbnail, or
    alignment trusted the one that it came with.
    """

    photo: str
    kind: PhotoClass
    mode: str
    seed: int
    code: str
    seconds: float
    preview: bool
    score: FileScore


@cache
def code_digest(*rooms: str) -> str:
    """Names the package's code, or that of `rooms`, by its content: results outlive commits that leave it alone."""
    package = Path(jpegrescue.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if rooms and path.relative_to(package).parts[0] not in rooms:
            continue
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def kept_or_made(photo: Photo, mode: Mode, seed: int, cache_folder: Path, repair: bool = True) -> Trial | None:
    """The trial from the cache, else carried out; `None` where the mode does not take a file of this size.

    `repair`: search for flipped bits, as `restore` does unless told otherwise.
    """
    names = [f.name for f in fields(Trial)]
    decisive = (photo.sha256, photo.encoding, mode.recipe(seed), SCA_PARTS, ENCODER, names, repair)
    kept = cache_folder / code_digest() / f"{hashlib.sha256(repr(decisive).encode()).hexdigest()}.json"
    if kept.exists():
        return replace(from_json(kept.read_bytes(), Trial), photo=photo.name, kind=photo.kind, mode=mode.name)
    trial = _made(photo, mode, seed, repair=repair)
    if trial is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, suffix=".part", delete=False) as file:
            file.write(to_json(trial))
        Path(file.name).replace(kept)
    return trial


def _made(photo: Photo, mode: Mode, seed: int, *, repair: bool) -> Trial | None:
    if photo.encoding is None and not mode.takes(photo.path.stat().st_size):
        return None
    folder = Path(tempfile.mkdtemp(prefix="restoration-"))
    try:
        sources = (photo.path, DONOR) if mode.damage == "foreign" else (photo.path,)
        made = simulate(SimulateOptions(sources, folder / "truth", mode.recipe(seed), wish=wish_of(photo)))
        true = made.truth.images[0]
        if not mode.takes(true.size):
            return None
        options = _restore_options(made.folder, true, folder / "run")
        run = restore(options if repair else replace(options, repair=None))
        score = evaluate(folder / "run", made.folder, jobs=1).files[0]
        matches = [image.thumbnail_match for image in run.report.images]
        given = photo.encoding is not None and photo.encoding.thumbnail != "none"
        preview = given or any(match is not None and match.trusted for match in matches)
        seconds = run.report.run.seconds or 0.0
        return Trial(photo.name, photo.kind, mode.name, seed, code_digest(), seconds, preview, score)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wish_of(photo: Photo) -> Wish:
    """How `simulate` is asked to make the photo's file."""
    if photo.encoding is None:
        return Wish()
    return Wish(
        quality=photo.encoding.quality,
        sampling=photo.encoding.sampling,
        restart_interval=photo.encoding.restart_interval,
        thumbnail=photo.encoding.thumbnail,
    )


def _restore_options(truth: Path, true: TrueImage, output: Path) -> RestoreOptions:
    """What an examiner would give: the ciphertext, the key and where the sectors begin; or the plain file."""
    recipe = true.recipe
    run = RunOptions(argv=("restore",), command="restore", output=output, jobs=1)
    wanted = "damaged" if recipe.cipher is None else "evidence"
    (file,) = (truth / written.path for written in true.outputs if written.kind == wanted)
    if recipe.cipher is None:
        return RestoreOptions((file,), run, KeyOptions(DEFAULT_SPEC), sca=SCA_PARTS)
    key = KeyOptions(
        spec=parse_spec(recipe.cipher),
        key=load_key(None, truth / KEY_NAME, {}, io.StringIO()),
        sector_size=recipe.sector_size,
        first_sector=recipe.first_sector,
        iv_unit=recipe.iv_unit,
    )
    return RestoreOptions((file,), run, key, input="cipher", sca=SCA_PARTS)
