"""A member whose disk is too small for the logs that should move to it. Needs root, to mount."""

import os
import subprocess
from contextlib import contextmanager

import pytest

from common.ports.moves import RingState
from tests.support.clients.raw_client import RawClient
from tests.support.processes.cluster import Cluster
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

MIB = 1 << 20
BATCH = record_batch(numbered(1, size=500_000))
#: In proportion to the disk, as the defaults are to a usual one.
SETTINGS = {"log_flush_bytes": str(MIB), "log_reserve_bytes": str(2 * MIB)}


@contextmanager
def mounted_tmpfs(path, size_bytes):
    path.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs"]
    subprocess.run(["mount", *options, str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def used_bytes(path):
    disk = os.statvfs(path)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


def test_partitions_that_fit_move_and_others_wait_for_space(tmp_path):
    small_disk = tmp_path / "partition-1"
    with (
        mounted_tmpfs(small_disk, 20 * MIB),
        Cluster(tmp_path, partitions=1, **SETTINGS) as cluster,
    ):
        with RawClient(cluster.kafka_address(cluster.gateways[0])) as raw:
            large, small = raw.create_topic(), raw.create_topic(partitions=4)
            for _ in range(60):
                assert raw.produce(large, BATCH).error_code == 0
            for partition in range(4):
                assert raw.produce(small, BATCH, partition=partition).error_code == 0
            cluster.add_member()
            assert cluster.ring.drain("partition-0") is None

            def owners(topic):
                return {placement.owner for placement in cluster.ring.topic(topic).partitions}

            eventually(lambda: owners(small) == {"partition-1"}, what="moves of the small topic")
            ring = cluster.ring.wait_until(
                lambda ring: ring.troubles or any(move.trouble for move in ring.moves),
                what="a reason why the large topic does not move",
            )
            assert "partition-1" in str(ring.troubles) or "no room" in str(ring.moves)
            assert owners(large) == {"partition-0"}
            # The other logs accept appends, and the incomplete copy is deleted.
            for partition in range(4):
                assert raw.produce(small, BATCH, partition=partition).error_code == 0
            eventually(
                lambda: used_bytes(small_disk) < 12 * MIB, what="deletion of the incomplete copy"
            )
            subprocess.run(
                ["mount", "-o", f"remount,size={100 * MIB}", str(small_disk)], check=True
            )
            cluster.ring.wait_until(
                lambda ring: any(member.state is RingState.DRAINED for member in ring.members),
                what="partition-0 drained",
            )
            assert owners(large) == {"partition-1"}
            assert len(raw.fetch_all(large)) == 60
        cluster.assert_running()
