"""Cache of the messages of changes: each is encoded once for all watchers.

Making a message of ten thousand partitions takes tens of milliseconds, sending it again almost
nothing. Watchers receive a change at about the same time, so a few messages are enough to keep;
after a restart each gets a snapshot of another revision, so its topics are kept by themselves.
"""

from collections import OrderedDict
from typing import Final

from common.ports.metadata import ClusterChange, Topic
from common.rpc.messages.metadata import change_to_message, topic_to_message
from protos.metadata.v1 import metadata_pb2 as pb

#: Messages kept for watchers that come to a change a little later than the first.
KEPT_MAX: Final = 16


class ChangeMessages:
    """For the changes of one metadata service: a revision names what is in its change."""

    def __init__(self, *, lease_ms: int) -> None:
        self._lease_ms = lease_ms
        self._kept: OrderedDict[tuple[int, bool], pb.WatchResponse] = OrderedDict()
        self._topics: dict[bytes, tuple[Topic, pb.Topic]] = {}

    def of(self, change: ClusterChange) -> pb.WatchResponse:
        """Returns the message of a change; shared, so it must not be modified."""
        key = change.revision, change.is_snapshot
        message = self._kept.get(key)
        if message is None:
            message = self._made(change)
            self._kept[key] = message
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return message

    def _made(self, change: ClusterChange) -> pb.WatchResponse:
        if not change.is_snapshot:
            return change_to_message(change, lease_ms=self._lease_ms)
        # One snapshot is kept, the newest: they are large.
        self._kept = OrderedDict(item for item in self._kept.items() if not item[0][1])
        self._topics = {topic.topic_id: self._topic(topic) for topic in change.topics}
        return change_to_message(
            change, lease_ms=self._lease_ms, to_topic=lambda one: self._topics[one.topic_id][1]
        )

    def _topic(self, topic: Topic) -> tuple[Topic, pb.Topic]:
        known = self._topics.get(topic.topic_id)
        if known is not None and known[0] is topic:
            return known
        return topic, topic_to_message(topic)
