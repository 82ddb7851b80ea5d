"""Differences that the comparison finds, and those that it allows."""

import uuid
from dataclasses import dataclass
from typing import Any

from tests.differential.comparison import Difference, ResponseReader, differences
from tests.differential.known_differences import KnownDifference
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered


@dataclass
class Response:
    name: str = ""
    topic_id: Any = None
    host: str = "a"
    error_message: str | None = None
    records: bytes = b""
    topics: tuple[Any, ...] = ()


def find_differences(kafka, ringlog, *, same_reader=False):
    theirs = ResponseReader()
    ours = theirs if same_reader else ResponseReader()
    return [*differences(theirs.to_plain(kafka), ours.to_plain(ringlog))]


def test_masked_fields_may_differ_and_others_may_not():
    one, other = uuid.UUID(int=1), uuid.UUID(int=2)
    theirs = Response("t", one, "a", "so", topics=(Response("x", one),))
    assert not find_differences(
        theirs, Response("t", other, "b", "thus", topics=(Response("x", other),))
    )
    # A new id in the place of an id that has appeared before.
    wrong = Response("t", other, "b", "thus", topics=(Response("x", one),))
    assert [difference.path for difference in find_differences(theirs, wrong)] == [
        "topics[x].topic_id"
    ]
    without_text = Response("t", other, "b", None, topics=(Response("x", other),))
    assert find_differences(theirs, without_text) == [
        Difference("error_message", "some text", None)
    ]
    assert find_differences(Response("t"), Response("u")) == [Difference("name", "t", "u")]


def test_comparison_ignores_the_order_of_elements_but_not_their_number():
    a, b = Response("a"), Response("b")
    assert not find_differences(Response(topics=(a, b)), Response(topics=(b, a)))
    missing = find_differences(Response(topics=(a, b)), Response(topics=(a,)))
    assert [difference.path for difference in missing] == ["topics[b]"]
    assert [
        difference.path
        for difference in find_differences(Response(topics=(a, a)), Response(topics=(a,)))
    ] == ["topics"]


def test_batches_are_compared_without_their_leader_epochs():
    batch = record_batch(numbered(2))
    in_epoch = batch[:12] + b"\0\0\0\7" + batch[16:]
    assert not find_differences(Response(records=batch), Response(records=in_epoch))
    other = record_batch(numbered(2, start=1))
    assert [
        difference.path
        for difference in find_differences(Response(records=batch), Response(records=other))
    ] == ["records[0].records"]


def test_known_difference_explains_only_its_api_path_and_values():
    known = KnownDifference(3, r"topics\[.*\]\.name", "why not", kafka="a")
    assert known.explains(3, 0, Difference("topics[x].name", "a", "b"))
    assert not known.explains(4, 0, Difference("topics[x].name", "a", "b"))
    assert not known.explains(3, 0, Difference("topics[x].names", "a", "b"))
    assert not known.explains(3, 0, Difference("topics[x].name", "b", "a"))
    assert known.count == 1
