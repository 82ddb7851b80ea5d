"""Every API that the gateway serves. What is not here is not advertised."""

from collections.abc import Mapping
from typing import Final

from gateway_svc.handlers.api_versions import api_versions_of
from gateway_svc.handlers.create_topics import create_topics
from gateway_svc.handlers.delete_topics import delete_topics
from gateway_svc.handlers.describe_cluster import describe_cluster
from gateway_svc.handlers.describe_configs import describe_configs
from gateway_svc.handlers.fetch import fetch
from gateway_svc.handlers.init_producer_id import init_producer_id
from gateway_svc.handlers.list_offsets import list_offsets
from gateway_svc.handlers.metadata import metadata
from gateway_svc.handlers.offset_for_leader_epoch import offset_for_leader_epoch
from gateway_svc.handlers.produce import is_answered, produce
from gateway_svc.handlers.route import Route, overlapping_route, route
from gateway_svc.wire.apis.api_versions import API_VERSIONS
from gateway_svc.wire.apis.create_topics import CREATE_TOPICS
from gateway_svc.wire.apis.delete_topics import DELETE_TOPICS
from gateway_svc.wire.apis.describe_cluster import DESCRIBE_CLUSTER
from gateway_svc.wire.apis.describe_configs import DESCRIBE_CONFIGS
from gateway_svc.wire.apis.fetch import FETCH
from gateway_svc.wire.apis.init_producer_id import INIT_PRODUCER_ID
from gateway_svc.wire.apis.list_offsets import LIST_OFFSETS
from gateway_svc.wire.apis.metadata import METADATA
from gateway_svc.wire.apis.offset_for_leader_epoch import OFFSET_FOR_LEADER_EPOCH
from gateway_svc.wire.apis.produce import PRODUCE

_SERVED: Final = (
    overlapping_route(PRODUCE, produce, is_answered=is_answered),
    route(FETCH, fetch),
    route(LIST_OFFSETS, list_offsets),
    route(OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch),
    route(METADATA, metadata),
    route(CREATE_TOPICS, create_topics),
    route(DELETE_TOPICS, delete_topics),
    route(INIT_PRODUCER_ID, init_producer_id),
    route(DESCRIBE_CONFIGS, describe_configs),
    route(DESCRIBE_CLUSTER, describe_cluster),
)

_API_VERSIONS: Final = route(
    API_VERSIONS, api_versions_of([*(one.api for one in _SERVED), API_VERSIONS])
)

#: By key.
ROUTES: Final[Mapping[int, Route]] = {one.api.key: one for one in (*_SERVED, _API_VERSIONS)}
