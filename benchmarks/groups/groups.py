"""Consumer groups in numbers: `python -m benchmarks.groups.groups --rounds 3 --seconds 3`.

First record: from the first poll in a new group (`first_record.py`). Rebalance: from the join of
one more member to the assignment of all; the others join as soon as they could know. Commits of one
offset, and heartbeats: one request at a time on each of 64 or 256 connections. The client, which is
Python too, shares the machine with the broker: its CPU time is reported.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import uvloop
from confluent_kafka import Producer

from benchmarks.groups.first_record import LIBRARIES, confluent
from benchmarks.load.groups import Rate, rate
from benchmarks.report import machine, markdown
from benchmarks.report.markdown import number
from common.cluster.view import ClusterView
from common.ports.classic_groups import GroupProtocol, JoinGroup
from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.settings import GroupSettings
from tests.support.clients.raw_client import RawClient
from tests.support.clients.raw_members import (
    HEARTBEAT,
    OFFSET_COMMIT,
    REBALANCE,
    Generations,
    RawConnection,
    RawMember,
    running_members,
    share_everything,
    until,
)
from tests.support.processes.deployments import DEPLOYMENTS, Deployment

_TOPIC: Final = "orders"
_CONNECTIONS: Final = 64
_MANY: Final = 256
_SETTINGS: Final = {"group_initial_rebalance_delay_ms": "0"}
_SESSION_MS: Final = 300_000
_MEMORY_GROUPS: Final = 2_000

#: By what was measured and the unit, a value for each round.
Found = dict[tuple[str, str], list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groups.groups", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load")
    parser.add_argument("--members", type=int, nargs="+", default=[2, 20, 200])
    options = parser.parse_args()
    columns: dict[str, Found] = {}
    with tempfile.TemporaryDirectory(prefix="ringlog-bench-") as name:
        for deployment, start in DEPLOYMENTS.items():
            with start(Path(name, deployment), **_SETTINGS) as broker:
                columns[deployment] = _measure(broker, options)
        about = machine.describe(Path(name))
    print("".join(f"- {what}: {words}\n" for what, words in about.items()))
    print(_table(columns))
    print(f"memory of one member in a group of 200, coordinator: {_member_bytes(200):,.0f} bytes")


def _measure(broker: Deployment, options: argparse.Namespace) -> Found:
    found: Found = defaultdict(list)
    with RawClient(broker.address) as raw:
        raw.create_topic(name=_TOPIC, partitions=1)
    _produce(broker)
    found["first record, the first group of all", "ms"].append(
        confluent(broker.address, _TOPIC, "first")
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for turn in range(options.rounds):
            for name, first_record in LIBRARIES.items():
                elapsed_ms = first_record(broker.address, _TOPIC, f"{name}-{turn}")
                found[f"first record, {name}", "ms"].append(elapsed_ms)
            _produce(broker)
            elapsed_ms = confluent(broker.address, _TOPIC, f"confluent-kafka-{turn}")
            found["first record, confluent-kafka, after a commit", "ms"].append(elapsed_ms)
            for count in options.members:
                elapsed_ms = runner.run(_rebalance(broker, f"many-{count}-{turn}", count))
                found[f"rebalance, {count} members", "ms"].append(elapsed_ms)
            runner.run(_loads(broker, found, options.seconds, turn))
        runner.run(_memory(broker, found))
    return found


def _produce(broker: Deployment) -> None:
    """Produces one more record."""
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(_TOPIC, b"a record")
    producer.flush()


async def _rebalance(broker: Deployment, group: str, count: int) -> float:
    generations = Generations()
    members = [
        RawMember(
            lambda: broker.address,
            group,
            generations,
            partitions=count,
            session_timeout_ms=_SESSION_MS,
            heartbeat_s=0.5,
        )
        for _ in range(count)
    ]
    *existing, newcomer = members
    async with running_members(existing):
        await until(lambda: share_everything(existing, count), what="a group")
    for member in members:
        # Connects again.
        identity = _identity(group, member.member_id, member.generation)
        await member.connection.ask(HEARTBEAT, 4, identity)
    start = time.perf_counter()
    joining = asyncio.create_task(newcomer.join())
    while await existing[0].heartbeat() != REBALANCE:
        pass
    joined = await asyncio.gather(joining, *(member.join() for member in existing))
    elapsed_s = time.perf_counter() - start
    assert all(joined)
    assert len({member.generation for member in members}) == 1
    for member in members:
        member.connection.close()
    return elapsed_s * 1e3


async def _loads(broker: Deployment, found: Found, seconds: float, turn: int) -> None:
    pids = [process.pid for process in broker.processes.values()]

    async def measure(what: str, api: tuple[int, int], requests: list[dict[str, object]]) -> Rate:
        measured = await rate(broker.address, api, requests, pids, seconds=seconds)
        found[what, "a second"].append(measured.per_second)
        found[what, "a second and core of the broker"].append(measured.per_core)
        found[what, "client CPU us"].append(measured.client_cpu_us)
        return measured

    commit = (OFFSET_COMMIT, 8)
    same = [_commit(f"one-{turn}") for _ in range(_CONNECTIONS)]
    await measure("durable commits, one group", commit, same)
    for count in (_CONNECTIONS, _MANY):
        many = [_commit(f"storm-{turn}-{n}") for n in range(count)]
        await measure(f"durable commits, {count} groups", commit, many)
    members = [_lone_member(broker, f"beat-{turn}-{n}") for n in range(_CONNECTIONS)]
    for member in members:
        assert await member.join()
    beats = [_identity(member.group, member.member_id, member.generation) for member in members]
    await measure("heartbeats, 64 groups", (HEARTBEAT, 4), beats)
    for member in members:
        member.connection.close()


async def _memory(broker: Deployment, found: Found) -> None:
    """Measures the resident memory of the coordinator before and after it gets more groups."""
    connection = RawConnection(lambda: broker.address)
    before = broker.storage.resident_bytes()
    for n in range(_MEMORY_GROUPS):
        member = _lone_member(broker, f"memory-{n}", connection)
        assert await member.join()
        assert await member.commit(_TOPIC, {0: 1}) == 0
    used = broker.storage.resident_bytes() - before
    found["memory of a group with a member and an offset", "KB"].append(used / _MEMORY_GROUPS / 1e3)
    connection.close()


class _NoCaller:
    """A pending reply that no caller awaits."""

    __slots__ = ()

    def resolve(self, reply: object) -> None: ...

    def reject(self, refusal: GroupRefusal) -> None: ...


def _member_bytes(count: int) -> float:
    """Bytes that Python allocates for one more member in the coordinator's state."""
    group = Group("g", GroupSettings(), ClusterView())
    tracemalloc.start()
    for n in range(count):
        protocol = GroupProtocol("range", bytes(40))
        join = JoinGroup("g", "", "consumer", [protocol], 45_000, 300_000, needs_member_id=False)
        group.join(join, _NoCaller(), 0, f"client-{n:036}")
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / count


