"""What is done to the photos: kinds of damage, bit error rates and ciphers."""

from dataclasses import dataclass

from jpegrescue.model.truth import DamageKind, Recipe

CIPHERS = {"cbc": "aes-cbc-essiv:sha256", "xts": "aes-xts-plain64", "plain": None}
RATES = (1e-6, 1e-5, 3e-5, 1e-4)
HEAVY_RATE = 3e-5
HEAVY_BYTES = 300_000
"""From this rate on, only files up to this size: larger ones would have hundreds of errors each."""

OTHER_DAMAGE: tuple[DamageKind, ...] = ("sector", "codeword", "page", "foreign", "tail")
SECTOR = 4096
FIRST_SECTOR = 2048


@dataclass(frozen=True, slots=True)
class Mode:
    """One way of damaging; `rate` is that of bit errors, 0 for the kinds that hit one place."""

    cipher: str
    damage: DamageKind
    rate: float

    @property
    def name(self) -> str:
        """As tables have it."""
        return f"{self.cipher} {self.rate:g}" if self.damage == "flips" else f"{self.cipher} {self.damage}"

    def takes(self, size: int) -> bool:
        """Whether a file of `size` bytes is tried in this mode."""
        return self.rate < HEAVY_RATE or size <= HEAVY_BYTES

    def recipe(self, seed: int) -> Recipe:
        """The recipe with which `simulate` damages a file."""
        sector = SECTOR if self.damage == "sector" and self.cipher == "plain" else 512
        return Recipe(self.damage, self.rate, "scan", 1, seed, CIPHERS[self.cipher], sector, FIRST_SECTOR, 512)


def all_modes() -> list[Mode]:
    """Every cipher with every rate and every other kind of damage."""
    flips = [Mode(cipher, "flips", rate) for cipher in CIPHERS for rate in RATES]
    return flips + [Mode(cipher, damage, 0.0) for cipher in CIPHERS for damage in OTHER_DAMAGE]


def subset_modes() -> list[Mode]:
    """Those of the 10-minute subset."""
    flips = [Mode("cbc", "flips", rate) for rate in RATES]
    flips += [Mode("xts", "flips", 1e-5), Mode("plain", "flips", 1e-5)]
    return flips + [Mode("cbc", damage, 0.0) for damage in OTHER_DAMAGE]


def smoke_modes() -> list[Mode]:
    """A few, to see that all works."""
    return [Mode("cbc", "flips", 1e-5), Mode("xts", "flips", 1e-4), Mode("plain", "tail", 0.0)]
