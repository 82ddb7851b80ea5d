"""A flipped bit in the journal of a killed broker: a start is refused until it is truncated."""

import subprocess

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.processes.processes import RINGLOG
from tests.support.stores.journals import damage_journal
from tests.support.wire.batches import batch_values, record_batch
from tests.support.wire.records import Record

pytestmark = pytest.mark.slow

DAMAGED = 6


def value(number):
    return b"value number %d of the topic" % number


def leader_epoch(batch):
    return int.from_bytes(batch[12:16], "big")


def run_store(*arguments):
    return subprocess.run(
        [RINGLOG, "store", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_damaged_journal_refuses_the_start_until_it_is_truncated(deployment, tmp_path):
    with DEPLOYMENTS[deployment](tmp_path) as broker:
        with RawClient(broker.address) as raw:
            topic = raw.create_topic()
            for number in range(10):
                assert raw.produce(topic, record_batch([Record(value(number))])).error_code == 0
        name = broker.storage.name
        partition = next(path for path in tmp_path.rglob("partition") if path.is_dir())
        in_use = run_store("check", partition)
        assert (in_use.returncode, "stop it first" in in_use.stderr) == (1, True)
        broker.kill(name)
        assert run_store("check", partition).returncode == 0
        file = damage_journal(partition, value(DAMAGED))

        broker.start(name)
        assert broker.storage.wait_for_exit() == 1
        broker.storage.wait_for_line(f"the journal is damaged in {file.name} at position")
        checked = run_store("check", partition.parent)
        assert checked.returncode == 1
        assert f"DAMAGED at {file.name}" in checked.stdout
        assert run_store("truncate", partition).returncode == 1
        done = run_store("truncate", partition, "--yes")
        assert done.returncode == 0, done.stderr
        assert run_store("check", partition).returncode == 0

        broker.start(name)
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            batches = raw.fetch_all(topic)
            assert batch_values(batches) == [value(number) for number in range(DAMAGED)]
            assert raw.produce(topic, record_batch([Record(b"new")])).base_offset == DAMAGED
            *_, last, new = raw.fetch_all(topic)
            # Consumers that were ahead detect the truncation (KIP-320).
            assert leader_epoch(new) > leader_epoch(last)
