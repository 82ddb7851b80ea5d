"""DescribeConfigs: every config of topics and of this broker, with source, type and synonyms."""

from enum import IntEnum

from common.topic_names import invalid_name_reason
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.config_entries import Entry, Source, broker_entries, topic_entries
from gateway_svc.wire.apis.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from gateway_svc.wire.error_code import ErrorCode


class ResourceType(IntEnum):
    """ConfigResource.Type: what configs can belong to."""

    TOPIC = 2
    BROKER = 4


class _NoSuchResource(Exception):
    def __init__(self, error_code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code


async def describe_configs(request: DescribeConfigsRequest, call: Call) -> DescribeConfigsResponse:
    return DescribeConfigsResponse(
        results=[_resource(one, request, call) for one in request.resources]
    )


def _resource(
    asked: DescribeConfigsResource, request: DescribeConfigsRequest, call: Call
) -> DescribeConfigsResult:
    try:
        entries = _entries(asked, call)
    except _NoSuchResource as error:
        return DescribeConfigsResult(
            error_code=error.error_code,
            error_message=str(error),
            resource_type=asked.resource_type,
            resource_name=asked.resource_name,
        )
    # None and nothing both stand for all (ConfigHelper.scala).
    wanted = set(asked.configuration_keys or (one.name for one in entries))
    return DescribeConfigsResult(
        error_message="",
        resource_type=asked.resource_type,
        resource_name=asked.resource_name,
        configs=[_config(one, request) for one in entries if one.name in wanted],
    )


def _entries(asked: DescribeConfigsResource, call: Call) -> list[Entry]:
    if asked.resource_type == ResourceType.TOPIC:
        return _topic(asked.resource_name, call)
    if asked.resource_type == ResourceType.BROKER:
        return _broker(asked.resource_name, call)
    raise _NoSuchResource(
        ErrorCode.INVALID_REQUEST,
        f"Resources of type {asked.resource_type} have no configs here, only topics (2) and "
        "brokers (4) do.",
    )


def _topic(name: str, call: Call) -> list[Entry]:
    topic = call.backends.view.topic(name)
    if topic is not None:
        return topic_entries(topic.configs, call.backends.view.broker_configs)
    reason = invalid_name_reason(name)
    if reason is not None:
        raise _NoSuchResource(ErrorCode.INVALID_TOPIC_EXCEPTION, reason)
    raise _NoSuchResource(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic '{name}'.")


def _broker(name: str, call: Call) -> list[Entry]:
    """The empty name stands for what is set for all brokers at run time, which is nothing."""
    settings = call.backends.settings
    if not name:
        return []
    if name != str(settings.node_id):
        raise _NoSuchResource(
            ErrorCode.INVALID_REQUEST,
            f"This is broker {settings.node_id}; the configs of broker '{name}' are to be asked "
            "from that broker.",
        )
    return broker_entries(settings, call.backends.view.broker_configs)


def _config(one: Entry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=one.name,
        value=one.value,
        read_only=one.read_only,
        is_default=one.source is Source.DEFAULT,
        config_source=one.source,
        synonyms=[
            DescribeConfigsSynonym(name=each.name, value=each.value, source=each.source)
            for each in (one.synonyms if request.include_synonyms else ())
        ],
        config_type=one.type,
        documentation=one.doc if request.include_documentation else None,
    )
