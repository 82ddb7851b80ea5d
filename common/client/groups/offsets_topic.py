"""The topic that holds the groups: found, or created by whoever needs it first."""

from typing import Final

from common.cluster.view import ClusterView
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import Metadata, NewTopic, Topic
from common.ports.unavailable import BackendUnavailable
from common.runtime.single_flight import SingleFlight

_CREATE_TIMEOUT_MS: Final = 5_000

#: The last value for each group and offset is kept (as GroupCoordinatorConfig of Apache Kafka). A
#: group, with what all its members told, is one record, and must fit into a batch. What is in small
#: segments is compacted soon, so that there is little to be read when a coordinator is loaded.
_CONFIGS: Final = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(16 << 20),
    "segment.bytes": str(1 << 20),
}


class OffsetsTopic:
    """`__consumer_offsets` as this gateway sees it."""

    def __init__(self, view: ClusterView, metadata: Metadata, *, partition_count: int) -> None:
        """`partition_count` is what it is created with, if it has to be."""
        self._view = view
        self._metadata = metadata
        self._partition_count = partition_count
        self._creation = SingleFlight(self._create)

    @property
    def known(self) -> Topic | None:
        """The topic, where it is there."""
        return self._view.topic(OFFSETS_TOPIC)

    async def get(self) -> Topic:
        """The topic, which is there from the first use on. Raises `BackendUnavailable`."""
        topic = self._view.topic(OFFSETS_TOPIC)
        if topic is None:
            await self._creation.run()
            topic = self._view.topic(OFFSETS_TOPIC)
        if topic is None:
            raise BackendUnavailable(f"{OFFSETS_TOPIC} is not there yet")
        return topic

    async def close(self) -> None:
        await self._creation.close()

    async def _create(self) -> None:
        wanted = NewTopic(OFFSETS_TOPIC, self._partition_count, configs=_CONFIGS)
        # That another gateway was first is as good as having created it.
        await self._metadata.create_topics([wanted], timeout_ms=_CREATE_TIMEOUT_MS)
