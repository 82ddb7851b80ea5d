import kio.schema.errors
import pytest

from gateway_svc.wire.error_code import ErrorCode


def test_codes_are_those_of_kafka():
    theirs = {one.name.upper(): int(one) for one in kio.schema.errors.ErrorCode}
    assert {one.name: int(one) for one in ErrorCode} == theirs


def test_there_is_no_gap():
    assert sorted(ErrorCode) == list(range(-1, len(ErrorCode) - 1))


def test_an_unknown_number_is_refused():
    with pytest.raises(ValueError, match="30000"):
        ErrorCode(30_000)
