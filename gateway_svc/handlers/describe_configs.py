"""DescribeConfigs: every config of topics and of this broker, with source, type and synonyms."""

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
    """Where configs come from: sources with equal keys have equal `entries`."""

    key: Hashable
    entries: Callable[[], list[ConfigEntry]]


#: Descriptions, by the key of their source and the names that were asked for.
_Shared: TypeAlias = dict[tuple[Hashable, frozenset[str]], Sequence[DescribeConfigsResourceResult]]


class ResourceType(IntEnum):
    """ConfigResource.Type: what configs can belong to."""

    TOPIC = 2
    BROKER = 4


class _NoSuchResource(Exception):
    def __init__(self, error_code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code


async def describe_configs(
    request: DescribeConfigsRequest, context: RequestContext
) -> DescribeConfigsResponse:
    # A resource is named in a few bytes and described in kilobytes. So each is described once
    # (Apache Kafka repeats it), and those with the same configs share their description.
    asked = {_identity(one): one for one in request.resources}
    shared: _Shared = {}
    results = await map_cooperatively(
        lambda one: _resource(one, request, context, shared), asked.values()
    )
    return DescribeConfigsResponse(results=results)


def _identity(asked: DescribeConfigsResource) -> tuple[int, str, tuple[str, ...]]:
    return asked.resource_type, asked.resource_name, tuple(asked.configuration_keys or ())


def _resource(
    asked: DescribeConfigsResource,
    request: DescribeConfigsRequest,
    context: RequestContext,
    shared: _Shared,
) -> DescribeConfigsResult:
    try:
        source = _source(asked, context)
    except _NoSuchResource as error:
        return DescribeConfigsResult(
            error_code=error.error_code,
            error_message=str(error),
            resource_type=asked.resource_type,
            resource_name=asked.resource_name,
        )
    # None and nothing both stand for all (ConfigHelper.scala).
    wanted = frozenset(asked.configuration_keys or ())
    configs = shared.get((source.key, wanted))
    if configs is None:
        configs = shared[source.key, wanted] = [
            _config(one, request) for one in source.entries() if not wanted or one.name in wanted
        ]
    return DescribeConfigsResult(
        error_message="",
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
        configs=configs,
    )


def _source(asked: DescribeConfigsResource, context: RequestContext) -> _ConfigSource:
    if asked.resource_type == ResourceType.TOPIC:
        return _topic(asked.resource_name, context)
    if asked.resource_type == ResourceType.BROKER:
        return _broker(asked.resource_name, context)
    raise _NoSuchResource(
        ErrorCode.INVALID_REQUEST,
        f"Resources of type {asked.resource_type} have no configs here, only topics (2) and "
        "brokers (4) do.",
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
    """The empty name stands for what is set for all brokers at run time, which is nothing."""
    settings = context.backends.settings
    key = (ResourceType.BROKER, name)
    if not name:
        return _ConfigSource(key, list)
    if name != str(settings.node_id):
        raise _NoSuchResource(
            ErrorCode.INVALID_REQUEST,
            f"This is broker {settings.node_id}; the configs of broker '{name}' are to be asked "
            "from that broker.",
        )
    of_brokers = context.backends.view.broker_configs
    return _ConfigSource(key, lambda: broker_entries(settings, of_brokers))


def _config(one: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=one.name,
        value=one.value,
        read_only=one.read_only,
        is_default=one.source is ConfigSource.DEFAULT,
        config_source=one.source,
        synonyms=[
            DescribeConfigsSynonym(name=each.name, value=each.value, source=each.source)
            for each in (one.synonyms if request.include_synonyms else ())
        ],
        config_type=one.type,
        documentation=one.doc if request.include_documentation else None,
    )
