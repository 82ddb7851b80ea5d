"""A full disk: appends are refused, reads continue, and appends work again once there is room.

The size limit of the process (RLIMIT_FSIZE) stands in for the end of the disk: it makes writes fail
within a file, may be set and lifted from outside, and needs no privileges.
"""

import contextlib
import resource
from pathlib import Path

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

KAFKA_STORAGE_ERROR = 56
BATCH = record_batch(numbered(1, size=100_000))


@pytest.fixture(params=DEPLOYMENTS)
def broker(request, tmp_path):
    with DEPLOYMENTS[request.param](tmp_path) as deployment:
        yield deployment


def limit_files(process, size):
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, hard))


def largest_file(folder):
    sizes = [0]
    for path in Path(folder).rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # RocksDB removes files meanwhile
            # The metadata store reserves space for a full disk in this file.
            if path.is_file() and path.name != "RESERVE":
                sizes.append(path.stat().st_size)
    return max(sizes)


@pytest.mark.parametrize("acks", [-1, 1], ids=["acks=all", "acks=1"])
def test_appends_are_refused_while_the_disk_is_full_and_accepted_afterwards(acks, broker, tmp_path):
    with RawClient(broker.address) as raw:
        topic = raw.create_topic()
        stored = [raw.produce(topic, BATCH, acks=acks).base_offset for _ in range(10)]
        limit_files(broker.storage, largest_file(tmp_path) + 300_000)
        results = [raw.produce(topic, BATCH, acks=acks) for _ in range(10)]
        stored += [result.base_offset for result in results if result.error_code == 0]
        error_codes = [result.error_code for result in results if result.error_code]
        assert error_codes, "the limit had no effect, so the test has shown nothing"
        assert set(error_codes) == {KAFKA_STORAGE_ERROR}
        assert [base_offset(batch) for batch in raw.fetch_all(topic)] == stored
        limit_files(broker.storage, resource.RLIM_INFINITY)
        eventually(
            lambda: raw.produce(topic, BATCH, acks=acks).error_code == 0,
            what="an accepted append",
        )
        assert [base_offset(batch) for batch in raw.fetch_all(topic)][: len(stored)] == stored
    broker.assert_running()
    broker.restart(*broker.names)
    with RawClient(broker.address) as raw:
        assert [base_offset(batch) for batch in raw.fetch_all(topic)][: len(stored)] == stored


def base_offset(batch):
    return int.from_bytes(batch[:8], "big")
