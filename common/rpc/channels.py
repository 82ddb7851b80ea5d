"""Channels to other services: options, deadlines, and the exceptions of failed calls."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import grpc.aio

from common.ports.unavailable import BackendUnavailable, CallNotSent

#: One request may carry a whole Produce (socket.request.max.bytes, 100 MiB) and its envelope.
MESSAGE_BYTES_MAX = 128 << 20

#: Deadline of unary calls that do not wait for data or members.
CALL_TIMEOUT_S = 10.0

#: Options of both ends of a channel.
SHARED_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # Detects a peer that vanished (power, network) on silent streams too.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

#: gRPC resolves a name again only after a connection failed, and by default at most every 30 s: a
#: pod that comes back with another IP would stay unreachable for as long.
NAME_LOOKUP_OPTION: tuple[str, int] = ("grpc.dns_min_time_between_resolutions_ms", 500)

_CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    *SHARED_OPTIONS,
    # A restarted service is back within a second; by default gRPC backs off up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    NAME_LOOKUP_OPTION,
    # Two channels to one address are two connections, so that bulk does not delay small messages.
    ("grpc.use_local_subchannel_pool", 1),
)

#: Prefix of gRPC's status details if a call found no connection.
_NOT_CONNECTED = "failed to connect to all addresses"


class MethodUnimplemented(BackendUnavailable):
    """Raised when the service does not have the method: it is older than its caller."""


def open_channel(address: str) -> grpc.aio.Channel:
    """Opens a channel to `host:port`, which connects at the first call and reconnects."""
    return grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)


@contextmanager
def unavailable_on_failure(what: str) -> Iterator[None]:
    """Raises `BackendUnavailable`, with the name `what` of the call, for a call that fails inside.

    A task that is itself cancelled sees its `CancelledError`.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise failed_call(what, error.code(), error.details()) from error
    except grpc.aio.UsageError as error:
        raise BackendUnavailable(f"{what}: {error}") from error
    except asyncio.CancelledError as error:
        # grpc.aio cancels the calls in flight of a channel that is closed.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BackendUnavailable(f"{what}: channel closed") from error


def failed_call(what: str, code: grpc.StatusCode, details: str | None) -> BackendUnavailable:
    """Returns the exception of a call that ended with this status.

    `CallNotSent` where gRPC found no connection to send it over (pick_first's status while a
    channel is in TRANSIENT_FAILURE); any other status says nothing about the call's effect.
    """
    was_not_sent = code is grpc.StatusCode.UNAVAILABLE and (details or "").startswith(
        _NOT_CONNECTED
    )
    kind = CallNotSent if was_not_sent else BackendUnavailable
    if code is grpc.StatusCode.UNIMPLEMENTED:
        kind = MethodUnimplemented
    return kind(f"{what}: {code.name}: {details}")
