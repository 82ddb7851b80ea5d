"""The disk that loses power in tests: it must really lose what was not synced, and nothing else."""

import errno
import os
import subprocess
import sys
from random import Random
from textwrap import indent

import pytest

from tests.support.stores.faulty_disk import ALLOCATE, CREATE, REMOVE, SYNC, TORN, WRITE, FaultyDisk
from tests.support.stores.lost_pages import PAGE_BYTES
from tests.support.stores.power_loss import cut

#: Number of folders in which each script runs; each loses its power in its own way.
FOLDERS = range(40)
#: A file as a journal has it: allocated, then written in place. `root` is its folder.
OPENED = """
path = root + "/one.journal"
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
"""
ALLOCATED = f"""{OPENED}
os.posix_fallocate(fd, 0, 1 << 16)
os.fsync(fd)
os.fsync(os.open(root, os.O_RDONLY))
"""


@pytest.fixture
def disk(tmp_path):
    return FaultyDisk(tmp_path / "data", tmp_path / "faults")


def run(disk, script, folders=("",)):
    """Runs a script for each folder, all in one process; returns what it prints."""
    for folder in folders:
        (disk.root / folder).mkdir(exist_ok=True)
    program = f"import os, sys\nfor root in sys.argv[1:]:\n{indent(script, '    ')}"
    result = subprocess.run(
        [sys.executable, "-c", program, *(str(disk.root / folder) for folder in folders)],
        env=os.environ | disk.journaling_environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.stdout.split()


def after_power_loss(disk, script, name="one.journal"):
    """The content of a file in each of the folders after a power loss; None if it is gone."""
    folders = [f"folder{number}" for number in FOLDERS]
    run(disk, script, folders)
    cut(disk, Random(1))
    paths = [disk.root / folder / name for folder in folders]
    return [path.read_bytes() if path.exists() else None for path in paths]


@pytest.mark.parametrize(
    "call",
    [
        "os.pwrite(fd, b'unsynced', 100)",
        "os.pwritev(fd, [b'un', b'synced'], 100)",
    ],
)
def test_write_in_place_vanishes_without_sync(disk, call):
    found = [data[100:108] for data in after_power_loss(disk, f"{ALLOCATED}{call}")]
    assert bytes(8) in found
    assert b"unsynced" in found


def test_write_in_place_remains_after_sync(disk):
    script = f"{ALLOCATED}os.pwritev(fd, [b'synced'], 100); os.fdatasync(fd)"
    assert {data[100:106] for data in after_power_loss(disk, script)} == {b"synced"}


def test_unsynced_write_spares_synced_bytes_of_its_page(disk):
    script = (
        f"{ALLOCATED}os.pwritev(fd, [b'synced'], 100); os.fdatasync(fd); os.pwrite(fd, b'no', 106)"
    )
    found = {data[100:108] for data in after_power_loss(disk, script)}
    assert found == {b"synced\0\0", b"syncedno"}


def test_overwritten_bytes_come_back_without_sync(disk):
    script = (
        f"{ALLOCATED}os.pwrite(fd, b'first', 0); os.fdatasync(fd);"
        "[os.pwrite(fd, b, 0) for b in (b'other', b'third')]"
    )
    assert {data[:5] for data in after_power_loss(disk, script)} == {b"first", b"other", b"third"}


def test_pages_of_one_write_are_lost_independently(disk):
    script = f"{ALLOCATED}os.pwrite(fd, b'x' * {3 * PAGE_BYTES}, 0)"
    states = set()
    for data in after_power_loss(disk, script):
        pages = [data[at : at + PAGE_BYTES] for at in range(0, 3 * PAGE_BYTES, PAGE_BYTES)]
        states.add(tuple(page.count(b"x") for page in pages))
    assert any(first == 0 and PAGE_BYTES in rest for first, *rest in states), "no hole"
    assert any(first == PAGE_BYTES and 0 in rest for first, *rest in states), "no end"
    assert any(0 < count < PAGE_BYTES for state in states for count in state), "none is torn"


def test_allocated_space_may_vanish_without_sync(disk):
    script = f"{OPENED}os.fsync(fd); os.fsync(os.open(root, 0)); os.posix_fallocate(fd, 0, 4096)"
    sizes = {len(data) for data in after_power_loss(disk, script)}
    assert 0 in sizes
    assert len(sizes) > 1


def test_name_of_file_vanishes_without_sync_of_directory(disk):
    found = after_power_loss(disk, f"{OPENED}os.fsync(fd)")
    assert None in found
    assert b"" in found


def test_made_directory_vanishes_without_sync_of_its_parent(disk):
    script = (
        "made = root + '/made'; os.mkdir(made); open(made + '/x', 'w'); os.fsync(os.open(made, 0))"
    )
    assert {*after_power_loss(disk, script, "made/x")} == {b"", None}


def test_removed_file_comes_back_with_its_synced_content(disk):
    script = (
        f"{ALLOCATED}os.pwrite(fd, b'synced', 0); os.fdatasync(fd); os.pwrite(fd, b'no', 6);"
        "os.unlink(path)"
    )
    found = {data and data[:8] for data in after_power_loss(disk, script)}
    assert found == {None, b"synced\0\0", b"syncedno"}


CALLS = {
    "open": (CREATE, "os.open(f'{root}/new{n}.journal', os.O_RDWR | os.O_CREAT)"),
    "allocate": (ALLOCATE, "os.posix_fallocate(fd, 0, 10)"),
    "write in place": (WRITE, "os.pwritev(fd, [b'x'], 0)"),
    "sync": (SYNC, "os.fdatasync(fd)"),
    "remove": (REMOVE, "os.unlink(f'{root}/{n}.journal')"),
}


@pytest.mark.parametrize("name", CALLS)
def test_call_fails_after_some_that_work(disk, name):
    operation, call = CALLS[name]
    disk.root.joinpath("one.journal").touch()
    for number in range(4):
        disk.root.joinpath(f"{number}.journal").touch()
    # To open the file is a call that works as well.
    after = 2 if operation == CREATE else 1
    disk.fail(operation, error=errno.ENOSPC, times=2, after=after, suffix=".journal")
    script = f"""{OPENED}
for n in range(4):
    try:
        {call}
        print("worked")
    except OSError as error:
        print(error.errno)
"""
    assert run(disk, script) == ["worked", str(errno.ENOSPC), str(errno.ENOSPC), "worked"]
    assert disk.failures == 2


def test_failing_write_leaves_a_part_if_torn(disk):
    disk.fail(WRITE | TORN, error=errno.EIO, suffix=".journal")
    script = f"""{OPENED}
try: os.pwritev(fd, [b"0123456789", b"rest"], 0)
except OSError as error: print(error.errno, os.pread(fd, 20, 0))
"""
    assert run(disk, script) == [str(errno.EIO), "b'012345'"]
