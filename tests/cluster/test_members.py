"""A member joins, runs out of disk, and leaves, while records flow."""

import pytest

from tests.cluster.loads import assert_no_loss, partitions_of_others, running_load
from tests.support.waiting import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SETTLED_WITHIN_S = 120
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


def test_new_member_gets_its_share_of_partitions_while_records_flow(request, cluster, inside):
    with running_load(cluster, request.node.name, partitions=16) as load:
        newcomer = request.getfixturevalue("newcomer")
        wait_until_settled(cluster)
        assert count_partitions(cluster, newcomer) > 0
        assert_no_loss(load)
    inside.assert_running()


def test_member_refuses_appends_while_its_disk_is_full(request, cluster, newcomer, inside):
    wait_until_settled(cluster)
    with running_load(cluster, request.node.name, partitions=8) as load:
        owners = cluster.owners(load.topic)
        assert newcomer in owners
        before = count_refusals(cluster, newcomer)
        cluster.execute(newcomer, "python", "-c", FILL)
        eventually(lambda: count_refusals(cluster, newcomer) > before, what="refused appends")
        load.wait_for_acknowledged(20, partitions=partitions_of_others(newcomer, owners))
        cluster.execute(newcomer, "python", "-c", REMOVE)
        assert_no_loss(load)
    inside.assert_running()


def test_drained_member_can_be_removed_while_records_flow(request, cluster, newcomer, inside):
    wait_until_settled(cluster)
    with running_load(cluster, request.node.name, partitions=8) as load:
        assert newcomer in cluster.owners(load.topic)
        cluster.ring("drain", newcomer, "--wait")
        cluster.ring("status", "--require-drained", newcomer)
        assert newcomer not in cluster.owners(load.topic)
        wait_until_settled(cluster)
        cluster.container(newcomer).stop()
        cluster.ring("remove", newcomer)
        assert_no_loss(load)
    inside.assert_running()


def wait_until_settled(cluster):
    """Waits until every member has its planned partitions and no move is pending."""

    def is_settled():
        ring = cluster.ring_status()
        in_place = all(member["partitions"] == member["planned"] for member in ring["members"])
        return in_place and not ring["moves"] and not ring["waiting_moves"]

    try:
        eventually(is_settled, within_s=SETTLED_WITHIN_S, what="a ring without moves")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{cluster.ring('status')}") from error


def count_partitions(cluster, member):
    members = {item["name"]: item for item in cluster.ring_status()["members"]}
    return members[member]["partitions"]


def count_refusals(cluster, member):
    return sum("appends are refused" in line for line in cluster.log_lines(member))
