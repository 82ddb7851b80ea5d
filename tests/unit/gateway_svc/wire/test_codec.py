from random import Random

import pytest

from gateway_svc.wire import codec
from gateway_svc.wire.apis.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from gateway_svc.wire.codec import decode, encode
from gateway_svc.wire.schema import layout
from gateway_svc.wire.violations import ProtocolViolation
from tests.support.wire.cases import check_cuts, every_message, random_messages
from tests.support.wire.reference_codecs import (
    kio_class,
    kio_decode,
    kio_encode,
    old_class,
    old_values,
    our_values,
    plain_of_kio,
    plain_of_ours,
)

#: Versions that no other codec has yet; tests in `apis/` compare them with bytes of Apache Kafka.
NEWER_THAN_KIO = {("DeleteGroups", 3)}

every_version = pytest.mark.parametrize(("api", "version", "message_type"), list(every_message()))


@every_version
def test_reference_codec_reads_what_codec_writes_and_the_reverse(api, version, message_type):
    reference_class = kio_class(api, version, message_type)
    if (api.name, version) in NEWER_THAN_KIO:
        assert reference_class is None, "kio has it now"
        return
    check = check_against_old if reference_class is None else check_against_kio
    for message in random_messages(message_type, version, 8):
        check(api, version, message)


def check_against_kio(api, version, message):
    flexible = api.is_flexible(version)
    written = b"".join(encode(message, version, flexible))
    read = kio_decode(kio_class(api, version, type(message)), written)
    assert plain_of_kio(read, message) == plain_of_ours(message, version)
    assert decode(type(message), kio_encode(read), 0, version, flexible)[0] == message


def check_against_old(api, version, message):
    written = b"".join(encode(message, version, False))
    read = old_class(api, version, type(message)).decode(written)
    assert old_values(read) == our_values(message, version)
    assert decode(type(message), read.encode(), 0, version, False)[0] == message


@every_version
def test_decode_returns_the_encoded_message(api, version, message_type):
    flexible = api.is_flexible(version)
    for message in random_messages(message_type, version, 4):
        written = b"".join(encode(message, version, flexible))
        assert decode(message_type, written, 0, version, flexible) == (message, len(written))
        surrounded = memoryview(bytearray(b"--" + written + b"more"))
        read, end = decode(message_type, surrounded, 2, version, flexible)
        assert (read, end) == (message, 2 + len(written))


@every_version
def test_decode_rejects_truncated_bytes(api, version, message_type):
    flexible = api.is_flexible(version)
    images = (
        b"".join(encode(random_message, version, flexible))
        for random_message in random_messages(message_type, version, 4)
    )
    check_cuts(message_type, min(images, key=len), version, flexible=flexible)


@every_version
def test_decode_of_damaged_bytes_is_a_message_or_a_violation(api, version, message_type):
    flexible = api.is_flexible(version)
    random = Random(version)
    for message in random_messages(message_type, version, 4):
        written = b"".join(encode(message, version, flexible))[:2_000]
        for _ in range(40):
            damaged = bytearray(written)
            for _ in range(random.choice([1, 2, 8])):
                if damaged:
                    damaged[random.randrange(len(damaged))] = random.choice([0, 1, 127, 128, 255])
            decode_or_reject(message_type, bytes(damaged), version, flexible)


@every_version
def test_decode_of_random_bytes_is_a_message_or_a_violation(api, version, message_type):
    random = Random(version)
    for size in (0, 1, 7, 40, 400):
        for _ in range(20):
            noise = random.randbytes(size)
            decode_or_reject(message_type, noise, version, api.is_flexible(version))


def decode_or_reject(message_type, data, version, flexible):
    """Fails the test if `decode` raises anything except ProtocolViolation."""
    try:
        _, end = decode(message_type, data, 0, version, flexible)
    except ProtocolViolation:
        return
    assert end <= len(data)


@every_version
def test_decode_skips_unknown_tagged_fields(api, version, message_type):
    if not api.is_flexible(version):
        return
    for message in random_messages(message_type, version, 4):
        for tagged in layout(message_type, version).tagged.values():
            setattr(message, tagged.name, tagged.default)
        written = b"".join(encode(message, version, True))
        assert written[-1:] == b"\0"
        unknown = b"\2" + b"\x63\0" + b"\xff\x7f\x03abc"
        read, end = decode(message_type, written[:-1] + unknown, 0, version, True)
        assert (read, end) == (message, len(written) - 1 + len(unknown))


def test_records_are_not_copied():
    records = b"r" * 1000
    frame = b"".join(encode(produce(records), 9, True))
    read, _ = decode(ProduceRequest, frame, 0, 9, True)
    view = read.topic_data[0].partition_data[0].records
    assert isinstance(view, memoryview)
    assert view.obj is frame
    chunks = [b"one", view, b""]
    parts = encode(produce(chunks), 9, True)
    assert [id(part) for part in parts[1:4]] == [id(chunk) for chunk in chunks]
    assert b"".join(parts) == b"".join(encode(produce(b"one" + records), 9, True))
    assert chunks == [b"one", view, b""]


def produce(records):
    partition = PartitionProduceData(index=0, records=records)
    topic = TopicProduceData(name="t", partition_data=[partition])
    return ProduceRequest(acks=1, timeout_ms=1, topic_data=[topic])


def test_codec_of_a_version_is_compiled_once_at_first_use(monkeypatch):
    compiled = []
    monkeypatch.setattr(codec, "_encoders", {})
    monkeypatch.setattr(
        codec,
        "encoder_of",
        lambda message_type, version, **_: compiled.append(version) or (lambda message: []),
    )
    for version in (1, 1, 2, 1):
        encode(produce(b""), version, False)
    assert compiled == [1, 2]
