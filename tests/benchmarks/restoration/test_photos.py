from pathlib import Path

from PIL import Image

from benchmarks.restoration.photos import collect
from benchmarks.restoration.rendered import SIZE, rendered


def test_without_a_folder_shipped_and_rendered_pictures_serve(tmp_path: Path) -> None:
    photos = collect(None, tmp_path)
    assert {photo.kind for photo in photos} == {"kodak", "rendered"}
    assert len({photo.name for photo in photos}) == len(photos)
    encodings = [photo.encoding for photo in photos if photo.encoding]
    assert {encoding.quality for encoding in encodings} == {75, 90, 95}
    assert {encoding.sampling for encoding in encodings} == {"4:2:0", "4:2:2", "4:4:4"}
    assert {bool(encoding.restart_interval) for encoding in encodings} == {True, False}
    assert {encoding.thumbnail for encoding in encodings} == {"none", 160}
    assert all(photo.path.is_file() for photo in photos)


def test_originals_are_those_that_can_be_decoded(tmp_path: Path) -> None:
    for name in ("kodak24", "camera", "classic5"):
        (tmp_path / name).mkdir()
    picture = Image.new("RGB", (64, 48), "teal")
    picture.save(tmp_path / "kodak24" / "a.png")
    picture.save(tmp_path / "camera" / "b.jpg")
    picture.save(tmp_path / "camera" / "c.jpg", progressive=True)
    (tmp_path / "camera" / "d.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    (tmp_path / "work").mkdir()
    found = [(p.kind, p.path.name) for p in collect(tmp_path, tmp_path / "work") if p.kind != "rendered"]
    assert found == [("kodak", "a.png"), ("kodak", "a.png"), ("kodak", "a.png"), ("small", "b.jpg")]


def test_rendered_pictures_are_always_the_same() -> None:
    first, second = dict(rendered()), dict(rendered())
    assert len(first) == 6
    for name, picture in first.items():
        assert picture.size == SIZE
        assert picture.tobytes() == second[name].tobytes()
        assert len(picture.getcolors(1 << 20) or ()) > 50
