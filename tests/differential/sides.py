"""The same requests to Apache Kafka and to ringlog, in the same order, and where answers differ.

Requests are plain values (`kio_client.message`). What is not the same on both sides, such as an id
that a broker has given, is a `Twin`, and may stand anywhere in them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from kio.index import load_response_schema

from tests.differential.comparison import Mutation, Reading, differences
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

#: Of a value in the report.
_TEXT_MAX: Final = 300

#: In place of an answer, where a broker closes the connection.
CLOSED: Final = "closed"


@dataclass(frozen=True)
class Twin:
    """A value of each side."""

    kafka: Any
    ringlog: Any

    def of(self, pick: Callable[[Any], Any]) -> "Twin":
        """Result of `pick` for each side."""
        return Twin(pick(self.kafka), pick(self.ringlog))


def versions_of(api_key: int) -> range:
    """The versions that Kafka, ringlog and kio all have (`test_versions.py`)."""
    first, last = ADVERTISED[api_key]
    return range(KIO_FROM.get(api_key, first), KIO_UP_TO.get(api_key, last) + 1)


class Side:
    """One broker: connections by name, and how its answers are read."""

    def __init__(self, name: str, address: str, reading: Reading) -> None:
        self.name = name
        self.reading = reading
        self._address = address
        self._connections: dict[str, KafkaSocket] = {}

    def send(self, connection: str, api_key: int, version: int, values: Any) -> None:
        socket = self._connections.get(connection)
        if socket is None:
            socket = self._connections[connection] = KafkaSocket(self._address)
        request = message(api_key, version, _side_of(values, self.name))
        socket.send_frame(request_frame(request, socket.next_correlation_id()))

    def receive(self, connection: str, api_key: int, version: int) -> Any:
        """The answer, or `CLOSED`."""
        try:
            frame = self._connections[connection].read_frame()
        except (EOFError, ConnectionError):
            self._connections.pop(connection).close()
            return CLOSED
        return read_response(frame, api_key, version)[1]

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


class Found(NamedTuple):
    """A difference, and in the answer to what it was."""

    what: str
    version: int
    difference: Mutation


def report(found: Iterable[Found]) -> str:
    """A line for each difference, with the versions that have it."""
    versions: dict[str, list[int]] = {}
    for what, version, (path, kafka, ringlog) in found:
        line = f"{path}: kafka {_short(kafka)}, ringlog {_short(ringlog)}"
        versions.setdefault(f"{what} {{}} {line}", []).append(version)
    return "\n".join(line.replace("{}", _range(numbers)) for line, numbers in versions.items())


def _short(value: Any) -> str:
    text = str(value.name) if isinstance(value, Enum) else repr(value)
    return text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "…"


def _range(versions: list[int]) -> str:
    return f"v{min(versions)}" if len(set(versions)) == 1 else f"v{min(versions)}-{max(versions)}"


class Sides:
    """Both brokers. `unexpected` is what no known difference explains."""

    def __init__(self, kafka: str, ringlog: str) -> None:
        self.kafka = Side("kafka", kafka, Reading(first_epoch=2))
        self.ringlog = Side("ringlog", ringlog, Reading())
        self.unexpected: list[Found] = []

    def close(self) -> None:
        self.kafka.close()
        self.ringlog.close()

    def ask(
        self, api_key: int, version: int, values: Mapping[str, Any], *, connection: str = ""
    ) -> Twin:
        """The answers; where they differ is noted."""
        self.begin(api_key, version, values, connection=connection)
        return self.end(api_key, version, connection=connection)

    def prepare(
        self,
        api_key: int,
        version: int,
        values: Mapping[str, Any],
        is_done: Callable[[Any], bool] = lambda _: True,
    ) -> Twin:
        """Asks each side until `is_done`, and compares nothing."""

        def answer(side: Side) -> Any:
            def look() -> Any:
                side.send("", api_key, version, values)
                found = side.receive("", api_key, version)
                return found if is_done(found) else None

            return eventually(look, what=f"{side.name} has done {values}")

        return Twin(answer(self.kafka), answer(self.ringlog))

    def new_topic(self, name: str, partitions: int = 1, **more: Any) -> Twin:
        """The id of a topic that both have and lead from now on."""
        created = self.prepare(CREATE_TOPICS, 7, create_topics(topic(name, partitions, **more)))
        for answer in (created.kafka, created.ringlog):
            assert answer.topics[0].error_code == 0, answer

        def is_led(found: Any) -> bool:
            (one,) = found.topics
            return not one.error_code and all(each.leader_id >= 0 for each in one.partitions)

        found = self.prepare(METADATA, 12, metadata(name), is_led)
        ends = list_offsets(name, *((index, LATEST) for index in range(partitions)))
        self.prepare(LIST_OFFSETS, 7, ends, has_no_errors)
        topic_id = found.of(lambda answer: answer.topics[0].topic_id)
        self.kafka.reading.name(topic_id.kafka, f"id of {name}")
        self.ringlog.reading.name(topic_id.ringlog, f"id of {name}")
        return topic_id

    def assignable(self, name: str, partitions: int) -> Twin:
        """Same as `new_topic`; waits until coordinators of consumer groups know the topic."""
        topic_id = self.new_topic(name, partitions)
        group, reading = f"waits-for-{name}", {"subscribed_topic_names": [name]}
        asked = consumer_heartbeat(group, "m", 0, topic_partitions=[], **reading)
        self.prepare(CONSUMER_GROUP_HEARTBEAT, 1, asked, has_partitions)
        self.prepare(CONSUMER_GROUP_HEARTBEAT, 1, consumer_heartbeat(group, "m", -1))
        return topic_id

    def begin(
        self, api_key: int, version: int, values: Mapping[str, Any], *, connection: str = ""
    ) -> None:
        """Sends a request that may wait for others."""
        for side in self._each():
            side.send(connection, api_key, version, values)

    def end(self, api_key: int, version: int, *, connection: str = "") -> Twin:
        """The answers to what was begun on the connection."""
        kafka, ringlog = (
            side.receive(connection, api_key, version) for side in (self.kafka, self.ringlog)
        )
        self._compare(api_key, version, kafka, ringlog)
        return Twin(kafka, ringlog)

    def _compare(self, api_key: int, version: int, kafka: Any, ringlog: Any) -> None:
        name = load_response_schema(api_key, version).__name__.removesuffix("Response")
        plain = (
            side.reading.plain(answer)
            for side, answer in ((self.kafka, kafka), (self.ringlog, ringlog))
        )
        for difference in differences(*plain):
            if not [one for one in KNOWN_DIFFERENCES if one.explains(api_key, version, difference)]:
                self.unexpected.append(Found(name, version, difference))

    def _each(self) -> Iterator[Side]:
        yield self.kafka
        yield self.ringlog


def has_partitions(answer: Any) -> bool:
    """True if a member of a consumer group is assigned any."""
    return answer.assignment is not None and bool(answer.assignment.topic_partitions)


def has_no_errors(answer: Any) -> bool:
    """True if ListOffsets found all partitions."""
    partitions = (partition for topic in answer.topics for partition in topic.partitions)
    return not any(partition.error_code for partition in partitions)


def _side_of(values: Any, side: str) -> Any:
    if isinstance(values, Twin):
        return getattr(values, side)
    if isinstance(values, Mapping):
        return {name: _side_of(value, side) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_side_of(value, side) for value in values]
    return values
