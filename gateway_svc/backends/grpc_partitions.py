"""The port `Partitions` over gRPC, for one partition service."""

from asyncio import Future
from collections.abc import Sequence
from typing import Final

from common.ports.partitions import (
    Append,
    AppendResult,
    FetchQuery,
    FetchResult,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
)
from common.rpc.channels import CALL_TIMEOUT_S, open_channel, unavailable_on_failure
from gateway_svc.backends.append_stream import AppendStream
from gateway_svc.backends.partition_messages import (
    description_from_message,
    fetch_query_to_message,
    fetch_result_from_message,
    log_to_message,
    offset_query_to_message,
    offset_result_from_message,
)
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub

#: What a fetch may take on top of the time that it waits for data.
_FETCH_MARGIN_S: Final = 10.0


class GrpcPartitions:
    """Implements `common.ports.partitions.Partitions`.

    Two connections: fetched megabytes must not delay the small answers of appends.
    """

    def __init__(self, address: str) -> None:
        """`address` is host:port. Connects at the first call, and again whenever it is lost."""
        self._append_channel = open_channel(address)
        self._channel = open_channel(address)
        self._appends = AppendStream(PartitionServiceStub(self._append_channel))
        self._stub = PartitionServiceStub(self._channel)

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        return self._appends.append(appends, acks=acks)

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        deadline_s = max(query.max_wait_ms, 0) / 1000 + _FETCH_MARGIN_S
        with unavailable_on_failure("partition Fetch"):
            answer: pb.FetchResponse = await self._stub.Fetch(
                fetch_query_to_message(query), timeout=deadline_s
            )
        return [fetch_result_from_message(one) for one in answer.results]

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        request = pb.ListOffsetsRequest(queries=map(offset_query_to_message, queries))
        with unavailable_on_failure("partition ListOffsets"):
            answer: pb.ListOffsetsResponse = await self._stub.ListOffsets(
                request, timeout=CALL_TIMEOUT_S
            )
        return [offset_result_from_message(one) for one in answer.results]

    async def describe_logs(self, logs: Sequence[LogId]) -> list[LogDescription]:
        request = pb.DescribeLogRequest(logs=map(log_to_message, logs))
        with unavailable_on_failure("partition DescribeLog"):
            answer: pb.DescribeLogResponse = await self._stub.DescribeLog(
                request, timeout=CALL_TIMEOUT_S
            )
        return [description_from_message(one) for one in answer.logs]

    async def close(self) -> None:
        await self._appends.close()
        await self._append_channel.close()
        await self._channel.close()
