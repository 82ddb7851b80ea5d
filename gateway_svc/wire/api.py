"""Declaration of one Kafka API: key, versions, request and response, and its error response."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway_svc.wire.error_code import ErrorCode

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True)
class Api(Generic[RequestT, ResponseT]):
    """An API as this codec speaks it, both versions inclusive.

    `flexible_since` is the first version with compact lengths and tagged fields (KIP-482), None
    where no version has them. `refuse` returns a response with one error code in every place that
    the request names; it can be encoded in every version.
    """

    key: int
    name: str
    version_min: int
    version_max: int
    flexible_since: int | None
    request: type[RequestT]
    response: type[ResponseT]
    refuse: Callable[[RequestT, ErrorCode], ResponseT]

    def is_flexible(self, version: int) -> bool:
        return self.flexible_since is not None and version >= self.flexible_since
