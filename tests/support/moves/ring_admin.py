"""A blocking client of the ring's administration."""

from collections.abc import Callable
from typing import Any, Self

import grpc
from google.protobuf.message import Message

from common.ports.metadata import Topic
from common.ports.moves import RingDescription, RingMember, RingRefusal
from common.rpc.messages.metadata import topic_from_message
from common.rpc.messages.ring import ring_from_message, ring_result_from_message
from protos.metadata.v1 import metadata_pb2
from protos.metadata.v1 import ring_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceStub
from protos.metadata.v1.ring_pb2_grpc import RingServiceStub
from tests.support.waiting import eventually

_CALL_WITHIN_S = 30.0
_MOVED_WITHIN_S = 60.0


class RingAdmin:
    """A client of the metadata service's RingService at "host:port". Use it in a `with`."""

    def __init__(self, address: str) -> None:
        options = [
            ("grpc.initial_reconnect_backoff_ms", 20),
            ("grpc.min_reconnect_backoff_ms", 1_000),
            ("grpc.max_reconnect_backoff_ms", 200),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self._channel = grpc.insecure_channel(address, options=options)
        self._stub = RingServiceStub(self._channel)
        self._pending: grpc.Future[pb.ChangeRingResponse] | None = None
        self._topics = MetadataServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def describe(self) -> RingDescription:
        """Describes the ring; waits for a service that is restarting."""
        return ring_from_message(_call(self._stub.DescribeRing, pb.DescribeRingRequest()))

    def member(self, name: str) -> RingMember | None:
        return next((member for member in self.describe().members if member.name == name), None)

    def topic(self, name: str) -> Topic:
        """Describes a topic with the owner and the leader epoch of each partition."""
        request = metadata_pb2.DescribeTopicsRequest(names=[name])
        (description,) = _call(self._topics.DescribeTopics, request).topics
        return topic_from_message(description)

    def add(self, name: str) -> RingRefusal | None:
        return self._change(pb.ChangeRingRequest(add_member=name))

    def accept(self, name: str) -> RingRefusal | None:
        return self._change(pb.ChangeRingRequest(accept_volume=name))

    def drain(self, name: str) -> RingRefusal | None:
        return self._change(pb.ChangeRingRequest(drain_member=name))

    def request_drain(self, name: str) -> None:
        """Requests a drain without waiting, as the service may be held or killed."""
        self._send(pb.ChangeRingRequest(drain_member=name))

    def request_removal(self, name: str) -> None:
        """Requests the removal of a member whose volume is lost, without waiting."""
        self._send(pb.ChangeRingRequest(remove_member=name, accept_data_loss=True))

    def _send(self, request: pb.ChangeRingRequest) -> None:
        # The reference is needed: gRPC cancels a call without references.
        self._pending = self._stub.ChangeRing.future(
            request, timeout=_CALL_WITHIN_S, wait_for_ready=True
        )

    def remove(self, name: str, *, accept_data_loss: bool = False) -> RingRefusal | None:
        request = pb.ChangeRingRequest(remove_member=name, accept_data_loss=accept_data_loss)
        return self._change(request)

    def wait_until_dead(self, name: str) -> None:
        """Waits until the metadata service knows that a member is not alive."""

        def is_dead(ring: RingDescription) -> bool:
            return not any(member.is_alive for member in ring.members if member.name == name)

        self.wait_until(is_dead, what=f"{name} to be dead")

    def cancel(self, move_id: int) -> RingRefusal | None:
        return self._change(pb.ChangeRingRequest(cancel_move=move_id))

    def _change(self, request: pb.ChangeRingRequest) -> RingRefusal | None:
        return ring_result_from_message(_call(self._stub.ChangeRing, request)).refusal

    def wait_until(
        self,
        condition: Callable[[RingDescription], bool],
        *,
        what: str,
        within_s: float | None = None,
    ) -> RingDescription:
        """Waits for the first description that meets the condition, and returns it."""

        def describe() -> RingDescription | None:
            last.append(self.describe())
            return last[-1] if condition(last[-1]) else None

        last: list[RingDescription] = []
        try:
            ring = eventually(describe, within_s=within_s or _MOVED_WITHIN_S, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last[-1:]}") from error
        assert ring is not None
        return ring

    def wait_until_settled(self) -> RingDescription:
        """Waits until every member has its partitions and no move is left."""
        return self.wait_until(is_settled, what="a ring without moves")


def _call(method: Callable[..., Any], request: Message) -> Any:
    """Returns the response to a call, which may be retried.

    A call may still use the connection to a service that was killed, until gRPC detects that.
    """

    def call() -> Any:
        try:
            return method(request, timeout=_CALL_WITHIN_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return None
            raise

    return eventually(call, within_s=_CALL_WITHIN_S, what=f"a response to {request!r}")


def is_settled(ring: RingDescription) -> bool:
    return not ring.moves and not ring.waiting_moves and not ring.is_rebalancing
