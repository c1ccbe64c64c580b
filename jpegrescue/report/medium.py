"""Whether a folder lies on the very medium that is being read, as Linux tells it under /sys/dev/block."""

import os
import stat
from pathlib import Path

BLOCK_DEVICES = Path("/sys/dev/block")
MOUNTS = Path("/proc/self/mountinfo")


def lies_on(folder: Path, evidence: Path, *, block_devices: Path = BLOCK_DEVICES, mounts: Path = MOUNTS) -> bool:
    """Whether writing to `folder` would change `evidence`, a file or a block device.

    True where the file system of `folder` is on the evidence device, on a partition of it or on the disk it is a
    partition of, straight or through dm, md and loop devices; and where it is mounted from the evidence file itself.
    Of a folder that does not exist yet, the nearest parent that does counts. Evidence that cannot be looked at, and
    systems without the two files, give false: the check is a guard rail, not a proof.
    """
    try:
        target = evidence.stat()
    except OSError:
        return False
    folder = _nearest(folder)
    here = _mounted_device(folder, mounts) if os.major(folder.stat().st_dev) == 0 else folder.stat().st_dev
    if here is None:
        return False
    under = _Foundations(block_devices)
    under.add(here)
    if not stat.S_ISBLK(target.st_mode):
        return (target.st_dev, target.st_ino) in under.files
    return target.st_rdev in under.devices or under.disk_of(target.st_rdev) == here


class _Foundations:
    """Everything a file system rests on: block devices by number, and files that back loop devices."""

    def __init__(self, block_devices: Path) -> None:
        self.devices: set[int] = set()
        self.files: set[tuple[int, int]] = set()
        self._block_devices = block_devices

    def add(self, device: int | None) -> None:
        """Add `device`, if it is one, and what it rests on."""
        if device is None or device in self.devices:
            return
        self.devices.add(device)
        self.add(self.disk_of(device))
        for slave in sorted((self._entry(device) / "slaves").glob("*/dev")):
            self.add(_number(slave))
        self._add_backing_file(self._entry(device) / "loop" / "backing_file")

    def disk_of(self, device: int) -> int | None:
        """The disk that `device` is a partition of, `None` where it is none."""
        entry = self._entry(device)
        return _number(entry.parent / "dev") if (entry / "partition").exists() else None

    def _entry(self, device: int) -> Path:
        return (self._block_devices / f"{os.major(device)}:{os.minor(device)}").resolve()

    def _add_backing_file(self, path: Path) -> None:
        try:
            backing = Path(os.fsdecode(path.read_bytes().removesuffix(b"\n"))).stat()
        except OSError:
            return
        self.files.add((backing.st_dev, backing.st_ino))
        self.add(backing.st_dev)


def _nearest(folder: Path) -> Path:
    resolved = Path(os.path.realpath(folder))  # Path.resolve raises on links in a circle
    return next(path for path in (resolved, *resolved.parents) if path.exists())


def _mounted_device(folder: Path, mounts: Path) -> int | None:
    """The device a file system with an anonymous number (Btrfs, overlays) says it is mounted from."""
    try:
        lines = os.fsdecode(mounts.read_bytes()).splitlines()
    except OSError:
        return None
    points = [_mount(line) for line in lines]
    holders = [(len(point.parts), source) for point, source in points if folder.is_relative_to(point)]
    if not holders:
        return None
    _, source = max(
        reversed(holders), key=lambda holder: holder[0]
    )  # of mounts on one point, the last covers the others
    try:
        status = source.stat()
    except OSError:
        return None
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else None


def _mount(line: str) -> tuple[Path, Path]:
    """Mount point and source of a line of mountinfo, proc(5)."""
    fields, _, rest = line.partition(" - ")
    return Path(_unescape(fields.split(" ")[4])), Path(_unescape(rest.split(" ")[1]))


def _unescape(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def _number(dev: Path) -> int | None:
    try:
        major, minor = dev.read_text().split(":")
    except OSError:
        return None
    return os.makedev(int(major), int(minor))
