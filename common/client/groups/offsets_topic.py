"""The topic that holds the groups. It is created when it is needed for the first time."""

from typing import Final

from common.cluster.view import ClusterView
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import Metadata, NewTopic, Topic
from common.ports.unavailable import BackendUnavailable
from common.runtime.single_flight import SingleFlight

_CREATE_TIMEOUT_MS: Final = 5_000

#: Compaction keeps the last record of each group and offset (Kafka's GroupCoordinatorConfig). A
#: group with the metadata of all its members is one record, which must fit into a batch. Small
#: segments are compacted soon, so that a coordinator has little to read when it loads.
_CONFIGS: Final = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(16 << 20),
    "segment.bytes": str(1 << 20),
}


class OffsetsTopic:
    """`__consumer_offsets` in the view of this process."""

    def __init__(self, view: ClusterView, metadata: Metadata, *, partition_count: int) -> None:
        """`partition_count` applies if the topic has to be created."""
        self._view = view
        self._metadata = metadata
        self._partition_count = partition_count
        self._creation = SingleFlight(self._create)

    @property
    def known(self) -> Topic | None:
        """The topic, or None if it does not exist yet."""
        return self._view.topic(OFFSETS_TOPIC)

    async def get(self) -> Topic:
        """Returns the topic, created if needed.

        Raises:
            BackendUnavailable: it could not be created, or the view does not have it yet.
        """
        topic = self._view.topic(OFFSETS_TOPIC)
        if topic is None:
            await self._creation.run()
            topic = self._view.topic(OFFSETS_TOPIC)
        if topic is None:
            raise BackendUnavailable(f"{OFFSETS_TOPIC} does not exist yet")
        return topic

    async def close(self) -> None:
        await self._creation.close()

    async def _create(self) -> None:
        topic = NewTopic(OFFSETS_TOPIC, self._partition_count, configs=_CONFIGS)
        # The result is not checked: another process may have created it first.
        await self._metadata.create_topics([topic], timeout_ms=_CREATE_TIMEOUT_MS)
