"""Full disk: appends are refused, reads continue, and appends work again once there is room.

The size limit of the process (RLIMIT_FSIZE) stands in for the end of the disk: it makes writes fail
within a file, may be set and lifted from outside, and needs no privileges.
"""

import resource

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

KAFKA_STORAGE_ERROR = 56
BATCH = record_batch(numbered(1, size=100_000))
#: Some three batches more than the ten that the file of the journal has by then. Its space is
#: allocated, but the limit also applies to writes within a file.
LIMIT_BYTES = 1_300_000


@pytest.fixture(params=DEPLOYMENTS)
def broker(request, tmp_path):
    with DEPLOYMENTS[request.param](tmp_path) as deployment:
        yield deployment


def limit_files(process, size):
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.parametrize("acks", [-1, 1], ids=["acks=all", "acks=1"])
def test_appends_fail_reads_work_and_space_brings_recovery(acks, broker):
    with RawClient(broker.address) as raw:
        topic = raw.create_topic()
        stored = [raw.produce(topic, BATCH, acks=acks).base_offset for _ in range(10)]
        limit_files(broker.storage, LIMIT_BYTES)
        answers = [raw.produce(topic, BATCH, acks=acks) for _ in range(10)]
        stored += [answer.base_offset for answer in answers if answer.error_code == 0]
        refused = [answer.error_code for answer in answers if answer.error_code]
        assert stored[10:], "the limit is too low: the test did not show what it should"
        assert refused, "the limit had no effect: the test showed nothing"
        assert set(refused) == {KAFKA_STORAGE_ERROR}
        assert [offset for batch in raw.fetch_all(topic) for offset in [first(batch)]] == stored
        limit_files(broker.storage, resource.RLIM_INFINITY)
        eventually(
            lambda: raw.produce(topic, BATCH, acks=acks).error_code == 0,
            what="appends that are taken again",
        )
        assert [first(batch) for batch in raw.fetch_all(topic)][: len(stored)] == stored
    broker.assert_running()
    broker.restart(*broker.names)
    with RawClient(broker.address) as raw:
        assert [first(batch) for batch in raw.fetch_all(topic)][: len(stored)] == stored


def first(batch):
    return int.from_bytes(batch[:8], "big")
