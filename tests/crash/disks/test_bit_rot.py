"""Flipped bits in files of a partition service: an error of one log, and never wrong bytes.

Damage of a metadata store is tested in test_metadata_disk.py.
"""

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import standalone
from tests.support.stores.bit_rot import damage, is_in_files
from tests.support.stores.compacted_logs import last_values
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import Record

pytestmark = pytest.mark.slow

NONE, COORDINATOR_LOAD_IN_PROGRESS, STORAGE_ERROR = 0, 14, 56
OFFSET_COMMIT = 8
SETTINGS = {
    # Many small files, and reads from them instead of from memory.
    "log_flush_bytes": str(1 << 20),
    "log_tail_cache_bytes": "0",
    "log_cleaner_backoff_ms": "20",
}
COMPACTED = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0",
    "segment.bytes": str(1 << 20),
}
BATCHES = 30
DAMAGED_AT = 12


class Log:
    """A topic with batches of one record; `sent` has the acknowledged ones."""

    def __init__(self, raw, name, configs=None):
        self.topic = raw.create_topic(name=name, configs=configs)
        self.sent = []

    def content(self, offset):
        """Returns bytes that are in no other batch."""
        return b"%s %d|" % (self.topic.encode(), offset)

    def append(self, raw, *, size=100_000, key=None):
        content = self.content(len(self.sent))
        batch = record_batch([Record(content * (size // len(content)), key)])
        produced = raw.produce(self.topic, batch)
        if produced.error_code == NONE:
            assert produced.base_offset == len(self.sent)
            self.sent.append(batch[16:])
        return produced.error_code

    def assert_readable(self, raw, *, damaged_offset=None):
        """Asserts that each batch is as it was sent; a fetch of the damaged one is an error."""
        offset = 0
        while offset < len(self.sent):
            fetched = raw.fetch(self.topic, offset)
            if offset == damaged_offset:
                assert (fetched.error_code, fetched.batches) == (STORAGE_ERROR, [])
                offset += 1
                continue
            assert fetched.error_code == NONE
            assert fetched.batches
            for batch in fetched.batches:
                assert offset != damaged_offset
                assert batch[16:] == self.sent[offset]
                offset += 1


def append_to(raw, *logs, count=BATCHES):
    for _ in range(count):
        for log in logs:
            assert log.append(raw) == NONE


def damage_log(data, log):
    """Flips a bit in the batch at offset DAMAGED_AT, once it is in a file; returns the file."""
    content = log.content(DAMAGED_AT) * 5
    eventually(lambda: is_in_files(data, content), what="a file")
    return damage(data, content)


@pytest.mark.parametrize("is_running", [False, True], ids=["stopped", "running"])
def test_a_damaged_block_is_an_error_of_its_log_only(is_running, tmp_path):
    data = tmp_path / "data"
    with standalone(tmp_path, **SETTINGS) as broker:
        with RawClient(broker.address) as raw:
            damaged, intact = Log(raw, "damaged"), Log(raw, "intact")
            append_to(raw, damaged, intact)
        if not is_running:
            broker.kill("standalone")
        file = damage_log(data, damaged)
        if not is_running:
            broker.start("standalone")
            broker.wait_until_ready()
        for _ in range(2):
            with RawClient(broker.address) as raw:
                damaged.assert_readable(raw, damaged_offset=DAMAGED_AT)
                intact.assert_readable(raw)
                append_to(raw, damaged, intact, count=5)
            line = (
                f"cannot read damaged-0 from offset {DAMAGED_AT}: Corruption.*{data}.*{file.name}"
            )
            # Logged once, however often it is read.
            assert len(broker.storage.lines_with(line)) == 1
            assert not broker.storage.lines_with("cannot read intact")
            broker.assert_running()
            broker.restart("standalone")


def test_a_damaged_file_that_compaction_rewrites_does_not_stop_appends(tmp_path):
    """RocksDB accepts no write after a failed compaction, and would begin the next one at once.

    The compaction is the first to read the damaged block.
    """
    data = tmp_path / "data"
    with standalone(tmp_path, **SETTINGS) as broker:
        with RawClient(broker.address) as raw:
            damaged, intact, deleted = (Log(raw, name) for name in ("damaged", "intact", "deleted"))
            # The deleted log has more than half of each file.
            append_to(raw, damaged, intact, deleted, deleted, deleted)
            file = damage_log(data, damaged)
            assert raw.delete_topic(deleted.topic) == NONE
            broker.storage.wait_for_line(f"the file {file.name} is damaged")
            broker.storage.wait_for_line("appends are accepted again")
            append_to(raw, intact, damaged)
            deleted = Log(raw, "deleted-too")
            append_to(raw, deleted, deleted, intact)
            assert raw.delete_topic(deleted.topic) == NONE
            # The space of other files is reclaimed.
            broker.storage.wait_for_line("reclaimed [0-9]+ bytes")
            append_to(raw, intact, damaged)
            assert len(broker.storage.lines_with("appends are refused")) == 1
            damaged.assert_readable(raw, damaged_offset=DAMAGED_AT)
            intact.assert_readable(raw)
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            eventually(lambda: intact.append(raw) == NONE, what="appends after a start")
            damaged.assert_readable(raw, damaged_offset=DAMAGED_AT)
            intact.assert_readable(raw)
        broker.assert_running()


def test_a_log_that_cannot_be_compacted_does_not_block_compaction_of_others(tmp_path):
    hold = tmp_path / "hold"
    hold.touch()
    broker = standalone(tmp_path, **SETTINGS)
    broker.environment = {"FAILPOINTS": f"clean.round={hold}"}
    with broker, RawClient(broker.address) as raw:
        damaged, intact = (Log(raw, name, COMPACTED) for name in ("damaged", "intact"))
        for _ in range(BATCHES):
            assert [log.append(raw, key=b"the same") for log in (damaged, intact)] == [NONE, NONE]
        file = damage_log(tmp_path / "data", damaged)
        hold.unlink()
        eventually(lambda: len(raw.fetch_all(intact.topic)) < BATCHES // 2, what="compaction")
        value = last_values(raw.fetch_all(intact.topic))[b"the same"]
        assert value.startswith(intact.content(BATCHES - 1))
        broker.storage.wait_for_line(f"cannot compact .*-0: .*Corruption.*{file.name}")
        damaged.assert_readable(raw, damaged_offset=DAMAGED_AT)
        broker.assert_running()


def commit(raw, group, topic, metadata):
    """Commits offset 1 of partition 0; returns the error code."""
    partition = {
        "partition_index": 0,
        "committed_offset": 1,
        "committed_leader_epoch": -1,
        "committed_metadata": metadata,
    }
    values = {
        "group_id": group,
        "generation_id_or_member_epoch": -1,
        "member_id": "",
        "group_instance_id": None,
        "topics": [{"name": topic, "partitions": [partition]}],
    }
    (response,) = ask(raw, OFFSET_COMMIT, 8, values).topics
    return int(response.partitions[0].error_code)


def test_a_group_with_damaged_records_keeps_loading_and_others_are_coordinated(tmp_path):
    with standalone(tmp_path, **SETTINGS) as broker:
        with RawClient(broker.address) as raw:
            topic = raw.create_topic()
            # Each record is larger than a block.
            for number in range(3):
                for group in ("damaged", "intact"):
                    metadata = f"{group} {number} ".ljust(4_000, ".")
                    eventually(
                        lambda g=group, m=metadata: commit(raw, g, topic, m) == NONE, what="commit"
                    )
        broker.restart("standalone")
        broker.kill("standalone")
        file = damage(tmp_path / "data" / "partition", b"damaged 1 ..........")
        broker.start("standalone")
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            eventually(lambda: commit(raw, "intact", topic, "") == NONE, what="a coordinator")
            broker.storage.wait_for_line(
                f"cannot read __consumer_offsets-[0-9]+ from offset 1: Corruption.*{file.name}"
            )
            # The group must begin neither without offsets nor with older ones.
            assert commit(raw, "damaged", topic, "") == COORDINATOR_LOAD_IN_PROGRESS
            assert raw.produce(topic, record_batch([Record(b"")])).error_code == NONE
        broker.assert_running()
