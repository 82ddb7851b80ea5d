"""Requests of a watch: the registration, then acknowledgements, reports and heartbeats.

Every request renews the lease of its watcher.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from common.ports.metadata import Registration, Watch
from common.rpc.messages.metadata import gateway_from_message, member_from_message
from common.rpc.messages.ring import report_from_message
from common.rpc.status import MalformedRequest
from metadata_svc.pauses import Pauses
from protos.metadata.v1 import metadata_pb2 as pb

log = logging.getLogger(__name__)

Requests = AsyncIterator[pb.WatchRequest]


class InvalidRegistration(MalformedRequest):
    """Raised when the first request of a watch is no valid registration."""


async def registration(requests: Requests, *, pauses: Pauses) -> Registration:
    """Returns the registration in the first message. Raises `InvalidRegistration`."""
    try:
        first = await _next(requests, pauses)
    except TimeoutError:
        raise InvalidRegistration("the watch did not register within its lease") from None
    event = None if first is None else first.WhichOneof("event")
    if first is not None and event == "register_gateway":
        gateway = gateway_from_message(first.register_gateway)
        if gateway.node_id < 0 or not gateway.endpoints:
            raise InvalidRegistration("a gateway needs a node id of 0 or more and an endpoint")
        return gateway
    if first is not None and event == "register_member":
        member = member_from_message(first.register_member)
        if not member.name or not member.address:
            raise InvalidRegistration("a partition service needs a name and an address")
        return member
    raise InvalidRegistration(
        "the first message of a watch must register a gateway or a partition service"
    )


async def forward_requests(
    requests: Requests, watch: Watch, *, watcher: Registration, pauses: Pauses
) -> None:
    """Forwards requests to `watch`; closes it when the lease expires or the stream ends."""
    try:
        while (request := await _next(requests, pauses)) is not None:
            event = request.WhichOneof("event")
            if event == "acknowledged_revision":
                watch.acknowledge(request.acknowledged_revision)
            elif event == "report":
                watch.report(report_from_message(request.report))
    except TimeoutError:
        log.warning("no message for %g s from %s: closing its watch", pauses.lease_s, watcher)
    finally:
        await watch.close()


async def _next(requests: Requests, pauses: Pauses) -> pb.WatchRequest | None:
    """Returns the next message; None at the end of the stream.

    Raises:
        TimeoutError: none came within a lease in which this process was running.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + pauses.lease_s
    reading = asyncio.ensure_future(_read(requests))
    try:
        while not reading.done():
            left_s = max(deadline, pauses.grace_until) - loop.time()
            if left_s <= 0:
                raise TimeoutError
            await asyncio.wait([reading], timeout=left_s)
            pauses.check()
        return reading.result()
    finally:
        reading.cancel()


async def _read(requests: Requests) -> pb.WatchRequest | None:
    return await anext(requests, None)
