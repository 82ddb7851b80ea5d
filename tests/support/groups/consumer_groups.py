"""A simulated consumer group (KIP-848) with its log, and topics that are created and grow."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from common.cluster.view import ClusterView
from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatReply
from common.ports.metadata import ClusterChange, Placement, Topic
from partition_svc.coordinator.consumer.assignment_conversion import (
    from_owned_partitions,
    to_owned_partitions,
)
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.group.logged_members import LoadedGroup
from partition_svc.coordinator.records.group_records import RecordEntry, decode, encode
from partition_svc.coordinator.settings import GroupSettings
from tests.support.groups.interruptions import Interrupted, interrupted_after, observable_state

SETTINGS = GroupSettings(initial_rebalance_delay_ms=0)
PLACEMENT = Placement("partition-0", 1)


def topic_id(name: str) -> bytes:
    return name.encode().ljust(16, b".")


class SimulatedConsumerGroup:
    """One group `g`, which writes its records to a log of bytes; `crash` restores it from there."""

    def __init__(self, settings: GroupSettings = SETTINGS, **topics: int) -> None:
        self.now_ms = 1_000
        self.settings = settings
        self.view = ClusterView()
        self.log: dict[bytes, RecordEntry] = {}
        self.group = Group("g", settings, self.view)
        #: Replies by ticket, for callers that collect them later.
        self.replies: dict[Any, Any] = {}
        self.crashes = 0
        self._ids = count()
        self.set_topics(**topics)

    def set_topics(self, **partitions: int) -> None:
        topics = tuple(
            Topic(topic_id(name), name, (PLACEMENT,) * number)
            for name, number in partitions.items()
        )
        self.view.apply(ClusterChange(self.view.revision + 1, "c", is_snapshot=True, topics=topics))

    def beat(self, request: ConsumerHeartbeat) -> ConsumerHeartbeatReply:
        new_id = f"new-{next(self._ids)}"
        return self.do(lambda: self.group.consumer_heartbeat(request, "t", self.now_ms, new_id))

    def do(self, call: Any) -> Any:
        """Calls the group, writes its records to the log; returns the reply to the ticket "t"."""
        effects = call()
        self.group.confirm(effects.records)
        self.write(effects.records)
        self.replies |= dict(effects.replies)
        return self.replies.pop("t", None)

    def write(self, records: Any) -> None:
        for record in records:
            entry = encode(record)
            self.log.pop(entry.key, None)
            if entry.value is not None:
                self.log[entry.key] = entry

    def crash(self) -> None:
        self.crashes += 1
        self.replies.clear()
        self.group = self.loaded()

    def loaded(self) -> Group:
        """Returns the group as it is restored from the log."""
        loaded = LoadedGroup()
        for entry in self.log.values():
            loaded.add(decode(*entry))
        group = Group("g", self.settings, self.view)
        group.restore(loaded, self.now_ms)
        return group

    def interrupt(self, call: Any, lines: int) -> bool:
        """Interrupts a call after `lines` lines and rolls it back; True if it was interrupted.

        To clients it looks like a crash: waiting clients retry.
        """
        try:
            with interrupted_after(lines):
                effects = call()
        except Interrupted:
            self.group.roll_back(self.now_ms)
            assert observable_state(self.group) == observable_state(self.loaded())
            self.crashes += 1
            self.replies.clear()
            return True
        self.do(lambda: effects)
        return False

    def sleep(self, ms: int) -> None:
        self.now_ms += ms
        self.do(lambda: self.group.on_deadline(self.now_ms))

    @property
    def members(self) -> dict[str, Any]:
        return {member.member_id: member for member in self.group.describe_consumer().members}

    @property
    def state(self) -> str:
        return self.group.describe_consumer().state


@dataclass
class Reader:
    """Client that follows its assignment at once, both assigned and revoked partitions."""

    simulated: SimulatedConsumerGroup
    member_id: str
    names: list[str] | None = field(default_factory=lambda: ["a"])
    regex: str | None = None
    instance_id: str | None = None
    assignor: str | None = None
    epoch: int = 0
    owned: frozenset[tuple[bytes, int]] = frozenset()
    last: ConsumerHeartbeatReply | None = None

    def request(self, **changes: Any) -> ConsumerHeartbeat:
        values: dict[str, Any] = {
            "instance_id": self.instance_id,
            "rebalance_timeout_ms": 10_000,
            "subscribed_topic_names": self.names,
            "subscribed_topic_regex": self.regex,
            "server_assignor": self.assignor,
            "owned": to_owned_partitions(self.owned),
        }
        return ConsumerHeartbeat("g", self.member_id, self.epoch, **(values | changes))

    def beat(self, **changes: Any) -> ConsumerHeartbeatReply:
        return self.take(self.simulated.beat(self.request(**changes)))

    def take(self, reply: ConsumerHeartbeatReply) -> ConsumerHeartbeatReply:
        self.last = reply
        if reply.refusal is None:
            self.epoch = reply.member_epoch
            if reply.assignment is not None:
                self.owned = from_owned_partitions(reply.assignment)
        return reply

    def leave(self, epoch: int = -1) -> ConsumerHeartbeatReply:
        self.epoch, self.owned = epoch, frozenset()
        return self.simulated.beat(ConsumerHeartbeat("g", self.member_id, epoch, self.instance_id))

    @property
    def partitions(self) -> set[tuple[str, int]]:
        return {(topic.decode().rstrip("."), partition) for topic, partition in self.owned}


def settle(*readers: Reader) -> None:
    """Sends heartbeats until nothing changes any more."""
    for _ in range(10):
        before = [(reader.epoch, reader.owned) for reader in readers]
        for reader in readers:
            assert reader.beat().refusal is None
        if before == [(reader.epoch, reader.owned) for reader in readers]:
            return
    raise AssertionError("the group does not become stable")
