"""Messages to bytes and back, by functions that are compiled at the first use of a version.

Compiling takes about a millisecond, so a process that starts pays only for what its clients speak.
"""

from collections.abc import Callable
from typing import Any

from gateway_svc.wire.decoder import MALFORMED, decoder_of
from gateway_svc.wire.encoder import encoder_of
from gateway_svc.wire.schema import MessageT
from gateway_svc.wire.violations import ProtocolViolation

_decoders: dict[tuple[type, int, bool], Callable[..., Any]] = {}
_encoders: dict[tuple[type, int, bool], Callable[..., Any]] = {}


def decode(
    message_type: type[MessageT],
    data: bytes | memoryview,
    offset: int,
    version: int,
    flexible: bool,
) -> tuple[MessageT, int]:
    """The message at `offset`, and the offset after it. RECORDS fields are views of `data`.

    Raises:
        ProtocolViolation: the bytes are not this message; nothing else is ever raised for them.
    """
    key = (message_type, version, flexible)
    read = _decoders.get(key)
    if read is None:
        read = _decoders[key] = decoder_of(message_type, version, flexible=flexible)
    try:
        message, end = read(data, offset, len(data))
    except MALFORMED as error:
        raise ProtocolViolation(f"{message_type.__name__} v{version}: {error}") from None
    return message, end


def encode(message: object, version: int, flexible: bool) -> list[bytes | memoryview]:
    """The bytes of `message` in parts: whatever its RECORDS fields hold comes uncopied between."""
    key = (type(message), version, flexible)
    write = _encoders.get(key)
    if write is None:
        write = _encoders[key] = encoder_of(type(message), version, flexible=flexible)
    parts: list[bytes | memoryview] = write(message)
    return parts
