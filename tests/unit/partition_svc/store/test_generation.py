from collections import Counter

import pytest

from partition_svc.store.generation import OpenGeneration
from partition_svc.store.keys import COMPACTED_BIT, GenerationBytes


def add_bytes(generation, appended_bytes, compacted_bytes=0):
    """Adds the bytes to `generation`; returns the rows to store, by generation."""
    puts = []
    generation.add(appended_bytes, compacted_bytes, puts)
    rows = zip(puts[::2], puts[1::2], strict=True)
    return {int.from_bytes(key[1:], "big"): GenerationBytes.unpack(row) for key, row in rows}


def test_a_generation_counts_the_bytes_of_each_family():
    generation = OpenGeneration(3, 1000)
    assert add_bytes(generation, 10) == {3: (10, 0)}
    assert add_bytes(generation, 100, 80) == {3: (30, 0), 3 | COMPACTED_BIT: (80, 0)}
    assert add_bytes(generation, 5) == {3: (35, 0), 3 | COMPACTED_BIT: (80, 0)}


@pytest.mark.parametrize(("size", "is_full"), [(999, False), (1000, True)])
def test_a_generation_is_full_when_both_families_together_reach_the_limit(size, is_full):
    generation = OpenGeneration(3, 1000)
    add_bytes(generation, size, 500)
    assert generation.is_full == is_full
    generation.must_end = True
    assert generation.is_full


def test_replaced_bytes_of_the_open_generation_are_counted():
    generation = OpenGeneration(3, 1000)
    add_bytes(generation, 100, 50)
    added = Counter({2: 1, 3: 2, 3 | COMPACTED_BIT: 3})
    deleted = Counter({2: 10, 3: 20, 3 | COMPACTED_BIT: 30})
    generation.replace(added, deleted)
    assert (added, deleted) == (Counter({2: 1}), Counter({2: 10}))
    assert add_bytes(generation, 0) == {3: (52, 20), 3 | COMPACTED_BIT: (53, 30)}
    # Replacements take memory, whatever generation they belong to.
    add_bytes(generation, 1000 - 100 - 6)
    assert generation.is_full


@pytest.mark.parametrize(("older", "is_full"), [(2, True), (2 | COMPACTED_BIT, False), (3, False)])
def test_a_generation_ends_early_if_older_ones_must_be_rewritten(older, is_full):
    generation = OpenGeneration(3, 1600)
    generation.replace(Counter(), Counter({older: 99}))
    assert not generation.is_full
    generation.replace(Counter(), Counter({older: 1}))
    assert generation.is_full == is_full
