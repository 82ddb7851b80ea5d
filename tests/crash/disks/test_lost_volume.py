"""A volume that is unmounted under a running service, and comes back. Needs root, for mounts."""

import shutil

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.stores.mounts import bound
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

BATCH = record_batch(numbered(1, size=300_000))


def test_nothing_is_written_beside_a_volume_that_was_unmounted(tmp_path):
    path = tmp_path / "data"
    with standalone(tmp_path, log_flush_bytes=str(1 << 20)) as broker:
        broker.kill()
        # What it has made by now is the disk of the node, where nothing belongs.
        shutil.rmtree(path)
        with bound(tmp_path / "volume", path):
            broker.start("standalone")
            broker.wait_until_ready()
            with RawClient(broker.address) as raw:
                topic = raw.create_topic()
                stored = [raw.produce(topic, BATCH) for _ in range(5)]
        with RawClient(broker.address) as raw:
            # Several flushes: each makes new files.
            stored += [raw.produce(topic, BATCH) for _ in range(10)]
            second = raw.create_topic()
        assert [one.base_offset for one in stored] == list(range(15))
        assert list(path.iterdir()) == []
        broker.kill()
        with bound(tmp_path / "volume", path):
            broker.start("standalone")
            broker.wait_until_ready()
            with RawClient(broker.address) as raw:
                assert len(raw.fetch_all(topic)) == 15
                assert raw.produce(second, BATCH).error_code == 0
            broker.kill()
