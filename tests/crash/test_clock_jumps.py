"""Wall clocks that jump for hours while the services run under load, without effect on clients.

Each process has a wall clock of its own (`tests/support/processes/moved_clock.py`), so that clocks
differ between services too. Sessions, leases and waits are measured by the monotonic clock.
Timestamps follow the wall clock, as in Apache Kafka.
"""

import asyncio
from contextlib import ExitStack
from datetime import datetime

import pytest

from tests.clients.adapters.group_members import ConfluentMember, CoordinatedMember
from tests.support.clients.checked_load import CheckedLoad
from tests.support.clients.raw_client import RawClient
from tests.support.clients.raw_consumers import RawConsumer
from tests.support.clients.raw_members import (
    LIST_GROUPS,
    Generations,
    RawConnection,
    RawMember,
    commit,
    fetch_committed,
)
from tests.support.groups.expiring_offsets import commit_with_retention
from tests.support.processes.deployments import standalone, three_processes
from tests.support.processes.moved_clock import LOG_APPEND_TIME, append_stamped, with_clocks
from tests.support.waiting import eventually
from tests.support.wire.kio_client import ask

pytestmark = pytest.mark.slow

NONE = 0
HOUR_MS = 3_600_000
NEAR_MS = 60_000
PARTITIONS = 2
#: Checks of expiry run many times between two jumps.
SETTINGS = {
    "offsets_topic_num_partitions": "1",
    "group_initial_rebalance_delay_ms": "0",
    "group_min_session_timeout_ms": "1000",
    "group_consumer_heartbeat_interval_ms": "200",
    "offsets_retention_check_interval_ms": "100",
    "producer_id_expiration_check_interval_ms": "100",
}
#: Hours ahead of the machine's clock, for the processes in the order of their start.
TOGETHER = [(hours, hours, hours) for hours in (5, -7, 23, 0)]
APART = [(0, -1, 1), (-6, 6, -6), (6, -6, 6), (0, 0, 0)]
CASES = [
    pytest.param(standalone, TOGETHER, id="standalone"),
    pytest.param(three_processes, TOGETHER, id="three processes, all clocks"),
    pytest.param(three_processes, APART, id="three processes, each clock"),
]
#: Producers write the time of their own machine, which is the future to a clock that went back.
ANY_TIME = {"message.timestamp.after.max.ms": str(2**63 - 1)}


def parse_log_time_ms(line):
    """Returns the timestamp of a log line, by the clock of the process that wrote it."""
    return datetime.fromisoformat(line[:23].replace(",", ".")).timestamp() * 1000


def assert_clocks_moved(broker, clocks, raw, append_time_topic):
    """Asserts that each process uses its own clock, by a record's timestamp and by log lines."""
    storage = broker.storage.name
    assert abs(append_stamped(raw, append_time_topic) - clocks[storage].now_ms()) < NEAR_MS
    topic = raw.create_topic()
    with RawClient(broker.address) as invalid_client:
        invalid_client.send_bytes(b"\xff\xff\xff\xff")
        invalid_client.wait_until_closed()
        _, port = invalid_client.socket.getsockname()
    patterns = (
        (broker.names[0], f"created .*{topic}"),
        (broker.gateway.name, f"closing .*:{port}:"),
    )
    for name, pattern in patterns:
        line = broker.processes[name].wait_for_line(pattern)
        assert abs(parse_log_time_ms(line) - clocks[name].now_ms()) < NEAR_MS, line


