import struct
from importlib import import_module
from io import BytesIO

import pytest
from kio.serial import entity_writer

from partition_svc.coordinator.records.consumer_protocol import (
    Subscription,
    read_assignment,
    read_subscription,
    subscribed_topics,
    write_assignment,
)
from tests.support.groups.driven_group import READS_T


def test_subscribed_topics_ignores_the_bytes_after_them():
    subscription = b"\x00\x03" + b"\x00\x00\x00\x02" + b"\x00\x01t" + b"\x00\x02\xc3\xbc" + b"more"
    assert subscribed_topics(subscription, 2) == ("t", "ü")
    assert subscribed_topics(READS_T, 9) == ("t",)


def test_subscription_may_have_no_topics():
    assert subscribed_topics(b"\x00\x00" + b"\x00\x00\x00\x00", 0) == ()


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        READS_T[:5],
        READS_T[:7],
        READS_T[:8],
        b"\xff\xff" + READS_T[2:],
        b"\x00\x00" + b"\x00\x00\x00\x01" + b"\xff\xff",
        b"\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x01\xff",
        b"\x00\x00" + b"\x7f\xff\xff\xff" + b"\x00\x01t",
    ],
)
def test_malformed_subscription_is_none(metadata):
    assert subscribed_topics(metadata, 9) is None


OWNED_PARTITION = struct.pack(">ih1sii", 1, 1, b"a", 1, 7)
NO_DATA = struct.pack(">i", -1)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (READS_T, Subscription(0, ("t",))),
        (b"\0\1" + READS_T[2:] + OWNED_PARTITION, Subscription(1, ("t",), (("a", 7),))),
        (
            b"\0\3" + READS_T[2:] + OWNED_PARTITION + struct.pack(">ih4s", 5, 4, b"rack"),
            Subscription(3, ("t",), (("a", 7),), "rack"),
        ),
        (
            b"\0\7" + READS_T[2:] + OWNED_PARTITION + struct.pack(">ih", 5, -1) + b"more",
            Subscription(7, ("t",), (("a", 7),)),
        ),
    ],
)
def test_subscription_has_the_owned_partitions(metadata, expected):
    assert read_subscription(metadata) == expected


@pytest.mark.parametrize("version", range(4))
def test_subscriptions_of_other_clients_are_parsed(version):
    subscription = encode_with_kio("subscription", version, topics=["a", "bc"], owned={"a": [0, 2]})
    owned = (("a", 0), ("a", 2)) if version else ()
    assert read_subscription(subscription)[:3] == (version, ("a", "bc"), owned)
    for size in range(len(subscription)):
        assert read_subscription(subscription[:size]) is None


def test_other_clients_parse_encoded_assignments():
    partitions = {"a": [0, 2], "b": [1]}
    for version in range(4):
        encoded = write_assignment(version, partitions)
        assert encoded == encode_with_kio("assignment", version, assigned=partitions)
        assert read_assignment(encoded) == (("a", 0), ("a", 2), ("b", 1))
    assert write_assignment(9, partitions) == write_assignment(3, partitions)
    assert read_assignment(b"") == ()
    assert read_assignment(b"\0\1\0\0\0\1") is None


def encode_with_kio(kind, version, *, topics=(), owned=None, assigned=None):
    """Encodes a subscription or an assignment with kio."""
    module = import_module(f"kio.schema.consumer_protocol_{kind}.v{version}")
    if kind == "subscription":
        module = import_module(f"{module.__name__}.data")
        fields = {"topics": tuple(topics), "user_data": None}
        if version >= 1:
            fields["owned_partitions"] = _topic_partitions(module, owned)
        value = module.ConsumerProtocolSubscription(**fields)
    else:
        module = import_module(f"{module.__name__}.data")
        topic_partitions = _topic_partitions(module, assigned)
        value = module.ConsumerProtocolAssignment(
            assigned_partitions=topic_partitions, user_data=None
        )
    buffer = BytesIO(struct.pack(">h", version))
    buffer.seek(0, 2)
    entity_writer(type(value))(buffer, value)
    return buffer.getvalue()


def _topic_partitions(module, partitions_by_topic):
    return tuple(
        module.TopicPartition(topic=name, partitions=tuple(partitions))
        for name, partitions in partitions_by_topic.items()
    )


def test_too_many_elements_are_malformed():
    def subscription_to(count):
        return struct.pack(">hi", 1, count) + b"\0\1t" * count + struct.pack(">ii", -1, 0)

    def partitions_of(*counts):
        topics = (b"\0\1t" + struct.pack(f">i{n}i", n, *range(n)) for n in counts)
        return struct.pack(">i", len(counts)) + b"".join(topics)

    empty = struct.pack(">hii", 1, 0, -1)
    assert len(read_subscription(subscription_to(100_000)).topics) == 100_000
    assert read_subscription(subscription_to(100_001)) is None
    assert len(subscribed_topics(subscription_to(10), 10)) == 10
    assert subscribed_topics(subscription_to(10), 9) is None
    assert len(read_subscription(empty + partitions_of(60_000, 40_000)).owned) == 100_000
    assert read_subscription(empty + partitions_of(60_000, 40_001)) is None
    assignment = struct.pack(">h", 1) + partitions_of(60_000, 40_001) + struct.pack(">i", -1)
    assert read_assignment(assignment) is None
