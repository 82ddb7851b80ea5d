import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from common.rpc.wire_format import delimited_head, split
from protos.partition.v1 import partition_pb2 as pb

BATCHES = pb.FetchResult.BATCHES_FIELD_NUMBER


@given(st.binary(max_size=300), st.integers(-1, 2**63 - 1), st.integers(-1, 2**31 - 1))
def test_a_field_is_found_in_a_message_of_protobuf(batches, offset, epoch):
    message = pb.FetchResult(batches=batches, high_watermark=offset, leader_epoch=epoch)
    rest, fields = split(memoryview(message.SerializeToString()), BATCHES)
    assert b"".join(fields) == batches
    message.ClearField("batches")
    assert pb.FetchResult.FromString(rest) == message


@given(st.binary(max_size=300))
def test_protobuf_reads_a_field_that_was_joined_to_a_message(batches):
    head = pb.FetchResult(high_watermark=7).SerializeToString()
    data = head + delimited_head(BATCHES, len(batches)) + batches
    assert pb.FetchResult.FromString(data) == pb.FetchResult(high_watermark=7, batches=batches)


def test_a_found_field_is_not_copied():
    data = memoryview(delimited_head(BATCHES, 3) + b"abc")
    _, (field,) = split(data, BATCHES)
    assert field.obj is data.obj


def test_other_fields_of_every_wire_type_are_skipped():
    other = b"\x09" + bytes(8) + b"\x15" + bytes(4) + b"\x18\x80\x01"
    assert split(memoryview(other + b"\x32\x01z"), BATCHES) == (other, [b"z"])


@given(st.binary(max_size=40))
def test_other_bytes_are_fields_or_a_decode_error(data):
    try:
        rest, fields = split(memoryview(data), BATCHES)
    except DecodeError:
        return
    assert len(rest) + sum(map(len, fields)) <= len(data)


@pytest.mark.parametrize("data", [b"\x32", b"\x32\x05abcd", b"\x33", b"\x02\x00", b"\xff" * 11])
def test_a_message_that_is_cut_or_wrong_is_a_decode_error(data):
    with pytest.raises(DecodeError):
        split(memoryview(data), BATCHES)
