"""Values of requests, with all fields that an API has in any version."""

from typing import Any

from tests.support.wire import group_apis as groups

MIB = 1 << 20
TOPIC_RESOURCE, BROKER_RESOURCE = 2, 4


def topic(name: str, partitions: int = 1, **more: Any) -> dict[str, Any]:
    """A topic to create; `configs` as a mapping, with `_` for dots."""
    configs = more.pop("configs", {})
    return {
        "name": name,
        "num_partitions": partitions,
        "replication_factor": 1,
        "assignments": [],
        "configs": [
            {"name": key.replace("_", "."), "value": value} for key, value in configs.items()
        ],
        **more,
    }


def create_topics(*topics: Any, validate_only: bool = False) -> dict[str, Any]:
    return {"topics": list(topics), "timeout": 30_000, "validate_only": validate_only}


def delete_topics(*names: str | None, ids: Any = ()) -> dict[str, Any]:
    """Deletes by name, or by id from version 6 on."""
    named = [{"name": name, "topic_id": None} for name in names]
    by_id = [{"name": None, "topic_id": topic_id} for topic_id in ids]
    return {"topic_names": list(names), "topics": named + by_id, "timeout": 30_000}


def metadata(*names: str, ids: Any = (), create: bool = False, **more: Any) -> dict[str, Any]:
    named = [{"name": name, "topic_id": None} for name in names]
    return {
        "topics": named + [{"name": None, "topic_id": topic_id} for topic_id in ids],
        "allow_auto_topic_creation": create,
        "include_cluster_authorized_operations": True,
        "include_topic_authorized_operations": True,
        **more,
    }


