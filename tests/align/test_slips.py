"""Protects the doubt in whole stretches of runs: where nothing but the margins tells a column, that has to show."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from jpegrescue.align.place import Run
from jpegrescue.align.slips import NEVER, REACH, ROWS, _moves, better, slips
from jpegrescue.score.plausibility import NAT
from tests.align.readings import reading, true_path
from tests.resync.damaged import NAMES, damaged, encoded, framed, garbage

WIDTH, HEIGHT, FRAME = 512, 320, 16
COLUMNS = WIDTH // 16
SURE = 40 * NAT
FIRST_ROW = 0.02  # of the scan


def photo(*, framed: bool) -> bytes:
    """A shipped photo; framed in black, its margins are alike."""
    samples = np.array(Image.fromarray(data.astronaut()).crop((0, 0, WIDTH, HEIGHT)))
    if framed:
        samples[:, :FRAME] = samples[:, -FRAME:] = samples[:FRAME] = samples[-FRAME:] = 0
    out = io.BytesIO()
    Image.fromarray(samples).save(out, "JPEG", quality=85, subsampling=2)
    return out.getvalue()


def slipped(*, framed: bool, first: int, last: int) -> NDArray[np.int64]:
    """Of a sound photo as if there were an error at MCUs `first` and `last`."""
    evidence = reading(photo(framed=framed)).evidence
    runs = [Run(0, first, 0), Run(first + 1, last, 0), Run(last + 1, evidence.places, 0)]
    return slips(evidence, runs)


def test_a_stretch_within_a_picture_cannot_slip() -> None:
    rows = HEIGHT // 16
    of_runs = slipped(framed=False, first=5 * COLUMNS + 7, last=(rows - 5) * COLUMNS + 9)
    assert of_runs.min() > 40 * NAT


def test_margins_that_are_strangers_hold_a_stretch_that_begins_in_the_first_row() -> None:
    rows = HEIGHT // 16
    unlike, alike = (slipped(framed=framed, first=9, last=rows * COLUMNS - 9) for framed in (False, True))
    assert unlike[1] > 40 * NAT
    assert alike[1] < unlike[1] / 2
    assert alike[1] < 40 * NAT


def test_the_first_run_is_held_by_the_start_of_the_scan() -> None:
    rows = HEIGHT // 16
    of_runs = slipped(framed=True, first=9, last=rows * COLUMNS - 9)
    assert of_runs[0] >= NEVER


def test_a_run_that_hangs_in_the_air_is_in_doubt() -> None:
    """The first MCUs are lost: no restart, nothing above, and only the end of the scan says where it begins."""
    evidence = reading(photo(framed=True)).evidence
    alone = slips(evidence, [Run(3, evidence.places, 0)])
    assert alone[0] < 40 * NAT


@pytest.mark.parametrize("runs", [[], [Run(0, 5, 0)]])
def test_hardly_anything(runs: list[Run]) -> None:
    evidence = reading(photo(framed=False)).evidence
    assert slips(evidence, runs).shape == (len(runs),)


def behind_the_error(jpeg: bytes, at: float) -> int:
    """Odds of the place of what lies behind one error, put where it belongs."""
    broken = damaged(jpeg, [at])
    runs = true_path(broken, jpeg).runs
    assert len(runs) == 2
    return int(slips(reading(broken).evidence, runs)[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", [FIRST_ROW, 0.5])
def test_where_margins_differ_right_places_are_sure(name: str, at: float) -> None:
    assert SURE < behind_the_error(encoded(name), at) < NEVER


@pytest.mark.parametrize("name", NAMES)
def test_margins_that_are_alike_leave_an_error_in_the_first_row_in_doubt(name: str) -> None:
    """Nothing above tells how many MCUs it took, and moved, the frame goes on at the other side."""
    doubtful = behind_the_error(framed(name), FIRST_ROW)

    assert doubtful < 0.7 * behind_the_error(encoded(name), FIRST_ROW)
    assert doubtful < 0.7 * behind_the_error(framed(name), 0.5)


def test_a_frame_can_hide_an_error_altogether() -> None:
    assert behind_the_error(framed("chelsea"), FIRST_ROW) < SURE


def test_a_stretch_between_two_errors_is_sure_where_no_way_to_move_it_is_cheap() -> None:
    """It moves alone, or along with those before or behind it."""
    jpeg = damaged(encoded("coffee"), [0.3, 0.6])
    odds = slips(reading(jpeg).evidence, true_path(jpeg, encoded("coffee")).runs)

    assert odds.shape == (3,)
    assert odds.min() > SURE


@pytest.mark.parametrize("off", [-3, 2, 5])
def test_a_wrong_place_is_not_sure(off: int) -> None:
    evidence = reading(encoded("coffee")).evidence
    runs = [Run(0, 120, 0), Run(130, 250, off), Run(260, evidence.count, 0)]

    assert slips(evidence, runs)[1] < SURE
    assert slips(evidence, [Run(0, 120, 0), Run(130, 250, 0), Run(260, evidence.count, 0)])[1] > SURE


@pytest.mark.parametrize("width", [1, 3, 12, 24, 400])
def test_moves_are_the_same_backwards_with_signs_turned(width: int) -> None:
    moves = _moves(width, REACH)

    np.testing.assert_array_equal(moves, -moves[::-1])
    assert {*range(1, REACH + 1), *(row * width for row in range(1, ROWS + 1))} == set(moves[moves > 0].tolist())
    assert np.all(np.diff(moves) > 0)


def test_there_is_an_answer_for_everything() -> None:
    evidence = reading(garbage(encoded("coffee"))).evidence
    many = [Run(at, at + 1, 0) for at in range(0, min(evidence.count, evidence.places), 3)]

    assert slips(evidence, []).shape == (0,)
    assert slips(evidence, many).shape == (len(many),)
    assert np.all(slips(evidence, many) <= NEVER)


def test_a_strip_that_is_torn_off_is_one_set() -> None:
    """Along an edge a picture can be torn row by row; no row of the strip would lie better alone."""
    evidence = reading(encoded("coffee")).evidence
    width, runs, strip = evidence.width, [Run(0, 2 * evidence.width, 0)], []
    for row in range(2, evidence.places // width):
        start = row * width
        strip.append(len(runs) + 1)
        runs += [Run(start, start + 6, 0), Run(start + 7, start + 14, -1), Run(start + 15, start + width, 0)]
    found, _ = better(evidence, runs, REACH)

    assert found[0].move == 1
    assert np.flatnonzero(found[0].moved).tolist() == strip
    assert slips(evidence, runs)[strip].max() < 0


def test_garbage_that_fits_once_a_run_is_moved_speaks_for_moving_it() -> None:
    """A row of the picture, taken for garbage as what lies behind it was put where it belongs itself."""
    evidence = reading(encoded("coffee")).evidence
    first, row = 5 * evidence.width + 3, evidence.width
    whole = [Run(0, first, 0), Run(first + row, evidence.places, 0)]
    higher = [Run(0, first, 0), Run(first + row, evidence.places, -row)]

    assert slips(evidence, higher)[1] < 0
    assert slips(evidence, whole)[1] > SURE
