"""DescribeConfigs: all configs of topics and of this broker, with source, type and synonyms."""

from collections.abc import Callable, Hashable, Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from common.config.topic_names import invalid_name_reason
from common.runtime.cooperative import map_cooperatively
from gateway_svc.cluster.config_entries import (
    ConfigEntry,
    ConfigSource,
    broker_entries,
    topic_entries,
)
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.wire.apis.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from gateway_svc.wire.error_code import ErrorCode


class _ConfigSource(NamedTuple):
    """A source of configs. Sources with equal keys have equal `entries`."""

    key: Hashable
    entries: Callable[[], list[ConfigEntry]]


#: Descriptions by the key of their source and the requested names.
_Shared: TypeAlias = dict[tuple[Hashable, frozenset[str]], Sequence[DescribeConfigsResourceResult]]


class ResourceType(IntEnum):
    """Types of resources with configs (ConfigResource.Type)."""

    TOPIC = 2
    BROKER = 4


class _NoSuchResource(Exception):
    def __init__(self, error_code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code


async def describe_configs(
    request: DescribeConfigsRequest, context: RequestContext
) -> DescribeConfigsResponse:
    # A few bytes of request become kilobytes of response. So each resource is described once
    # (Apache Kafka repeats it), and resources with the same configs share their description.
    requested = {_identity(resource): resource for resource in request.resources}
    shared: _Shared = {}
    results = await map_cooperatively(
        lambda resource: _resource(resource, request, context, shared), requested.values()
    )
    return DescribeConfigsResponse(results=results)


def _identity(resource: DescribeConfigsResource) -> tuple[int, str, tuple[str, ...]]:
    return resource.resource_type, resource.resource_name, tuple(resource.configuration_keys or ())


def _resource(
    resource: DescribeConfigsResource,
    request: DescribeConfigsRequest,
    context: RequestContext,
    shared: _Shared,
) -> DescribeConfigsResult:
    try:
        source = _source(resource, context)
    except _NoSuchResource as error:
        return DescribeConfigsResult(
            error_code=error.error_code,
            error_message=str(error),
            resource_type=resource.resource_type,
            resource_name=resource.resource_name,
        )
    # Both null and an empty list mean all configs (ConfigHelper.scala).
    names = frozenset(resource.configuration_keys or ())
    configs = shared.get((source.key, names))
    if configs is None:
        configs = shared[source.key, names] = [
            _config(entry, request)
            for entry in source.entries()
            if not names or entry.name in names
        ]
    return DescribeConfigsResult(
        error_message="",
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=configs,
    )


def _source(resource: DescribeConfigsResource, context: RequestContext) -> _ConfigSource:
    if resource.resource_type == ResourceType.TOPIC:
        return _topic(resource.resource_name, context)
    if resource.resource_type == ResourceType.BROKER:
        return _broker(resource.resource_name, context)
    raise _NoSuchResource(
        ErrorCode.INVALID_REQUEST,
        f"Type {resource.resource_type} has no configs; topics (2) and brokers (4) have.",
    )


def _topic(name: str, context: RequestContext) -> _ConfigSource:
    topic = context.backends.view.topic(name)
    if topic is not None:
        configs, of_brokers = topic.configs, context.backends.view.broker_configs
        key = (ResourceType.TOPIC, tuple(sorted(configs.items())))
        return _ConfigSource(key, lambda: topic_entries(configs, of_brokers))
    reason = invalid_name_reason(name)
    if reason is not None:
        raise _NoSuchResource(ErrorCode.INVALID_TOPIC_EXCEPTION, reason)
    raise _NoSuchResource(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{name}'.")


def _broker(name: str, context: RequestContext) -> _ConfigSource:
    """The empty name means configs of all brokers set at run time, of which there are none."""
    settings = context.backends.settings
    key = (ResourceType.BROKER, name)
    if not name:
        return _ConfigSource(key, list)
    if name != str(settings.node_id):
        raise _NoSuchResource(
            ErrorCode.INVALID_REQUEST,
            f"This is broker {settings.node_id}; ask broker '{name}' for its own configs.",
        )
    of_brokers = context.backends.view.broker_configs
    return _ConfigSource(key, lambda: broker_entries(settings, of_brokers))


def _config(entry: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=entry.value,
        read_only=entry.read_only,
        is_default=entry.source is ConfigSource.DEFAULT,
        config_source=entry.source,
        synonyms=[
            DescribeConfigsSynonym(name=synonym.name, value=synonym.value, source=synonym.source)
            for synonym in (entry.synonyms if request.include_synonyms else ())
        ],
        config_type=entry.type,
        documentation=entry.doc if request.include_documentation else None,
    )
