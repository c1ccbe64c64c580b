"""Protects the odds of symbols: a photo's bits speak for one, random ones against, and both in whole numbers."""

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from jpegrescue.jpeg import entropy
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.jpeg import HuffmanTable
from jpegrescue.resync.restarts import anchor
from jpegrescue.score import symbols
from jpegrescue.score._kernels_symbols import DC_CONTEXTS, DC_SIZES, FAILURE, LEVEL, LEVELS, SHAPES, SYMBOLS
from jpegrescue.score.borders import CHROMA, LUMA
from jpegrescue.score.plausibility import NAT
from jpegrescue.score.symbols import AC_SHAPE, Counts, SymbolOdds, Weighed, count_symbols, symbol_odds, weigh
from tests.resync.damaged import NAMES, Opened, damaged, encoded, garbage, opened

Tables = tuple[tuple[HuffmanTable, HuffmanTable], ...]


def tables_of(file: Opened) -> tuple[Tables, tuple[int, ...]]:
    parts = file.structure.scans[0].components
    tables = tuple((part.dc_table, part.ac_table) for part in parts if part.dc_table and part.ac_table)
    return tables, tuple(CHROMA if index else LUMA for index in range(len(tables)))


def weighed(file: Opened, odds: SymbolOdds | None = None) -> Weighed:
    return weigh(
        file.stripped, file.intervals.bits, file.layout.mcus, file.layout, odds or symbol_odds(*tables_of(file))
    )


def counts_of(file: Opened) -> Counts:
    made = weighed(file)
    return count_symbols(file.stripped, made, np.ones(made.count, np.bool_), file.layout, tables_of(file)[1])


def blocks_of_128_bits(made: Weighed) -> NDArray[np.float64]:
    """Nats of each."""
    return made.bins[: made.bins.size // 2 * 2].reshape(-1, 2).sum(axis=1) / NAT


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "options", [{}, {"mode": "L"}, {"quality": 60}, {"quality": 95, "subsampling": 0}, {"subsampling": 1, "restart": 9}]
)
def test_the_bits_of_a_photo_speak_for_it_and_random_ones_against(name: str, options: dict[str, object]) -> None:
    jpeg = encoded(name, **options)  # type: ignore[arg-type]
    true, wrong = (blocks_of_128_bits(weighed(opened(data))) for data in (jpeg, garbage(jpeg)))

    assert true.mean() > 6
    assert np.mean(true > 0) > 0.85
    assert wrong.mean() < -15
    assert np.mean(wrong > 0) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_a_garbled_block_stands_out(name: str) -> None:
    jpeg, places = encoded(name), [0.2, 0.5, 0.8]
    file = opened(damaged(jpeg, places))
    odds = blocks_of_128_bits(weighed(file))
    begin = file.stripped.file_bits(128 * np.arange(odds.size)) >> 3
    changed = np.flatnonzero(file.data != opened(jpeg).data)
    hit = np.unique(np.searchsorted(begin, changed, side="right") - 1)

    around = np.unique(np.concatenate([hit + near for near in (-1, 0, 1)]))
    for group in np.split(hit, np.flatnonzero(np.diff(hit) > 9) + 1):
        assert odds[group].min() < -5
    assert np.delete(odds, around).mean() > 6


def test_a_sound_scan_decodes_to_its_last_bit() -> None:
    for options in ({}, {"mode": "L"}, {"restart": 7}):
        file = opened(encoded("coffee", **options))  # type: ignore[arg-type]
        made = weighed(file)

        assert made.count == file.layout.mcus
        assert not made.failed.any()
        np.testing.assert_array_equal(made.start[:-1], file.stream.bit_start)
        inside = np.setdiff1d(np.arange(1, made.count), made.first)  # before markers there is padding
        np.testing.assert_array_equal(made.resumed[inside], file.stream.bit_end[inside - 1])
        np.testing.assert_array_equal(made.resumed[made.first[:-1]], file.intervals.bits[:, 0])
        assert made.first.tolist() == [*file.intervals.first_mcu, file.layout.mcus]


def test_where_it_begins_and_ends_agrees_with_the_decoder_in_a_damaged_scan_too() -> None:
    file = opened(damaged(encoded("coffee", quality=95, subsampling=0), [0.2, 0.5, 0.6, 0.8]))
    made = weighed(file)

    common = np.isin(file.stream.bit_start, made.start)
    assert common.mean() > 0.98
    assert made.failed.any()
    assert np.all(np.diff(made.start) > 0)
    assert np.all(made.resumed[:-1] <= made.start[:-1])


