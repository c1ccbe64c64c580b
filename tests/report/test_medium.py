"""Writing onto the evidence must be refused however the output's file system rests on it.

Each case is a little kernel made of files: links in `block`, device folders in `devices`, as sysfs lays them out.
"""

import os
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from jpegrescue.report.medium import lies_on

SDA, SDA1, SDA2, SDB, DM0, LOOP0 = (8, 0), (8, 1), (8, 2), (8, 16), (253, 0), (7, 0)
BTRFS = (0, 45)


class Machine:
    """A fake sysfs, mount table and set of paths with chosen device numbers."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.block = root / "block"
        self.block.mkdir()
        self.mounts = root / "mountinfo"
        self.mounts.write_text("")
        self._stats: dict[Path, SimpleNamespace] = {}
        real = Path.stat

        def fake(path: Path, *, follow_symlinks: bool = True) -> object:
            return self._stats.get(path) or real(path, follow_symlinks=follow_symlinks)

        monkeypatch.setattr(Path, "stat", fake)

    def device(self, number: tuple[int, int], folder: str, *, partition: bool = False) -> Path:
        """A device `number` in sysfs, and its node."""
        home = self.root / "devices" / folder
        home.mkdir(parents=True)
        (home / "dev").write_text(f"{number[0]}:{number[1]}\n")
        if partition:
            (home / "partition").write_text("1\n")
        (self.block / f"{number[0]}:{number[1]}").symlink_to(home)
        node = self.root / f"node-{number[0]}-{number[1]}"
        node.touch()
        self._stats[node] = SimpleNamespace(
            st_mode=stat.S_IFBLK, st_rdev=os.makedev(*number), st_dev=os.makedev(0, 6), st_ino=1
        )
        return node

    def folder(self, number: tuple[int, int], name: str = "mnt") -> Path:
        """A folder on the file system of device `number`."""
        path = self.root / name
        path.mkdir()
        self._stats[path] = SimpleNamespace(st_mode=stat.S_IFDIR, st_dev=os.makedev(*number), st_ino=2)
        return path

    def lies_on(self, folder: Path, evidence: Path) -> bool:
        return lies_on(folder, evidence, block_devices=self.block, mounts=self.mounts)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def disks(machine: Machine) -> dict[tuple[int, int], Path]:
    return {
        SDA: machine.device(SDA, "sda"),
        SDA1: machine.device(SDA1, "sda/sda1", partition=True),
        SDA2: machine.device(SDA2, "sda/sda2", partition=True),
        SDB: machine.device(SDB, "sdb"),
    }


@pytest.mark.parametrize(
    ("output", "evidence", "refused"),
    [
        pytest.param(SDA, SDA, True, id="the device itself"),
        pytest.param(SDA1, SDA, True, id="a partition of it"),
        pytest.param(SDA1, SDA1, True, id="the partition itself"),
        pytest.param(SDA, SDA1, True, id="the disk of the partition"),
        pytest.param(SDA2, SDA1, False, id="a sister partition"),
        pytest.param(SDB, SDA, False, id="another disk"),
        pytest.param(SDB, SDA1, False, id="another disk than the partition's"),
    ],
)
def test_disks_and_partitions(
    machine: Machine,
    disks: dict[tuple[int, int], Path],
    output: tuple[int, int],
    evidence: tuple[int, int],
    refused: bool,
) -> None:
    folder = machine.folder(output)

    assert machine.lies_on(folder, disks[evidence]) is refused
    assert machine.lies_on(folder / "not" / "made" / "yet", disks[evidence]) is refused


@pytest.mark.parametrize(("evidence", "refused"), [(SDA, True), (SDA1, True), (SDA2, False), (SDB, False)])
def test_a_mapping_above_the_evidence(
    machine: Machine, disks: dict[tuple[int, int], Path], evidence: tuple[int, int], refused: bool
) -> None:
    machine.device(DM0, "virtual/dm-0")
    slaves = machine.root / "devices/virtual/dm-0/slaves"
    slaves.mkdir()
    (slaves / "sda1").symlink_to(machine.root / "devices/sda/sda1")

    assert machine.lies_on(machine.folder(DM0), disks[evidence]) is refused


def loop_over(machine: Machine, backing: Path) -> None:
    machine.device(LOOP0, "virtual/loop0")
    (machine.root / "devices/virtual/loop0/loop").mkdir()
    (machine.root / "devices/virtual/loop0/loop/backing_file").write_bytes(os.fsencode(backing) + b"\n")


def test_a_file_system_mounted_from_the_evidence_file(machine: Machine) -> None:
    image, other = machine.root / "dump.img", machine.root / "other.img"
    image.touch()
    other.touch()
    loop_over(machine, image)
    folder = machine.folder(LOOP0)

    assert machine.lies_on(folder, image)
    assert not machine.lies_on(folder, other)


def test_beside_the_image_that_a_loop_device_reads(machine: Machine) -> None:
    image = machine.root / "dump.img"
    image.touch()
    loop_over(machine, image)

    assert not machine.lies_on(machine.root, machine.root / f"node-{LOOP0[0]}-{LOOP0[1]}")


@pytest.mark.parametrize(("source", "refused"), [(SDA1, True), (SDB, False)])
def test_a_file_system_without_a_device_number_of_its_own(
    machine: Machine, disks: dict[tuple[int, int], Path], source: tuple[int, int], refused: bool
) -> None:
    folder = machine.folder(BTRFS, "with space")
    escaped = str(folder).replace(" ", "\\040")
    machine.mounts.write_text(
        f"21 1 8:16 / / rw - ext4 {disks[SDB]} rw\n"
        f"22 21 0:44 / {escaped} rw,relatime shared:1 - tmpfs tmpfs rw\n"
        f"23 21 0:45 / {escaped} rw,relatime shared:1 - btrfs {disks[source]} rw\n"
    )

    assert machine.lies_on(folder, disks[SDA1]) is refused


def test_memory_is_no_medium(machine: Machine, disks: dict[tuple[int, int], Path]) -> None:
    folder = machine.folder(BTRFS)
    machine.mounts.write_text(f"22 21 0:45 / {folder} rw - tmpfs tmpfs rw\n")

    assert not machine.lies_on(folder, disks[SDA])
    machine.mounts.unlink()
    assert not machine.lies_on(folder, disks[SDA])


def test_a_plain_file_may_have_its_results_beside_it(tmp_path: Path) -> None:
    evidence = tmp_path / "dump.bin"
    evidence.touch()

    assert not lies_on(tmp_path, evidence)
    assert not lies_on(tmp_path, tmp_path / "missing")


def test_the_device_under_this_very_folder_is_recognised(tmp_path: Path) -> None:
    found = subprocess.run(["findmnt", "-no", "SOURCE", "-T", tmp_path], capture_output=True, text=True, check=False)
    node = Path(found.stdout.strip().partition("[")[0] or "none")
    if not node.is_block_device():
        pytest.skip("this folder does not rest on a block device that can be named")

    assert lies_on(tmp_path, node)
