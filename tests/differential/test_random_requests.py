"""Requests of every API in a random order, by seed.

Right and wrong values are taken from small pools, so that what one request leaves behind is what
the next one meets. A failure names its seed. SEEDS says how many are tried.
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
    """Makes requests. `topics` and `groups` are those of this run."""

    def __init__(self, seed, topics):
        self._random = random.Random(seed)
        self._topics = [*topics.items(), (f"gone-{seed}", NO_SUCH_ID), ("no/slash", NO_SUCH_ID)]
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

    def roll(self):
        """An API, one of its versions, and values."""
        api_key = self._random.choice([*self._makers])
        version = self._random.choice(versions_of(api_key))
        return api_key, version, self._makers[api_key]()

    def _one(self, *values):
        return self._random.choice(values)

    def _some(self, *values, most=3):
        return self._random.sample(values, self._random.randint(1, min(most, len(values))))

    def _topic(self):
        return self._random.choice(self._topics)

    def _group(self):
        return self._random.choice(self._groups)

    def produce(self):
        name, topic_id = self._topic()
        count = self._random.randint(1, 4)
        records = [
            Record(bytes([self._random.randrange(256)]), self._one(None, b"k", b""))
            for _ in range(count)
        ]
        batch = record_batch(
            records,
            codec=self._one("none", "none", "gzip", "lz4", "snappy"),
            base_timestamp_ms=T0 + self._random.randrange(1000),
        )
        partitions = [(index, batch) for index in self._some(0, 1, 2, -1)]
        return produce(name, topic_id, *partitions, acks=self._one(-1, 1, -1, 2))

    def fetch(self):
        name, topic_id = self._topic()
        partitions = [
            {
                "partition": index,
                "fetch_offset": self._one(0, 0, 1, 2, 5, 10, 50, 1000, -1),
                "partition_max_bytes": self._one(0, 1, 200, 1 << 20),
                "current_leader_epoch": self._one(-1, -1, 0, 3),
            }
            for index in self._some(0, 1, 2, -1)
        ]
        more = {"max_bytes": self._one(1, 300, 1 << 20), "isolation_level": self._one(0, 1)}
        return fetch(name, topic_id, *partitions, **more)

    def list_offsets(self):
        name, _ = self._topic()
        times = (-1, -2, -3, -4, -5, -7, 0, T0, T0 + 500, T0 + 2000)
        asked = [(index, self._one(*times)) for index in self._some(0, 1, 2, -1)]
        return list_offsets(name, *asked, isolation_level=self._one(0, 1))

    def metadata(self):
        """Metadata of topics that versions before 4 would not create."""
        names = [name for name, topic_id in self._topics if topic_id is not NO_SUCH_ID]
        return metadata(*self._some(*names, "no/slash"))

    def epoch_ends(self):
        name, _ = self._topic()
        asked = [
            (index, self._one(-1, 0, 3), self._one(-1, 0, 1, 9)) for index in self._some(0, 1, 2)
        ]
        return epoch_ends(name, *asked)

    def describe_configs(self):
        keys = self._some("retention.ms", "cleanup.policy", "segment.bytes", "nothing")
        return describe_configs((2, self._topic()[0], keys))

    def delete_topics(self):
        """Deletes only missing topics: a real deletion takes each side a different time."""
        names = self._some("never-was", "no/slash", "", "never-was-either")
        return delete_topics(*names)

    def commit(self):
        offsets = {
            (name, index): (name, topic_id, index, self._one(0, 3, 7, -1), self._one("", "m", None))
            for name, topic_id in [self._topic()]
            for index in self._some(0, 1, 2, -1)
        }
        of_member = {
            "member_id": self._one("", "", "", "m"),
            "generation_id_or_member_epoch": self._one(-1, -1, -1, 0, 4),
        }
        return commit(self._group(), *offsets.values(), **of_member)

    def offset_fetch(self):
        name, topic_id = self._topic()
        asked = (name, topic_id, self._some(0, 1, 2, -1))
        return offset_fetch(self._group(), asked)

    def offset_delete(self):
        """Deletes only uncommitted offsets: ringlog drops a group with its last offset."""
        name, _ = self._topic()
        return offset_delete(self._group(), *((name, index) for index in self._some(5, 7, -1)))

    def heartbeat(self):
        return heartbeat(self._group(), self._one("", "m"), self._one(-1, 0, 4))

    def sync(self):
        return sync(self._group(), self._one("", "m"), self._one(-1, 0, 4))

    def leave(self):
        return leave(self._group(), self._one("", "m", ("m", "i"), ("", "i")))

    def describe_groups(self):
        named = self._some(*self._groups)
        return {"groups": named, "include_authorized_operations": self._one(True, False)}

    def delete_groups(self):
        return {"groups_names": self._some(*self._groups, most=1)}

    def find_coordinator(self):
        return find_coordinator(self._group(), key_type=self._one(0, 0, 9))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_requests_are_answered_alike(sides, seed):
    topics = {
        f"random-{seed}-plain": sides.new_topic(f"random-{seed}-plain", 2),
        f"random-{seed}-compacted": sides.new_topic(
            f"random-{seed}-compacted", 1, configs={"cleanup_policy": "compact"}
        ),
    }
    rng = RandomRequests(seed, topics)
    for _ in range(STEPS):
        sides.ask(*rng.roll())
