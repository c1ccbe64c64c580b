"""Sector ciphers at the speed of AES.

A cipher object per sector reaches about 1 % of what AES can do. Instead, CBC decrypts many sectors in one call as if
they were one message, which gets all but the first 16 bytes of each sector right, and repairs those with the sector's
true IV; XTS is ECB between two XORs with masks made from one ECB call over all sector numbers.
"""

import hashlib
import threading

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from numpy.typing import NDArray

from jpegrescue.errors import UsageError
from jpegrescue.source.crypt._kernels import xts_masks
from jpegrescue.source.crypt.spec import CipherSpec, check_key
from jpegrescue.source.keys import Key

BLOCK = 16
SECTOR_SIZES = (512, 1024, 2048, 4096)
_PIECE = 1 << 20  # bytes at a time: enough to hide the cost of a call, little enough to stay in the cache
_WRAP = (1 << 64) - 1


class _Scratch(threading.local):
    """Buffers of one thread, kept: fresh ones would cost more in page faults than the masks themselves."""

    def __init__(self) -> None:
        self.masks = np.empty((_PIECE // BLOCK, 2), np.uint64)
        self.masked = np.empty(_PIECE, np.uint8)


class SectorCipher:
    """Decrypts and encrypts runs of sectors. It keeps no state between calls: threads may share one.

    The IV number of sector k of a run is `first_number` + k·(sector_size / iv_unit), modulo 2⁶⁴ (a negative number,
    of sectors before the volume began, is no error). The last sector of a run may be partial: its whole cipher blocks
    are transformed, a rest of fewer than 16 bytes is copied. An XTS key with equal halves is accepted, as the Linux
    kernel does outside FIPS mode.

    Raises:
        UsageError: a key that does not fit, a sector size out of 512…4096, or an IV unit that is neither 512 nor the
            sector size.
    """

    def __init__(self, spec: CipherSpec, key: Key, sector_size: int = 512, iv_unit: int = 512) -> None:
        check_key(spec, key)
        if sector_size not in SECTOR_SIZES:
            raise UsageError(f"a sector has 512, 1024, 2048 or 4096 bytes, not {sector_size}", option="--sector-size")
        if iv_unit not in (512, sector_size):
            raise UsageError(f"IV numbers count 512 bytes or whole sectors, not {iv_unit} bytes", option="--iv-unit")
        self.spec = spec
        self.sector_size = sector_size
        self.iv_unit = iv_unit
        self.numbers_per_sector = sector_size // iv_unit
        secret = key.reveal()
        if spec.mode == "xts":
            data_key, iv_key = secret[: len(secret) // 2], secret[len(secret) // 2 :]
        else:
            data_key, iv_key = secret, hashlib.sha256(secret).digest()
        self.key_bits = 8 * len(secret)
        self._data_key = algorithms.AES(data_key)
        self._iv_key = algorithms.AES(iv_key)
        self._scratch = _Scratch()

    def __repr__(self) -> str:
        return f"SectorCipher({self.spec.name}, {self.sector_size}-byte sectors, IV per {self.iv_unit} bytes)"

    def decrypt_into(self, data: NDArray[np.uint8], first_number: int, out: NDArray[np.uint8]) -> None:
        """Decrypt `data`, which starts at a sector boundary, into `out`.

        Both uint8, 1-D, contiguous and of one length; they must not overlap.
        """
        whole = data.shape[0] - data.shape[0] % BLOCK
        out[whole:] = data[whole:]
        if self.spec.mode == "cbc":
            self._cbc_decrypt(data[:whole], first_number, out[:whole])
        else:
            self._xex(data[:whole], first_number, out[:whole], decrypt=True)

    def encrypt(self, data: bytes, first_number: int) -> bytes:
        """Encrypt `data`, which starts at a sector boundary. Plain rather than fast."""
        whole = len(data) - len(data) % BLOCK
        if self.spec.mode == "cbc":
            return self._cbc_encrypt(data[:whole], first_number) + data[whole:]
        out = np.empty(whole, np.uint8)
        self._xex(np.frombuffer(data, np.uint8, whole), first_number, out, decrypt=False)
        return out.tobytes() + data[whole:]

    def sector_ivs(self, first_number: int, sectors: int) -> NDArray[np.uint64]:
        """What the numbers of consecutive sectors turn into: CBC's IVs or the first masks of XTS.

        Shape (sectors, 2): a cipher block as two little-endian halves.
        """
        numbers = np.arange(sectors, dtype=np.uint64) * np.uint64(self.numbers_per_sector)
        numbers += np.uint64(first_number & _WRAP)
        blocks = np.zeros((sectors, 2), np.uint64)
        if self.spec.iv == "essivbe32":
            blocks[:, 0] = numbers.astype(np.uint32).byteswap()
        elif self.spec.iv == "plain":
            blocks[:, 0] = numbers.astype(np.uint32)
        else:
            blocks[:, 0] = numbers
        if self.spec.mode == "cbc" and self.spec.iv in ("plain", "plain64"):
            return blocks
        return _each(_aes(self._iv_key).encryptor(), blocks)

    def decrypt_blocks(self, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """D_K of single cipher blocks, shape (n, 2), without IV, mask or chaining."""
        return _each(_aes(self._data_key).decryptor(), blocks)

    def numbers_from_ivs(self, ivs: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """The reverse of `sector_ivs` for CBC: numbers, and whether each IV can be that of a number below 2⁴⁰."""
        plain = self.spec.iv in ("plain", "plain64")
        blocks = ivs if plain else _each(_aes(self._iv_key).decryptor(), ivs)
        low, high = blocks[:, 0], blocks[:, 1]
        bits = 40 if self.spec.iv in ("essiv", "plain64") else 32
        valid = (high == 0) & (low >> np.uint64(bits) == 0)
        if self.spec.iv == "essivbe32":
            low = low.astype(np.uint32).byteswap().astype(np.uint64)
        return low, valid

    def _cbc_decrypt(self, data: NDArray[np.uint8], first_number: int, out: NDArray[np.uint8]) -> None:
        step = self.sector_size // 8
        ivs = self.sector_ivs(first_number, -(-data.shape[0] // self.sector_size))
        decryptor = Cipher(self._data_key, modes.CBC(bytes(BLOCK))).decryptor()
        cipher_words, plain_words = data.view(np.uint64), out.view(np.uint64)
        for at in range(0, data.shape[0], _PIECE):
            _transform(decryptor, data[at : at + _PIECE], out[at : at + _PIECE])
            first, last = at // 8, min(at + _PIECE, data.shape[0]) // 8
            sector_ivs = ivs[at // self.sector_size :]
            for half in (0, 1):
                heads = plain_words[first + half : last : step]
                heads ^= sector_ivs[: heads.shape[0], half]
                if at == 0:  # the chain of the first sector began with an IV of zeros
                    heads[1:] ^= cipher_words[step - 2 + half : last - 2 : step]
                else:
                    heads ^= cipher_words[first - 2 + half : last - 2 : step]

    def _cbc_encrypt(self, data: bytes, first_number: int) -> bytes:
        ivs = self.sector_ivs(first_number, -(-len(data) // self.sector_size))
        pieces = []
        for index, iv in enumerate(ivs):
            encryptor = Cipher(self._data_key, modes.CBC(iv.tobytes())).encryptor()
            pieces.append(encryptor.update(data[index * self.sector_size : (index + 1) * self.sector_size]))
        return b"".join(pieces)

    def _xex(self, data: NDArray[np.uint8], first_number: int, out: NDArray[np.uint8], *, decrypt: bool) -> None:
        tweaks = self.sector_ivs(first_number, -(-data.shape[0] // self.sector_size))
        cipher = _aes(self._data_key)
        context = cipher.decryptor() if decrypt else cipher.encryptor()
        masks, masked = self._scratch.masks, self._scratch.masked
        for at in range(0, data.shape[0], _PIECE):
            given, made = data[at : at + _PIECE], out[at : at + _PIECE]
            blocks = given.shape[0] // BLOCK
            xts_masks(tweaks[at // self.sector_size :], self.sector_size // BLOCK, masks[:blocks])
            mask = _octets(masks[:blocks])
            np.bitwise_xor(given, mask, out=masked[: given.shape[0]])
            _transform(context, masked[: given.shape[0]], made)
            np.bitwise_xor(made, mask, out=made)


def _octets(blocks: NDArray[np.uint64]) -> NDArray[np.uint8]:
    return blocks.reshape(-1).view(np.uint8)


def _aes(key: algorithms.AES) -> Cipher[modes.ECB]:
    return Cipher(key, modes.ECB())  # noqa: S305 (bare AES, what ESSIV and XTS are built of)


def _each(context: CipherContext, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    out = np.empty_like(blocks)
    _transform(context, _octets(blocks), _octets(out))
    return out


def _transform(context: CipherContext, data: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Run whole blocks through `context` into an `out` of the same length.

    `update_into` asks for 15 bytes more than it writes, so the last block takes a way of its own.
    """
    body = data.shape[0] - BLOCK
    if body < 0:
        return
    context.update_into(data[:body].data, out[: body + BLOCK - 1].data)
    out[body:] = np.frombuffer(context.update(data[body:].data), np.uint8)
