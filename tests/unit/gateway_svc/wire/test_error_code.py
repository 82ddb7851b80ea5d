import kio.schema.errors
import pytest

from gateway_svc.wire.error_code import ErrorCode


def test_error_codes_are_those_of_kafka():
    expected = {code.name.upper(): int(code) for code in kio.schema.errors.ErrorCode}
    assert {code.name: int(code) for code in ErrorCode} == expected


def test_error_codes_have_no_gap():
    assert sorted(ErrorCode) == list(range(-1, len(ErrorCode) - 1))


def test_error_code_rejects_an_unknown_number():
    with pytest.raises(ValueError, match="30000"):
        ErrorCode(30_000)
