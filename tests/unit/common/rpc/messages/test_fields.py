import pytest

from common.ports.partitions import Refusal
from common.rpc.messages.fields import REFUSALS, log_from_message, refusal_from_message
from common.rpc.status import MalformedRequest
from protos.partition.v1 import partition_pb2 as pb


def test_refusals_have_one_number_everywhere():
    for refusal in Refusal:
        assert getattr(pb, f"REFUSAL_{refusal.name}") == refusal
    assert len(pb.Refusal.items()) == len(Refusal) + 1


@pytest.mark.parametrize("refusal", [None, *Refusal])
def test_refusal_arrives_as_it_was_sent(refusal):
    assert refusal_from_message(REFUSALS[refusal]) is refusal


@pytest.mark.parametrize("topic_id", [b"", b"x", b"x" * 17])
def test_topic_id_of_another_size_than_16_bytes_is_malformed(topic_id):
    with pytest.raises(MalformedRequest, match="16 bytes"):
        log_from_message(pb.LogId(topic_id=topic_id))
