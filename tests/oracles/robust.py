"""The published robust rule, bit by bit: a failing MCU is dropped and retried at the next bit."""

from dataclasses import dataclass, field

from tests.oracles.encoder import CODES, ZIGZAG

SYMBOLS = {key: {bits: symbol for symbol, bits in table.items()} for key, table in CODES.items()}


class _FailedMcuError(Exception):
    pass


@dataclass
class Outcome:
    """Blocks of every decoded MCU in order, its bit address, and (bit, MCU) of every resync point."""

    mcus: list[list[tuple[int, list[int]]]] = field(default_factory=list)
    bits: list[int] = field(default_factory=list)
    resyncs: list[tuple[int, int]] = field(default_factory=list)


def decode(data: bytes, components: list[int], count: int) -> Outcome:
    """Decode up to `count` MCUs whose blocks belong to `components`, from bytes without stuffing."""
    bits = "".join(f"{byte:08b}" for byte in data)
    outcome = Outcome()
    predictors = dict.fromkeys(components, 0)
    position = 0
    failing = False
    while len(outcome.mcus) < count and position < len(bits):
        trial = dict(predictors)
        try:
            blocks, end = _mcu(bits, position, components, trial)
        except _FailedMcuError:
            if not failing:
                outcome.resyncs.append((position, len(outcome.mcus)))
            failing = True
            position += 1
        except IndexError:
            if not failing:
                outcome.resyncs.append((position, len(outcome.mcus)))
            break
        else:
            failing = False
            predictors = trial
            outcome.mcus.append(blocks)
            outcome.bits.append(position)
            position = end
    return outcome


def _mcu(
    bits: str, position: int, components: list[int], predictors: dict[int, int]
) -> tuple[list[tuple[int, list[int]]], int]:
    blocks = []
    for component in components:
        block = [0] * 64
        table = 1 if component else 0
        size, position = _symbol(bits, position, table)
        difference, position = _receive(bits, position, size)
        predictors[component] += difference
        block[0] = predictors[component]
        k = 1
        while k < 64:
            symbol, position = _symbol(bits, position, 0x10 | table)
            run, size = symbol >> 4, symbol & 15
            if size == 0 and run == 0:
                break
            k += run if size else 16
            if size == 0 and k <= 64:
                continue
            if k > 63:
                raise _FailedMcuError
            block[ZIGZAG[k]], position = _receive(bits, position, size)
            k += 1
        blocks.append((component, block))
    return blocks, position


def _symbol(bits: str, position: int, table: int) -> tuple[int, int]:
    for length in range(1, 17):
        if position + length > len(bits):
            raise IndexError
        symbol = SYMBOLS[table].get(bits[position : position + length])
        if symbol is not None:
            return symbol, position + length
    raise _FailedMcuError


def _receive(bits: str, position: int, size: int) -> tuple[int, int]:
    if position + size > len(bits):
        raise IndexError
    if size == 0:
        return 0, position
    value = int(bits[position : position + size], 2)
    return (value if value >> (size - 1) else value - (1 << size) + 1), position + size
