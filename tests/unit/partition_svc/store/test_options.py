import resource
import subprocess
import sys

import pytest
from rocksdict import Rdict

from partition_svc.store.options import database_options, family_options, open_files_max
from tests.support.processes.processes import REPOSITORY


def test_the_families_can_be_opened_with_their_options(tmp_path):
    options = database_options(with_statistics=True)
    families = family_options()
    assert set(families) == {"default", "batches", "compacted"}
    with Rdict(str(tmp_path), options, families) as database:
        database[b"a"] = b"1"
        assert "rocksdb.wal.bytes" in (options.get_statistics() or "")


def test_statistics_are_off_by_default():
    assert database_options().get_statistics() is None


@pytest.mark.parametrize(
    ("limit", "files"),
    [(64, 32), (1024, 256), (4096, 1024), (1 << 20, 4000), (resource.RLIM_INFINITY, 4000)],
)
def test_open_files_follow_the_descriptor_limit_of_the_process(monkeypatch, limit, files):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert open_files_max() == files


READ_MANY_FILES = """
import resource, sys
from pathlib import Path
from partition_svc.store.reading import ReadLimits
from tests.support.stores.log_stores import LOG_KEY, opened, roll, store_batches
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
connections = [open("/dev/null") for _ in range(150)]
with opened(Path(sys.argv[1])) as store:
    # One file for each batch, as with generations of 64 MB.
    for family in store._database.batch_families:
        family.set_options({"target_file_size_base": "1000"})
    for number in range(130):
        store_batches(store, number * 10, b"x" * 1000)
        roll(store)
    limits = ReadLimits(1 << 30, 1 << 30, True)
    for _ in range(2):
        assert len(store.reader.read(LOG_KEY, 0, 10_000, limits).batches) == 130
    files = len(list(Path(sys.argv[1]).glob("*.sst")))
    assert files >= 130, files
"""


def test_a_store_can_be_read_with_more_files_than_descriptors(tmp_path):
    command = [sys.executable, "-c", READ_MANY_FILES, str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert process.returncode == 0, process.stderr
