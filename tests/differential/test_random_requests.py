"""Requests of every API in a random order, by seed.

Valid and invalid values are taken from small pools, so that requests affect the same topics and
groups. The test is parametrized by seed; the environment variable SEEDS is the number of seeds.
"""

import os
import random

import pytest

from tests.differential.comparison import NO_SUCH_ID
from tests.differential.requests import (
    commit,
    delete_topics,
    describe_configs,
    epoch_ends,
    fetch,
    find_coordinator,
    heartbeat,
    leave,
    list_offsets,
    metadata,
    offset_delete,
    offset_fetch,
    produce,
    sync,
)
from tests.differential.sides import versions_of
from tests.support.clients import raw_client as data
from tests.support.wire import group_apis as groups
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

SEEDS = int(os.environ.get("SEEDS", "4"))
STEPS = 300
T0 = 1_700_000_000_000


class RandomRequests:
    """Generates requests to `topics` (ids by name) and to the groups of this run."""

    def __init__(self, seed, topics):
        self._random = random.Random(seed)
        self._topics = [*topics.items(), (f"missing-{seed}", NO_SUCH_ID), ("no/slash", NO_SUCH_ID)]
        self._groups = [f"random-{seed}-{number}" for number in range(3)] + [""]
        self._makers = {
            data.PRODUCE: self.produce,
            data.FETCH: self.fetch,
            data.LIST_OFFSETS: self.list_offsets,
            data.METADATA: self.metadata,
            data.OFFSET_FOR_LEADER_EPOCH: self.epoch_ends,
            data.DESCRIBE_CONFIGS: self.describe_configs,
            data.DELETE_TOPICS: self.delete_topics,
            groups.OFFSET_COMMIT: self.commit,
            groups.OFFSET_FETCH: self.offset_fetch,
            groups.OFFSET_DELETE: self.offset_delete,
            groups.HEARTBEAT: self.heartbeat,
            groups.SYNC_GROUP: self.sync,
            groups.LEAVE_GROUP: self.leave,
            groups.DESCRIBE_GROUPS: self.describe_groups,
            groups.DELETE_GROUPS: self.delete_groups,
            groups.FIND_COORDINATOR: self.find_coordinator,
        }

    def next_request(self):
        """Returns an API key, a version of the API, and the values of a request."""
        api_key = self._random.choice([*self._makers])
        version = self._random.choice(versions_of(api_key))
        return api_key, version, self._makers[api_key]()

    def _choose(self, *values):
        return self._random.choice(values)

    def _sample(self, *values, most=3):
        return self._random.sample(values, self._random.randint(1, min(most, len(values))))

    def _topic(self):
        return self._random.choice(self._topics)

    def _group(self):
        return self._random.choice(self._groups)

    def produce(self):
        name, topic_id = self._topic()
        count = self._random.randint(1, 4)
        records = [
            Record(bytes([self._random.randrange(256)]), self._choose(None, b"k", b""))
            for _ in range(count)
        ]
        batch = record_batch(
            records,
            codec=self._choose("none", "none", "gzip", "lz4", "snappy"),
            base_timestamp_ms=T0 + self._random.randrange(1000),
        )
        partitions = [(index, batch) for index in self._sample(0, 1, 2, -1)]
        return produce(name, topic_id, *partitions, acks=self._choose(-1, 1, -1, 2))

    def fetch(self):
        name, topic_id = self._topic()
        partitions = [
            {
                "partition": index,
                "fetch_offset": self._choose(0, 0, 1, 2, 5, 10, 50, 1000, -1),
                "partition_max_bytes": self._choose(0, 1, 200, 1 << 20),
                "current_leader_epoch": self._choose(-1, -1, 0, 3),
            }
            for index in self._sample(0, 1, 2, -1)
        ]
        fields = {"max_bytes": self._choose(1, 300, 1 << 20), "isolation_level": self._choose(0, 1)}
        return fetch(name, topic_id, *partitions, **fields)

    def list_offsets(self):
        name, _ = self._topic()
        times = (-1, -2, -3, -4, -5, -7, 0, T0, T0 + 500, T0 + 2000)
        partitions = [(index, self._choose(*times)) for index in self._sample(0, 1, 2, -1)]
        return list_offsets(name, *partitions, isolation_level=self._choose(0, 1))

    def metadata(self):
        """Names only topics that versions before 4 would not create."""
        names = [name for name, topic_id in self._topics if topic_id is not NO_SUCH_ID]
        return metadata(*self._sample(*names, "no/slash"))

    def epoch_ends(self):
        name, _ = self._topic()
        partitions = [
            (index, self._choose(-1, 0, 3), self._choose(-1, 0, 1, 9))
            for index in self._sample(0, 1, 2)
        ]
        return epoch_ends(name, *partitions)

    def describe_configs(self):
        keys = self._sample("retention.ms", "cleanup.policy", "segment.bytes", "nothing")
        return describe_configs((2, self._topic()[0], keys))

    def delete_topics(self):
        """Deletes only missing topics: a real deletion takes each side a different time."""
        names = self._sample("missing", "no/slash", "", "also-missing")
        return delete_topics(*names)

    def commit(self):
        offsets = {
            (name, index): (
                name,
                topic_id,
                index,
                self._choose(0, 3, 7, -1),
                self._choose("", "m", None),
            )
            for name, topic_id in [self._topic()]
            for index in self._sample(0, 1, 2, -1)
        }
        member_fields = {
            "member_id": self._choose("", "", "", "m"),
            "generation_id_or_member_epoch": self._choose(-1, -1, -1, 0, 4),
        }
        return commit(self._group(), *offsets.values(), **member_fields)

    def offset_fetch(self):
        name, topic_id = self._topic()
        partitions = (name, topic_id, self._sample(0, 1, 2, -1))
        return offset_fetch(self._group(), partitions)

    def offset_delete(self):
        """Deletes only uncommitted offsets: ringlog drops a group with its last offset."""
        name, _ = self._topic()
        return offset_delete(self._group(), *((name, index) for index in self._sample(5, 7, -1)))

    def heartbeat(self):
        return heartbeat(self._group(), self._choose("", "m"), self._choose(-1, 0, 4))

    def sync(self):
        return sync(self._group(), self._choose("", "m"), self._choose(-1, 0, 4))

    def leave(self):
        return leave(self._group(), self._choose("", "m", ("m", "i"), ("", "i")))

    def describe_groups(self):
        names = self._sample(*self._groups)
        return {"groups": names, "include_authorized_operations": self._choose(True, False)}

    def delete_groups(self):
        return {"groups_names": self._sample(*self._groups, most=1)}

    def find_coordinator(self):
        return find_coordinator(self._group(), key_type=self._choose(0, 0, 9))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_requests_get_responses_as_in_kafka(sides, seed):
    topics = {
        f"random-{seed}-plain": sides.new_topic(f"random-{seed}-plain", 2),
        f"random-{seed}-compacted": sides.new_topic(
            f"random-{seed}-compacted", 1, configs={"cleanup_policy": "compact"}
        ),
    }
    requests = RandomRequests(seed, topics)
    for _ in range(STEPS):
        sides.compare(*requests.next_request())
