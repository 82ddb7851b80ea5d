"""The APIs that the gateway serves, with their handlers; ApiVersions advertises exactly these."""

from collections.abc import Mapping
from typing import Final

from gateway_svc.dispatch.route import Route, deferred_route, exclusive_route, overlapping_route
from gateway_svc.handlers.api_versions import api_versions_of
from gateway_svc.handlers.consumer_group_describe import consumer_group_describe
from gateway_svc.handlers.consumer_group_heartbeat import consumer_group_heartbeat
from gateway_svc.handlers.create_topics import create_topics
from gateway_svc.handlers.delete_groups import delete_groups
from gateway_svc.handlers.delete_topics import delete_topics
from gateway_svc.handlers.describe_cluster import describe_cluster
from gateway_svc.handlers.describe_configs import describe_configs
from gateway_svc.handlers.describe_groups import describe_groups
from gateway_svc.handlers.fetch.handler import fetch
from gateway_svc.handlers.find_coordinator import find_coordinator
from gateway_svc.handlers.heartbeat import heartbeat
from gateway_svc.handlers.init_producer_id import init_producer_id
from gateway_svc.handlers.join_group import join_group
from gateway_svc.handlers.leave_group import leave_group
from gateway_svc.handlers.list_groups import list_groups
from gateway_svc.handlers.list_offsets import list_offsets
from gateway_svc.handlers.metadata import metadata
from gateway_svc.handlers.offset_commit import offset_commit
from gateway_svc.handlers.offset_delete import offset_delete
from gateway_svc.handlers.offset_fetch import offset_fetch
from gateway_svc.handlers.offset_for_leader_epoch import offset_for_leader_epoch
from gateway_svc.handlers.produce.fast_path import single_batch_fast_paths
from gateway_svc.handlers.produce.handler import expects_response, produce
from gateway_svc.handlers.sync_group import sync_group
from gateway_svc.wire.apis.api_versions import API_VERSIONS
from gateway_svc.wire.apis.consumer_group_describe import CONSUMER_GROUP_DESCRIBE
from gateway_svc.wire.apis.consumer_group_heartbeat import CONSUMER_GROUP_HEARTBEAT
from gateway_svc.wire.apis.create_topics import CREATE_TOPICS
from gateway_svc.wire.apis.delete_groups import DELETE_GROUPS
from gateway_svc.wire.apis.delete_topics import DELETE_TOPICS
from gateway_svc.wire.apis.describe_cluster import DESCRIBE_CLUSTER
from gateway_svc.wire.apis.describe_configs import DESCRIBE_CONFIGS
from gateway_svc.wire.apis.describe_groups import DESCRIBE_GROUPS
from gateway_svc.wire.apis.fetch import FETCH
from gateway_svc.wire.apis.find_coordinator import FIND_COORDINATOR
from gateway_svc.wire.apis.heartbeat import HEARTBEAT
from gateway_svc.wire.apis.init_producer_id import INIT_PRODUCER_ID
from gateway_svc.wire.apis.join_group import JOIN_GROUP
from gateway_svc.wire.apis.leave_group import LEAVE_GROUP
from gateway_svc.wire.apis.list_groups import LIST_GROUPS
from gateway_svc.wire.apis.list_offsets import LIST_OFFSETS
from gateway_svc.wire.apis.metadata import METADATA
from gateway_svc.wire.apis.offset_commit import OFFSET_COMMIT
from gateway_svc.wire.apis.offset_delete import OFFSET_DELETE
from gateway_svc.wire.apis.offset_fetch import OFFSET_FETCH
from gateway_svc.wire.apis.offset_for_leader_epoch import OFFSET_FOR_LEADER_EPOCH
from gateway_svc.wire.apis.produce import PRODUCE
from gateway_svc.wire.apis.sync_group import SYNC_GROUP

_SERVED: Final = (
    overlapping_route(
        PRODUCE, produce, expects_response=expects_response, fast_paths=single_batch_fast_paths
    ),
    exclusive_route(FETCH, fetch),
    exclusive_route(LIST_OFFSETS, list_offsets),
    exclusive_route(OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch),
    exclusive_route(METADATA, metadata),
    exclusive_route(CREATE_TOPICS, create_topics),
    exclusive_route(DELETE_TOPICS, delete_topics),
    exclusive_route(INIT_PRODUCER_ID, init_producer_id),
    exclusive_route(DESCRIBE_CONFIGS, describe_configs),
    exclusive_route(DESCRIBE_CLUSTER, describe_cluster),
    exclusive_route(FIND_COORDINATOR, find_coordinator),
    exclusive_route(JOIN_GROUP, join_group),
    exclusive_route(SYNC_GROUP, sync_group),
    deferred_route(HEARTBEAT, heartbeat),
    exclusive_route(LEAVE_GROUP, leave_group),
    deferred_route(OFFSET_COMMIT, offset_commit),
    exclusive_route(OFFSET_FETCH, offset_fetch),
    exclusive_route(LIST_GROUPS, list_groups),
    exclusive_route(DESCRIBE_GROUPS, describe_groups),
    exclusive_route(DELETE_GROUPS, delete_groups),
    exclusive_route(OFFSET_DELETE, offset_delete),
    deferred_route(CONSUMER_GROUP_HEARTBEAT, consumer_group_heartbeat),
    exclusive_route(CONSUMER_GROUP_DESCRIBE, consumer_group_describe),
)

_API_VERSIONS: Final = exclusive_route(
    API_VERSIONS, api_versions_of([*(served.api for served in _SERVED), API_VERSIONS])
)

#: By API key.
ROUTES: Final[Mapping[int, Route]] = {route.api.key: route for route in (*_SERVED, _API_VERSIONS)}
