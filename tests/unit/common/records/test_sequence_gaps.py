import pytest

from common.records.sequence_gaps import GAP_S, ProducerBatch, SequenceGaps, producer_batch
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered


def batch(sequence, *, records=2, producer_id=7, epoch=0):
    return ProducerBatch(producer_id, epoch, sequence, (sequence + records) % (1 << 31))


def admit_all(gaps, *sequences, now_s=0.0):
    return [gaps.admit(batch(sequence), now_s) for sequence in sequences]


@pytest.fixture
def gaps():
    """Gaps of the lost batches 70, 72 and 74."""
    gaps = SequenceGaps()
    for sequence in (70, 72, 74):
        gaps.open(batch(sequence), 0.0)
    return gaps


def test_producer_batch_has_the_producer_fields_of_a_batch():
    encoded = record_batch(numbered(3), producer=(7, 1, 70))
    assert producer_batch(encoded) == ProducerBatch(7, 1, 70, 73)
    assert producer_batch(memoryview(encoded)) == ProducerBatch(7, 1, 70, 73)
    last = record_batch(numbered(2), producer=(7, 1, (1 << 31) - 1))
    assert producer_batch(last) == ProducerBatch(7, 1, (1 << 31) - 1, 1)
    assert producer_batch(record_batch(numbered(3))) is None
    assert producer_batch(b"no batch") is None


def test_later_batches_wait_for_the_retries_of_lost_ones_in_sequence(gaps):
    assert admit_all(gaps, 76, 70, 78, 72, 74, 76) == [False, True, False, True, True, True]
    assert gaps
    assert admit_all(gaps, 78) == [True]
    assert not gaps
    assert admit_all(gaps, 80, 90) == [True, True]


def test_other_producers_pass(gaps):
    assert gaps.admit(batch(76, producer_id=8), 0.0)


def test_batch_that_is_lost_again_opens_the_gap_again(gaps):
    assert admit_all(gaps, 70, 72) == [True, True]
    gaps.open(batch(72), 1.0)
    assert admit_all(gaps, 74, 76, 72, 74, 76) == [False, False, True, True, True]
    assert not gaps


def test_a_producer_that_does_not_retry_the_lost_batch_is_refused_once(gaps):
    assert admit_all(gaps, 76, 78) == [False, False]
    # The producer sent 80 before it received the refusal of 78.
    assert admit_all(gaps, 76, 80, 78, 80) == [True, False, True, True]
    assert not gaps


def test_refused_batch_does_not_pass_an_earlier_one(gaps):
    # Another gateway has accepted 70 and 72.
    assert admit_all(gaps, 76) == [False]
    assert admit_all(gaps, 74, 76, 74, 76) == [False, False, True, True]
    assert not gaps


def test_retries_of_stored_batches_are_admitted(gaps):
    assert admit_all(gaps, 68, 70) == [True, True]


def test_a_new_epoch_begins_without_a_gap(gaps):
    assert gaps.admit(batch(0, epoch=1), 0.0)
    assert not gaps


def test_batches_of_an_earlier_epoch_are_admitted_and_left_to_the_log(gaps):
    gaps.open(batch(0, epoch=1), 0.0)
    assert gaps.admit(batch(76), 0.0)
    gaps.open(batch(76), 0.0)
    assert not gaps.admit(batch(2, epoch=1), 0.0)


def test_sequences_wrap_after_the_largest():
    gaps = SequenceGaps()
    largest = (1 << 31) - 1
    gaps.open(batch(largest - 1), 0.0)
    assert admit_all(gaps, 0, 2, largest - 1, 0, 2) == [False, False, True, True, True]
    assert not gaps


def test_a_gap_expires(gaps):
    assert admit_all(gaps, 76, now_s=GAP_S - 1) == [False]
    assert admit_all(gaps, 78, now_s=GAP_S) == [True]
    assert not gaps


def test_the_oldest_gaps_are_evicted():
    gaps = SequenceGaps()
    for producer_id in range(2000):
        gaps.open(batch(0, producer_id=producer_id), 0.0)
    assert len(gaps) == 1024
    assert gaps.admit(batch(2, producer_id=0), 0.0)
    assert not gaps.admit(batch(2, producer_id=1999), 0.0)


def test_number_of_remembered_refused_batches_is_bounded(gaps):
    many = range(76, 76 + 2 * 1000, 2)
    assert not any(admit_all(gaps, *many))
    (gap,) = gaps._gaps.values()
    assert len(gap.refused) == 16
