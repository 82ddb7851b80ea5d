"""Channels to other services: options, deadlines, and what a failed call means to the caller."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import grpc.aio

from common.ports.unavailable import BackendUnavailable, CallNotSent

#: One request may carry a whole Produce: socket.request.max.bytes (100 MiB) and what wraps it.
MESSAGE_BYTES_MAX = 128 << 20

#: Longest a unary call that does not wait for anything may take.
CALL_TIMEOUT_S = 10.0

#: What both ends of a channel agree on.
SHARED_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # A peer that vanished (power, network) is noticed on silent streams too.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

#: gRPC looks a name up again only after a connection failed, and by default no sooner than after
#: 30 s. A pod that comes back with another IP would stay unreachable for so long.
NAME_LOOKUP_OPTION: tuple[str, int] = ("grpc.dns_min_time_between_resolutions_ms", 500)

_CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    *SHARED_OPTIONS,
    # A service that restarts is back in a second; the default backs off up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    NAME_LOOKUP_OPTION,
    # Two channels to one address are two connections: bulk must not delay small answers.
    ("grpc.use_local_subchannel_pool", 1),
)

#: How gRPC's status begins where a call found no connection.
_NOT_CONNECTED = "failed to connect to all addresses"


class MethodUnimplemented(BackendUnavailable):
    """Raised when the service does not have the method: it is older than its caller."""


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to `host:port`. Connects at the first call and again whenever it is lost."""
    return grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)


@contextmanager
def unavailable_on_failure(what: str) -> Iterator[None]:
    """Turns the failure of a call inside it into `BackendUnavailable`, naming `what` was called.

    A task that is itself cancelled sees its `CancelledError`.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise failed_call(what, error.code(), error.details()) from error
    except grpc.aio.UsageError as error:
        raise BackendUnavailable(f"{what}: {error}") from error
    except asyncio.CancelledError as error:
        # grpc.aio cancels the calls of a channel that is closed under them.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BackendUnavailable(f"{what}: channel closed") from error


def failed_call(what: str, code: grpc.StatusCode, details: str | None) -> BackendUnavailable:
    """What a call that ended with this status raises.

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
