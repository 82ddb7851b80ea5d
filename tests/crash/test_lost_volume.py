"""A volume that is unmounted under a running service, and comes back. Needs root, for mounts."""

import subprocess
from contextlib import contextmanager

import pytest

from tests.support.batches import record_batch
from tests.support.deployments import standalone
from tests.support.raw_client import RawClient
from tests.support.records import numbered

pytestmark = pytest.mark.slow

BATCH = record_batch(numbered(1, size=300_000))


@contextmanager
def mounted(volume, path):
    volume.mkdir(exist_ok=True)
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", str(volume), str(path)], check=True)
    try:
        yield
    finally:
        # Lazily: as where a node takes a volume away from a pod that does not end.
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_nothing_is_written_beside_a_volume_that_was_unmounted(tmp_path):
    path = tmp_path / "data"
    with standalone(tmp_path, log_flush_bytes=str(1 << 20)) as broker:
        broker.kill()
        # What it has made by now is the disk of the node, where nothing belongs.
        subprocess.run(["rm", "-r", str(path)], check=True)
        with mounted(tmp_path / "volume", path):
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
        with mounted(tmp_path / "volume", path):
            broker.start("standalone")
            broker.wait_until_ready()
            with RawClient(broker.address) as raw:
                assert len(raw.fetch_all(topic)) == 15
                assert raw.produce(second, BATCH).error_code == 0
            broker.kill()
