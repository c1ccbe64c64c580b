"""Sector ciphers the slow, obvious way: one cipher object per sector, IVs written with `struct`."""

import hashlib
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_SIZES = {
    "aes-cbc-essiv:sha256": (16, 24, 32),
    "aes-cbc-plain": (16, 24, 32),
    "aes-cbc-plain64": (16, 24, 32),
    "aes-xts-plain": (32, 64),
    "aes-xts-plain64": (32, 64),
    "aes-cbc-essivbe32:sha256": (16, 24, 32),
}


def _plain_number(iv: str, number: int) -> bytes:
    if iv == "essivbe32":
        return struct.pack(">I12x", number % 2**32)
    if iv == "plain":
        return struct.pack("<I12x", number % 2**32)
    return struct.pack("<Q8x", number % 2**64)


def encrypt(name: str, key: bytes, data: bytes, first_number: int, sector_size: int = 512, iv_unit: int = 512) -> bytes:
    """Encrypt; of a last partial sector only whole blocks, the rest is copied."""
    mode, iv = name.removeprefix("aes-").removesuffix(":sha256").split("-")
    out = []
    for index, at in enumerate(range(0, len(data), sector_size)):
        sector = data[at : at + sector_size]
        whole = len(sector) // 16 * 16
        block = _plain_number(iv, first_number + index * (sector_size // iv_unit))
        if mode == "xts":
            cipher = Cipher(algorithms.AES(key), modes.XTS(block))
        else:
            if iv.startswith("essiv"):
                block = Cipher(algorithms.AES(hashlib.sha256(key).digest()), modes.ECB()).encryptor().update(block)  # noqa: S305
            cipher = Cipher(algorithms.AES(key), modes.CBC(block))
        encryptor = cipher.encryptor()
        out.append((encryptor.update(sector[:whole]) if whole else b"") + sector[whole:])
    return b"".join(out)
