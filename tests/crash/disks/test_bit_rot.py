"""A flipped bit in a file of a partition service: it is one log's trouble, and never wrong bytes.

That of a metadata service is in test_metadata_disk.py.
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
    # Many files; and what is read is read from them, and not from memory.
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
ROTTEN = 12


class Log:
    """A topic, and the batches that were acknowledged of it, each of one record."""

    def __init__(self, raw, name, configs=None):
        self.topic = raw.create_topic(name=name, configs=configs)
        self.sent = []

    def content(self, offset):
        """In no other batch."""
        return b"%s %d|" % (self.topic.encode(), offset)

    def append(self, raw, *, size=100_000, key=None):
        content = self.content(len(self.sent))
        batch = record_batch([Record(content * (size // len(content)), key)])
        answer = raw.produce(self.topic, batch)
        if answer.error_code == NONE:
            assert answer.base_offset == len(self.sent)
            self.sent.append(batch[16:])
        return answer.error_code

    def assert_readable(self, raw, *, but=None):
        """Every batch as it was sent, from each offset on, but for one that is an error."""
        offset = 0
        while offset < len(self.sent):
            fetched = raw.fetch(self.topic, offset)
            if offset == but:
                assert (fetched.error_code, fetched.batches) == (STORAGE_ERROR, [])
                offset += 1
                continue
            assert fetched.error_code == NONE
            assert fetched.batches
            for batch in fetched.batches:
                assert offset != but
                assert batch[16:] == self.sent[offset]
                offset += 1


def append_to(raw, *logs, count=BATCHES):
    for _ in range(count):
        for log in logs:
            assert log.append(raw) == NONE


def damage_one(data, log):
    """Flips a bit in the batch at offset `ROTTEN`, once that is in a file; returns the file."""
    content = log.content(ROTTEN) * 5
    eventually(lambda: is_in_files(data, content), what="a file")
    return damage(data, content)


@pytest.mark.parametrize("is_running", [False, True], ids=["stopped", "running"])
def test_a_damaged_block_is_an_error_of_its_log_only(is_running, tmp_path):
    data = tmp_path / "data"
    with standalone(tmp_path, **SETTINGS) as broker:
        with RawClient(broker.address) as raw:
            rotten, sound = Log(raw, "rotten"), Log(raw, "sound")
            append_to(raw, rotten, sound)
        if not is_running:
            broker.kill("standalone")
        file = damage_one(data, rotten)
        if not is_running:
            broker.start("standalone")
            broker.wait_until_ready()
        for _ in range(2):
            with RawClient(broker.address) as raw:
                rotten.assert_readable(raw, but=ROTTEN)
                sound.assert_readable(raw)
                append_to(raw, rotten, sound, count=5)
            place = f"cannot read rotten-0 from offset {ROTTEN}: Corruption.*{data}.*{file.name}"
            # Once, however often it is asked for.
            assert len(broker.storage.lines_with(place)) == 1
            assert not broker.storage.lines_with("cannot read sound")
            broker.assert_running()
            broker.restart("standalone")


def test_a_damaged_file_that_is_to_be_rewritten_stops_no_appends(tmp_path):
    """RocksDB takes no write after a compaction that failed, and would begin the next one at once.

    Nobody has read what is damaged before.
    """
    data = tmp_path / "data"
    with standalone(tmp_path, **SETTINGS) as broker:
        with RawClient(broker.address) as raw:
            rotten, sound, deleted = (Log(raw, name) for name in ("rotten", "sound", "deleted"))
            # More than half of each file.
            append_to(raw, rotten, sound, deleted, deleted, deleted)
            file = damage_one(data, rotten)
            assert raw.delete_topic(deleted.topic) == NONE
            broker.storage.wait_for_line(f"the file {file.name} is damaged")
            broker.storage.wait_for_line("appends are accepted again")
            append_to(raw, sound, rotten)
            deleted = Log(raw, "deleted-too")
            append_to(raw, deleted, deleted, sound)
            assert raw.delete_topic(deleted.topic) == NONE
            # Space of other files is given back.
            broker.storage.wait_for_line("reclaimed [0-9]+ bytes")
            append_to(raw, sound, rotten)
            assert len(broker.storage.lines_with("appends are refused")) == 1
            rotten.assert_readable(raw, but=ROTTEN)
            sound.assert_readable(raw)
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            eventually(lambda: sound.append(raw) == NONE, what="appends after a start")
            rotten.assert_readable(raw, but=ROTTEN)
            sound.assert_readable(raw)
        broker.assert_running()


def test_a_log_that_cannot_be_compacted_keeps_no_other_from_being_compacted(tmp_path):
    hold = tmp_path / "hold"
    hold.touch()
    broker = standalone(tmp_path, **SETTINGS)
    broker.environment = {"FAILPOINTS": f"clean.round={hold}"}
    with broker, RawClient(broker.address) as raw:
        rotten, sound = (Log(raw, name, COMPACTED) for name in ("rotten", "sound"))
        for _ in range(BATCHES):
            assert [one.append(raw, key=b"the same") for one in (rotten, sound)] == [NONE, NONE]
        file = damage_one(tmp_path / "data", rotten)
        hold.unlink()
        eventually(lambda: len(raw.fetch_all(sound.topic)) < BATCHES // 2, what="compaction")
        value = last_values(raw.fetch_all(sound.topic))[b"the same"]
        assert value.startswith(sound.content(BATCHES - 1))
        broker.storage.wait_for_line(f"cannot compact .*-0: .*Corruption.*{file.name}")
        rotten.assert_readable(raw, but=ROTTEN)
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
    (answer,) = ask(raw, OFFSET_COMMIT, 8, values).topics
    return int(answer.partitions[0].error_code)


def test_groups_whose_records_are_damaged_wait_and_others_are_coordinated(tmp_path):
    with standalone(tmp_path, **SETTINGS) as broker:
        with RawClient(broker.address) as raw:
            topic = raw.create_topic()
            # Each record is larger than a block.
            for number in range(3):
                for group in ("rotten", "sound"):
                    metadata = f"{group} {number} ".ljust(4_000, ".")
                    eventually(
                        lambda g=group, m=metadata: commit(raw, g, topic, m) == NONE, what="commit"
                    )
        broker.restart("standalone")
        broker.kill("standalone")
        file = damage(tmp_path / "data" / "partition", b"rotten 1 ..........")
        broker.start("standalone")
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            eventually(lambda: commit(raw, "sound", topic, "") == NONE, what="a coordinator")
            broker.storage.wait_for_line(
                f"cannot read __consumer_offsets-[0-9]+ from offset 1: Corruption.*{file.name}"
            )
            # Rather than to begin from nothing, or from what was committed before.
            assert commit(raw, "rotten", topic, "") == COORDINATOR_LOAD_IN_PROGRESS
            assert raw.produce(topic, record_batch([Record(b"")])).error_code == NONE
        broker.assert_running()
