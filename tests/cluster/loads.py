"""Loads of clients on this machine, and what is asked of each at its end."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.cluster.composed import Composed
from tests.support.clients.checked_load import CheckedLoad

_PARTITIONS = 6


@contextmanager
def loaded(cluster: Composed, name: str, *, partitions: int = _PARTITIONS) -> Iterator[CheckedLoad]:
    """A load that is under way on every partition of a topic called after the test `name`."""
    topic = re.sub(r"[^a-z0-9]+", "-", name.removeprefix("test_")).strip("-")
    with CheckedLoad(cluster.bootstrap, topic, partitions=partitions, pause_s=0.02) as load:
        load.wait_for_acknowledged(5)
        yield load


def prove(load: CheckedLoad) -> None:
    """Records flow on every partition, and nothing was lost, doubled or disordered."""
    load.wait_for_acknowledged(20)
    load.finish().assert_clean()


def without(member: str, owners: Sequence[str]) -> list[int]:
    """The partitions that `member` does not have."""
    left = [n for n, owner in enumerate(owners) if owner != member]
    assert left, f"{member} has every partition: nothing would be shown"
    return left
