"""A member of a group as a process of its own, to be killed: prints what it read, then commits it.

A line "read 0:17 0:18 …" (partition and offset) stands on stdout before the commit of what it names
begins. Run as `python -m tests.support.groups.group_reader ADDRESS TOPIC GROUP`.
"""

import sys

from confluent_kafka import Consumer, KafkaException

from tests.support.processes.processes import BrokerProcess

_BATCH = 200
_POLL_S = 0.1


def start_reader(name: str, address: str, topic: str, group: str) -> BrokerProcess:
    command = [sys.executable, "-m", "tests.support.groups.group_reader", address, topic, group]
    return BrokerProcess(name, command)


def read_by(reader: BrokerProcess) -> set[tuple[int, int]]:
    """Partitions and offsets that it has printed so far."""
    lines = [line.split()[1:] for line in reader.lines if line.startswith("read ")]
    pairs = (word.split(":") for words in lines for word in words)
    return {(int(partition), int(offset)) for partition, offset in pairs}


def main(address: str, topic: str, group: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 3_000,
            "heartbeat.interval.ms": 200,
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    while True:
        found = [one for one in consumer.consume(_BATCH, _POLL_S) if one.error() is None]
        if not found:
            continue
        words = " ".join(f"{one.partition()}:{one.offset()}" for one in found)
        sys.stdout.write(f"read {words}\n")
        sys.stdout.flush()
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:
            # The partition's new owner reads it again.
            sys.stdout.write(f"not committed: {error}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
