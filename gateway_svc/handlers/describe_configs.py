"""DescribeConfigs: every config of topics and of this broker, with type, source and synonyms."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from common.topic_names import invalid_name_reason
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.config_entries import (
    ConfigEntry,
    ConfigSource,
    broker_entries,
    topic_entries,
)
from gateway_svc.wire.apis.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from gateway_svc.wire.error_code import ErrorCode

#: `ConfigResource.Type`.
_TOPIC: Final = 2
_BROKER: Final = 4


class _Wrong(NamedTuple):
    """Why a resource has no configs to show."""

    error_code: ErrorCode
    message: str


async def describe_configs(request: DescribeConfigsRequest, call: Call) -> DescribeConfigsResponse:
    return DescribeConfigsResponse(
        results=[_resource(one, request, call) for one in request.resources]
    )


def _resource(
    asked: DescribeConfigsResource, request: DescribeConfigsRequest, call: Call
) -> DescribeConfigsResult:
    found = _entries(asked, call)
    if isinstance(found, _Wrong):
        return DescribeConfigsResult(
            error_code=found.error_code,
            error_message=found.message,
            resource_type=asked.resource_type,
            resource_name=asked.resource_name,
        )
    # Null asks for all, and so does an empty list (ConfigHelperUtils.createResponseConfig).
    wanted = set(asked.configuration_keys or ()) or None
    return DescribeConfigsResult(
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
        configs=[
            _config(entry, request) for entry in found if wanted is None or entry.name in wanted
        ],
    )


def _entries(asked: DescribeConfigsResource, call: Call) -> Iterator[ConfigEntry] | _Wrong:
    if asked.resource_type == _TOPIC:
        return _topic(asked.resource_name, call)
    if asked.resource_type == _BROKER:
        return _broker(asked.resource_name, call)
    return _Wrong(
        ErrorCode.INVALID_REQUEST, f"Resource type {asked.resource_type} has no configs here."
    )


def _topic(name: str, call: Call) -> Iterator[ConfigEntry] | _Wrong:
    reason = invalid_name_reason(name)
    if reason is not None:
        return _Wrong(ErrorCode.INVALID_TOPIC_EXCEPTION, reason)
    view = call.backends.view
    topic = view.topic(name)
    if topic is None:
        return _Wrong(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic {name}.")
    return topic_entries(topic.configs, view.broker_configs)


def _broker(name: str, call: Call) -> Iterator[ConfigEntry] | _Wrong:
    """Each broker knows itself only. No name asks for what all brokers were told while running."""
    settings, view = call.backends.settings, call.backends.view
    if name == str(settings.node_id):
        return broker_entries(settings, view.broker_configs)
    if not name:
        return iter(())
    return _Wrong(
        ErrorCode.INVALID_REQUEST,
        f"Unexpected broker id, expected {settings.node_id} or empty string, but received {name}",
    )


def _config(entry: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=entry.value,
        read_only=entry.is_read_only,
        is_default=entry.source is ConfigSource.DEFAULT_CONFIG,
        config_source=entry.source,
        synonyms=_synonyms(entry) if request.include_synonyms else (),
        config_type=entry.type,
        documentation=entry.documentation if request.include_documentation else None,
    )


def _synonyms(entry: ConfigEntry) -> Sequence[DescribeConfigsSynonym]:
    return [
        DescribeConfigsSynonym(name=one.name, value=one.value, source=one.source)
        for one in entry.synonyms
    ]
