"""What a watcher says: who it is, what it has applied, and, by saying anything, that it lives."""

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
    """A watch does not begin by saying who watches; the text says what is missing."""


async def registration(requests: Requests, *, pauses: Pauses) -> Registration:
    """Who is calling, from the first message. Raises `InvalidRegistration`."""
    try:
        first = await _next(requests, pauses)
    except TimeoutError:
        raise InvalidRegistration("nothing was registered in time") from None
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
    raise InvalidRegistration("the first message of a watch must register somebody")


async def hear(requests: Requests, watch: Watch, *, who: Registration, pauses: Pauses) -> None:
    """Passes on what is said; closes the watch when its caller falls silent or leaves."""
    try:
        while (request := await _next(requests, pauses)) is not None:
            event = request.WhichOneof("event")
            if event == "acknowledged_revision":
                watch.acknowledge(request.acknowledged_revision)
            elif event == "report":
                watch.report(report_from_message(request.report))
    except TimeoutError:
        log.warning("nothing heard for %g s of %s", pauses.lease_s, who)
    finally:
        await watch.close()


async def _next(requests: Requests, pauses: Pauses) -> pb.WatchRequest | None:
    """The next message; None where there is none any more.

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
