"""A volume that is unmounted under a running service, and mounted again. Needs root, to mount."""

import shutil

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.stores.mounts import bound
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

BATCH = record_batch(numbered(1, size=300_000))


def test_no_files_are_written_to_the_mount_point_of_an_unmounted_volume(tmp_path):
    path = tmp_path / "data"
    with standalone(tmp_path, log_flush_bytes=str(1 << 20)) as broker:
        broker.kill()
        # The first start has written to the mount point, which must be empty.
        shutil.rmtree(path)
        with bound(tmp_path / "volume", path):
            broker.start("standalone")
            broker.wait_until_ready()
            with RawClient(broker.address) as raw:
                topic = raw.create_topic()
                results = [raw.produce(topic, BATCH) for _ in range(5)]
        with RawClient(broker.address) as raw:
            # Several flushes, each of which creates files.
            results += [raw.produce(topic, BATCH) for _ in range(10)]
            second = raw.create_topic()
        assert [result.base_offset for result in results] == list(range(15))
        assert list(path.iterdir()) == []
        broker.kill()
        with bound(tmp_path / "volume", path):
            broker.start("standalone")
            broker.wait_until_ready()
            with RawClient(broker.address) as raw:
                assert len(raw.fetch_all(topic)) == 15
                assert raw.produce(second, BATCH).error_code == 0
            broker.kill()
