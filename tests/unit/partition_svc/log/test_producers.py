import pytest

from common.ports.partitions import Refusal
from common.records.batch import BatchHeader, parse_header
from partition_svc.log.producers import (
    BATCHES_KEPT,
    Duplicate,
    ProducerStates,
    row_after,
    row_seen_ms,
)
from tests.support.stores.partition_core import batch

NOW_MS = 1_000_000
DAY_MS = 86_400_000
LAST_SEQUENCE = 2**31 - 1


def header(sequence: int, *, count: int = 1, epoch: int = 0, producer_id: int = 7) -> BatchHeader:
    return parse_header(batch(count, producer=(producer_id, epoch, sequence)))


class Log:
    """Appends to a log without batches: producer states, their rows and the next offset."""

    def __init__(self, rows=(), *, expiration_ms=DAY_MS, cached_max=100):
        self.rows = dict(rows)
        self.reads = []
        self.written_offset = 0
        self.producers = ProducerStates(
            self.read_row,
            expiration_ms=expiration_ms,
            written_offset=lambda: self.written_offset,
            cached_max=cached_max,
        )
        self.next_offset = 0

    def read_row(self, producer_id):
        self.reads.append(producer_id)
        return self.rows.get(producer_id)

    def append(self, header: BatchHeader, now_ms: int = NOW_MS):
        """Returns None if appended, otherwise the offset of the original or the refusal."""
        verdict = self.producers.check(header, now_ms)
        if verdict is not None:
            return verdict.base_offset if isinstance(verdict, Duplicate) else verdict.refusal
        row = self.producers.remember(header, self.next_offset, now_ms)
        self.rows[header.producer_id] = row
        self.next_offset += header.record_count
        return None

    def restart(self, *, expiration_ms=DAY_MS) -> "Log":
        log = Log(self.rows.items(), expiration_ms=expiration_ms)
        log.next_offset = self.next_offset
        return log


@pytest.fixture(params=["in memory", "after a restart"])
def restart(request):
    """Returns a function that returns the log itself, or the log after a restart."""
    return Log.restart if request.param == "after a restart" else lambda log: log


def log_with_batches(count: int, *, size: int = 10) -> Log:
    log = Log()
    for number in range(count):
        assert log.append(header(number * size, count=size)) is None
    return log


def test_sequences_continue_after_a_restart(restart):
    log = restart(log_with_batches(3))
    assert log.append(header(30, count=5)) is None
    assert restart(log).append(header(35)) is None


@pytest.mark.parametrize("sequence", [29, 31, 0, LAST_SEQUENCE])
def test_a_gap_or_a_step_back_is_out_of_order(restart, sequence):
    assert (
        restart(log_with_batches(3)).append(header(sequence))
        is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER
    )


@pytest.mark.parametrize("number", range(5, 10))
def test_a_duplicate_of_the_last_five_batches_gets_its_offset(restart, number):
    assert restart(log_with_batches(10)).append(header(number * 10, count=10)) == number * 10


def test_an_older_batch_is_out_of_order(restart):
    assert BATCHES_KEPT == 5
    assert (
        restart(log_with_batches(10)).append(header(40, count=10))
        is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER
    )


def test_a_batch_that_only_begins_like_a_known_one_is_no_duplicate(restart):
    assert (
        restart(log_with_batches(3)).append(header(20, count=9))
        is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER
    )


def test_sequences_wrap_after_the_largest_int(restart):
    log = Log()
    assert log.append(header(LAST_SEQUENCE - 4, count=5)) is None
    log = restart(log)
    assert log.append(header(0, count=3)) is None
    assert restart(log).append(header(3)) is None


def test_a_batch_may_lie_across_the_wrap(restart):
    log = Log()
    assert log.append(header(LAST_SEQUENCE - 1, count=5)) is None
    log = restart(log)
    assert log.append(header(LAST_SEQUENCE - 1, count=5)) == 0
    assert log.append(header(2)) is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(header(3)) is None


