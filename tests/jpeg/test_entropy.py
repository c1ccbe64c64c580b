import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jpegrescue.jpeg import entropy
from jpegrescue.jpeg._kernels_entropy import ZIGZAG
from jpegrescue.jpeg.parse import parse
from jpegrescue.model.jpeg import Scan
from tests.oracles.encoder import ZIGZAG as PLAIN_ZIGZAG
from tests.oracles.encoder import Plan, encode, random_planes

MARKERY = st.lists(st.sampled_from([0x00, 0x12, 0x40, 0xC4, 0xD0, 0xD3, 0xD7, 0xD9, 0xFF]), max_size=40).map(bytes)


def _scan(size: int, start: int = 0, restart: int = 0) -> Scan:
    return Scan((), 0, 63, 0, 0, restart, start, size)


def _plain_destuff(data: bytes, restarts: bool) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """[(byte, offset)] of the data and [(position, n)] of restart markers, one rule after the other."""
    kept: list[tuple[int, int]] = []
    markers: list[tuple[int, int]] = []
    i = 0
    while i < len(data):
        follower = data[i + 1] if i + 1 < len(data) else None
        if data[i] == 0xFF and follower == 0xFF:
            i += 1
        elif data[i] == 0xFF and restarts and follower is not None and follower & 0xF8 == 0xD0:
            markers.append((len(kept), follower - 0xD0))
            i += 2
        elif data[i] == 0xFF and follower is not None and follower.bit_count() <= 1:
            kept.append((0xFF, i))
            i += 2
        elif data[i] == 0xFF and follower is not None:
            kept += [(0xFF, i), (follower, i + 1)]
            i += 2
        else:
            kept.append((data[i], i))
            i += 1
    return kept, markers


def test_zigzag_is_the_diagonal_walk() -> None:
    assert ZIGZAG.tolist() == PLAIN_ZIGZAG


@given(MARKERY, st.booleans(), st.integers(0, 5))
def test_stuffing_goes_and_every_bit_keeps_its_address(data: bytes, restarts: bool, start: int) -> None:
    array = np.frombuffer(bytes(start) + data, np.uint8)
    stripped = entropy.scan_bytes(array, _scan(array.size, start, restart=int(restarts)))
    kept, markers = _plain_destuff(data, restarts)
    assert stripped.data[: stripped.size].tolist() == [byte for byte, _ in kept]
    assert list(zip(stripped.restart_at.tolist(), stripped.restart_number.tolist(), strict=True)) == markers
    bits = np.arange(8 * stripped.size, dtype=np.int64)
    expected = [8 * (start + offset) + bit for _, offset in kept for bit in range(8)]
    assert stripped.file_bits(bits).tolist() == expected


def test_a_flipped_stuffing_byte_is_no_data() -> None:
    array = np.frombuffer(b"\x11\xff\x20\x33", np.uint8)
    assert entropy.scan_bytes(array, _scan(4)).data[:3].tolist() == [0x11, 0xFF, 0x33]


def test_layout_of_an_interleaved_scan_follows_the_sampling_factors() -> None:
    plan = Plan(33, 17, ((2, 2), (1, 1), (1, 1)))
    structure = parse(encode(plan, random_planes(plan, np.random.default_rng(1))))
    assert structure.frame is not None
    layout = entropy.scan_layout(structure.frame, structure.scans[0])
    assert layout is not None
    assert (layout.columns, layout.rows) == (3, 2)
    assert layout.blocks[:, 0].tolist() == [0, 0, 0, 0, 1, 2]
    assert layout.blocks[:4, 1:3].tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert layout.lookups.symbols.shape[0] == 4  # equal tables are shared


def test_layout_of_a_single_component_scan_has_no_padding_blocks() -> None:
    plan = Plan(33, 17, ((2, 2), (1, 1), (1, 1)), interleaved=False)
    structure = parse(encode(plan, random_planes(plan, np.random.default_rng(1))))
    assert structure.frame is not None
    layouts = [entropy.scan_layout(structure.frame, scan) for scan in structure.scans]
    assert [(layout.columns, layout.rows) for layout in layouts if layout] == [(5, 3), (3, 2), (3, 2)]


def test_a_scan_without_its_tables_has_no_layout() -> None:
    plan = Plan(8, 8, ((1, 1),))
    data = encode(plan, random_planes(plan, np.random.default_rng(1)))
    structure = parse(data.replace(b"\xff\xc4", b"\xff\xfe"))
    assert structure.frame is not None
    assert entropy.scan_layout(structure.frame, structure.scans[0]) is None
