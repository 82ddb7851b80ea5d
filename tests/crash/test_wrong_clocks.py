"""Wall clocks that are wrong for a while: they affect timestamps, as in Apache Kafka, and nothing
else. Neither committed offsets nor the order of a producer's batches are lost.
"""

import pytest

from tests.support.clients.raw_client import LATEST, RawClient, now_ms
from tests.support.groups.expiring_offsets import commit_with_retention
from tests.support.processes.deployments import standalone
from tests.support.processes.moved_clock import LOG_APPEND_TIME, append_stamped, with_clocks
from tests.support.stores.faulty_disk import WRITE, FaultyDisk
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.group_apis import OFFSET_FETCH
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

NONE, INVALID_TIMESTAMP, STORAGE_ERROR = 0, 32, 56
MAX_TIMESTAMP = -3
HOUR_MS = 3_600_000
NEAR_MS = 60_000
YEAR_HOURS = 365 * 24


@pytest.fixture
def broker(tmp_path):
    return standalone(tmp_path, offsets_retention_check_interval_ms="100")


@pytest.fixture
def clock(broker, tmp_path):
    return with_clocks(broker, tmp_path)["standalone"]


def fetch_offsets(raw, group):
    response = ask(
        raw, OFFSET_FETCH, 7, {"group_id": group, "topics": None, "require_stable": False}
    )
    assert response.error_code == NONE
    return [
        partition.committed_offset for topic in response.topics for partition in topic.partitions
    ]


def wait_for_sweep(raw, topic, group):
    """Waits until an offset without retention has expired twice: all groups were checked."""
    for _ in range(2):
        commit_with_retention(raw, topic, group, 7, retention_ms=0)
        eventually(lambda: not fetch_offsets(raw, group), what="an offset that expires")


@pytest.mark.parametrize("years", [-20, 20])
def test_offsets_are_kept_although_the_clock_was_wrong_when_the_process_started(
    broker, clock, years
):
    """Simulates a machine that sets its clock only after its services have started."""
    clock.move_to(years * YEAR_HOURS)
    with broker:
        clock.move_to(0)
        with RawClient(broker.address) as raw:
            topic = raw.create_topic()
            commit_with_retention(raw, topic, "kept", 7)
            wait_for_sweep(raw, topic, "first")
            assert fetch_offsets(raw, "kept") == [7]
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            wait_for_sweep(raw, topic, "second")
            assert fetch_offsets(raw, "kept") == [7]
            # Retention follows the wall clock, as in Kafka.
            clock.move_to(8 * 24)
            eventually(
                lambda: not fetch_offsets(raw, "kept"), what="expiry of an offset of a week ago"
            )


def test_offsets_by_time_follow_a_clock_that_goes_back(broker, clock):
    """Finds the first offset whose timestamp is not before the requested one, as Kafka does."""
    with broker:
        with RawClient(broker.address) as raw:
            topic = raw.create_topic(configs=LOG_APPEND_TIME)
            times = []
            for hours in (0, 3, -2, 0, 6):
                clock.move_to(hours)
                times.append(append_stamped(raw, topic))
                assert abs(times[-1] - clock.now_ms()) < NEAR_MS
                # The maximum is that of all records, not that of the last one.
                assert raw.offset_at(topic, MAX_TIMESTAMP) == times.index(max(times))
            assert_found_by_time(raw, topic, times)
        clock.move_to(-5)
        broker.restart("standalone")
        with RawClient(broker.address) as raw:
            assert_found_by_time(raw, topic, times)


def assert_found_by_time(raw, topic, times):
    timestamps = [*times, times[0] + HOUR_MS, times[1] + 1, times[4] + 1]
    # The fourth record is some milliseconds later than the first.
    assert [raw.offset_at(topic, time_ms) for time_ms in timestamps] == [0, 1, 0, 1, 4, 1, 4, -1]
    assert raw.offset_at(topic, MAX_TIMESTAMP) == 4


def test_records_of_the_future_are_refused_after_the_clock_went_back(broker, clock):
    """As in Kafka, `message.timestamp.after.max.ms` limits CreateTime, to an hour by default."""
    with broker, RawClient(broker.address) as raw:
        topic = raw.create_topic()
        for hours, error_code in ((0, NONE), (-2, INVALID_TIMESTAMP), (0, NONE), (9, NONE)):
            clock.move_to(hours)
            batch = record_batch(numbered(1), base_timestamp_ms=now_ms())
            assert raw.produce(topic, batch).error_code == error_code
        assert raw.offset_at(topic, LATEST) == 3


@pytest.mark.parametrize("hours", [5, -5])
def test_a_lost_batch_must_be_retried_first_although_the_clock_jumps(
    broker, clock, tmp_path, hours
):
    """Otherwise the next batch would be stored instead, and the lost one never."""
    disk = FaultyDisk(tmp_path / "data" / "partition", tmp_path / "faults")
    clocks, faults = clock.environment, disk.environment
    both = f"{clocks['LD_PRELOAD']}:{faults['LD_PRELOAD']}"
    broker.own_environments = {"standalone": {**clocks, **faults, "LD_PRELOAD": both}}
    with broker, RawClient(broker.address) as raw:
        topic, other = raw.create_topic(), raw.create_topic()
        producer = raw.init_producer_id()
        first, second = (
            record_batch(numbered(1, start=n), producer=(*producer, n)) for n in (0, 1)
        )
        disk.fail(WRITE, suffix=".journal")
        assert raw.produce(topic, first).error_code == STORAGE_ERROR
        disk.heal()
        filler = record_batch(numbered(1))
        eventually(lambda: raw.produce(other, filler).error_code == NONE, what="appends")
        clock.move_to(hours)
        assert raw.produce(topic, second).error_code == STORAGE_ERROR
        assert raw.produce(topic, first) == (NONE, 0)
        assert raw.produce(topic, second) == (NONE, 1)
