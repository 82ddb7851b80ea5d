"""Repeated SIGKILL of a partition core under load, without network and clients.

Idempotent producers keep five batches in flight, half of them with acks=all. After each kill every
acknowledged batch must be stored once, at its offset, with the same bytes; and the producers
continue with the first batch that is not acknowledged, which may be stored already.
"""

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

from common.ports.partitions import LogId
from tests.support.stores.core_writer import FLUSH_BYTES, numbered_batch
from tests.support.stores.partition_core import (
    TOPIC_ID,
    base_offset,
    content,
    read_everything,
    running_core,
)

ROOT = Path(__file__).parents[2]
SEED = 4711
ROUNDS = 6
PARTITIONS = 4


def write_until_killed(folder, sequences, count):
    """Kills a writer after `count` acknowledgements; returns all that it printed."""
    command = [sys.executable, "-m", "tests.support.stores.core_writer", str(folder)]
    with subprocess.Popen(
        [*command, *map(str, sequences)], stdout=subprocess.PIPE, cwd=ROOT
    ) as writer:
        lines = [writer.stdout.readline() for _ in range(count)]
        writer.kill()
        lines += writer.stdout.readlines()
    assert writer.returncode == -signal.SIGKILL
    # The last line may be incomplete, and is then no acknowledgement.
    return [tuple(map(int, line.split())) for line in lines if line.endswith(b"\n")]


async def read_logs(folder):
    async with running_core(folder, flush_bytes=FLUSH_BYTES) as core:
        return [await read_everything(core, LogId(TOPIC_ID, n)) for n in range(PARTITIONS)]


def test_acknowledged_batches_survive_and_sequences_continue(tmp_path):
    rng = random.Random(SEED)
    sequences = [0] * PARTITIONS
    for _ in range(ROUNDS):
        count = rng.randrange(50, 3000)
        acknowledged = write_until_killed(tmp_path, sequences, count)
        # One record a batch, so offset and sequence are the same if nothing is lost or duplicated.
        assert all(sequence == offset for _, sequence, offset in acknowledged)
        for partition, sequence, _ in acknowledged:
            sequences[partition] = max(sequences[partition], sequence + 1)
        logs = asyncio.run(read_logs(tmp_path))
        for partition, batches in enumerate(logs):
            assert len(batches) >= sequences[partition]
            assert [base_offset(batch) for batch in batches] == list(range(len(batches)))
            assert [content(batch) for batch in batches] == [
                content(numbered_batch(partition, sequence)) for sequence in range(len(batches))
            ]
    assert min(sequences) > 0
