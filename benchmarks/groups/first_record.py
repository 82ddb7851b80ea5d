"""From the first poll of a group's consumer to its first record, with each client library.

Libraries start before the clock does, connections do not. A group that has committed finds its
offset; a new one begins where the log begins. librdkafka has waits of its own on the way: 50 ms
before it connects to a broker that it has just learned of, and in a new group 100 ms before it asks
where the log begins (what its `debug=cgrp,topic` shows, 2.16).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer
from kafka import KafkaConsumer

_POLL_S: Final = 60.0

#: A consumer of a topic in a group, at an address: milliseconds.
FirstRecord = Callable[[str, str, str], float]


def confluent(address: str, topic: str, group: str) -> float:
    """Commits what it read."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    start = time.perf_counter()
    record = consumer.poll(_POLL_S)
    elapsed = time.perf_counter() - start
    assert record is not None
    assert record.error() is None
    consumer.commit(message=record, asynchronous=False)
    consumer.close()
    return elapsed * 1e3


def aiokafka(address: str, topic: str, group: str) -> float:
    async def read() -> float:
        consumer: Any = AIOKafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest"
        )
        start = time.perf_counter()
        await consumer.start()
        await asyncio.wait_for(consumer.getone(), _POLL_S)
        elapsed = time.perf_counter() - start
        await consumer.stop()
        return elapsed

    return asyncio.run(read()) * 1e3


def kafka_python(address: str, topic: str, group: str) -> float:
    start = time.perf_counter()
    consumer: Any = KafkaConsumer(
        topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest"
    )
    next(consumer)
    elapsed = time.perf_counter() - start
    consumer.close()
    return elapsed * 1e3


#: By what is written of it. The group of `again` has committed before.
LIBRARIES: Final[dict[str, FirstRecord]] = {
    "confluent-kafka": confluent,
    "aiokafka": aiokafka,
    "kafka-python": kafka_python,
}
