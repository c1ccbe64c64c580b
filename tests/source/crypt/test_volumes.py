"""Volumes made by cryptsetup and qemu-img, the programs whose formats are meant, decrypted here."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from jpegrescue.source.crypt.sector import SectorCipher
from jpegrescue.source.crypt.solve import solve_first_sector
from jpegrescue.source.crypt.source import DecryptedSource
from jpegrescue.source.crypt.spec import SPECS
from jpegrescue.source.keys import Key
from jpegrescue.source.raw import RawSource

MIB = 1 << 20
needs_cryptsetup = pytest.mark.skipif(shutil.which("cryptsetup") is None, reason="cryptsetup is not installed")
needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-img") is None or shutil.which("cryptsetup") is None,
    reason="qemu-img or cryptsetup (which reads the volume key) is not installed",
)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_bytes(b"hunter2")
    return path


def dump(image: Path, passphrase: Path) -> tuple[bytes, int]:
    """Volume key, and byte offset of the payload."""
    dumped = run("cryptsetup", "luksDump", "--dump-volume-key", "--batch-mode", "--key-file", passphrase, image)
    key = re.search(r"MK dump:((?:\s+[0-9a-f]{2})+)\s*$", dumped, re.MULTILINE)
    offset = re.search(r"Payload offset:\s+(\d+)", dumped)
    assert key is not None
    assert offset is not None
    return bytes.fromhex(key[1]), 512 * int(offset[1])


LUKS2 = [
    ("aes-cbc-essiv:sha256", 128, 512),
    ("aes-cbc-essiv:sha256", 256, 4096),
    ("aes-cbc-plain64", 192, 1024),
    ("aes-cbc-plain", 256, 512),
    ("aes-xts-plain64", 256, 4096),
    ("aes-xts-plain64", 512, 512),
    ("aes-xts-plain", 512, 2048),
]


@needs_cryptsetup
@pytest.mark.parametrize(("spec", "key_bits", "sector_size"), LUKS2)
def test_luks2_volume_of_cryptsetup(
    tmp_path: Path, passphrase: Path, spec: str, key_bits: int, sector_size: int
) -> None:
    """Encrypted in place on a file, which needs no device mapper; 32 MiB of the file make room for the header."""
    image = tmp_path / "volume"
    plain = np.random.default_rng(key_bits).bytes(MIB) + bytes(MIB)
    with image.open("wb") as file:
        file.write(plain)
        file.truncate(len(plain) + 32 * MIB)
    cheap = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", passphrase)
    shape = ("--cipher", spec, "--key-size", str(key_bits), "--sector-size", str(sector_size))
    room = ("--reduce-device-size", "32M")
    run("cryptsetup", "reencrypt", "--encrypt", "--type", "luks2", "--batch-mode", *shape, *room, *cheap, image)
    key, payload = dump(image, passphrase)
    assert len(key) * 8 == key_bits
    cipher = SectorCipher(SPECS[spec], Key(key), sector_size)
    with RawSource(image) as raw:
        source = DecryptedSource(raw, cipher, start=payload, end=raw.size, first_sector=0)
        assert source.read(payload, len(plain)) == plain
        assert source.read(payload + 12_345, 54_321) == plain[12_345:][:54_321]
        if "cbc" in spec:
            solved = solve_first_sector(raw, cipher, payload, payload + len(plain))
            assert solved is not None
            assert solved.first_sector == 0


def qemu(*command: str | Path) -> str:
    """Run it, again if it trips over its own clock while it calibrates the key derivation."""
    for _ in range(3):
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        if "accurate CPU usage" not in done.stderr:
            break
        time.sleep(0.2)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@needs_qemu
def test_luks1_volume_of_qemu(tmp_path: Path, passphrase: Path) -> None:
    image, plain_path = tmp_path / "volume", tmp_path / "plain"
    plain = np.random.default_rng(8).bytes(MIB)
    plain_path.write_bytes(plain)
    secret = ("--object", f"secret,id=pass,file={passphrase}")
    shape = "cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,iter-time=10"
    qemu("qemu-img", "create", "-q", "-f", "luks", *secret, "-o", f"key-secret=pass,{shape}", image, str(len(plain)))
    target = f"driver=luks,file.filename={image},key-secret=pass"
    qemu("qemu-img", "convert", "-n", *secret, "-f", "raw", "--target-image-opts", plain_path, target)
    assert json.loads(run("qemu-img", "info", "--output", "json", image))["format"] == "luks"
    key, payload = dump(image, passphrase)
    cipher = SectorCipher(SPECS["aes-cbc-essiv:sha256"], Key(key))
    with RawSource(image) as raw:
        source = DecryptedSource(raw, cipher, start=payload, end=raw.size, first_sector=0)
        assert source.read(payload, len(plain)) == plain
