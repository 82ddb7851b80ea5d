"""Members of consumer groups, one class for each client library, which run in threads.

A member commits after each batch, and records what it has read and its assigned partitions.
"""

import asyncio
import threading
from abc import abstractmethod
from typing import Any, ClassVar, Self

import aiokafka
import kafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor as AioRange
from confluent_kafka import Consumer, KafkaError, KafkaException
from kafka.coordinator.assignors.range import RangePartitionAssignor

from tests.support.groups.partition_owners import Owners

_POLL_S = 0.1
_BATCH = 100
#: Errors of commits that may occur when a member reads during a rebalance.
_REBALANCE_ERRORS = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.STALE_MEMBER_EPOCH,
)


class GroupMember:
    """Reads `topic` as a member of `group` from `start` on until it is stopped."""

    def __init__(
        self, address: str, topic: str, group: str, *, owners: Owners | None = None, **options: Any
    ) -> None:
        """`owners` is notified of assigned and revoked partitions, as the client reports them."""
        self.owners = owners or Owners()
        self.assigned: frozenset[int] = frozenset()
        #: Partition and offset of all records that it has read, in order.
        self.read: list[tuple[int, int]] = []
        self.failure: BaseException | None = None
        #: Number of assignments that it has received.
        self.assignments = 0
        self._address, self._topic, self._group = address, topic, group
        self._options = options
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leaves the group; raises the exception with which the member failed."""
        self._stop.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as failure:  # noqa: BLE001 - raised by `stop`
            self.failure = failure

    @abstractmethod
    def _work(self) -> None: ...


class ConfluentMember(GroupMember):
    name = "confluent-kafka"
    _protocol: ClassVar[dict[str, Any]] = {
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 500,
    }

    def _work(self) -> None:
        settings = {
            "bootstrap.servers": self._address,
            "group.id": self._group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
            **self._protocol,
            **self._options,
        }
        strategy = settings.get("partition.assignment.strategy")
        is_cooperative = strategy in (None, "cooperative-sticky")
        consumer = Consumer(settings)

        def on_assign(consumer: Consumer, partitions: list[Any]) -> None:
            self.assignments += 1
            added = {partition.partition for partition in partitions}
            self.owners.add(self, added)
            self.assigned = self.assigned | added if is_cooperative else frozenset(added)

        def on_revoke(consumer: Consumer, partitions: list[Any]) -> None:
            self.assigned -= {partition.partition for partition in partitions}
            self.owners.remove(self, {partition.partition for partition in partitions})

        consumer.subscribe([self._topic], on_assign=on_assign, on_revoke=on_revoke)
        try:
            while not self._stop.is_set():
                messages = consumer.consume(_BATCH, timeout=_POLL_S)
                records = [message for message in messages if message.error() is None]
                self.read += [(record.partition(), record.offset()) for record in records]
                if records:
                    self._commit(consumer)
        finally:
            consumer.close()
            self.owners.remove(self, self.assigned)

    def _commit(self, consumer: Consumer) -> None:
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:
            # The commit was in flight during the rebalance: the partition's new owner reads again.
            if error.args[0].code() not in _REBALANCE_ERRORS:
                raise


class CoordinatedMember(ConfluentMember):
    """Member of a KIP-848 consumer group; a `topic` that begins with "^" is an expression."""

    name = "confluent-kafka, group.protocol=consumer"
    _protocol: ClassVar[dict[str, Any]] = {"group.protocol": "consumer"}


class AioMember(GroupMember):
    name = "aiokafka"

    def _work(self) -> None:
        asyncio.run(self._consume())

    async def _consume(self) -> None:
        consumer = aiokafka.AIOKafkaConsumer(
            self._topic,
            bootstrap_servers=self._address,
            group_id=self._group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            partition_assignment_strategy=(AioRange,),
            session_timeout_ms=10_000,
            heartbeat_interval_ms=500,
            **self._options,
        )
        async with consumer:
            while not self._stop.is_set():
                batches = await consumer.getmany(timeout_ms=int(_POLL_S * 1000), max_records=_BATCH)
                self.assigned = frozenset(target.partition for target in consumer.assignment())
                records = [record for batch in batches.values() for record in batch]
                self.read += [(record.partition, record.offset) for record in records]
                if records:
                    await consumer.commit()


class PythonMember(GroupMember):
    name = "kafka-python"

    def _work(self) -> None:
        consumer = kafka.KafkaConsumer(
            self._topic,
            bootstrap_servers=self._address,
            group_id=self._group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=10_000,
            heartbeat_interval_ms=500,
            **self._options,
        )
        try:
            while not self._stop.is_set():
                batches = consumer.poll(timeout_ms=int(_POLL_S * 1000), max_records=_BATCH)
                self.assigned = frozenset(target.partition for target in consumer.assignment())
                records = [record for batch in batches.values() for record in batch]
                self.read += [(record.partition, record.offset) for record in records]
                if records:
                    consumer.commit()
        finally:
            consumer.close()


MEMBERS = (ConfluentMember, CoordinatedMember, AioMember, PythonMember)