class QuietMembers:
    """One idle member of each protocol while clocks jump, and a commit of a group without members.

    All groups have the same coordinator, which at each deadline checks the deadlines of all groups.
    """

    def __init__(self, broker, topic, raw):
        self._raw, self._topic, self._runner = raw, topic, asyncio.Runner()
        self._address = lambda: broker.address
        self._classic = self._member("classic", session_timeout_ms=300_000)
        self._consumer = RawConsumer(self._address, "consumer", topic, "member")
        self._connection = RawConnection(self._address)
        assert self._run(self._classic.join())
        self._run(self._consumer.heartbeat())
        assert self._run(commit(self._connection, "no members", topic, {0: 7})) == NONE
        self._rounds = 0

    def check(self):
        """Checks after a jump that short sessions and offsets expire, and no others."""
        self._rounds += 1
        self._wait_until_session_expires(f"short {self._rounds}")
        assert self._run(self._classic.heartbeat()) == NONE
        self._run(self._consumer.heartbeat())
        assert set(self._consumer.codes) == {NONE}
        commit_with_retention(self._raw, self._topic, "an hour", 7, retention_ms=HOUR_MS)
        commit_with_retention(self._raw, self._topic, "no retention", 7, retention_ms=0)
        eventually(lambda: not self._fetch_offsets("no retention"), what="an offset that expires")
        assert (
            self._fetch_offsets("an hour")
            == self._fetch_offsets("no members")
            == {(self._topic, 0): 7}
        )

    def close(self):
        self._connection.close()
        self._classic.connection.close()
        self._consumer.close()
        self._runner.close()

    def _wait_until_session_expires(self, group):
        member = self._member(group, session_timeout_ms=1_000)
        assert self._run(member.join())
        values = {"states_filter": ["Stable"], "types_filter": []}

        def has_expired():
            groups = ask(self._raw, LIST_GROUPS, 5, values).groups
            return group not in {listed.group_id for listed in groups}

        eventually(has_expired, what="the end of a session")
        member.connection.close()

    def _member(self, group, **options):
        return RawMember(self._address, group, Generations(), partitions=1, **options)

    def _fetch_offsets(self, group):
        return self._run(fetch_committed(self._connection, group))

    def _run(self, coroutine):
        return self._runner.run(coroutine)


@pytest.mark.parametrize(("deployment", "jumps"), CASES)
def test_clock_jumps_of_hours_under_load_do_not_affect_clients(deployment, jumps, tmp_path):
    broker = deployment(tmp_path, **SETTINGS)
    clocks = with_clocks(broker, tmp_path)
    with ExitStack() as stack:
        stack.enter_context(broker)
        raw = stack.enter_context(RawClient(broker.address))
        append_time_topic = raw.create_topic(configs=LOG_APPEND_TIME)
        topic = raw.create_topic(partitions=PARTITIONS, configs=ANY_TIME)
        quiet = QuietMembers(broker, topic, raw)
        stack.callback(quiet.close)
        load = stack.enter_context(CheckedLoad(broker.address, topic, partitions=PARTITIONS))
        members = [
            stack.enter_context(kind(broker.address, topic, kind.name))
            for kind in (ConfluentMember, CoordinatedMember)
        ]
        for hours in jumps:
            # All producers and members make progress before the next jump.
            load.wait_for_acknowledged(20)
            read = [len(member.read) for member in members]
            eventually(
                lambda read=read: all(len(m.read) > n for m, n in zip(members, read, strict=True)),
                within_s=60,
                what="members that read",
            )
            for clock, offset_hours in zip(clocks.values(), hours, strict=False):
                clock.move_to(offset_hours)
            assert_clocks_moved(broker, clocks, raw, append_time_topic)
            quiet.check()
        verdict = load.finish()
        verdict.assert_clean(unnoticed=True)
        assert [member.assignments for member in members] == [1, 1]
        broker.assert_running()
        errors = [
            p.lines_with("no message for|was paused|ERROR") for p in broker.processes.values()
        ]
        assert not any(errors), errors


def test_a_silent_service_is_declared_dead_although_the_clock_goes_back(tmp_path):
    broker = three_processes(tmp_path, broker_session_timeout_ms="2000")
    clock = with_clocks(broker, tmp_path)["metadata"]
    with broker:
        metadata = broker.processes["metadata"]
        broker.storage.pause()
        clock.move_to(-7)
        line = metadata.wait_for_line("no message for 2 s", within_s=20)
        assert broker.grpc_address("partition") in line
        broker.storage.resume()
        broker.wait_until_ready()
