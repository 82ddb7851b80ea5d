"""partition.v1 over gRPC: only translates, to and from the port `Partitions`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import groupby
from time import time
from typing import Any, Final, Protocol, TypeVar

import grpc
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
from partition_svc.rpc.fetch_budget import SharedFetchBudget
from partition_svc.rpc.fetch_stream import FetchStream
from partition_svc.rpc.typed_records import records_from
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import (
    PartitionServiceServicer,
    add_PartitionServiceServicer_to_server,
)

T = TypeVar("T")
RequestT_contra = TypeVar("RequestT_contra", contravariant=True)
ResponseT_co = TypeVar("ResponseT_co", covariant=True)

#: What one stream may have unanswered, and all Fetch calls together; the gateway bounds its own
#: side too.
_STREAM_BYTES_MAX: Final = 64 << 20
#: Of one partition; more are decoded in a thread.
_RECORDS_AT_ONCE: Final = 1000
#: As many headers of records as fit into it take some milliseconds.
_BYTES_AT_ONCE: Final = 64 << 10


class _Stream(Protocol[RequestT_contra, ResponseT_co]):
    """Answers the requests of one stream."""

    failure: Exception | None

    def end(self, failure: Exception) -> None: ...

    def responses(
        self, requests: AsyncIterator[RequestT_contra]
    ) -> AsyncIterator[ResponseT_co]: ...


class PartitionServicer(PartitionServiceServicer):
    """One method for each RPC of `protos/partition/v1/partition.proto`, which says what they do."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._streams: set[_Stream[Any, Any]] = set()
        self._fetch_budget = SharedFetchBudget(_STREAM_BYTES_MAX)
        self._ending: BackendUnavailable | None = None

    def end_streams(self) -> None:
        """The service is stopping: streams end once what is in flight is answered."""
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
        # All are started before any is waited for, in their order.
        waiting = [
            self._partitions.append([appends[i] for i in run], acks=key)
            for key, run in groupby(range(len(appends)), key=acks.__getitem__)
        ]
        answers = await asyncio.gather(*waiting)
        results = [result for answer in answers for result in answer]
        append_ids = (one.append_id for one in request.appends)
        return append_response(zip(append_ids, results, strict=True))

    async def AppendStream(  # noqa: N802
        self,
        requests: AsyncIterator[pb.AppendRequest],
        context: grpc.aio.ServicerContext[pb.AppendRequest, pb.AppendResponse],
    ) -> AsyncIterator[pb.AppendResponse]:
        stream = AppendStream(self._partitions, bytes_in_flight_max=_STREAM_BYTES_MAX)
        async for response in self._answers(stream, requests, context):
            yield response

    async def Fetch(  # noqa: N802
        self,
        request: pb.FetchRequest,
        context: grpc.aio.ServicerContext[pb.FetchRequest, pb.FetchResponse],
    ) -> pb.FetchResponse | bytes:
        query = fetch_query_from_message(request)
        # Nobody tells when the response has left, so it counts until the call is over.
        budget = query.budget = self._fetch_budget.open()
        # The stubs ask for a class in place of a function.
        context.add_done_callback(lambda _: budget.close())  # type: ignore[arg-type]
        results = await self._partitions.fetch(query)
        if request.decode_records:
            return await _decoded(query, results)
        return encode_fetch_response(results)

    async def FetchStream(  # noqa: N802
        self,
        requests: AsyncIterator[pb.FetchStreamRequest],
        context: grpc.aio.ServicerContext[pb.FetchStreamRequest, pb.FetchStreamResponse],
    ) -> AsyncIterator[bytes]:
        stream = FetchStream(self._partitions, bytes_max=_STREAM_BYTES_MAX)
        async for response in self._answers(stream, requests, context):
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

    async def _answers(
        self,
        stream: "_Stream[RequestT_contra, ResponseT_co]",
        requests: AsyncIterator[RequestT_contra],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[ResponseT_co]:
        """What the stream answers, until it ends; then why, where it is not the caller's end."""
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
    """The servicer, as a gRPC server takes it."""
    return Service(
        "partition.v1.PartitionService",
        lambda server: add_PartitionServiceServicer_to_server(servicer, server),
    )


async def _decoded(query: FetchQuery, results: Sequence[FetchResult]) -> pb.FetchResponse:
    """Lets others work between partitions: decoding takes microseconds for each record."""
    decoded = []
    for asked, result in zip(query.partitions, results, strict=True):
        if _is_long(result):
            decoded.append(await asyncio.to_thread(_decoded_one, asked, result, yield_gil))
        else:
            decoded.append(_decoded_one(asked, result))
            await asyncio.sleep(0)
    return pb.FetchResponse(results=decoded)


def _is_long(result: FetchResult) -> bool:
    """Whether it may take milliseconds; compressed batches may, however many records they have."""
    headers = [parse_header(one) for one in result.records]
    return (
        sum(one.record_count for one in headers) > _RECORDS_AT_ONCE
        or sum(one.size for one in headers) > _BYTES_AT_ONCE
        or any(one.codec for one in headers)
    )


def _decoded_one(
    asked: FetchPartition, result: FetchResult, pause: Callable[[], None] = lambda: None
) -> pb.FetchResult:
    offset, bytes_max = asked.fetch_offset, asked.max_bytes
    try:
        records = records_from(result.records, offset=offset, bytes_max=bytes_max, pause=pause)
    except (CorruptRecords, UnsupportedRecords):
        return fetch_result_to_message(FetchResult(refusal=Refusal.CORRUPT_MESSAGE))
    return fetch_result_to_message(result, records=records)
