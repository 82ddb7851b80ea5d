"""Groups that migrate from the classic protocol to KIP-848 and back, under load."""

from contextlib import ExitStack

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupType

from tests.clients.adapters.group_members import (
    AioMember,
    ConfluentMember,
    CoordinatedMember,
    PythonMember,
)
from tests.support.groups.rolling_group import RollingGroup
from tests.support.processes.deployments import three_processes
from tests.support.waiting import eventually

MEMBERS = 3
#: Rebalances of the new protocol take as long as some heartbeats.
SETTINGS = {
    "group_initial_rebalance_delay_ms": "0",
    "group_consumer_heartbeat_interval_ms": "200",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with three_processes(tmp_path_factory.mktemp("migration"), **SETTINGS) as deployment:
        yield deployment


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_a_rolling_upgrade_and_downgrade_read_all_records_with_one_owner_each(broker, strategy):
    classic = {"partition.assignment.strategy": strategy}
    with ExitStack() as stack:
        group = RollingGroup(broker, f"orders-{strategy}", stack)
        for _ in range(MEMBERS):
            group.add(ConfluentMember, **classic)
        group.settle()
        assert group.describe().type is ConsumerGroupType.CLASSIC
        for _ in range(MEMBERS):
            group.replace(CoordinatedMember)
            assert group.describe().type is ConsumerGroupType.CONSUMER
        eventually(
            lambda: group.describe().state is ConsumerGroupState.STABLE,
            what="all members to have confirmed their revocations",
        )
        for remaining in reversed(range(MEMBERS)):
            group.replace(ConfluentMember, **classic)
            kind = ConsumerGroupType.CONSUMER if remaining else ConsumerGroupType.CLASSIC
            assert group.describe().type is kind
        group.check()
        for member in group.members:
            member.stop()


def test_every_client_shares_a_group_with_a_member_of_the_new_protocol(broker):
    with ExitStack() as stack:
        group = RollingGroup(broker, "orders-of-all", stack)
        for kind in (AioMember, PythonMember, ConfluentMember):
            group.add(kind)
        group.settle()
        group.add(CoordinatedMember)
        group.settle()
        assert group.describe().type is ConsumerGroupType.CONSUMER
        group.check()
        group.members.pop().stop()
        group.settle()
        assert group.describe().type is ConsumerGroupType.CLASSIC
