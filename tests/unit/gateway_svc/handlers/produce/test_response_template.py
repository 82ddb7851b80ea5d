import pytest

from common.ports.partitions import AppendResult
from gateway_svc.handlers.produce.response_template import TEMPLATE_SINCE, response_template
from gateway_svc.wire.apis.produce import (
    PRODUCE,
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)
from gateway_svc.wire.codec import encode
from gateway_svc.wire.envelope import write_response

TOPIC_ID = bytes(range(16))
RESULTS = (AppendResult(0, -1, 0), AppendResult(2**63 - 1, 1_700_000_000_000, 2**40))


@pytest.mark.parametrize("name", ["orders", "o" * 249])
@pytest.mark.parametrize("partition", [0, 3, 2**31 - 1])
@pytest.mark.parametrize("version", range(TEMPLATE_SINCE, PRODUCE.version_max + 1))
def test_response_template_writes_what_the_codec_writes(version, partition, name):
    for result in RESULTS:
        stored = PartitionProduceResponse(
            index=partition,
            base_offset=result.base_offset,
            log_append_time_ms=result.log_append_time_ms,
            log_start_offset=result.log_start_offset,
        )
        topic = TopicProduceResponse(name=name, topic_id=TOPIC_ID, partition_responses=[stored])
        message = ProduceResponse(responses=[topic])
        expected = b"".join(encode(message, version, PRODUCE.is_flexible(version)))
        response = response_template(version, name, TOPIC_ID, partition)
        assert response.body(result) == expected
        expected_frame = b"".join(write_response(PRODUCE, version, -7, message))
        assert (
            response.frame(b"KIND" + (-7).to_bytes(4, "big", signed=True) + b"any", result)
            == expected_frame
        )


def test_response_template_is_cached():
    assert response_template(9, "orders", TOPIC_ID, 1) is response_template(
        9, "orders", TOPIC_ID, 1
    )
    assert response_template(9, "orders", TOPIC_ID, 1) is not response_template(9, "o", TOPIC_ID, 1)
