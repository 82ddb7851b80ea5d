"""Tests of the connection to a running cluster."""

import asyncio

import pytest

from common.cluster.view import ClusterView
from common.ports.unavailable import BackendUnavailable
from common.rpc.leader import open_leader_channel
from ringlog.cli.actions import CommandFailed
from ringlog.cli.groups.connection import current_cluster, open_groups
from ringlog.cli.groups.reset import Earliest, OffsetChange
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.processes.ports import ReservedPort
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("broker")) as deployment:
        yield deployment


@pytest.fixture
def topic(broker):
    with RawClient(broker.address) as raw:
        created = raw.create_topic(partitions=2)
        raw.produce(created, record_batch(numbered(5)))
        return created


@pytest.fixture
def address(broker):
    return broker.grpc_address("standalone")


def test_current_cluster_has_topics_and_members(address, topic):
    async def read_cluster():
        async with open_leader_channel(address) as channel:
            return await current_cluster(channel)

    change = asyncio.run(read_cluster())
    view = ClusterView()
    view.apply(change)
    found = view.topic(topic)
    assert len(found.partitions) == 2
    assert view.member(found.partitions[0].owner).address.rpartition(":")[2] in address


def test_first_reset_creates_the_offsets_topic(address, topic):
    async def reset():
        async with open_groups(address) as groups:
            with pytest.raises(CommandFailed):
                await groups.describe("new group")
            plan = await groups.plan_reset("new group", topic, None, Earliest())
            await groups.reset("new group", plan)
            return plan, await groups.describe("new group")

    plan, group_report = asyncio.run(reset())
    assert plan == [OffsetChange(topic, 0, None, 0), OffsetChange(topic, 1, None, 0)]
    assert [(partition.committed, partition.lag) for partition in group_report.partitions] == [
        (0, 5),
        (0, 0),
    ]


def test_unreachable_cluster_is_unavailable(monkeypatch):
    monkeypatch.setattr("common.rpc.ring_client.CALL_TIMEOUT_S", 0.2)
    port = ReservedPort()

    async def connect():
        async with open_groups(port.address):
            pass

    with pytest.raises(BackendUnavailable):
        asyncio.run(connect())
    port.release()
