"""confluent-kafka: librdkafka, the C client behind most non-Java users."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.clients.adapters.client import ALL_CODECS, WITHIN_S
from tests.support.wire.records import Header, Read, Record


class ConfluentClient:
    name = "confluent-kafka"
    codecs = ALL_CODECS

    def produce(
        self,
        address: str,
        topic: str,
        records: Sequence[Record],
        *,
        partition: int = 0,
        codec: str = "none",
        acks: int = -1,
        idempotent: bool = False,
    ) -> list[int]:
        producer = Producer(
            {
                "bootstrap.servers": address,
                "compression.type": codec,
                "acks": acks,
                "enable.idempotence": idempotent,
                "message.max.bytes": 10_000_000,
                "log_level": 0,
            }
        )
        reports: list[tuple[KafkaError | None, Message]] = []
        for record in records:
            producer.produce(
                topic,
                value=record.value,
                key=record.key,
                partition=partition,
                headers=[(key, value) for key, value in record.headers],
                timestamp=record.timestamp_ms or 0,
                on_delivery=lambda error, message: reports.append((error, message)),
            )
        assert producer.flush(WITHIN_S) == 0, "some records were not acknowledged"
        for error, _ in reports:
            if error is not None:
                raise KafkaException(error)
        offsets = [message.offset() for _, message in reports]
        return [-1 if offset is None or offset < 0 else offset for offset in offsets]

    def consume(
        self, address: str, topic: str, *, count: int, offset: int = 0, partition: int = 0
    ) -> list[Read]:
        with _consumer(address) as consumer:
            consumer.assign([TopicPartition(topic, partition, offset)])
            messages: list[Message] = []
            deadline = time.monotonic() + WITHIN_S
            while len(messages) < count:
                assert time.monotonic() < deadline, f"{len(messages)} of {count} records"
                for message in consumer.consume(count - len(messages), timeout=1.0):
                    if message.error() is not None:
                        raise KafkaException(message.error())
                    messages.append(message)
            return [_read(message) for message in messages]

    def offset_for_time(
        self, address: str, topic: str, timestamp_ms: int, *, partition: int = 0
    ) -> int | None:
        with _consumer(address) as consumer:
            target = TopicPartition(topic, partition, timestamp_ms)
            found = consumer.offsets_for_times([target], timeout=WITHIN_S)[0]
            assert found.error is None
            # librdkafka returns OFFSET_END (-1) if there is no such record.
            return found.offset if found.offset >= 0 else None

    def bounds(self, address: str, topic: str, *, partition: int = 0) -> tuple[int, int]:
        with _consumer(address) as consumer:
            low, high = consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=WITHIN_S, cached=False
            )
            return low, high


@contextmanager
def _consumer(address: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "never-joined",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _read(message: Any) -> Read:
    headers = tuple(Header(key, value) for key, value in message.headers() or ())
    _, timestamp_ms = message.timestamp()
    record = Record(message.value(), message.key(), headers, timestamp_ms)
    return Read(message.offset(), record)
