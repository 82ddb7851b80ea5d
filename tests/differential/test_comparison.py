"""Differences that the comparison finds, and those that it allows."""

import uuid
from dataclasses import dataclass
from typing import Any

from tests.differential.comparison import Mutation, Reading, differences
from tests.differential.known_differences import Known
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered


@dataclass
class Answer:
    name: str = ""
    topic_id: Any = None
    host: str = "a"
    error_message: str | None = None
    records: bytes = b""
    topics: tuple[Any, ...] = ()


def found(kafka, ringlog, *, same_reading=False):
    theirs = Reading()
    ours = theirs if same_reading else Reading()
    return [*differences(theirs.plain(kafka), ours.plain(ringlog))]


def test_masked_fields_may_differ_and_others_may_not():
    one, other = uuid.UUID(int=1), uuid.UUID(int=2)
    theirs = Answer("t", one, "a", "so", topics=(Answer("x", one),))
    assert not found(theirs, Answer("t", other, "b", "thus", topics=(Answer("x", other),)))
    # Another id where it should be the same one again.
    wrong = Answer("t", other, "b", "thus", topics=(Answer("x", one),))
    assert [one.path for one in found(theirs, wrong)] == ["topics[x].topic_id"]
    silent = Answer("t", other, "b", None, topics=(Answer("x", other),))
    assert found(theirs, silent) == [Mutation("error_message", "some text", None)]
    assert found(Answer("t"), Answer("u")) == [Mutation("name", "t", "u")]


def test_order_does_not_count_and_numbers_do():
    a, b = Answer("a"), Answer("b")
    assert not found(Answer(topics=(a, b)), Answer(topics=(b, a)))
    missing = found(Answer(topics=(a, b)), Answer(topics=(a,)))
    assert [one.path for one in missing] == ["topics[b]"]
    assert [one.path for one in found(Answer(topics=(a, a)), Answer(topics=(a,)))] == ["topics"]


def test_batches_are_compared_without_their_leader_epochs():
    batch = record_batch(numbered(2))
    in_epoch = batch[:12] + b"\0\0\0\7" + batch[16:]
    assert not found(Answer(records=batch), Answer(records=in_epoch))
    other = record_batch(numbered(2, start=1))
    assert [one.path for one in found(Answer(records=batch), Answer(records=other))] == [
        "records[0].records"
    ]


def test_a_known_difference_explains_what_it_says_and_no_more():
    known = Known(3, r"topics\[.*\]\.name", "why not", kafka="a")
    assert known.explains(3, 0, Mutation("topics[x].name", "a", "b"))
    assert not known.explains(4, 0, Mutation("topics[x].name", "a", "b"))
    assert not known.explains(3, 0, Mutation("topics[x].names", "a", "b"))
    assert not known.explains(3, 0, Mutation("topics[x].name", "b", "a"))
    assert known.count == 1
