"""Calls to etcd, each with a deadline, to the endpoint that responded last.

A call is tried once. After a failure the next call goes to the next endpoint. Retries are left to
the caller, who knows whether a change may be made twice.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

import grpc

from common.rpc.channels import NAME_LOOKUP_OPTION
from protos.etcd.v3 import rpc_pb2 as pb
from protos.etcd.v3.rpc_pb2_grpc import KVStub, LeaseStub, WatchStub

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A healthy etcd responds in milliseconds; an election of its leader takes a second.
CALL_TIMEOUT_S: Final = 2.0

#: A page of a hundred values of 1 MiB, and its overhead.
_MESSAGE_BYTES_MAX = 128 << 20

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    NAME_LOOKUP_OPTION,
    # Detects a lost peer on an idle watch too. etcd allows a ping every 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)

#: Statuses with which etcd has changed nothing. After any other it may have.
_REFUSALS: Final = {
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}


class EtcdError(Exception):
    """Raised when a call failed; the text names the call, the endpoint and the reason."""


class EtcdUnavailable(EtcdError):
    """Raised when there was no response in time. A change may or may not have been made."""


class EtcdRefused(EtcdError):
    """Raised when etcd refused the call, and would refuse the same call again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files: the authority of etcd's certificate, and the client's certificate and key."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


class _Endpoint(NamedTuple):
    address: str
    channel: grpc.Channel
    kv: KVStub
    lease: LeaseStub
    watch: WatchStub


class EtcdClient:
    """Connections to the members of one etcd cluster. Close it after the last call."""

    def __init__(self, endpoints: Sequence[str], tls: Tls | None = None) -> None:
        """`endpoints` are host:port. Nothing is connected yet.

        Raises:
            OSError: a file of `tls` cannot be read.
        """
        credentials = None if tls is None else _credentials(tls)
        self._endpoints = [_endpoint(address, credentials) for address in endpoints]
        self._current = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for endpoint in self._endpoints:
            endpoint.channel.close()

    def range(self, request: pb.RangeRequest) -> pb.RangeResponse:
        response: pb.RangeResponse = self._call(
            "Range", lambda endpoint: endpoint.kv.Range(request, timeout=CALL_TIMEOUT_S)
        )
        return response

    def transact(self, request: pb.TxnRequest) -> pb.TxnResponse:
        response: pb.TxnResponse = self._call(
            "Txn", lambda endpoint: endpoint.kv.Txn(request, timeout=CALL_TIMEOUT_S)
        )
        return response

    def grant_lease(self, ttl_s: int) -> pb.LeaseGrantResponse:
        """Returns the lease with its TTL, which etcd may have made longer."""
        request = pb.LeaseGrantRequest(TTL=ttl_s)
        response: pb.LeaseGrantResponse = self._call(
            "LeaseGrant",
            lambda endpoint: endpoint.lease.LeaseGrant(request, timeout=CALL_TIMEOUT_S),
        )
        return response

    def revoke_lease(self, lease: int) -> None:
        request = pb.LeaseRevokeRequest(ID=lease)
        self._call(
            "LeaseRevoke",
            lambda endpoint: endpoint.lease.LeaseRevoke(request, timeout=CALL_TIMEOUT_S),
        )

    def renew_lease(self, lease: int, timeout_s: float) -> int:
        """Returns the new TTL in seconds, counted from now; 0 if the lease has expired."""
        request = pb.LeaseKeepAliveRequest(ID=lease)

        def renew(endpoint: _Endpoint) -> pb.LeaseKeepAliveResponse:
            call = endpoint.lease.LeaseKeepAlive(iter([request]), timeout=timeout_s)
            response: pb.LeaseKeepAliveResponse = next(call)
            call.cancel()
            return response

        return self._call("LeaseKeepAlive", renew).TTL

    def watch(self, key: bytes, *, after_revision: int, timeout_s: float) -> "KeyWatch":
        """Watches the changes of `key` after a revision, for at most `timeout_s`."""
        create = pb.WatchCreateRequest(key=key, start_revision=after_revision + 1)
        return self._call("Watch", lambda endpoint: KeyWatch(endpoint.watch, create, timeout_s))

    def _call(self, method: str, call: Callable[[_Endpoint], T]) -> T:
        number = self._current
        endpoint = self._endpoints[number]
        with _failures(method, endpoint.address):
            try:
                return call(endpoint)
            except grpc.RpcError as error:
                if self._current == number and _code(error) not in _REFUSALS:
                    self._current = (number + 1) % len(self._endpoints)
                raise


class KeyWatch:
    """A watch of one key, in one thread; `cancel` may be called from any."""

    def __init__(self, stub: WatchStub, create: pb.WatchCreateRequest, timeout_s: float) -> None:
        # Half-closed at once: etcd keeps the watch, and sends events until the call ends.
        requests = iter([pb.WatchRequest(create_request=create)])
        self._call = stub.Watch(requests, timeout=timeout_s)

    def wait_for_deletion(self) -> None:
        """Returns when the key is deleted, or when the watch ends for any other reason."""
        try:
            for response in self._call:
                events = response.events
                if response.canceled or any(event.type == pb.Event.DELETE for event in events):
                    break
        except grpc.RpcError as error:
            log.debug("watch ended: %s", error)
        self._call.cancel()

    def cancel(self) -> None:
        self._call.cancel()


def _endpoint(address: str, credentials: grpc.ChannelCredentials | None) -> _Endpoint:
    if credentials is None:
        channel = grpc.insecure_channel(address, options=_OPTIONS)
    else:
        channel = grpc.secure_channel(address, credentials, options=_OPTIONS)
    return _Endpoint(address, channel, KVStub(channel), LeaseStub(channel), WatchStub(channel))


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=tls.ca.read_bytes(),
        private_key=None if tls.key is None else tls.key.read_bytes(),
        certificate_chain=None if tls.certificate is None else tls.certificate.read_bytes(),
    )


@contextmanager
def _failures(method: str, address: str) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        code = _code(error)
        details = error.details() if hasattr(error, "details") else error
        text = f"etcd {method} at {address}: {code.name}: {details}"
        raise (EtcdRefused if code in _REFUSALS else EtcdUnavailable)(text) from error
    except StopIteration as error:
        raise EtcdUnavailable(f"etcd {method} at {address}: no response") from error
    except ValueError as error:
        # grpc's error for a call on a closed channel.
        raise EtcdUnavailable(f"etcd {method}: {error}") from error


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    code = error.code() if hasattr(error, "code") else None
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN
