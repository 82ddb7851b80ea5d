"""A partition that moves under load: set-up and final checks of tests of moves."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from common.ports.moves import RingDescription, RingState
from tests.support.clients.checked_load import CheckedLoad
from tests.support.clients.raw_client import RawClient
from tests.support.processes.cluster import METADATA, Cluster
from tests.support.stores.kept_logs import kept_logs
from tests.support.waiting import eventually

#: A move whose target is down in FENCE is rolled back soon.
SETTINGS = {
    "ring_move_fence_timeout_ms": "500",
    # Otherwise copies of cancelled moves would look like copies on the wrong member.
    "ring_move_copy_retention_ms": "0",
    # Small, so that logs of some megabytes have several generations.
    "log_flush_bytes": "4194304",
}

#: Returned if the test has deleted the topic.
_UNKNOWN_TOPIC = 3

#: Records of each producer in each partition before and after the fault.
_RECORDS = 5


class Moving(NamedTuple):
    """A topic under load whose partition 0 is on `source` and will move to `target`."""

    cluster: Cluster
    topic: str
    topic_id: bytes
    source: str
    target: str
    load: CheckedLoad

    def process_of(self, role: str) -> str:
        """Returns the name of the process that is "source", "target" or "metadata"."""
        return {"source": self.source, "target": self.target, "metadata": METADATA}[role]

    def wait_for_records(self) -> None:
        self.load.wait_for_acknowledged(_RECORDS)

    def wait_until_drained(self) -> RingDescription:
        """Waits until everything has moved from the source."""
        return self.cluster.ring.wait_until(
            lambda ring: _is_drained(ring, self.source), what=f"{self.source} drained"
        )

    def finish(self, *, owner: str | None = None, unnoticed: bool = False) -> None:
        """Asserts that the load lost no record, and that only owners have copies on their disks.

        `owner` must have partition 0; default: the target.
        """
        self.wait_for_records()
        self.load.finish().assert_clean(unnoticed=unnoticed)
        assert self.cluster.ring.topic(self.topic).partitions[0].owner == (owner or self.target)
        assert_only_owners_have_copies(self.cluster, self.topic)


@contextmanager
def moving(cluster: Cluster, *, partitions: int = 2) -> Iterator[Moving]:
    """Runs a load on a new topic, whose partition 0 is on the source; deletes it at the end."""
    name = f"moving-{uuid.uuid4().hex[:8]}"
    with CheckedLoad(cluster.bootstrap, name, partitions=partitions, producers=1) as load:
        topic = cluster.ring.topic(name)
        source = topic.partitions[0].owner
        (target,) = (member for member in cluster.members if member != source)
        move = Moving(cluster, name, topic.topic_id, source, target, load)
        move.wait_for_records()
        yield move
    with RawClient(cluster.kafka_address(cluster.gateways[0])) as raw:
        assert raw.delete_topic(name) in (0, _UNKNOWN_TOPIC)


def restore_cluster(cluster: Cluster) -> None:
    """Restores a clean cluster: all processes run, all members have joined, no logs are left."""
    for name, process in cluster.processes.items():
        if not process.is_running:
            cluster.start(name)
    cluster.wait_until_ready()
    for member in cluster.members:
        assert cluster.ring.add(member) is None
    cluster.ring.wait_until_settled()
    for member in cluster.members:
        eventually(lambda member=member: not kept_logs(cluster.data_dir(member)), what="no logs")  # type: ignore[misc]


def assert_only_owners_have_copies(
    cluster: Cluster, name: str, *, written: int | None = None
) -> None:
    """Asserts that each log of the topic ends up on its owner's disk, and on no other.

    The first `written` partitions have records (default: all); other logs may be missing.
    """
    topic = cluster.ring.topic(name)
    placements = enumerate(topic.partitions)
    owned = {(placement.owner, (topic.topic_id, n)) for n, placement in placements}
    with_records = {(owner, log) for owner, log in owned if log[1] < (written or len(owned))}

    def are_in_place() -> bool:
        kept = {
            (member, log)
            for member in cluster.members
            for log in kept_logs(cluster.data_dir(member))
            if log[0] == topic.topic_id
        }
        return with_records <= kept <= owned

    eventually(are_in_place, what=f"copies only with their owners, {owned}")


def _is_drained(ring: RingDescription, name: str) -> bool:
    return any(member.name == name and member.state is RingState.DRAINED for member in ring.members)
