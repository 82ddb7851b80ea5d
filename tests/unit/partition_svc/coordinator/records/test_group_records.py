"""Bytes as Apache Kafka's GroupMetadataManager and its message definitions write them."""

import pytest

from common.ports.group_errors import GroupClient
from partition_svc.coordinator.records.fields import MalformedRecord
from partition_svc.coordinator.records.group_records import RecordEntry, decode, encode
from partition_svc.coordinator.records.stored import (
    GroupRecord,
    OffsetRecord,
    StoredGroup,
    StoredMember,
    StoredOffset,
)

TOPIC_ID = bytes(range(16))

OFFSET_KEY = b"\0\1\0\1g\0\2to\0\0\0\7"
#: Version, offset 258, leader epoch 3, metadata "m", time 1000.
OFFSET_VALUE_3 = b"\0\3\0\0\0\0\0\0\1\2\0\0\0\3\0\1m\0\0\0\0\0\0\3\xe8"
#: As 3, with a text of varint length and the tagged topic id.
OFFSET_VALUE_4 = b"\0\4\0\0\0\0\0\0\1\2\0\0\0\3\2m\0\0\0\0\0\0\3\xe8\1\0\x10" + TOPIC_ID
OFFSET_VALUE_1 = b"\0\1\0\0\0\0\0\0\1\2\0\1m\0\0\0\0\0\0\3\xe8\0\0\0\0\0\0\7\xd0"
GROUP_KEY = b"\0\2\0\1g"

GROUP = StoredGroup(
    "consumer",
    5,
    "range",
    "m1",
    1000,
    (StoredMember("m1", None, GroupClient("c", "/h"), 60000, 30000, b"sub", b"as"),),
)
GROUP_VALUE_3 = (
    b"\0\3" b"\0\x08consumer" b"\0\0\0\5" b"\0\5range" b"\0\2m1" b"\0\0\0\0\0\0\3\xe8"
    b"\0\0\0\1"
    b"\0\2m1" b"\xff\xff" b"\0\1c" b"\0\2/h" b"\0\0\xea\x60" b"\0\0\x75\x30"
    b"\0\0\0\3sub" b"\0\0\0\2as"
)  # fmt: skip


def offset(**more):
    return StoredOffset(258, 3, "m", 1000, **more)


def record(value):
    return OffsetRecord("g", "to", 7, value)


def test_offset_is_of_version_4_with_the_topic_id_in_a_tag():
    assert encode(record(offset(topic_id=TOPIC_ID))) == RecordEntry(OFFSET_KEY, OFFSET_VALUE_4)
    assert decode(OFFSET_KEY, OFFSET_VALUE_4) == record(offset(topic_id=TOPIC_ID))
    without_id = OFFSET_VALUE_4[:-19] + b"\0"
    assert encode(record(offset())) == RecordEntry(OFFSET_KEY, without_id)
    assert decode(OFFSET_KEY, without_id) == record(offset())


def test_offset_with_an_expiry_time_is_of_version_1_which_has_no_epoch():
    assert encode(record(offset(expires_at_ms=2000))) == RecordEntry(OFFSET_KEY, OFFSET_VALUE_1)
    assert decode(OFFSET_KEY, OFFSET_VALUE_1) == record(StoredOffset(258, -1, "m", 1000, 2000))


def test_versions_without_a_topic_id_have_it_as_a_header():
    header = ((b"topic.id", TOPIC_ID),)
    key, value, headers = encode(record(offset(topic_id=TOPIC_ID, expires_at_ms=2000)))
    assert (key, value, headers) == (OFFSET_KEY, OFFSET_VALUE_1, header)
    assert decode(key, value, headers).value.topic_id == TOPIC_ID
    # Version 3 is what earlier releases wrote.
    assert decode(key, OFFSET_VALUE_3, header) == record(offset(topic_id=TOPIC_ID))
    assert decode(key, OFFSET_VALUE_3, ((b"another header", None),)) == record(offset())


@pytest.mark.parametrize("metadata", ["", "é", "x" * 4096])
def test_encoded_offsets_are_decoded(metadata):
    stored = StoredOffset(2**62, 2**30, metadata, 2**41, -1, TOPIC_ID)
    assert decode(*encode(record(stored))) == record(stored)


