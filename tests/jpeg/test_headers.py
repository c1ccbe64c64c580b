"""Single choices between headers; tests/jpeg/test_reference.py holds what comes of all of them on whole files."""

from dataclasses import replace

import pytest

from jpegrescue.jpeg.headers import Headers, choose_interval, choose_quantisation, choose_size, choose_tables
from jpegrescue.jpeg.parse import parse
from tests.jpeg.samples import photo
from tests.jpeg.siblings import FILE, SIBLING, array


def headers(data: bytes) -> Headers:
    structure = parse(data)
    assert structure.frame is not None
    return Headers(structure.frame, structure.quantisation, structure.scans)


OWN, THEIRS = headers(FILE), headers(SIBLING)


def sized(own: Headers, width: int, height: int) -> Headers:
    return replace(own, frame=replace(own.frame, width=width, height=height))


@pytest.mark.parametrize(
    ("size", "wins"),
    [
        ((320, 0), "theirs"),
        ((65535, 65535), "theirs"),
        ((320, 24000), "theirs"),
        ((320, 120), "theirs"),
        ((240, 320), "own"),
        ((330, 230), "own"),
    ],
)
def test_a_size_has_to_fit_the_scan(size: tuple[int, int], wins: str) -> None:
    chosen, names = choose_size(array(FILE), sized(OWN, *size), THEIRS)
    assert names == (("picture size",) if wins == "theirs" else ())
    assert (chosen.frame.width, chosen.frame.height) == ((320, 240) if wins == "theirs" else size)


def test_a_sibling_of_another_size_does_not_fit_either() -> None:
    own = sized(OWN, 320, 480)
    assert choose_size(array(FILE), own, sized(THEIRS, 1600, 1200)) == (own, ())


def test_a_cut_off_scan_keeps_its_size() -> None:
    data = FILE[: len(FILE) // 4]
    assert choose_size(array(data), headers(data), sized(THEIRS, 200, 150)) == (headers(data), ())


def test_components_and_tables_are_judged_together() -> None:
    optimised = photo(seed=1, optimize=True)
    own = headers(optimised)
    wrong = tuple(replace(c, horizontal=1, vertical=1) for c in own.frame.components)
    broken = replace(
        own,
        frame=replace(own.frame, components=wrong),
        scans=(replace(own.scans[0], components=THEIRS.scans[0].components),),
    )
    chosen, names = choose_tables(array(optimised), broken, headers(photo(seed=1, optimize=True)))
    assert (chosen.frame, chosen.scans) == (own.frame, own.scans)
    assert names == ("frame header", "all Huffman tables")
    assert choose_tables(array(optimised), own, THEIRS) == (own, ())


def test_a_single_differing_table_is_named() -> None:
    first, *others = OWN.scans[0].components
    own = replace(OWN, scans=(replace(OWN.scans[0], components=(replace(first, ac_table=None), *others)),))
    chosen, names = choose_tables(array(FILE), own, THEIRS)
    assert (chosen, names) == (OWN, ("Huffman table AC of component 1",))


@pytest.mark.parametrize(("kind", "symbol"), [("AC", 0x0B), ("AC", 0x30), ("AC", 0xFA), ("DC", 12), ("DC", 3)])
def test_a_table_that_no_encoder_writes_is_replaced_though_the_scan_decodes(kind: str, symbol: int) -> None:
    """The last code, which this picture does not use, gets a symbol without meaning, or one that has a code."""
    part, *others = OWN.scans[0].components
    table = part.ac_table if kind == "AC" else part.dc_table
    assert table is not None
    changed = replace(table, symbols=(*table.symbols[:-1], symbol if symbol != 0xFA else table.symbols[0]))
    part = replace(part, **{f"{kind.lower()}_table": changed})
    own = replace(OWN, scans=(replace(OWN.scans[0], components=(part, *others)),))
    assert choose_tables(array(FILE), own, THEIRS) == (OWN, (f"Huffman table {kind} of component 1",))


def test_an_interval_that_the_markers_contradict_is_replaced() -> None:
    data = photo(restart_marker_blocks=6)
    own = headers(data)
    for interval, names in ((0, ("restart interval",)), (600, ("restart interval",)), (6, ())):
        wrong = replace(own, scans=(replace(own.scans[0], restart_interval=interval),))
        assert choose_interval(array(data), wrong, own) == (own, names)
    other = replace(own, scans=(replace(own.scans[0], restart_interval=9),))
    assert choose_interval(array(data), own, other) == (own, ())
    assert choose_interval(array(FILE), OWN, own) == (OWN, ())


def steps(quality: int) -> tuple[int, ...]:
    table = headers(photo(64, 64, quality=quality)).quantisation[0]
    assert table is not None
    return table


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 90, 95, 100])
@pytest.mark.parametrize("of_sibling", [10, 50, 85, 100])
def test_tables_of_another_quality_are_kept(quality: int, of_sibling: int) -> None:
    own = replace(OWN, quantisation=(steps(quality), OWN.quantisation[1], None, None))
    theirs = replace(OWN, quantisation=(steps(of_sibling), OWN.quantisation[1], None, None))
    assert choose_quantisation(array(FILE), own, theirs) == (own, ())


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        (0, *steps(85)[1:]),
        (*steps(85)[:-1], 0),
        (*steps(90)[:9], 255, *steps(90)[10:]),
        (*steps(85)[:9], 40, *steps(85)[10:]),
    ],
)
def test_tables_with_a_step_that_cannot_be_are_replaced(wrong: tuple[int, ...] | None) -> None:
    own = replace(OWN, quantisation=(wrong, *OWN.quantisation[1:]))
    assert choose_quantisation(array(FILE), own, OWN) == (OWN, ("quantisation table 0",))
