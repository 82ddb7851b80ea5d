"""Loads of clients on this machine, and the check at the end of each."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.cluster.composed import Composed
from tests.support.clients.checked_load import CheckedLoad

_PARTITIONS = 6


@contextmanager
def running_load(
    cluster: Composed, name: str, *, partitions: int = _PARTITIONS
) -> Iterator[CheckedLoad]:
    """Runs a load on every partition of a topic that is named after the test `name`."""
    topic = re.sub(r"[^a-z0-9]+", "-", name.removeprefix("test_")).strip("-")
    with CheckedLoad(cluster.bootstrap, topic, partitions=partitions, pause_s=0.02) as load:
        load.wait_for_acknowledged(5)
        yield load


def assert_no_loss(load: CheckedLoad) -> None:
    """Waits for records on every partition; checks for lost, duplicate and reordered records."""
    load.wait_for_acknowledged(20)
    load.finish().assert_clean()


def partitions_of_others(member: str, owners: Sequence[str]) -> list[int]:
    """Returns the partitions that `member` does not own."""
    partitions = [n for n, owner in enumerate(owners) if owner != member]
    assert partitions, f"{member} owns every partition: the test would show nothing"
    return partitions
