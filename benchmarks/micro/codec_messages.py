"""Messages of the codec's benchmark: small messages that come often, and large ones."""

from struct import Struct
from typing import Any, NamedTuple

from gateway_svc.wire.api import Api
from gateway_svc.wire.apis.fetch import (
    FETCH,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
)
from gateway_svc.wire.apis.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)
from gateway_svc.wire.apis.metadata import (
    METADATA,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from gateway_svc.wire.apis.produce import (
    PRODUCE,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)

#: A request header up to the length of its client id.
HEADER = Struct(">hhih")


class Case(NamedTuple):
    name: str
    api: Api[Any, Any]
    version: int
    message: Any


def _produce_request(record_bytes: int) -> ProduceRequest:
    partition = PartitionProduceData(index=3, records=bytes(record_bytes))
    topic = TopicProduceData(name="benchmark-topic", partition_data=[partition])
    return ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[topic])


def _produce_response() -> ProduceResponse:
    partition = PartitionProduceResponse(index=3, base_offset=1234, log_start_offset=0)
    topic = TopicProduceResponse(name="benchmark-topic", partition_responses=[partition])
    return ProduceResponse(responses=[topic])


def _fetch_request(partitions: int) -> FetchRequest:
    to_fetch = [
        FetchPartition(partition=index, fetch_offset=1234, partition_max_bytes=1 << 20)
        for index in range(partitions)
    ]
    topics = [FetchTopic(topic="benchmark-topic", partitions=to_fetch)]
    return FetchRequest(max_wait_ms=500, min_bytes=1, topics=topics)


def _fetch_response(partitions: int) -> FetchResponse:
    found = [
        PartitionData(partition_index=index, high_watermark=1234, records=bytes(16_384))
        for index in range(partitions)
    ]
    return FetchResponse(
        responses=[FetchableTopicResponse(topic="benchmark-topic", partitions=found)]
    )


def _list_offsets_request() -> ListOffsetsRequest:
    partitions = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(100)]
    return ListOffsetsRequest(
        topics=[ListOffsetsTopic(name="benchmark-topic", partitions=partitions)]
    )


def _list_offsets_response() -> ListOffsetsResponse:
    found = [ListOffsetsPartitionResponse(partition_index=n, offset=1234) for n in range(100)]
    topic = ListOffsetsTopicResponse(name="benchmark-topic", partitions=found)
    return ListOffsetsResponse(topics=[topic])


def _metadata_request() -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=f"topic-{n}") for n in range(1000)])


def _metadata_response() -> MetadataResponse:
    partition = MetadataResponsePartition(
        partition_index=0, leader_id=1, leader_epoch=0, replica_nodes=[1], isr_nodes=[1]
    )
    return MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=1, host="localhost", port=9092)],
        topics=[
            MetadataResponseTopic(name=f"topic-{n}", topic_id=bytes(16), partitions=[partition])
            for n in range(1000)
        ],
    )


CASES = [
    Case("Produce v9 request, 1 batch of 170 B", PRODUCE, 9, _produce_request(170)),
    Case("Produce v9 response", PRODUCE, 9, _produce_response()),
    Case("Produce v9 request, 1 batch of 1 MB", PRODUCE, 9, _produce_request(1 << 20)),
    Case("Fetch v12 request, 1 partition", FETCH, 12, _fetch_request(1)),
    Case("Fetch v12 response, 16 KB", FETCH, 12, _fetch_response(1)),
    Case("Fetch v12 request, 100 partitions", FETCH, 12, _fetch_request(100)),
    Case("Fetch v12 response, 100 x 16 KB", FETCH, 12, _fetch_response(100)),
    Case("ListOffsets v7 request, 100 partitions", LIST_OFFSETS, 7, _list_offsets_request()),
    Case("ListOffsets v7 response, 100 partitions", LIST_OFFSETS, 7, _list_offsets_response()),
    Case("Metadata v12 request, 1000 topics", METADATA, 12, _metadata_request()),
    Case("Metadata v12 response, 1000 topics", METADATA, 12, _metadata_response()),
]
