"""A Fetch whose request and response are separate steps, so that a test can act in between."""

from collections.abc import Mapping

from tests.support.clients.raw_client import FETCH
from tests.support.wire.kafka_socket import KafkaSocket
from tests.support.wire.kio_client import message, read_response, request_frame

#: Longer than any test: only an event can complete such a Fetch in time.
TEN_MINUTES_MS = 600_000


def send_fetch(
    connection: KafkaSocket, topic: str, positions: Mapping[int, int], *, min_bytes: int = 1
) -> None:
    """Sends a Fetch of several partitions, with offsets by partition; `read_fetch` reads it."""
    requested = [
        {"partition": partition, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
        for partition, offset in positions.items()
    ]
    values = {
        "max_wait": TEN_MINUTES_MS,
        "min_bytes": min_bytes,
        "max_bytes": 50 << 20,
        "topics": [{"topic": topic, "partitions": requested}],
        "forgotten_topics_data": [],
    }
    connection.send_frame(request_frame(message(FETCH, 12, values), 7))


def read_fetch(connection: KafkaSocket) -> dict[int, bytes]:
    """Reads the response; returns record bytes by partition."""
    _, response = read_response(connection.read_frame(), FETCH, 12)
    return {
        partition.partition_index: partition.records or b""
        for partition in response.responses[0].partitions
    }
