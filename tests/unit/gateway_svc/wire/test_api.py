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


def test_a_version_is_flexible_from_the_first_flexible_one_on():
    assert [api_flexible_since(2).is_flexible(version) for version in (0, 1, 2, 3)] == [
        False,
        False,
        True,
        True,
    ]


def test_an_api_may_have_no_flexible_version():
    assert not api_flexible_since(None).is_flexible(9)


def test_keys_and_names_are_given_once():
    apis = every_api()
    assert len(apis) >= 10
    assert len({api.key for api in apis}) == len({api.name for api in apis}) == len(apis)


@pytest.mark.parametrize(
    ("api", "version"),
    [one.values[:2] for one in every_message() if one.values[2] is one.values[0].request],
    ids=[one.id for one in every_message() if one.values[2] is one.values[0].request],
)
def test_a_refusal_can_be_sent_in_every_version_and_its_code_is_everywhere(api, version):
    flexible = api.is_flexible(version)
    for request in random_messages(api.request, version, 5):
        refusal = api.refuse(request, ErrorCode.KAFKA_STORAGE_ERROR)
        written = b"".join(encode(refusal, version, flexible))
        read, end = decode(api.response, written, 0, version, flexible)
        assert end == len(written)
        codes = list(error_codes(read, version))
        assert set(codes) <= {ErrorCode.KAFKA_STORAGE_ERROR}
        assert codes or not names_something(request)


def error_codes(value, version):
    """All codes of a message and the messages in it, but those about something else."""
    if isinstance(value, list):
        for one in value:
            yield from error_codes(one, version)
    elif hasattr(value, "__dataclass_fields__"):
        for one in layout(type(value), version).present:
            if one.wire_type == ERROR_CODE:
                yield getattr(value, one.name)
            yield from error_codes(getattr(value, one.name), version)


def names_something(request):
    """Whether something must be answered for. "All topics" of Metadata names nothing."""
    values = (getattr(request, field.name) for field in fields(request))
    return any(isinstance(value, list) and value for value in values)
