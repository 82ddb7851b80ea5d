from random import Random

from partition_svc.store.journal.pending_flushes import PendingFlushes


def test_no_file_is_needed_before_anything_is_handed_over():
    assert PendingFlushes(3).first_needed([0, 0, 0]) is None


def test_file_is_needed_until_the_memtables_of_all_families_are_flushed():
    pending = PendingFlushes(3)
    pending.hand_over([0, 2], 7)
    assert pending.first_needed([1, 0, 1]) == 7
    assert pending.first_needed([0, 0, 1]) == 7
    assert pending.first_needed([0, 0, 0]) is None


def test_oldest_memtables_of_a_family_are_flushed_first():
    pending = PendingFlushes(2)
    for number in (1, 2, 3):
        pending.hand_over([0], number)
    pending.hand_over([1], 3)
    assert pending.first_needed([3, 1]) == 1
    assert pending.first_needed([2, 1]) == 2
    assert pending.first_needed([1, 1]) == 3
    pending.hand_over([0, 1], 4)
    assert pending.first_needed([1, 2]) == 3
    assert pending.first_needed([1, 1]) == 4


def test_file_that_two_generations_share_is_needed_by_both():
    pending = PendingFlushes(1)
    pending.hand_over([0], 5)
    pending.hand_over([0], 5)
    assert pending.first_needed([1]) == 5
    assert pending.first_needed([0]) is None


def test_memtables_that_are_not_of_the_journal_keep_files_only_longer():
    pending = PendingFlushes(1)
    pending.hand_over([0], 5)
    assert pending.first_needed([2]) == 5
    assert pending.first_needed([0]) is None


def test_needed_file_is_never_later_than_in_a_model_of_rocksdb():
    rng = Random(12)
    for _ in range(200):
        pending, memtables, number = PendingFlushes(3), [[], [], []], 0
        for _ in range(30):
            if rng.random() < 0.4:
                number += 1
                families = rng.sample(range(3), rng.randint(1, 3))
                for family in families:
                    memtables[family].append(number)
                pending.hand_over(families, number)
            else:
                family = memtables[rng.randrange(3)]
                del family[: rng.randint(0, len(family))]
            needed = min((family[0] for family in memtables if family), default=None)
            assert pending.first_needed([len(family) for family in memtables]) == needed
