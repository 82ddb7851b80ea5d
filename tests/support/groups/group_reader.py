"""A member of a group as a process that tests can kill: prints the records it read, then commits.

It prints a line "read 0:17 0:18 …" (partition and offset) before it commits these offsets.
Run as `python -m tests.support.groups.group_reader ADDRESS TOPIC GROUP`.
"""

import sys

from confluent_kafka import Consumer, KafkaException

from tests.support.processes.processes import BrokerProcess

_BATCH = 200
_POLL_S = 0.1


def start_reader(name: str, address: str, topic: str, group: str) -> BrokerProcess:
    command = [sys.executable, "-m", "tests.support.groups.group_reader", address, topic, group]
    return BrokerProcess(name, command)


def printed_positions(reader: BrokerProcess) -> set[tuple[int, int]]:
    """Returns the partitions and offsets that it has printed so far."""
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
        messages = consumer.consume(_BATCH, _POLL_S)
        records = [message for message in messages if message.error() is None]
        if not records:
            continue
        words = " ".join(f"{record.partition()}:{record.offset()}" for record in records)
        sys.stdout.write(f"read {words}\n")
        sys.stdout.flush()
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:
            # The new owner of the partition reads these records again.
            sys.stdout.write(f"not committed: {error}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
