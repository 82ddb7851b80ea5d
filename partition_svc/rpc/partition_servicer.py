"""PartitionService over gRPC: translates to and from the port `Partitions`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import groupby
from time import time
from typing import Any, Final, TypeVar

import grpc.aio

from common.ports.partitions import FetchPartition, FetchQuery, FetchResult, Partitions, Refusal
from common.ports.unavailable import BackendUnavailable
from common.records.batch import parse_header
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.rpc.messages.append import acks_from_message, append_response, appends_from_messages
from common.rpc.messages.fetch import (
    encode_fetch_response,
    fetch_query_from_message,
    fetch_result_to_message,
)
from common.rpc.messages.lookups import (
    descriptions_to_message,
    epoch_ends_to_message,
    epoch_queries_from_message,
    logs_from_message,
    offset_queries_from_message,
    offset_results_to_message,
)
from common.rpc.server import Service
from common.rpc.status import abort_with
from common.runtime.gil import yield_gil
from partition_svc.rpc.append_stream import AppendStream
from partition_svc.rpc.bounded_stream import BoundedStream
from partition_svc.rpc.fetch_budget import SharedFetchBudget
from partition_svc.rpc.fetch_stream import FetchStream
from partition_svc.rpc.typed_records import decode_records
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import (
    PartitionServiceServicer,
    add_PartitionServiceServicer_to_server,
)

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

#: Bytes in flight of one stream, and of all Fetch calls together. Gateways have their own bounds.
_STREAM_BYTES_MAX: Final = 64 << 20
#: Records of a partition, and bytes of them, that the event loop decodes itself: a few milliseconds
#: of work, also where the bytes are record headers. A thread decodes a partition that has more.
_INLINE_RECORDS_MAX: Final = 1000
_INLINE_BYTES_MAX: Final = 64 << 10


class PartitionServicer(PartitionServiceServicer):
    """Implements the RPCs that `protos/partition/v1/partition.proto` describes."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._streams: set[BoundedStream[Any, Any]] = set()
        self._fetch_budget = SharedFetchBudget(_STREAM_BYTES_MAX)
        self._ending: BackendUnavailable | None = None

    def end_streams(self) -> None:
        """Ends the streams of a stopping service, once their calls in flight have responses."""
        self._ending = BackendUnavailable("the partition service is stopping")
        for stream in tuple(self._streams):
            stream.end(self._ending)

    async def Append(  # noqa: N802 - named by the proto
        self,
        request: pb.AppendRequest,
        context: grpc.aio.ServicerContext[pb.AppendRequest, pb.AppendResponse],
    ) -> pb.AppendResponse:
        now_ms = int(time() * 1000)
        appends = await appends_from_messages(request.appends, now_ms)
        acks = [acks_from_message(append) for append in request.appends]
        # Starts all in their order before it waits for any.
        waiting = [
            self._partitions.append([appends[i] for i in run], acks=key)
            for key, run in groupby(range(len(appends)), key=acks.__getitem__)
        ]
        results = [result for run in await asyncio.gather(*waiting) for result in run]
        append_ids = (append.append_id for append in request.appends)
        return append_response(zip(append_ids, results, strict=True))

    async def AppendStream(  # noqa: N802
        self,
        requests: AsyncIterator[pb.AppendRequest],
        context: grpc.aio.ServicerContext[pb.AppendRequest, pb.AppendResponse],
    ) -> AsyncIterator[pb.AppendResponse]:
        stream = AppendStream(self._partitions, bytes_in_flight_max=_STREAM_BYTES_MAX)
        async for response in self._run(stream, requests, context):
            yield response

    async def Fetch(  # noqa: N802
        self,
        request: pb.FetchRequest,
        context: grpc.aio.ServicerContext[pb.FetchRequest, pb.FetchResponse],
    ) -> pb.FetchResponse | bytes:
        query = fetch_query_from_message(request)
        # grpc.aio does not report when the response has left: its bytes count until the call ends.
        budget = query.budget = self._fetch_budget.open()
        # The type stubs declare the callback as a class.
        context.add_done_callback(lambda _: budget.close())  # type: ignore[arg-type]
        results = await self._partitions.fetch(query)
        if request.decode_records:
            return await _decode_records(query, results)
        return encode_fetch_response(results)

    async def FetchStream(  # noqa: N802
        self,
        requests: AsyncIterator[pb.FetchStreamRequest],
        context: grpc.aio.ServicerContext[pb.FetchStreamRequest, pb.FetchStreamResponse],
    ) -> AsyncIterator[bytes]:
        stream = FetchStream(self._partitions, bytes_max=_STREAM_BYTES_MAX)
        async for response in self._run(stream, requests, context):
            yield response

    async def ListOffsets(  # noqa: N802
        self,
        request: pb.ListOffsetsRequest,
        context: grpc.aio.ServicerContext[pb.ListOffsetsRequest, pb.ListOffsetsResponse],
    ) -> pb.ListOffsetsResponse:
        queries = offset_queries_from_message(request)
        return offset_results_to_message(await self._partitions.list_offsets(queries))

    async def OffsetsForLeaderEpoch(  # noqa: N802
        self,
        request: pb.OffsetsForLeaderEpochRequest,
        context: grpc.aio.ServicerContext[
            pb.OffsetsForLeaderEpochRequest, pb.OffsetsForLeaderEpochResponse
        ],
    ) -> pb.OffsetsForLeaderEpochResponse:
        queries = epoch_queries_from_message(request)
        return epoch_ends_to_message(await self._partitions.epoch_end_offsets(queries))

    async def DescribeLog(  # noqa: N802
        self,
        request: pb.DescribeLogRequest,
        context: grpc.aio.ServicerContext[pb.DescribeLogRequest, pb.DescribeLogResponse],
    ) -> pb.DescribeLogResponse:
        logs = logs_from_message(request)
        return descriptions_to_message(await self._partitions.describe_logs(logs))

    async def _run(
        self,
        stream: BoundedStream[RequestT, ResponseT],
        requests: AsyncIterator[RequestT],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[ResponseT]:
        """Yields the responses of a stream; aborts with its failure unless the caller ended it."""
        if self._ending is not None:
            await abort_with(context, self._ending)
        self._streams.add(stream)
        try:
            async for response in stream.responses(requests):
                yield response
        finally:
            self._streams.discard(stream)
        if stream.failure is not None:
            await abort_with(context, stream.failure)


def service(servicer: PartitionServicer) -> Service:
    """Returns the servicer as a service of an `RpcServer`."""
    return Service(
        "partition.v1.PartitionService",
        lambda server: add_PartitionServiceServicer_to_server(servicer, server),
    )


async def _decode_records(query: FetchQuery, results: Sequence[FetchResult]) -> pb.FetchResponse:
    """Decodes the records of each partition, which takes microseconds for each record."""
    decoded = []
    for partition, result in zip(query.partitions, results, strict=True):
        if _needs_thread(result):
            decoded.append(await asyncio.to_thread(_decode_result, partition, result, yield_gil))
        else:
            decoded.append(_decode_result(partition, result))
            # Other tasks run between partitions.
            await asyncio.sleep(0)
    return pb.FetchResponse(results=decoded)


def _needs_thread(result: FetchResult) -> bool:
    """True if decoding may take milliseconds, as for any compressed batch, whatever its count."""
    headers = [parse_header(batch) for batch in result.records]
    return (
        sum(header.record_count for header in headers) > _INLINE_RECORDS_MAX
        or sum(header.size for header in headers) > _INLINE_BYTES_MAX
        or any(header.codec for header in headers)
    )


def _decode_result(
    partition: FetchPartition, result: FetchResult, pause: Callable[[], None] = lambda: None
) -> pb.FetchResult:
    offset, bytes_max = partition.fetch_offset, partition.max_bytes
    try:
        records = decode_records(result.records, offset=offset, bytes_max=bytes_max, pause=pause)
    except (CorruptRecords, UnsupportedRecords):
        return fetch_result_to_message(FetchResult(refusal=Refusal.CORRUPT_MESSAGE))
    return fetch_result_to_message(result, records=records)