def test_an_unknown_producer_may_begin_with_any_sequence():
    assert Log().append(header(4711)) is None


def test_an_old_epoch_is_fenced(restart):
    log = Log()
    assert log.append(header(0, epoch=3)) is None
    assert restart(log).append(header(1, epoch=2)) is Refusal.INVALID_PRODUCER_EPOCH
    # A batch stored under the new epoch is no duplicate under the old one either.
    assert restart(log).append(header(0, epoch=2)) is Refusal.INVALID_PRODUCER_EPOCH


def test_a_new_epoch_begins_with_zero(restart):
    log = restart(log_with_batches(3))
    assert log.append(header(30, epoch=1)) is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(header(0, count=10, epoch=1)) is None
    log = restart(log)
    assert log.append(header(0, count=10, epoch=1)) == 30
    assert log.append(header(10, epoch=1)) is None


def test_sequences_of_producers_are_independent(restart):
    log = restart(log_with_batches(3))
    assert log.append(header(0, producer_id=8)) is None
    assert set(log.rows) == {7, 8}
    assert restart(log).append(header(30)) is None


def test_a_silent_producer_expires(restart):
    log = log_with_batches(3)
    later = NOW_MS + DAY_MS
    assert log.append(header(99), later - 1) is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER
    log = restart(log)
    assert log.append(header(99), later) is None
    # The batches from before it expired are no duplicates any more.
    assert restart(log).append(header(20, count=10), later) is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_producer_is_read_when_it_appends_and_only_once():
    log = log_with_batches(1)
    log.append(header(0, producer_id=8))
    log = log.restart()
    assert (len(log.producers), log.reads) == (0, [])
    for sequence in (10, 11):
        assert log.append(header(sequence)) is None
    assert log.append(header(0, producer_id=9)) is None
    assert log.reads == [7, 9]
    assert (len(log.producers), log.producers.added) == (2, 1)


def test_only_producers_with_stored_rows_are_evicted():
    log = Log(cached_max=10)
    for number in range(50):
        assert log.append(header(0, producer_id=number), NOW_MS + number) is None
        assert log.append(header(0, producer_id=number), NOW_MS + number) == number
    assert len(log.producers) == 50
    log.written_offset = 45
    log.producers.evict(NOW_MS + 1000)
    assert len(log.producers) == 5
    for number in range(50, 200):
        log.written_offset = log.next_offset
        log.append(header(0, producer_id=number), NOW_MS + number)
        assert len(log.producers) <= 10
    # Evicted producers are loaded again with their state.
    for number in range(200):
        assert log.append(header(0, producer_id=number), NOW_MS + 1000) == number
        assert log.append(header(5, producer_id=number)) is Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_forgotten_producer_may_begin_with_any_sequence():
    log = log_with_batches(1)
    assert log.producers.last_seen_ms(7) == NOW_MS
    del log.rows[7]
    log.producers.forget(7)
    assert log.producers.last_seen_ms(7) == -1
    assert log.append(header(99)) is None


def test_rows_follow_batches_that_another_member_accepted():
    """The target of a move starts from any row, and reads batches from before it again."""
    log, copied = log_with_batches(3), None
    rows = [log.rows[7]]
    batches = [(header(n * 10, count=10), n * 10) for n in range(3)]
    for number in range(3, 9):
        epoch = 1 if number > 6 else 0
        sequence = (number - 7) * 10 if epoch else number * 10
        accepted = header(sequence, count=10, epoch=epoch)
        batches.append((accepted, log.next_offset))
        assert log.append(accepted) is None
        rows.append(log.rows[7])
    for start in (None, *rows):
        copied = start
        for accepted, base_offset in batches:
            stored = accepted._replace(base_offset=base_offset)
            copied = row_after(copied, stored, NOW_MS) or copied
        assert copied == rows[-1]
    assert row_seen_ms(copied) == NOW_MS
