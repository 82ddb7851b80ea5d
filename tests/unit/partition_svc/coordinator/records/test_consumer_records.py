import pytest

from common.ports.classic_groups import GroupProtocol
from common.ports.group_errors import GroupClient
from partition_svc.coordinator.records.fields import MalformedRecord
from partition_svc.coordinator.records.group_records import decode, encode
from partition_svc.coordinator.records.stored_consumer import (
    CurrentRecord,
    EpochRecord,
    StoredClassic,
    StoredCurrent,
    StoredEpoch,
    StoredSubscription,
    SubscriptionRecord,
    TargetEpochRecord,
    TargetRecord,
)

TOPIC = bytes(range(16))
PARTITIONS = frozenset({(TOPIC, 1), (TOPIC, 300), (b"\xff" * 16, 0)})
CLIENT = GroupClient("client", "/127.0.0.1")

RECORDS = [
    EpochRecord("g", StoredEpoch(7)),
    EpochRecord("g", StoredEpoch(7, -5)),
    EpochRecord("g", None),
    SubscriptionRecord(
        "g", "m", StoredSubscription("i", "r", CLIENT, ("a", "b" * 200), "x.*", 300, "uniform")
    ),
    SubscriptionRecord("g", "m", StoredSubscription(None, None, CLIENT, (), None, -1, None)),
    SubscriptionRecord(
        "g",
        "m",
        StoredSubscription(
            None,
            None,
            CLIENT,
            ("a",),
            None,
            60_000,
            None,
            StoredClassic(45_000, (GroupProtocol("range", b"x" * 200), GroupProtocol("rr", b""))),
        ),
    ),
    SubscriptionRecord("g", "m", None),
    TargetEpochRecord("g", 3),
    TargetEpochRecord("g", None),
    TargetRecord("g", "m", PARTITIONS),
    TargetRecord("g", "m", frozenset()),
    CurrentRecord("g", "m", StoredCurrent(5, -2, 2, PARTITIONS, frozenset({(TOPIC, 0)}))),
    CurrentRecord("g", "m", None),
]


@pytest.mark.parametrize("record", RECORDS)
def test_encoded_records_are_decoded(record):
    assert decode(*encode(record)) == record


@pytest.mark.parametrize(
    ("record", "key", "value"),
    [
        (RECORDS[0], "0003000167", "00000000000700"),
        (RECORDS[1], "0003000167", "000000000007010008fffffffffffffffb"),
        (RECORDS[7], "0006000167", "00000000000300"),
        (
            TargetRecord("g", "m", frozenset({(TOPIC, 1)})),
            "000700016700016d",
            "0000" + "02" + TOPIC.hex() + "0200000001" + "0000",
        ),
        (
            SubscriptionRecord(
                "g",
                "m",
                StoredSubscription(
                    None,
                    None,
                    GroupClient("c", "h"),
                    (),
                    None,
                    5,
                    None,
                    StoredClassic(9, (GroupProtocol("p", b"xyz"),)),
                ),
            ),
            "000500016700016d",
            "0000"
            + "0000"
            + "0263"
            + "0268"
            + "01"
            + "00"
            + "00000005"
            + "00"
            # Tagged field 0 of 14 bytes: present, session timeout, one protocol.
            + "01000e"
            + "01"
            + "00000009"
            + "02"
            + "0270"
            + "0478797a"
            + "00"
            + "00",
        ),
        (
            CurrentRecord("g", "m", StoredCurrent(2, 1, 1, frozenset(), frozenset())),
            "000800016700016d",
            "0000" + "00000002" + "00000001" + "01" + "0101" + "00",
        ),
    ],
)
def test_encoded_bytes_are_those_of_kafkas_formats(record, key, value):
    entry = encode(record)
    assert (entry.key.hex(), entry.value.hex()) == (key, value)


@pytest.mark.parametrize("record", [record for record in RECORDS if record.value is not None])
def test_cut_bytes_are_malformed(record):
    entry = encode(record)
    for size in range(len(entry.value)):
        with pytest.raises(MalformedRecord):
            decode(entry.key, entry.value[:size])


def test_unknown_states_and_versions_are_malformed():
    entry = encode(RECORDS[11])
    for value in (entry.value[:10] + b"\x09" + entry.value[11:], b"\0\1" + entry.value[2:]):
        with pytest.raises(MalformedRecord):
            decode(entry.key, value)


def test_unknown_kinds_are_ignored():
    assert decode(bytes.fromhex("0010000167"), b"") is None
