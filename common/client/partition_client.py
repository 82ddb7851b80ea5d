"""The port `Partitions` over gRPC, for the logs of one partition service."""

from asyncio import Future
from collections.abc import Sequence
from typing import Any, Final

from common.client.append.append_call import OnDrained, QueuedAppend, RejectHandler
from common.client.append.append_stream import AppendStreamClient
from common.client.fetch.fetch_stream import FETCH_MARGIN_S, FetchStreamClient
from common.client.groups.coordinator_client import GrpcCoordinators
from common.client.reachability import Reachability
from common.ports.partitions import (
    Append,
    AppendResult,
    EpochEndOffset,
    EpochQuery,
    FetchQuery,
    FetchResult,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    Partitions,
)
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import CALL_TIMEOUT_S, MethodUnimplemented, unavailable_on_failure
from common.rpc.member_channel import MemberChannel
from common.rpc.messages.fetch import decode_fetch_response, fetch_query_to_message
from common.rpc.messages.lookups import (
    descriptions_from_message,
    epoch_ends_from_message,
    epoch_queries_to_message,
    logs_to_message,
    offset_queries_to_message,
    offset_results_from_message,
)
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub

_SERVICE: Final = pb.DESCRIPTOR.services_by_name["PartitionService"]
_FETCH: Final = f"/{_SERVICE.full_name}/Fetch"
_FETCH_STREAM: Final = f"/{_SERVICE.full_name}/FetchStream"


class GrpcPartitions(Partitions):
    """Appends on one stream, the rest as calls.

    While the owner is lost, calls raise `OwnerLost` at once (`reachability.py`).
    """

    def __init__(
        self,
        name: str,
        address: str,
        reject_handler: RejectHandler | None = None,
        *,
        append_timeout_s: float = 30.0,
    ) -> None:
        """`name` is the owner's, which refuses calls for another one, `address` its host:port.

        Without a `reject_handler` every refusal goes to the caller.
        """
        self._name = name
        # Two connections: a megabyte of fetched batches must not delay the response to an append.
        self._channels = (MemberChannel(name, address), MemberChannel(name, address))
        self._reachability = Reachability(name, address, self._channels[1])
        self._stub = PartitionServiceStub(self._channels[0])
        # Not the stub's method: it would copy the batches into a message and out of it.
        self._fetch: Any = self._channels[0].unary_unary(
            _FETCH,
            request_serializer=pb.FetchRequest.SerializeToString,
            response_deserializer=decode_fetch_response,
        )
        open_stream: Any = self._channels[0].stream_stream(
            _FETCH_STREAM, request_serializer=pb.FetchStreamRequest.SerializeToString
        )
        self._fetches = FetchStreamClient(name, open_stream)
        self._has_stream = True
        self._appends = AppendStreamClient(
            name,
            PartitionServiceStub(self._channels[1]).AppendStream,
            response_timeout_s=append_timeout_s,
            reject_handler=reject_handler,
            reachability=self._reachability,
        )

        # On the connection of the appends, whose messages are as small.
        self.coordinators = GrpcCoordinators(name, self._channels[1], self._reachability)

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        return self._appends.submit(appends, acks=acks)

    def send(self, *items: QueuedAppend) -> None:
        self._appends.send(*items)

    @property
    def is_lost(self) -> bool:
        return self._reachability.is_lost

    @property
    def ends_waits(self) -> bool:
        return self._has_stream and self._fetches.ends_waits

    def notify_when_drained(self, log: LogId, on_drained: OnDrained) -> bool:
        return self._appends.notify_when_drained(log, on_drained)

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        self._reachability.check()
        if self._has_stream:
            try:
                return await self._fetches.fetch(query)
            except MethodUnimplemented:
                # The owner is older, during a rolling update; a newer one is connected again.
                self._has_stream = False
        try:
            return await self._fetch_by_call(query)
        except BackendUnavailable:
            self._has_stream = True
            raise

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        self._reachability.check()
        with unavailable_on_failure(f"{self._name} ListOffsets"):
            response: pb.ListOffsetsResponse = await self._stub.ListOffsets(
                offset_queries_to_message(queries), timeout=CALL_TIMEOUT_S
            )
        return offset_results_from_message(response)

    async def epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        self._reachability.check()
        with unavailable_on_failure(f"{self._name} OffsetsForLeaderEpoch"):
            response: pb.OffsetsForLeaderEpochResponse = await self._stub.OffsetsForLeaderEpoch(
                epoch_queries_to_message(queries), timeout=CALL_TIMEOUT_S
            )
        return epoch_ends_from_message(response)

    async def describe_logs(self, logs: Sequence[LogId]) -> list[LogDescription]:
        self._reachability.check()
        with unavailable_on_failure(f"{self._name} DescribeLog"):
            response: pb.DescribeLogResponse = await self._stub.DescribeLog(
                logs_to_message(logs), timeout=CALL_TIMEOUT_S
            )
        return descriptions_from_message(response)

    def abandon(self, error: BackendUnavailable) -> None:
        """See `MemberConnection.abandon`; fetches and RPCs end with `close`."""
        self._appends.abandon(error)
        self.coordinators.abandon(error)

    async def close(self) -> None:
        """Ends the streams and all calls. Calls without a response fail."""
        await self._reachability.close()
        await self._fetches.close()
        await self._appends.close()
        await self.coordinators.close()
        for channel in self._channels:
            await channel.close()

    async def _fetch_by_call(self, query: FetchQuery) -> list[FetchResult]:
        with unavailable_on_failure(f"{self._name} Fetch"):
            results: list[FetchResult] = await self._fetch(
                fetch_query_to_message(query), timeout=query.max_wait_ms / 1000 + FETCH_MARGIN_S
            )
        return results
