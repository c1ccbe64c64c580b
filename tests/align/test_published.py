from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from jpegrescue.align import _kernels_published as kernels
from jpegrescue.align.published import _standing_out, published_sca
from jpegrescue.model.align import SCA_PARTS, ScaPart

CUT = 150  # of the paper
SHIFT_MAX = 8
MCUS = [(8, 8), (8, 16), (16, 8), (16, 16), (8, 32)]


def _scene(rows: int, columns: int, mcu: tuple[int, int], channels: int = 3, seed: int = 1) -> NDArray[np.int16]:
    """Smooth waves with a little texture: neighbouring pixels differ by a few levels, distant ones by many."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: rows * mcu[0], : columns * mcu[1]]
    waves = [50 * np.sin(x / (9 + k) + y / 31 + k) + 40 * np.cos(x / 23 - y / (17 + k)) for k in range(channels)]
    return (128 + np.stack(waves, -1) + rng.normal(0, 1.5, (*y.shape, channels))).astype(np.int16)


def _cast(samples: NDArray[np.int16], mcu: tuple[int, int], casts: dict[int, tuple[int, ...]]) -> NDArray[np.int16]:
    """`samples` with a colour added from each MCU of `casts` on, until the next."""
    out = samples.copy()
    rows, columns = samples.shape[0] // mcu[0], samples.shape[1] // mcu[1]
    for index, (r, c) in enumerate(product(range(rows), range(columns))):
        begun = [start for start in casts if start <= index]
        if begun:
            out[r * mcu[0] : (r + 1) * mcu[0], c * mcu[1] : (c + 1) * mcu[1]] += np.int16(casts[max(begun)])
    return out


def _displaced(samples: NDArray[np.int16], mcu: tuple[int, int], at: int, by: int) -> NDArray[np.int16]:
    """Everything from MCU `at` on `by` MCUs later (earlier where negative), as after lost or invented MCUs."""
    height, width = mcu
    rows, columns = samples.shape[0] // height, samples.shape[1] // width
    blocks = samples.reshape(rows, height, columns, width, -1).transpose(0, 2, 1, 3, 4).reshape(rows * columns, -1)
    index = np.arange(rows * columns)
    index[at:] = np.clip(index[at:] - by, 0, rows * columns - 1)
    moved = blocks[index].reshape(rows, columns, height, width, -1).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(moved.reshape(samples.shape))


def _sca(samples: NDArray[np.int16], mcu: tuple[int, int], *parts: ScaPart) -> tuple[NDArray[np.uint8], object]:
    return published_sca(samples, mcu, samples.shape[:2], parts)


def test_without_any_part_only_the_mean_goes() -> None:
    samples = _scene(3, 4, (8, 8))
    picture, record = published_sca(samples, (8, 8), (24, 32), ())
    mean = np.rint(samples.reshape(-1, 3).mean(axis=0)).astype(int)
    assert np.array_equal(picture, np.clip(samples - mean + 128, 0, 255))
    assert record.parts == ()
    assert [(s.mcu_start, s.mcu_end, s.offset) for s in record.segments] == [(0, 12, tuple(mean.tolist()))]
    assert record.shifts == ()
    assert record.grade == "heuristic"


def test_normalisation_cuts_off_and_stretches_each_channel() -> None:
    samples = _scene(3, 4, (16, 8))
    samples[5, 5] = (900, -700, 128)
    picture, _ = _sca(samples, (16, 8), "normalisation")
    left = np.clip(samples - np.rint(samples.reshape(-1, 3).mean(axis=0)), -CUT, CUT)
    low, high = left.min(axis=(0, 1)), left.max(axis=(0, 1))
    assert high[0] == CUT
    assert low[1] == -CUT
    assert np.abs(picture - (left - low) * 255 / (high - low)).max() <= 1


@pytest.mark.parametrize("mcu", MCUS)
@pytest.mark.parametrize("channels", [1, 3])
def test_colour_casts_are_found_and_taken_back(mcu: tuple[int, int], channels: int) -> None:
    truth = _scene(16, 60, mcu, channels)
    casts = {60 * 4 + 33: (70, -50, 60)[:channels], 60 * 11 + 7: (-60, 65, -70)[:channels]}
    damaged = _cast(truth, mcu, casts)
    _, record = _sca(damaged, mcu, "compensation")
    assert [segment.mcu_start for segment in record.segments] == [0, *casts]


def test_a_cast_that_lasts_shows_though_its_left_border_does_not() -> None:
    stripes = 128 + 90 * np.sign(np.sin(np.arange(480) * np.pi / 8 + 0.1))  # every left border of an MCU is a hard edge
    truth = np.broadcast_to(stripes[None, :, None], (96, 480, 3)).astype(np.int16)
    _, record = _sca(_cast(truth, (8, 8), {60 * 5 + 21: (30, -20, 25)}), (8, 8), "compensation")
    assert [segment.mcu_start for segment in record.segments] == [0, 60 * 5 + 21]


def test_a_border_stands_out_by_the_jump_into_it() -> None:
    lines = np.ones(39, np.int64)
    lines[15:] = 500  # from pixel row 15 to 16, where the third row of MCUs begins, and as much from there on
    assert _standing_out(lines, 8, 5).tolist() == [False, True, True, False, False]


def test_any_number_of_casts_in_one_row() -> None:
    casts = {60 * 5 + 6: (80, 80, 80), 60 * 5 + 24: (-20, -40, -20), 60 * 5 + 47: (90, 70, 60)}
    damaged = _cast(_scene(12, 60, (8, 8)), (8, 8), casts)
    _, record = _sca(damaged, (8, 8), "compensation")
    assert [segment.mcu_start for segment in record.segments] == [0, *casts]


def test_a_sound_picture_has_no_shifts() -> None:
    _, record = published_sca(_scene(10, 20, (16, 16)), (16, 16), (160, 320))
    assert record.shifts == ()


@pytest.mark.parametrize("mcu", MCUS)
@pytest.mark.parametrize("by", [-SHIFT_MAX, -3, 1, 5, SHIFT_MAX])
def test_rows_move_back_to_their_place(mcu: tuple[int, int], by: int) -> None:
    truth = _scene(9, 40, mcu)
    damaged = _displaced(truth, mcu, 40 * 4, by)
    picture, record = published_sca(damaged, mcu, truth.shape[:2], ("alignment",))
    assert [(shift.row, shift.shift) for shift in record.shifts] == [(4, -by)]
    mean = np.rint(damaged.reshape(-1, 3).mean(axis=0))
    expected = np.clip(truth - mean + 128, 0, 255)
    lost = mcu[0] * 5
    assert np.array_equal(picture[: truth.shape[0] - lost], expected[: truth.shape[0] - lost])
    if by > 0:  # rows moved back leave places behind, which show the mean
        assert (picture[-mcu[0] :, -by * mcu[1] :] == 128).all()
    inner = np.s_[mcu[0] * 5 : -mcu[0], SHIFT_MAX * mcu[1] : -SHIFT_MAX * mcu[1]]
    assert np.array_equal(picture[inner], expected[inner])


def test_the_picture_is_cut_to_its_size() -> None:
    samples = _scene(3, 3, (16, 16))
    picture, _ = published_sca(samples, (16, 16), (41, 33))
    whole, _ = published_sca(samples, (16, 16), (48, 48))
    assert np.array_equal(picture, whole[:41, :33])


def test_one_channel_gives_a_grey_picture() -> None:
    picture, record = published_sca(_scene(4, 4, (8, 8), 1), (8, 8), (32, 30))
    assert picture.shape == (32, 30)
    assert len(record.segments[0].offset) == 1


@settings(max_examples=40)
@given(st.data(), st.sampled_from(MCUS), st.integers(1, 5), st.integers(1, 4), st.sampled_from([1, 3]))
def test_anything_gives_a_picture(data: st.DataObject, mcu: tuple[int, int], rows: int, columns: int, n: int) -> None:
    shape = (rows * mcu[0], columns * mcu[1], n)
    extremes = st.sampled_from([-32768, 32767, 0, 128])
    samples = data.draw(hnp.arrays(np.int16, shape, elements=extremes, fill=extremes))
    parts = data.draw(st.sets(st.sampled_from(SCA_PARTS)))
    picture, record = published_sca(samples, mcu, shape[:2], parts)
    assert picture.shape == (shape if n == 3 else shape[:2])
    bounds = [(segment.mcu_start, segment.mcu_end) for segment in record.segments]
    assert [start for start, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == rows * columns


def test_kernels_say_what_python_says() -> None:
    """Compiled and interpreted kernels agree; interpreted ones also trip over an index beyond an array's end."""
    mcu, (rows, columns) = (8, 16), (4, 3)
    samples = np.random.default_rng(3).integers(-400, 700, (32, 48, 3)).astype(np.int16)
    offsets = np.random.default_rng(4).integers(-90, 200, (12, 3)).astype(np.int32)
    source = np.array([0, 1, 2, -1, 3, 4, 5, 6, 8, 9, 10, -1])
    results = []
    for chosen in ("compiled", "python"):
        run = _compiled if chosen == "compiled" else _interpreted
        lines, above, beside = (np.empty(shape, np.int64) for shape in (31, (rows, columns), (rows, columns)))
        run("edge_energy", samples, *mcu, lines, above, beside)
        sums, lowest, highest = np.empty((12, 3), np.int64), np.empty((12, 3), np.int32), np.empty((12, 3), np.int32)
        run("mcu_statistics", samples, *mcu, sums, lowest, highest)
        top, bottom = np.empty((4 * 48, 3), np.int32), np.empty((4 * 48, 3), np.int32)
        run("border_lines", samples, 8, offsets, 150, top, bottom)
        shifts = np.empty(rows, np.int64)
        run("best_shifts", top, bottom, columns, 16, 2, shifts)
        picture = np.empty((27, 41, 3), np.uint8)
        low, scale = np.array([-150.0, -140, -130]), np.array([0.85, 0.9, 1.1])
        run("assemble", samples, *mcu, source, offsets, 150, low, scale, picture)
        results.append((lines, above, beside, sums, lowest, highest, top, bottom, shifts, picture))
    for compiled, python in zip(*results, strict=True):
        assert np.array_equal(compiled, python)