def produce(name: str, topic_id: Any, *partitions: tuple[int, Any], **more: Any) -> dict[str, Any]:
    """`partitions`: index and batches."""
    fields = [{"index": index, "records": records} for index, records in partitions]
    topics = [{"name": name, "topic_id": topic_id, "partition_data": fields}]
    return {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": topics, **more}


def fetch(name: str, topic_id: Any, *partitions: Any, **more: Any) -> dict[str, Any]:
    """`partitions`: index and offset, or a mapping of fields."""
    return {
        "replica_id": -1,
        "max_wait": 0,
        "min_bytes": 0,
        "max_bytes": MIB,
        "isolation_level": 0,
        "topics": [
            {
                "topic": name,
                "topic_id": topic_id,
                "partitions": [_partition_to_fetch(partition) for partition in partitions],
            }
        ],
        "forgotten_topics_data": [],
        **more,
    }


def _partition_to_fetch(partition: Any) -> Any:
    fields = {"partition_max_bytes": MIB}
    if isinstance(partition, tuple):
        index, offset = partition
        return {**fields, "partition": index, "fetch_offset": offset}
    return {**fields, **partition}


def list_offsets(name: str, *partitions: tuple[int, int], **more: Any) -> dict[str, Any]:
    """`partitions`: index and timestamp."""
    fields = [{"partition_index": index, "timestamp": time} for index, time in partitions]
    return {
        "replica_id": -1,
        "isolation_level": 0,
        "topics": [{"name": name, "partitions": fields}],
        "timeout": 30_000,
        **more,
    }


def epoch_ends(name: str, *partitions: tuple[int, int, int]) -> dict[str, Any]:
    """`partitions`: index, current leader epoch, and the epoch whose end is requested."""
    fields = [
        {"partition": index, "current_leader_epoch": current, "leader_epoch": epoch}
        for index, current, epoch in partitions
    ]
    return {"replica_id": -1, "topics": [{"topic": name, "partitions": fields}]}


def init_producer_id(**more: Any) -> dict[str, Any]:
    return {
        "transactional_id": None,
        "transaction_timeout": 60_000,
        "producer_id": -1,
        "producer_epoch": -1,
        **more,
    }


def describe_configs(*resources: tuple[int, str, Any]) -> dict[str, Any]:
    """`resources`: type, name, and config names or None."""
    fields = [
        {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
        for kind, name, keys in resources
    ]
    return {"resources": fields, "include_synonyms": True, "include_documentation": False}


def find_coordinator(*keys: str, key_type: int = 0) -> dict[str, Any]:
    return {"key": keys[0] if keys else "", "coordinator_keys": list(keys), "key_type": key_type}


def join(group_id: str, member_id: Any = "", **more: Any) -> dict[str, Any]:
    return {
        "group_id": group_id,
        "session_timeout": 30_000,
        "rebalance_timeout": 60_000,
        "member_id": member_id,
        "group_instance_id": None,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": groups.subscription("orders")}],
        "reason": None,
        **more,
    }


def sync(group_id: str, member_id: Any, generation_id: Any, **more: Any) -> dict[str, Any]:
    """`assigned`: the assignment of the member itself, sent if it leads the group."""
    assigned = more.pop("assigned", None)
    assignments = [] if assigned is None else [{"member_id": member_id, "assignment": assigned}]
    return {
        "group_id": group_id,
        "generation_id": generation_id,
        "member_id": member_id,
        "group_instance_id": None,
        "protocol_type": "consumer",
        "protocol_name": "range",
        "assignments": assignments,
        **more,
    }


def heartbeat(group_id: str, member_id: Any, generation_id: Any, **more: Any) -> dict[str, Any]:
    return {
        "group_id": group_id,
        "generation_id": generation_id,
        "member_id": member_id,
        "group_instance_id": None,
        **more,
    }


def leave(group_id: str, *members: Any) -> dict[str, Any]:
    """`members`: member ids, or pairs of a member id and an instance id."""
    pairs = [member if isinstance(member, tuple) else (member, None) for member in members]
    fields = [
        {"member_id": member_id, "group_instance_id": instance_id, "reason": "why not"}
        for member_id, instance_id in pairs
    ]
    return {"group_id": group_id, "member_id": pairs[0][0], "members": fields}


def commit(group_id: str, *offsets: Any, **more: Any) -> dict[str, Any]:
    """`offsets`: topic name, topic id, partition, offset and metadata."""
    topics: dict[str, Any] = {}
    for name, topic_id, index, offset, text in offsets:
        fields = {"name": name, "topic_id": topic_id, "partitions": []}
        partitions = topics.setdefault(name, fields)["partitions"]
        partitions.append(
            {
                "partition_index": index,
                "committed_offset": offset,
                "committed_leader_epoch": -1,
                "committed_metadata": text,
            }
        )
    return {
        "group_id": group_id,
        "generation_id_or_member_epoch": -1,
        "member_id": "",
        "group_instance_id": None,
        "retention_time": -1,
        "topics": list(topics.values()),
        **more,
    }


def offset_fetch(
    group_id: str, *topics: Any, all_topics: bool = False, **more: Any
) -> dict[str, Any]:
    """`topics`: name, topic id and partitions; `all_topics` requests all committed offsets."""
    fields = [
        {"name": name, "topic_id": topic_id, "partition_indexes": list(indexes)}
        for name, topic_id, indexes in topics
    ]
    requested = None if all_topics else fields
    group = {
        "group_id": group_id,
        "member_id": None,
        "member_epoch": -1,
        "topics": requested,
        **more,
    }
    return {"group_id": group_id, "topics": requested, "groups": [group], "require_stable": False}


def offset_delete(group_id: str, *partitions: tuple[str, int]) -> dict[str, Any]:
    names = dict.fromkeys(name for name, _ in partitions)
    topics = [
        {
            "name": name,
            "partitions": [
                {"partition_index": index} for topic_name, index in partitions if topic_name == name
            ],
        }
        for name in names
    ]
    return {"group_id": group_id, "topics": topics}


def consumer_heartbeat(group_id: str, member_id: Any, epoch: Any, **more: Any) -> dict[str, Any]:
    return {
        "group_id": group_id,
        "member_id": member_id,
        "member_epoch": epoch,
        "instance_id": None,
        "rack_id": None,
        "rebalance_timeout": 60_000,
        "subscribed_topic_names": None,
        "subscribed_topic_regex": None,
        "server_assignor": None,
        "topic_partitions": None,
        **more,
    }