def test_older_and_newer_offsets_are_read():
    start, time = b"\0\0\0\0\0\0\1\2", b"\0\0\0\0\0\0\3\xe8"
    for version in (b"\0\0", b"\0\2"):
        value = version + start + b"\0\1m" + time
        assert decode(OFFSET_KEY, value) == record(StoredOffset(258, -1, "m", 1000))
    unknown_tag = OFFSET_VALUE_4[:-19] + b"\1\7\x10" + TOPIC_ID
    assert decode(OFFSET_KEY, unknown_tag) == record(offset())
    value = b"\0\4" + start + b"\0\0\0\3" + b"\1" + time + b"\1\7\x10" + TOPIC_ID
    assert decode(OFFSET_KEY, value) == record(StoredOffset(258, 3, "", 1000))
    assert decode(b"\0\0" + OFFSET_KEY[2:], OFFSET_VALUE_3) == record(offset())


def test_group_is_of_version_3():
    assert encode(GroupRecord("g", GROUP)) == RecordEntry(GROUP_KEY, GROUP_VALUE_3)
    assert decode(GROUP_KEY, GROUP_VALUE_3) == GroupRecord("g", GROUP)


def test_group_without_members_has_no_protocol_and_no_leader():
    group = StoredGroup("", 6, None, None, -1)
    value = b"\0\3\0\0\0\0\0\6\xff\xff\xff\xff" + b"\xff" * 8 + b"\0\0\0\0"
    assert encode(GroupRecord("g", group)) == RecordEntry(GROUP_KEY, value)
    assert decode(GROUP_KEY, value) == GroupRecord("g", group)


def test_older_and_newer_groups_are_read():
    head = b"\0\x08consumer\0\0\0\5\0\5range\0\2m1"
    time, client = b"\0\0\0\0\0\0\3\xe8", b"\0\1c\0\2/h"
    tail = b"\0\0\0\3sub\0\0\0\2as"
    (member,) = GROUP.members
    decoded = decode(
        GROUP_KEY, b"\0\0" + head + b"\0\0\0\1" + b"\0\2m1" + client + b"\0\0\x75\x30" + tail
    )
    old_member = member._replace(rebalance_timeout_ms=30000)
    assert decoded == GroupRecord("g", GROUP._replace(state_since_ms=-1, members=(old_member,)))
    times = b"\0\0\xea\x60\0\0\x75\x30"
    members = b"\0\0\0\1\0\2m1" + client + times + tail
    decoded = decode(GROUP_KEY, b"\0\1" + head + members)
    assert decoded == GroupRecord("g", GROUP._replace(state_since_ms=-1))
    assert decode(GROUP_KEY, b"\0\2" + head + time + members) == GroupRecord("g", GROUP)
    value = (
        b"\0\4" b"\x09consumer" b"\0\0\0\5" b"\6range" b"\3m1" + time
        + b"\2" b"\3m1" b"\0" b"\2c" b"\3/h" + times + b"\4sub" b"\3as" b"\0" b"\0"
    )  # fmt: skip
    assert decode(GROUP_KEY, value) == GroupRecord("g", GROUP)


@pytest.mark.parametrize("tombstone", [record(None), GroupRecord("g", None)])
def test_tombstone_has_no_value(tombstone):
    assert encode(tombstone).value is None
    assert decode(*encode(tombstone)) == tombstone


def test_keys_of_unknown_versions_are_ignored():
    assert decode(b"\0\x63\0\1g", b"\0\0") is None
    assert decode(b"", b"") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (OFFSET_KEY[:-1], OFFSET_VALUE_3),
        (OFFSET_KEY, OFFSET_VALUE_3[:-1]),
        (OFFSET_KEY, b"\0\5" + OFFSET_VALUE_3[2:]),
        (OFFSET_KEY, b"\xff\xff"),
        (OFFSET_KEY, b""),
        (GROUP_KEY, GROUP_VALUE_3[:-1]),
        (GROUP_KEY[:-1], GROUP_VALUE_3),
    ],
)
def test_truncated_and_unknown_values_are_malformed(key, value):
    with pytest.raises(MalformedRecord):
        decode(key, value)


def test_values_that_cannot_be_encoded_are_malformed():
    with pytest.raises(MalformedRecord):
        encode(GroupRecord("x" * 32768, None))


@pytest.mark.parametrize("timeout_ms", [-1, -5, 0, 2**31 - 1])
def test_any_timeout_is_decoded_as_encoded(timeout_ms):
    (member,) = GROUP.members
    record = GroupRecord(
        "g", GROUP._replace(members=(member._replace(rebalance_timeout_ms=timeout_ms),))
    )
    assert decode(*encode(record)) == record
