"""Tests of the listen address of the standalone process."""

import pytest

from common.config.settings import InvalidSetting, build
from ringlog.config import StandaloneSettings


@pytest.mark.parametrize(
    "address", ["", "localhost", ":9092", "a:b", "a:65536", "::1:9092", "a:1 "]
)
def test_invalid_listen_address_is_rejected_by_setting_name(address):
    with pytest.raises(InvalidSetting, match="listen"):
        build(StandaloneSettings, {"listen": address})
