"""One API in all its versions: request values, and checks of the response."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.wire.advertised import ADVERTISED, KIO_FROM, KIO_UP_TO


@dataclass(frozen=True)
class ExchangeContext:
    """A topic with records, and the connection for requests about it."""

    raw: RawClient
    topic: str
    topic_id: uuid.UUID
    version: int


class Exchange(NamedTuple):
    """Functions of a context: values of the request, and the check of the response."""

    values: Callable[[Any], dict[str, Any]]
    check: Callable[[Any, Any], None]


def versions_of(exchanges: Mapping[int, Exchange]) -> list[Any]:
    """Returns pytest parameters `key` and `version`: all advertised versions that kio knows."""
    return [
        pytest.param(
            key, version, id=f"{exchange.check.__name__.removesuffix('_check')}-v{version}"
        )
        for key, exchange in exchanges.items()
        for version in range(KIO_FROM.get(key, 0), KIO_UP_TO.get(key, ADVERTISED[key][1]) + 1)
    ]
