"""A member joins, runs out of disk, and leaves, while records flow."""

import pytest

from tests.cluster.loads import loaded, prove, without
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

MOVED_WITHIN_S = 120
BALLAST = "/var/lib/ringlog/ballast"
FILL = f"""
import contextlib
with open({BALLAST!r}, "ab", buffering=0) as ballast:
    for size in (1 << 20, 1 << 12, 1):
        with contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(size))
"""
REMOVE = f"import os; os.unlink({BALLAST!r})"


def test_a_member_that_joins_takes_its_share_while_records_flow(request, cluster, inside):
    with loaded(cluster, request.node.name, partitions=16) as load:
        newcomer = request.getfixturevalue("newcomer")
        settle(cluster)
        assert partitions_of(cluster, newcomer) > 0
        prove(load)
    inside.assert_running()


def test_a_full_disk_refuses_and_room_heals_it(request, cluster, newcomer, inside):
    settle(cluster)
    with loaded(cluster, request.node.name, partitions=8) as load:
        owners = cluster.owners(load.topic)
        assert newcomer in owners
        before = refusals(cluster, newcomer)
        cluster.execute(newcomer, "python", "-c", FILL)
        eventually(lambda: refusals(cluster, newcomer) > before, what="appends that are refused")
        load.wait_for_acknowledged(20, partitions=without(newcomer, owners))
        cluster.execute(newcomer, "python", "-c", REMOVE)
        prove(load)
    inside.assert_running()


def test_a_drained_member_may_go_while_records_flow(request, cluster, newcomer, inside):
    settle(cluster)
    with loaded(cluster, request.node.name, partitions=8) as load:
        assert newcomer in cluster.owners(load.topic)
        cluster.ring("drain", newcomer, "--wait")
        cluster.ring("status", "--require-drained", newcomer)
        assert newcomer not in cluster.owners(load.topic)
        settle(cluster)
        cluster.container(newcomer).stop()
        cluster.ring("remove", newcomer)
        prove(load)
    inside.assert_running()


def settle(cluster):
    """Waits until every member has its partitions and no move is left."""

    def is_settled():
        ring = cluster.ring_status()
        in_place = all(one["partitions"] == one["planned"] for one in ring["members"])
        return in_place and not ring["moves"] and not ring["waiting_moves"]

    try:
        eventually(is_settled, within_s=MOVED_WITHIN_S, what="a ring without moves")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{cluster.ring('status')}") from error


def partitions_of(cluster, member):
    (found,) = (one for one in cluster.ring_status()["members"] if one["name"] == member)
    return found["partitions"]


def refusals(cluster, member):
    return sum("appends are refused" in line for line in cluster.lines(member))