def test_odds_are_spread_over_their_bits() -> None:
    for data in (encoded("coffee"), damaged(encoded("coffee"), [0.3, 0.7])):
        made = weighed(opened(data))

        lost = FAILURE * np.count_nonzero(made.failed[:-1])
        assert 0 <= made.odds.sum() - lost - made.bins.sum() < 8 * made.bins.size + 64 * made.count


def test_odds_between_edges_add_up_to_those_of_the_mcus() -> None:
    for data in (encoded("coffee"), damaged(encoded("coffee", restart=5), [0.3, 0.7])):
        file = opened(data)
        made = weighed(file)
        tables, kinds = tables_of(file)
        size = 8 * file.stripped.size
        edges = np.arange(0, size + 128, 128)

        sums = symbols.sum_between(file.stripped, made, edges, file.layout, symbol_odds(tables, kinds))
        coarse = symbols.sum_between(file.stripped, made, edges[::3], file.layout, symbol_odds(tables, kinds))

        lost = FAILURE * np.count_nonzero(made.failed[:-1])
        assert sums.sum() == made.odds.sum() - lost
        whole = (edges.size - 1) // 3 * 3
        assert coarse.tolist()[: whole // 3] == sums[:whole].reshape(-1, 3).sum(axis=1).tolist()


def test_a_symbol_counts_where_it_begins() -> None:
    file = opened(encoded("coffee"))
    made = weighed(file)
    tables, kinds = tables_of(file)
    every = np.arange(int(made.start[3]), int(made.start[5]) + 1)

    sums = symbols.sum_between(file.stripped, made, every, file.layout, symbol_odds(tables, kinds))

    assert sums.sum() == made.odds[3:5].sum()
    assert sums[int(made.start[4] - made.start[3]) :].sum() == made.odds[4]
    assert 2 * 6 <= np.count_nonzero(sums) < sums.size / 2


def test_odds_are_whole_numbers_within_bounds_and_none_where_there_is_no_code() -> None:
    file = opened(encoded("coffee"))
    tables, kinds = tables_of(file)
    odds = symbol_odds(tables, kinds)

    assert odds.ac.shape == (3, LEVELS, 64, SHAPES, SYMBOLS)
    assert odds.dc.shape == (3, DC_CONTEXTS, DC_SIZES)
    assert odds.ac.dtype == odds.dc.dtype == np.int16
    assert max(np.abs(odds.ac).max(), np.abs(odds.dc).max()) <= 12 * NAT
    for index, (_, ac_table) in enumerate(tables):
        without = np.setdiff1d(np.arange(SYMBOLS), ac_table.symbols)
        assert not odds.ac[index][..., without].any()
    np.testing.assert_array_equal(odds.ac[1], odds.ac[2])
    assert not np.array_equal(odds.ac[0], odds.ac[1])


def test_random_bits_expect_to_lose() -> None:
    """Symbols of random bits are as frequent as their code lengths say; of the odds, that is a mean below zero."""
    tables, kinds = tables_of(opened(encoded("coffee")))
    odds = symbol_odds(tables, kinds)
    for index, (_, ac_table) in enumerate(tables):
        lengths = symbols._lengths(ac_table)
        chance = np.where(lengths > 0, 0.5**lengths, 0.0)

        assert np.all((odds.ac[index, :, 1:] * chance).sum(axis=-1) < NAT / 4)


def test_tables_are_the_same_again() -> None:
    tables, kinds = tables_of(opened(encoded("coffee")))
    own = counts_of(opened(encoded("coffee")))
    made = [symbol_odds(tables, kinds, counts) for counts in (None, None, own, own)]
    digests = [hashlib.sha256(odds.ac.tobytes() + odds.dc.tobytes()).hexdigest() for odds in made]

    assert digests[0] == digests[1] != digests[2] == digests[3]
    np.testing.assert_array_equal(symbols.learnt_odds(tables, kinds).ac, made[0].ac)


@pytest.mark.parametrize("name", NAMES)
def test_a_files_own_counts_make_it_likelier(name: str) -> None:
    file = opened(encoded(name))
    usual = weighed(file)
    own = weighed(file, symbol_odds(*tables_of(file), counts_of(file)))

    assert own.odds.sum() > usual.odds.sum()


def test_what_was_seen_once_proves_nothing() -> None:
    tables, kinds = tables_of(opened(encoded("coffee")))
    once = Counts.none()
    once.ac[:], once.dc[:] = 1, 1
    odds, usual = symbol_odds(tables, kinds, once), symbol_odds(tables, kinds)

    assert np.abs(odds.ac.astype(int) - usual.ac).max() <= 1  # rounding
    assert np.abs(odds.dc.astype(int) - usual.dc).max() <= 1


def test_every_symbol_is_counted() -> None:
    file = opened(encoded("chelsea"))
    counts = counts_of(file)

    blocks = file.layout.mcus * 4, file.layout.mcus * 2
    assert counts.dc.sum(axis=(1, 2)).tolist() == list(blocks)
    zero_run = counts.ac[..., 0].sum(axis=(1, 2, 3))  # at most one EOB a block
    assert np.all(zero_run <= blocks)
    assert np.all(zero_run > 0.9 * np.array(blocks))
    nonzero = [np.count_nonzero(plane[..., 1:]) for plane in file.stream.coefficients]
    coded = counts.ac.sum(axis=(1, 2, 3))
    coded = coded - coded * np.isin(np.arange(SYMBOLS), (0x00, 0xF0))
    assert coded.sum(axis=1).tolist() == [nonzero[0], nonzero[1] + nonzero[2]]


def test_only_what_is_wanted_is_counted() -> None:
    file = opened(encoded("chelsea"))
    made, kinds = weighed(file), tables_of(file)[1]
    half = np.arange(made.count) % 3 == 0
    parts = [count_symbols(file.stripped, made, wanted, file.layout, kinds) for wanted in (half, ~half)]

    np.testing.assert_array_equal(parts[0].ac + parts[1].ac, counts_of(file).ac)
    np.testing.assert_array_equal(parts[0].dc + parts[1].dc, counts_of(file).dc)


def test_lengths_are_those_of_the_codes() -> None:
    table = HuffmanTable((0, 1, 2, *(0,) * 12, 1), (5, 0, 0xF0, 3))

    lengths = symbols._lengths(table)

    assert lengths.shape == (SYMBOLS,)
    assert {int(s): int(lengths[s]) for s in np.flatnonzero(lengths)} == {5: 2, 0: 3, 0xF0: 3, 3: 16}


def test_levels_ascend_over_all_numbers_of_coefficients() -> None:
    assert LEVEL.size == 65
    assert sorted(set(LEVEL.tolist())) == list(range(LEVELS))
    assert np.all(np.diff(LEVEL) >= 0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("restart", [0, 3])
def test_random_bytes_stay_within_bounds(seed: int, restart: int) -> None:
    """A tiny frame over much noise, with and without markers in it: no more MCUs than there is room for."""
    jpeg = encoded("coffee", size=(32, 16), restart=restart)
    header = jpeg[: parse(jpeg).scans[0].start]
    noise = np.random.default_rng(seed).integers(0, 256, 4000, dtype=np.uint8)
    noise[noise == 0xD9] = 0xD3
    data = np.frombuffer(header + noise.tobytes(), np.uint8)
    structure = parse(data)
    scan, file = structure.scans[0], opened(jpeg)
    stripped = entropy.scan_bytes(data, scan)
    intervals = anchor(stripped, file.layout.mcus, restart, ends=False)

    made = weigh(stripped, intervals.bits, file.layout.mcus, file.layout, symbol_odds(*tables_of(file)))

    assert made.count < 2 * file.layout.mcus + symbols.SURPLUS + intervals.bits.shape[0]
    assert made.start.size == made.failed.size == made.resumed.size == made.count + 1
    assert np.all(np.diff(made.first) >= 0)


def test_what_is_shipped_has_seen_enough() -> None:
    shares = symbols.learnt()

    assert shares.ac.shape == AC_SHAPE
    assert np.all(np.abs(shares.ac.sum(axis=-1) - 1) < 1e-3)
    assert np.all(np.abs(shares.dc.sum(axis=-1) - 1) < 1e-3)
    assert np.all(shares.ac[LUMA, :, 1:, 0] >= 0)
    assert symbols.learnt() is shares
