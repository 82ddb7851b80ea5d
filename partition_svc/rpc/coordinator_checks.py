"""Checks of requests about groups: strings and ids that records in the log cannot hold."""

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message

from common.rpc.status import MalformedRequest
from protos.coordinator.v1 import coordinator_pb2 as pb

#: The longest string in Kafka's formats.
TEXT_BYTES_MAX: Final = 0x7FFF
#: A string of so few characters fits in any encoding.
_SURELY_SHORT: Final = TEXT_BYTES_MAX // 4
_TOPIC_ID_BYTES: Final = (0, 16)


def check_request(message: Message) -> None:
    """Raises `MalformedRequest` if records cannot hold a value of the request."""
    if isinstance(message, pb.CommitOffsetsRequest):
        check_commit(message)
    else:
        check_texts(message)


def check_texts(message: Message) -> None:
    """Raises `MalformedRequest` if a string of the message or of its parts is too long."""
    for text in _texts(message):
        _check_text(text)


def check_commit(message: pb.CommitOffsetsRequest) -> None:
    """Checks strings as `check_texts` does, and topic ids."""
    for offset in message.offsets:
        _check_text(offset.topic)
        _check_text(offset.metadata)
        if len(offset.topic_id) not in _TOPIC_ID_BYTES:
            raise MalformedRequest("a topic id has 16 bytes")
    _check_text(message.group_id)
    _check_text(message.member_id)
    _check_text(message.group_instance_id)
    _check_text(message.client.client_id)
    _check_text(message.client.client_host)


def _check_text(text: str) -> None:
    if len(text) > _SURELY_SHORT and len(text.encode()) > TEXT_BYTES_MAX:
        raise MalformedRequest(f"a text is longer than {TEXT_BYTES_MAX} bytes")


def _texts(message: Message) -> Iterator[str]:
    for _, value in message.ListFields():
        many = [value] if isinstance(value, str | bytes | int | Message) else value
        for element in many:
            if isinstance(element, str):
                yield element
            elif isinstance(element, Message):
                yield from _texts(element)
