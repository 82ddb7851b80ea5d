"""Sends the same requests to Apache Kafka and to ringlog and collects differences of responses.

Requests are plain values (`kio_client.message`). A value that differs between the sides, such as an
id that a broker generated, is a `Twin`, which may be used anywhere in a request.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from kio.index import load_response_schema

from tests.differential.comparison import Difference, ResponseReader, differences
from tests.differential.known_differences import KNOWN_DIFFERENCES
from tests.differential.requests import (
    consumer_heartbeat,
    create_topics,
    list_offsets,
    metadata,
    topic,
)
from tests.support.clients.raw_client import CREATE_TOPICS, LATEST, LIST_OFFSETS, METADATA
from tests.support.waiting import eventually
from tests.support.wire.advertised import ADVERTISED, KIO_FROM, KIO_UP_TO
from tests.support.wire.group_apis import CONSUMER_GROUP_HEARTBEAT
from tests.support.wire.kafka_socket import KafkaSocket
from tests.support.wire.kio_client import message, read_response, request_frame

#: Length of a value in the report, in characters.
_TEXT_MAX: Final = 300

#: Stands for the response if a broker closes the connection.
CLOSED: Final = "closed"


@dataclass(frozen=True)
class Twin:
    """A value for each side."""

    kafka: Any
    ringlog: Any

    def map(self, pick: Callable[[Any], Any]) -> "Twin":
        """Returns the result of `pick` for each side."""
        return Twin(pick(self.kafka), pick(self.ringlog))


def versions_of(api_key: int) -> range:
    """Versions that Kafka, ringlog and kio all have (`test_versions.py`)."""
    first, last = ADVERTISED[api_key]
    return range(KIO_FROM.get(api_key, first), KIO_UP_TO.get(api_key, last) + 1)


class Side:
    """One broker: its connections, by name, and the reader of its responses."""

    def __init__(self, name: str, address: str, reader: ResponseReader) -> None:
        self.name = name
        self.reader = reader
        self._address = address
        self._connections: dict[str, KafkaSocket] = {}

    def send(self, connection: str, api_key: int, version: int, values: Any) -> None:
        socket = self._connections.get(connection)
        if socket is None:
            socket = self._connections[connection] = KafkaSocket(self._address)
        request = message(api_key, version, _side_of(values, self.name))
        socket.send_frame(request_frame(request, socket.next_correlation_id()))

    def receive(self, connection: str, api_key: int, version: int) -> Any:
        """Returns the response, or `CLOSED`."""
        try:
            frame = self._connections[connection].read_frame()
        except (EOFError, ConnectionError):
            self._connections.pop(connection).close()
            return CLOSED
        return read_response(frame, api_key, version)[1]

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


class LocatedDifference(NamedTuple):
    """A difference, with the API and version of the response that has it."""

    api: str
    version: int
    difference: Difference


def report(found: Iterable[LocatedDifference]) -> str:
    """Returns a line for each difference, with the versions that have it."""
    versions: dict[str, list[int]] = {}
    for api, version, (path, kafka, ringlog) in found:
        line = f"{path}: kafka {_short(kafka)}, ringlog {_short(ringlog)}"
        versions.setdefault(f"{api} {{}} {line}", []).append(version)
    return "\n".join(line.replace("{}", _range(numbers)) for line, numbers in versions.items())


def _short(value: Any) -> str:
    text = str(value.name) if isinstance(value, Enum) else repr(value)
    return text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "…"


def _range(versions: list[int]) -> str:
    return f"v{min(versions)}" if len(set(versions)) == 1 else f"v{min(versions)}-{max(versions)}"


class Sides:
    """Both brokers. `unexpected` are the differences that no known difference explains."""

    def __init__(self, kafka: str, ringlog: str) -> None:
        self.kafka = Side("kafka", kafka, ResponseReader(first_epoch=2))
        self.ringlog = Side("ringlog", ringlog, ResponseReader())
        self.unexpected: list[LocatedDifference] = []

    def close(self) -> None:
        self.kafka.close()
        self.ringlog.close()

    def compare(
        self, api_key: int, version: int, values: Mapping[str, Any], *, connection: str = ""
    ) -> Twin:
        """Sends a request to both, compares the responses, and returns them."""
        self.begin(api_key, version, values, connection=connection)
        return self.end(api_key, version, connection=connection)

    def prepare(
        self,
        api_key: int,
        version: int,
        values: Mapping[str, Any],
        is_done: Callable[[Any], bool] = lambda _: True,
    ) -> Twin:
        """Repeats a request to each side until its response `is_done`; compares nothing."""

        def send_until_done(side: Side) -> Any:
            def send() -> Any:
                side.send("", api_key, version, values)
                response = side.receive("", api_key, version)
                return response if is_done(response) else None

            return eventually(send, what=f"{side.name} has done {values}")

        return Twin(send_until_done(self.kafka), send_until_done(self.ringlog))

    def new_topic(self, name: str, partitions: int = 1, **more: Any) -> Twin:
        """Creates a topic on both sides, waits until it has leaders, and returns its id."""
        created = self.prepare(CREATE_TOPICS, 7, create_topics(topic(name, partitions, **more)))
        for response in (created.kafka, created.ringlog):
            assert response.topics[0].error_code == 0, response

        def has_leaders(response: Any) -> bool:
            (described,) = response.topics
            leader_ids = [partition.leader_id for partition in described.partitions]
            return not described.error_code and all(leader >= 0 for leader in leader_ids)

        described = self.prepare(METADATA, 12, metadata(name), has_leaders)
        ends = list_offsets(name, *((index, LATEST) for index in range(partitions)))
        self.prepare(LIST_OFFSETS, 7, ends, has_no_errors)
        topic_id = described.map(lambda response: response.topics[0].topic_id)
        self.kafka.reader.name_id(topic_id.kafka, f"id of {name}")
        self.ringlog.reader.name_id(topic_id.ringlog, f"id of {name}")
        return topic_id

    def new_assignable_topic(self, name: str, partitions: int) -> Twin:
        """Same as `new_topic`; also waits until coordinators of consumer groups know the topic."""
        topic_id = self.new_topic(name, partitions)
        group, subscription = f"waits-for-{name}", {"subscribed_topic_names": [name]}
        joining = consumer_heartbeat(group, "m", 0, topic_partitions=[], **subscription)
        self.prepare(CONSUMER_GROUP_HEARTBEAT, 1, joining, has_partitions)
        self.prepare(CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat(group, "m", -1))
        return topic_id

    def begin(
        self, api_key: int, version: int, values: Mapping[str, Any], *, connection: str = ""
    ) -> None:
        """Sends a request whose response may have to wait for other requests; see `end`."""
        for side in (self.kafka, self.ringlog):
            side.send(connection, api_key, version, values)

    def end(self, api_key: int, version: int, *, connection: str = "") -> Twin:
        """Receives, compares and returns the responses to the request that `begin` sent."""
        kafka, ringlog = (
            side.receive(connection, api_key, version) for side in (self.kafka, self.ringlog)
        )
        self._compare(api_key, version, kafka, ringlog)
        return Twin(kafka, ringlog)

    def _compare(self, api_key: int, version: int, kafka: Any, ringlog: Any) -> None:
        name = load_response_schema(api_key, version).__name__.removesuffix("Response")
        plain = (
            side.reader.to_plain(response)
            for side, response in ((self.kafka, kafka), (self.ringlog, ringlog))
        )
        for difference in differences(*plain):
            if not [
                known for known in KNOWN_DIFFERENCES if known.explains(api_key, version, difference)
            ]:
                self.unexpected.append(LocatedDifference(name, version, difference))


def has_partitions(response: Any) -> bool:
    """True if a ConsumerGroupHeartbeat response assigns any partitions."""
    return response.assignment is not None and bool(response.assignment.topic_partitions)


def has_no_errors(response: Any) -> bool:
    """True if ListOffsets found all partitions."""
    partitions = (partition for topic in response.topics for partition in topic.partitions)
    return not any(partition.error_code for partition in partitions)


def _side_of(values: Any, side: str) -> Any:
    if isinstance(values, Twin):
        return getattr(values, side)
    if isinstance(values, Mapping):
        return {name: _side_of(value, side) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_side_of(value, side) for value in values]
    return values