def _lone_member(
    broker: Deployment, group: str, connection: RawConnection | None = None
) -> RawMember:
    return RawMember(
        lambda: broker.address,
        group,
        Generations(),
        partitions=1,
        session_timeout_ms=_SESSION_MS,
        connection=connection,
    )


def _identity(group: str, member_id: str, generation: int) -> dict[str, object]:
    return {
        "group_id": group,
        "generation_id": generation,
        "member_id": member_id,
        "group_instance_id": None,
    }


def _commit(group: str) -> dict[str, object]:
    partition = {
        "partition_index": 0,
        "committed_offset": 1,
        "committed_leader_epoch": -1,
        "committed_metadata": None,
    }
    return {
        "group_id": group,
        "generation_id_or_member_epoch": -1,
        "member_id": "",
        "group_instance_id": None,
        "topics": [{"name": _TOPIC, "partitions": [partition]}],
    }


def _table(columns: Mapping[str, Found]) -> str:
    keys = list(dict.fromkeys(key for found in columns.values() for key in found))
    rows = [(*key, *(_cell(found.get(key, [])) for found in columns.values())) for key in keys]
    return markdown.table(("what", "unit", *(name.replace("_", " ") for name in columns)), rows)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return markdown.MISSING
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))} … {number(max(values))})"


if __name__ == "__main__":
    main()
