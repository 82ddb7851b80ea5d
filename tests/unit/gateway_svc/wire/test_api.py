from dataclasses import fields

import pytest

from gateway_svc.wire.api import Api
from gateway_svc.wire.codec import decode, encode
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, layout
from tests.support.wire.cases import every_api, every_message, random_messages


def api_flexible_since(version):
    return Api(
        key=0,
        name="Any",
        version_min=0,
        version_max=9,
        flexible_since=version,
        request=int,
        response=int,
        refuse=lambda request, error_code: 0,
    )


def test_version_is_flexible_since_the_first_flexible_version():
    assert [api_flexible_since(2).is_flexible(version) for version in (0, 1, 2, 3)] == [
        False,
        False,
        True,
        True,
    ]


def test_api_may_have_no_flexible_version():
    assert not api_flexible_since(None).is_flexible(9)


def test_keys_and_names_of_apis_are_unique():
    apis = every_api()
    assert len(apis) >= 10
    assert len({api.key for api in apis}) == len({api.name for api in apis}) == len(apis)


@pytest.mark.parametrize(
    ("api", "version"),
    [case.values[:2] for case in every_message() if case.values[2] is case.values[0].request],
    ids=[case.id for case in every_message() if case.values[2] is case.values[0].request],
)
def test_refusal_is_encodable_in_every_version_and_sets_every_error_code(api, version):
    flexible = api.is_flexible(version)
    for request in random_messages(api.request, version, 5):
        refusal = api.refuse(request, ErrorCode.KAFKA_STORAGE_ERROR)
        written = b"".join(encode(refusal, version, flexible))
        read, end = decode(api.response, written, 0, version, flexible)
        assert end == len(written)
        codes = list(error_codes(read, version))
        assert set(codes) <= {ErrorCode.KAFKA_STORAGE_ERROR}
        assert codes or not has_elements(request)


def error_codes(value, version):
    """Yields the error codes of a message and of the messages in it."""
    if isinstance(value, list):
        for element in value:
            yield from error_codes(element, version)
    elif hasattr(value, "__dataclass_fields__"):
        for field in layout(type(value), version).present:
            if field.wire_type == ERROR_CODE:
                yield getattr(value, field.name)
            yield from error_codes(getattr(value, field.name), version)


def has_elements(request):
    """True if the request lists something; "all topics" of Metadata lists nothing."""
    values = (getattr(request, field.name) for field in fields(request))
    return any(isinstance(value, list) and value for value in values)
