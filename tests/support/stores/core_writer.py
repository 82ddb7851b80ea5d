"""Appends to a core at full speed and prints acknowledgements.

Run as `python -m tests.support.stores.core_writer FOLDER SEQUENCE …`: one idempotent producer per
partition, which begins with that sequence and keeps five batches in flight. For each
acknowledgement it prints partition, sequence and base offset. It runs until it is killed.
"""

import asyncio
import sys
from pathlib import Path

from common.ports.partitions import ACKS_ALL, ACKS_LEADER, Append, LogId
from partition_svc.partitions import LocalPartitions
from tests.support.stores.partition_core import TOPIC_ID, batch, running_core

_IN_FLIGHT = 5
#: Small, so that memtables are flushed often.
FLUSH_BYTES = 1 << 20


def numbered_batch(partition: int, sequence: int) -> bytes:
    """Batch `sequence` of producer `partition`, of varying size."""
    size = 20 + (sequence * 7919 + partition) % 5000
    return batch(size=size, start=sequence, producer=(100 + partition, 0, sequence))


class Writer:
    """An idempotent producer of one partition."""

    def __init__(self, core: LocalPartitions, partition: int, sequence: int) -> None:
        self._core = core
        self._partition = partition
        self._next = sequence

    def send(self) -> None:
        """Sends the next batch, and another one after each acknowledgement."""
        sequence = self._next
        self._next += 1
        request = Append(
            LogId(TOPIC_ID, self._partition), numbered_batch(self._partition, sequence)
        )
        acks = ACKS_ALL if self._partition % 2 else ACKS_LEADER
        self._core.append([request], acks=acks).add_done_callback(
            lambda future: self._on_reply(sequence, future)
        )

    def _on_reply(self, sequence: int, future: asyncio.Future) -> None:
        (result,) = future.result()
        if result.refusal is not None:
            sys.exit(f"{self._partition} {sequence} was refused: {result}")
        # One write, so that a kill leaves no partial line.
        sys.stdout.buffer.write(b"%d %d %d\n" % (self._partition, sequence, result.base_offset))
        sys.stdout.buffer.flush()
        self.send()


async def write_forever(folder: Path, sequences: list[int]) -> None:
    async with running_core(folder, flush_bytes=FLUSH_BYTES) as core:
        for partition, sequence in enumerate(sequences):
            writer = Writer(core, partition, sequence)
            for _ in range(_IN_FLIGHT):
                writer.send()
        await core.until_broken()


if __name__ == "__main__":
    asyncio.run(write_forever(Path(sys.argv[1]), [int(argument) for argument in sys.argv[2:]]))