def _compiled(name: str, *arguments: object) -> None:
    getattr(kernels, name)(*arguments)


def _interpreted(name: str, *arguments: object) -> None:
    getattr(kernels, name).py_func(*arguments)


def test_statistics_and_edges_by_definition() -> None:
    samples = np.random.default_rng(5).integers(-400, 700, (24, 32, 3)).astype(np.int16)
    lines, above, beside = (np.empty(shape, np.int64) for shape in (23, (3, 2), (3, 2)))
    kernels.edge_energy(samples, 8, 16, lines, above, beside)
    squares = np.diff(samples.astype(np.int64), axis=0) ** 2
    assert np.array_equal(lines, squares.sum(axis=(1, 2)))
    assert np.array_equal(above[1:], squares[7::8].reshape(2, 2, 48).sum(axis=2))
    across = np.diff(samples.astype(np.int64), axis=1)[:, 15] ** 2
    assert np.array_equal(beside[:, 1], across.reshape(3, 24).sum(axis=1))
    assert not above[0].any()
    assert not beside[:, 0].any()
    sums, lowest, highest = np.empty((6, 3), np.int64), np.empty((6, 3), np.int32), np.empty((6, 3), np.int32)
    kernels.mcu_statistics(samples, 8, 16, sums, lowest, highest)
    blocks = samples.reshape(3, 8, 2, 16, 3).transpose(0, 2, 1, 3, 4).reshape(6, 128, 3)
    assert np.array_equal(sums, blocks.sum(axis=1))
    assert np.array_equal(lowest, blocks.min(axis=1))
    assert np.array_equal(highest, blocks.max(axis=1))
