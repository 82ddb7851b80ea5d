"""A Fetch sent and read in two steps, so that a test can do something while it waits."""

from collections.abc import Mapping

from tests.support.clients.raw_client import FETCH
from tests.support.wire.kafka_socket import KafkaSocket
from tests.support.wire.kio_client import message, read_response, request_frame

#: Far beyond what any test waits: only an event can end such a wait in time.
TEN_MINUTES_MS = 600_000


def send_fetch(
    connection: KafkaSocket, topic: str, positions: Mapping[int, int], *, min_bytes: int = 1
) -> None:
    """Asks for several partitions, `positions` by partition, and does not read the answer."""
    asked = [
        {"partition": partition, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
        for partition, offset in positions.items()
    ]
    values = {
        "max_wait": TEN_MINUTES_MS,
        "min_bytes": min_bytes,
        "max_bytes": 50 << 20,
        "topics": [{"topic": topic, "partitions": asked}],
        "forgotten_topics_data": [],
    }
    connection.send_frame(request_frame(message(FETCH, 12, values), 7))


def read_fetch(connection: KafkaSocket) -> dict[int, bytes]:
    """Record bytes by partition."""
    _, response = read_response(connection.read_frame(), FETCH, 12)
    return {
        partition.partition_index: partition.records or b""
        for partition in response.responses[0].partitions
    }
