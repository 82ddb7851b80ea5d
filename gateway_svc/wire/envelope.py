"""Headers of requests and responses, and the length prefix of every message.

Request header (RequestHeader.json): key, version, correlation id, client id and, in flexible
versions, tagged fields. The client id has a classic int16 length even there. Response header
(ResponseHeader.json): correlation id and, in flexible versions, tagged fields, except that
ApiVersions never has them (KIP-511), because its client does not know yet what we speak.
"""

from struct import Struct
from struct import error as struct_error
from typing import Any, Final, NamedTuple

from gateway_svc.wire.api import Api, RequestT
from gateway_svc.wire.apis.api_versions import API_VERSIONS
from gateway_svc.wire.codec import decode, encode
from gateway_svc.wire.decoder import ELEMENTS_MAX, MALFORMED
from gateway_svc.wire.varints import oversized, read_uvarint, skip_tagged_fields
from gateway_svc.wire.violations import ProtocolViolation

#: An encoded response without its header; its maker has chosen the version.
Encoded = bytes

_REQUEST_START = Struct(">hhih")
_RESPONSE_START = Struct(">ii")
_KIND: Final = Struct(">hh")
_CORRELATION_ID_BYTES = 4
#: Where a frame has its correlation id: a request's without its length, a response's behind it.
CORRELATION_START: Final = 4
CORRELATION_END: Final = CORRELATION_START + _CORRELATION_ID_BYTES
_unpack_start: Final = _REQUEST_START.unpack_from


class RequestHeader(NamedTuple):
    """The header up to the client id; `body_offset` is where what follows begins.

    That is the body, in flexible versions after the header's tagged fields: only who knows the API
    can tell, so `read_request` skips them.
    """

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    body_offset: int


def kind_of(api_key: int, version: int) -> bytes:
    """The bytes that every frame of the API and version begins with."""
    return _KIND.pack(api_key, version)


def read_header(frame: bytes | memoryview) -> RequestHeader:
    """The header of a frame, which comes without its length prefix, whatever API it names.

    Raises:
        ProtocolViolation: the frame ends inside it, or the client id is not UTF-8.
    """
    try:
        key, version, correlation_id, size = _unpack_start(frame)
        start = _REQUEST_START.size
        if size < 0:
            return RequestHeader(key, version, correlation_id, None, start)
        end = start + size
        if end > len(frame):
            raise oversized("client id", size, len(frame) - start)
        client_id = str(frame[start:end], "utf-8")
        return RequestHeader(key, version, correlation_id, client_id, end)
    except (struct_error, UnicodeDecodeError) as error:
        raise ProtocolViolation(f"request header: {error}") from None


def read_request(
    api: Api[RequestT, Any], header: RequestHeader, frame: bytes | memoryview
) -> RequestT:
    """The body of a frame whose version `api` has.

    Raises:
        ProtocolViolation: the bytes are not that request.

    Bytes behind it are overlooked, as Kafka does: librdkafka 2.x sends some in Metadata v13.
    """
    flexible = api.is_flexible(header.api_version)
    offset = header.body_offset
    if flexible:
        offset = _skip_header_tags(frame, offset)
    request, _ = decode(api.request, frame, offset, header.api_version, flexible)
    return request


def _skip_header_tags(frame: bytes | memoryview, offset: int) -> int:
    try:
        if frame[offset] == 0:
            return offset + 1
        count, offset = read_uvarint(frame, offset)
        if count > ELEMENTS_MAX:
            raise oversized("request header tags", count, len(frame) - offset)
        return skip_tagged_fields(frame, offset, count)
    except MALFORMED as error:
        raise ProtocolViolation(f"request header: {error}") from None


def write_response(
    api: Api[Any, Any], version: int, correlation_id: int, response: object
) -> list[bytes | memoryview]:
    """The whole frame of a response, length prefix included, in parts to be sent one by one.

    `response` is a message, or `Encoded`.
    """
    flexible = api.is_flexible(version)
    has_tags = flexible and api.key != API_VERSIONS.key
    if isinstance(response, bytes):
        start = _RESPONSE_START.pack(
            _CORRELATION_ID_BYTES + has_tags + len(response), correlation_id
        )
        return [b"%b\0%b" % (start, response) if has_tags else start + response]
    parts = encode(response, version, flexible)
    size = _CORRELATION_ID_BYTES + has_tags + sum(map(len, parts))
    start = _RESPONSE_START.pack(size, correlation_id)
    parts[0] = b"".join((start, b"\0", parts[0]) if has_tags else (start, parts[0]))
    return parts
