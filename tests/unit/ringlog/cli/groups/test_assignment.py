"""Tests of parsing assignments that kafka-python encodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment

from ringlog.cli.groups.assignment import assigned_partitions


def encode_assignment(topics):
    Partition = ConsumerProtocolAssignment.TopicPartition  # noqa: N806 - a class
    assigned = [
        Partition(topic=topic, partitions=partitions) for topic, partitions in topics.items()
    ]
    return ConsumerProtocolAssignment(
        version=0, assigned_partitions=assigned, user_data=b"x"
    ).encode()


def test_assigned_partitions_returns_topics_and_partitions():
    found = assigned_partitions(encode_assignment({"orders": [0, 3], "größe": [7]}))
    assert found == [("orders", 0), ("orders", 3), ("größe", 7)]


@pytest.mark.parametrize("length", range(len(encode_assignment({"orders": [0, 3]})) - 5))
def test_truncated_assignment_is_empty(length):
    assert assigned_partitions(encode_assignment({"orders": [0, 3]})[:length]) == []


@given(st.binary(max_size=40))
def test_any_bytes_are_parsed_or_ignored(data):
    assigned_partitions(data)
